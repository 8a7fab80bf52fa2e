//! The scenario language from outside: what is read, what is refused and how, what is shipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod extends;
mod faults;
mod injected;
mod language;
mod overrides;
mod page;
mod policies;
mod schema;
mod shipped;
mod thresholds;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use scenarios::ScenarioError;
use scenarios::model::Scenario;

/// A whole, small, good file; tests spoil one thing of it.
const GOOD: &str = r#"name = "good"
description = "A good one."
requirements = ["PASSIVE-1", "TIME-2"]

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "2500ms"
expires_after = "5s"
evict_after = "20s"

[[fleets]]
name = "workers"
agents = 100
capability_pool = 10

[[phases]]
name = "ramp"
kind = "ramp"
duration = "5s"

[[phases]]
name = "fall"
kind = "crash"
share = 0.3
over = "1s"
duration = "10s"

[[phases]]
name = "rise"
kind = "recover"
duration = "10s"

[[thresholds]]
phase = "fall"
metric = "heartbeat.response.p99"
limit = "100ms"

[[faults]]
name = "storm"
phase = "rise"
at = "2s"
kind = "retry-storm"
share = 0.2
lasting = "3s"
retries = 2
"#;

fn good() -> Scenario {
    scenarios::parse("good.toml", GOOD, &[]).unwrap_or_else(|error| panic!("{}", rendered(&error)))
}

/// [`GOOD`] with `old` replaced by `new`.
fn spoiled(old: &str, new: &str) -> String {
    assert_eq!(GOOD.matches(old).count(), 1, "{old:?} stands once in the good file");
    GOOD.replacen(old, new, 1)
}

/// [`GOOD`] with other keys in place of those that make its fault a retry storm.
fn with_fault(keys: &str) -> String {
    spoiled("kind = \"retry-storm\"\nshare = 0.2\nlasting = \"3s\"\nretries = 2", keys)
}

/// The error of a file that must be refused.
fn refusal(text: &str) -> ScenarioError {
    match scenarios::parse("bad.toml", text, &[]) {
        Ok(scenario) => panic!("was read: {scenario:?}"),
        Err(error) => error,
    }
}

/// The error as a user sees it, without colours.
fn rendered(error: &dyn Diagnostic) -> String {
    let mut out = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(160)
        .render_report(&mut out, error)
        .unwrap();
    out
}

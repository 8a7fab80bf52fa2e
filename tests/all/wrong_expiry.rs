//! A registry that ends leases before their time: `wallflower loadtest` proves it and says how.

use std::path::Path;

use crate::machine::measured;
use crate::program::{code, judged, report, text};

/// This program's own registry, but held to a policy four times as long as the one that it was started with: whoever
/// sends a heartbeat every second is gone in between.
fn scenario(folder: &Path) -> String {
    let program = crate::program::path();
    let scenario = format!(
        r#"
name = "cut-short"
description = "Leases end before their time."
seed = 5
requirements = ["TIME-2"]

[target]
kind = "command"
command = ["{program}", "serve", "--listen", "127.0.0.1:{{port}}", "--database", "sqlite://{{dir}}/registry.db",
    "--policy", "default=100ms,200ms,400ms,30s"]
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "5s"
expires_after = "10s"
evict_after = "30s"

[[fleets]]
name = "workers"
agents = 20
heartbeat = "1s"
poll = "200ms"
jitter = 0.1
capability_pool = 1
capabilities_per_agent = 1
dependencies_per_agent = 1

[[phases]]
name = "start"
kind = "ramp"
duration = "1s"

[[phases]]
name = "steady"
kind = "hold"
duration = "4s"
"#
    );
    let path = folder.join("cut-short.toml");
    std::fs::write(&path, scenario).unwrap();
    path.display().to_string()
}

#[test]
fn a_wrong_expiry_exits_2_with_the_agents_timeline_in_the_report() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let scenario = scenario(folder.path());
    let Some(output) = judged("a wrong expiry", &["loadtest", &scenario], &out) else { return };
    assert_eq!(code(&output), 2, "{}", text(&output));
    let report = report(&out);
    assert_eq!(report["verdict"], "fail", "{}", report["reasons"]);
    let rows = report["requirements"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == "TIME-2").unwrap();
    assert_eq!(row["verdict"], "fail", "{row:#}");
    assert!(row["broken"].as_u64().unwrap() > 0, "{row:#}");
    let detail = row["detail"].as_str().unwrap();
    let timeline: Vec<&str> =
        row["timeline"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let place = |words: &str| timeline.iter().position(|line| line.contains(words));
    // The heartbeat that was accepted, then the view that is wrong.
    let accepted = place("answered at").unwrap_or_else(|| panic!("{detail}: {timeline:#?}"));
    let wrong = place("<== WRONG").unwrap_or_else(|| panic!("{detail}: {timeline:#?}"));
    assert!(accepted < wrong, "{timeline:#?}");
    let heartbeat =
        ["register registered", "renew renewed"].iter().any(|words| timeline[accepted].contains(words));
    assert!(heartbeat, "{timeline:#?}");
    assert!(report["reasons"].to_string().contains("TIME-2"), "{}", report["reasons"]);
}

//! What to run: the scenario language and its validation.
//!
//! - [`model`]: a scenario that cannot be wrong, as the driver takes it.
//! - [`error`]: errors that name file, line, key, what was found, what is known, and what to do.
//! - `read`: from text to a scenario, or to every fault of the file at once.
//! - `target`, `policies`, `fleets`, `phases`: the parts of a file.
//! - `section`, `values`: tables and single values while they are read.
//! - `set`: `--set key=value`.
//!
//! # The language
//!
//! TOML. Durations are texts of whole numbers with a unit: `"250us"`, `"250ms"`, `"5s"`, `"1m30s"`, `"2h"`.
//!
//! ```toml
//! name = "example"              # required; names the output folder
//! description = "One sentence." # default: none
//! seed = 1                      # default 1; every plan comes from it
//! requirements = ["TIME-2"]     # what the run claims to decide; one left undecided makes it invalid
//! call_timeout = "2s"           # default 2s
//! max_in_flight = 512           # default 512
//!
//! [target]
//! kind = "reference"            # default; or "command" or "url"
//! dialect = "wallflower"        # default; or "mcp-mesh"
//! transition_bound = "50ms"     # default 50ms; required for other dialects
//! [target.policies.default]     # required unless kind = "url" and dialect = "wallflower"
//! heartbeat_interval = "1s"
//! degraded_after = "2500ms"     # left out where the registry knows no degraded state
//! expires_after = "5s"
//! evict_after = "20s"           # left out where expired agents are kept
//! # kind = "command": {port} and {dir}, a temporary folder, are filled in everywhere
//! # command = ["program", "--port", "{port}"]
//! # environment = { PORT = "{port}" }
//! # ready_path = "/health"      # default; answers 200 when the registry is ready
//! # ready_timeout = "20s"       # default
//! # kind = "url"
//! # url = "http://127.0.0.1:8000"
//!
//! [[fleets]]
//! name = "workers"              # required; ids are workers-000001 and so on
//! agents = 100                  # required; at most 1,000,000 over all fleets
//! type = "default"              # default; chooses the policy
//! heartbeat = "1s"              # default: the policy's heartbeat_interval
//! poll = "2s"                   # default: never asks
//! jitter = 0.1                  # default 0; share of the period, at most 0.5, either way
//! capability_pool = 50          # default 0; how many different capabilities the fleet shares
//! capabilities_per_agent = 1    # default 1, or 0 without a pool
//! dependencies_per_agent = 2    # default 0
//!
//! [[phases]]                    # one ramp; 24h at most in all
//! name = "ramp"
//! kind = "ramp"                 # all agents start, spread over the phase
//! duration = "5s"
//! [[phases]]
//! name = "hold"
//! kind = "hold"                 # steady life
//! duration = "10s"
//! [[phases]]
//! name = "crash"
//! kind = "crash"                # a share of the agents falls silent
//! share = 0.3
//! over = "1s"                   # default 0s: all at once
//! duration = "10s"
//! [[phases]]
//! name = "recover"
//! kind = "recover"              # those that crashed come back
//! over = "3s"                   # default 0s
//! duration = "10s"
//!
//! [[thresholds]]
//! phase = "hold"
//! metric = "heartbeat.response.p99"
//! limit = "100ms"
//! ```
//!
//! A metric is `<operation>.<response|service|lag>.<p50|p90|p99|p999|max>` with a duration as its limit, or
//! `<operation>.errors` or `<operation>.misses` with a share such as `"0.1%"`. Operations: `heartbeat` (`register`,
//! `renew` and `probe` together), each of these alone, `leave`, `list`, `read`, `capabilities`, and `all`.

pub mod error;
pub mod model;

mod fleets;
mod phases;
mod policies;
mod read;
mod section;
mod set;
mod target;
mod values;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use error::ScenarioError;
use model::{Policy, Scenario};

/// The scenarios that come with the program, from its root folder.
pub const SHIPPED: [&str; 3] =
    ["scenarios/quickstart.toml", "scenarios/ci.toml", "scenarios/peers/mcp-mesh.toml"];

/// Reads a scenario file, with the assignments of `--set` applied.
///
/// # Errors
/// Every fault of the file at once, each with its place and a remedy.
pub fn load(path: &Path, set: &[String]) -> Result<Scenario, ScenarioError> {
    let text = error::read_file(path, &SHIPPED)?;
    parse(&path.display().to_string(), &text, set)
}

/// Reads a scenario from text; `name` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str, set: &[String]) -> Result<Scenario, ScenarioError> {
    let text = set::apply(text, set)?;
    let name = if set.is_empty() { name.to_owned() } else { format!("{name} (after --set)") };
    read::read_scenario(&name, &text)
}

/// Reads a file of policies and the transition bound: JSON as `GET /policies` answers if its name ends in `.json`,
/// else TOML with `transition_bound` and `[policies.<type>]`.
///
/// # Errors
/// Every fault of the file at once, each with its place and a remedy.
pub fn load_policies(path: &Path) -> Result<(BTreeMap<String, Policy>, Duration), ScenarioError> {
    let text = error::read_file(path, &[])?;
    let name = path.display().to_string();
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        policies::parse_json(&name, &text)
    } else {
        policies::parse_toml(&name, &text)
    }
}

//! What to run: the scenario language and its validation.
//!
//! - [`model`]: a scenario that cannot be wrong, as the driver takes it; `faults` is the part of it that goes wrong.
//! - [`description`]: a dialect described in TOML.
//! - [`registry_file`], [`expected`]: a registry that is to be judged, and the requirements that it is known to break.
//! - [`error`]: errors that name file, line, key, what was found, what is known, and what to do.
//! - `read`: from text to a scenario, or to every fault of the file at once.
//! - `target`, `policies`, `fleets` with `manner`, `phases`, `inject` with `overlap`, `thresholds`: the parts of a file.
//! - `section`, `values`, `metric`: tables and single values while they are read.
//! - `set`: `--set key=value`.
//! - `extend`: a file that says only what differs from another one.
//! - `origin`: from a place in the text that was read back to the file that it came from.
//!
//! The language is described in docs/scenarios.md, and for editors in scenarios/scenario.schema.json.

pub mod description;
pub mod error;
pub mod expected;
pub mod model;
pub mod registry_file;

mod extend;
mod faults;
mod fleets;
mod inject;
mod manner;
mod metric;
mod origin;
mod overlap;
mod phases;
mod policies;
mod read;
mod section;
mod set;
mod target;
mod thresholds;
mod values;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use error::ScenarioError;
use model::{Policy, Scenario};
pub use read::Decides;
pub use target::is_described;

/// The scenarios that come with the program, from its root folder.
pub const SHIPPED: [&str; 21] = [
    "scenarios/quickstart.toml",
    "scenarios/ci.toml",
    "scenarios/fleet-10k.toml",
    "scenarios/fleet-50k.toml",
    "scenarios/fleet-100k.toml",
    "scenarios/fleet-19k.toml",
    "scenarios/discovery-heavy.toml",
    "scenarios/crash-wave.toml",
    "scenarios/rolling-deploy.toml",
    "scenarios/partition.toml",
    "scenarios/registry-restart.toml",
    "scenarios/registry-pause.toml",
    "scenarios/thundering-herd.toml",
    "scenarios/churn.toml",
    "scenarios/mcp-agents.toml",
    "scenarios/soak.toml",
    "scenarios/peers/common.toml",
    "scenarios/peers/reference.toml",
    "scenarios/peers/mcp-mesh.toml",
    "scenarios/peers/etcd.toml",
    "scenarios/peers/r-nacos.toml",
];

/// Reads a scenario file, with the assignments of `--set` applied.
///
/// # Errors
/// Every fault of the file at once, each with its place and a remedy.
pub fn load(path: &Path, set: &[String]) -> Result<Scenario, ScenarioError> {
    load_deciding(path, set, &|_, _| Ok(()))
}

/// [`load`] for somebody who knows which requirements can be decided: `decides` is given an id and the scenario's
/// profile, and answers what to do where it cannot be.
///
/// # Errors
/// As [`load`].
pub fn load_deciding(path: &Path, set: &[String], decides: Decides<'_>) -> Result<Scenario, ScenarioError> {
    let text = error::read_file(path, &SHIPPED)?;
    parse_deciding(&path.display().to_string(), &text, set, decides)
}

/// Reads a scenario from text; `name` is what errors call it, and `extends` counts from its folder.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str, set: &[String]) -> Result<Scenario, ScenarioError> {
    parse_deciding(name, text, set, &|_, _| Ok(()))
}

fn parse_deciding(
    name: &str,
    text: &str,
    set: &[String],
    decides: Decides<'_>,
) -> Result<Scenario, ScenarioError> {
    let layers = extend::layers(name, text)?;
    let text = set::apply(&extend::flattened(&layers), set)?;
    let name = match (set.is_empty(), layers.len() > 1) {
        (false, _) => format!("{name} (after --set)"),
        (true, true) => format!("{name} (with what it extends)"),
        (true, false) => name.to_owned(),
    };
    let mut scenario = read::read_scenario(&name, &text, &layers, decides)?;
    target::resolve_dialect(&mut scenario.target, &layers)?;
    Ok(scenario)
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

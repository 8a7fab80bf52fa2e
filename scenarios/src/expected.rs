//! A file of expected failures: requirements that a registry is known to break, each with the reason.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Fault, ScenarioError, read_file};
use crate::fleets::refuse_twin;
use crate::registry_file::line;
use crate::section::Value;
use crate::values;

/// A requirement that is known to be broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its id.
    pub requirement: String,
    /// Why it is put up with.
    pub why: String,
    /// Where it is followed up.
    pub issue: Option<String>,
}

/// Reads a file of `[[expected]]` entries; `known` are the ids that there are.
///
/// # Errors
/// Every fault of the file at once, each with its place and a remedy.
pub fn load(path: &Path, known: &[&str]) -> Result<Vec<Expected>, ScenarioError> {
    let text = read_file(path, &[])?;
    crate::read::with_table(&path.display().to_string(), &text, |root, faults| {
        root.refuse_unknown_keys(&["expected"], faults);
        let mut seen = BTreeMap::new();
        let mut all = Vec::new();
        for mut section in root.tables("expected", faults) {
            section.refuse_unknown_keys(&["requirement", "why", "issue"], faults);
            let id = |key: &str, value: &Value<'_>| requirement(key, value, known);
            let requirement = section.required("requirement", "requirement = \"TIME-4\"", id, faults);
            let why = section.required("why", "why = \"it looks once a minute only\"", line, faults);
            let issue = section.optional("issue", line, faults);
            if let Some(value) = section.value("requirement") {
                refuse_twin("requirement", value, &mut seen, faults);
            }
            if let (Some(requirement), Some(why)) = (requirement, why) {
                all.push(Expected { requirement, why, issue });
            }
        }
        Some(all)
    })
}

fn requirement(key: &str, value: &Value<'_>, known: &[&str]) -> Result<String, Fault> {
    let id = values::text(key, value)?;
    if known.contains(&id.as_str()) {
        return Ok(id);
    }
    let near = values::nearest(&id, known.iter().copied());
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    Err(Fault::at(value.span(), format!("there is no requirement `{id}`"), "not known")
        .help(format!("{near}`wallflower conformance --list` has them all")))
}

//! `[target]`: the registry under test.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use crate::description;
use crate::error::{Fault, Faults, ScenarioError};
use crate::extend::Layer;
use crate::model::{Target, TargetCommand, TargetKind};
use crate::policies::read_policies;
use crate::section::{Section, Value};
use crate::values;

/// The ways in which a registry is had; the first is the default.
const KINDS: [&str; 3] = ["reference", "command", "url"];
/// The dialects that the harness speaks; the first is the default.
pub(crate) const DIALECTS: [&str; 4] = ["wallflower", "mcp-mesh", "etcd", "nacos"];

pub(crate) const TARGET_KEYS: [&str; 9] = [
    "kind",
    "dialect",
    "transition_bound",
    "policies",
    "command",
    "environment",
    "ready_path",
    "ready_timeout",
    "url",
];

/// The reference registry's own bound (CONTRACT.md 2), and what a scenario means that states none.
const DEFAULT_TRANSITION_BOUND: Duration = Duration::from_millis(50);

/// Reads `[target]`.
pub(crate) fn read_target(section: &mut Section<'_>, faults: &mut Faults) -> Option<Target> {
    section.refuse_unknown_keys(&TARGET_KEYS, faults);
    let kind = section.choice("kind", &KINDS, faults);
    let dialect = match section.value("dialect") {
        Some(value) if is_described(value.get_ref().as_str().unwrap_or_default()) => {
            faults.keep(values::text("dialect", value))
        }
        _ => section.choice("dialect", &DIALECTS, faults).map(str::to_owned),
    };
    let ours = dialect.as_deref() == DIALECTS.first().copied();
    if kind == Some("reference")
        && !ours
        && let (Some(dialect), Some(value)) = (&dialect, section.value("dialect"))
    {
        faults.push(
            Fault::at(
                value.span(),
                format!("the reference registry does not speak `{dialect}`"),
                "not with it",
            )
            .help("leave `dialect` out, or set `kind = \"command\"` or `kind = \"url\"`"),
        );
    }
    let transition_bound = match (section.value("transition_bound"), ours) {
        (None, false) => {
            section.refuse_missing("transition_bound", "transition_bound = \"1s\"", faults);
            None
        }
        _ => section.or("transition_bound", DEFAULT_TRANSITION_BOUND, values::positive_duration, faults),
    };
    let policies = match section.value("policies") {
        Some(value) => read_policies("target.policies", value, ours, faults),
        // A registry that answers `GET /policies` can be asked; no other can.
        None if kind == Some("url") && ours => BTreeMap::new(),
        None => {
            section.refuse_missing("policies", "[target.policies.default]", faults);
            BTreeMap::new()
        }
    };
    let kind = kind.and_then(|kind| read_kind(kind, section, faults));
    Some(Target { kind: kind?, dialect: dialect?, policies, transition_bound: transition_bound? })
}

/// Whether a dialect's name is that of a file that describes it.
pub fn is_described(dialect: &str) -> bool {
    Path::new(dialect).extension().is_some_and(|ending| ending == "toml")
}

/// Finds the file that describes the dialect from the folder of the file that names it, or from the working directory
/// where `--set` does; and reads it, so that its faults are told before anything starts.
pub(crate) fn resolve_dialect(target: &mut Target, layers: &[Layer]) -> Result<(), ScenarioError> {
    if !is_described(&target.dialect) {
        return Ok(());
    }
    let names_it = |layer: &&Layer| {
        let (table, _) = DeTable::parse_recoverable(&layer.text);
        let dialect = table.get_ref().get("target").and_then(|value| value.get_ref().as_table());
        let dialect =
            dialect.and_then(|table| table.get("dialect")).and_then(|value| value.get_ref().as_str());
        dialect == Some(&target.dialect)
    };
    if let Some(layer) = layers.iter().find(names_it) {
        let folder = Path::new(&layer.name).parent().unwrap_or(Path::new(""));
        target.dialect = folder.join(&target.dialect).display().to_string();
    }
    match description::load(Path::new(&target.dialect)) {
        Ok(_) => Ok(()),
        Err(ScenarioError::NotFound { path, .. }) => Err(ScenarioError::NotFound {
            path,
            remedy: "it was to describe the dialect; its path counts from the folder of the scenario that names it"
                .to_owned(),
        }),
        Err(error) => Err(error),
    }
}

fn read_kind(kind: &str, section: &Section<'_>, faults: &mut Faults) -> Option<TargetKind> {
    for (key, owner) in [
        ("command", "command"),
        ("environment", "command"),
        ("ready_path", "command"),
        ("ready_timeout", "command"),
        ("url", "url"),
    ] {
        if kind != owner {
            let reason = format!("`{key}` has no meaning for a target of kind `{kind}`");
            section.refuse_key(key, &reason, &format!("remove it, or set `kind = \"{owner}\"`"), faults);
        }
    }
    match kind {
        "command" => read_command(section, faults).map(TargetKind::Command),
        "url" => section
            .required("url", "url = \"http://127.0.0.1:8000\"", values::url, faults)
            .map(TargetKind::Url),
        _ => Some(TargetKind::Reference),
    }
}

pub(crate) fn read_command(section: &Section<'_>, faults: &mut Faults) -> Option<TargetCommand> {
    let command =
        section.required("command", "command = [\"program\", \"--port\", \"{port}\"]", words, faults);
    let environment = match section.value("environment") {
        Some(value) => read_environment(value, faults),
        None => BTreeMap::new(),
    };
    let ready_path = section.or("ready_path", "/health".to_owned(), values::path, faults);
    let ready_timeout =
        section.or("ready_timeout", Duration::from_secs(20), values::positive_duration, faults);
    Some(TargetCommand {
        command: command?,
        environment,
        ready_path: ready_path?,
        ready_timeout: ready_timeout?,
    })
}

/// A program and its arguments.
pub(crate) fn words(key: &str, value: &Value<'_>) -> Result<Vec<String>, Fault> {
    let words: Vec<String> = values::texts(key, value)?.into_iter().map(|(word, _)| word).collect();
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(Fault::at(value.span(), format!("`{key}` names no program"), "empty")
            .help("the program first, then its arguments, each a text in quotes")),
    }
}

fn read_environment(value: &Value<'_>, faults: &mut Faults) -> BTreeMap<String, String> {
    let Some(section) = faults.keep(Section::from_value("`environment`", value)) else {
        return BTreeMap::new();
    };
    let mut environment = BTreeMap::new();
    for (name, span, value) in section.entries() {
        if name.is_empty() || name.contains(['=', '\0']) {
            faults.push(
                Fault::at(span, format!("`{name}` is no name of an environment variable"), "not allowed")
                    .help("such a name has no `=`"),
            );
        } else if let Some(text) = faults.keep(values::text(name, value)) {
            environment.insert(name.to_owned(), text);
        }
    }
    environment
}

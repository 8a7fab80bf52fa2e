//! A target file: what a registry is that somebody wants judged by the conformance suite.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::description;
use crate::error::{Fault, Faults, ScenarioError, read_file};
use crate::model::{Target, TargetKind};
use crate::policies::read_policies;
use crate::section::{Section, Value};
use crate::target::{DIALECTS, is_described, read_command, words};
use crate::values;

const KEYS: [&str; 15] = [
    "name",
    "url",
    "command",
    "environment",
    "ready_path",
    "ready_timeout",
    "dialect",
    "transition_bound",
    "policies",
    "lacks",
    "provoke",
    "keeps_data",
    "store",
    "expected",
    "version_command",
];

/// What has a meaning only where the harness starts the registry.
const OF_COMMANDS: [&str; 6] =
    ["environment", "ready_path", "ready_timeout", "keeps_data", "store", "version_command"];

/// Methods of routes to provoke.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// Most routes to provoke.
const MOST_ROUTES: usize = 200;

/// Longest reason.
const LONGEST_REASON: usize = 500;

/// A registry as its target file tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryFile {
    /// What reports call it.
    pub name: String,
    /// How it is had and what it is held to.
    pub target: Target,
    /// What it does not have.
    pub lacks: Vec<Lack>,
    /// Routes that might make it call somebody, beside those of its OpenAPI document.
    pub provoke: Vec<Route>,
    /// Its command, run again, finds what it knew.
    pub keeps_data: bool,
    /// The file of its store, `{dir}` standing for the run's folder.
    pub store: Option<String>,
    /// The file of its expected failures.
    pub expected: Option<PathBuf>,
    /// Prints its version.
    pub version_command: Option<Vec<String>>,
}

/// Something that a registry does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// An ability's name or a requirement's id.
    pub what: String,
    /// Why it is not asked for.
    pub why: String,
}

/// A route to provoke. What stands in braces becomes an agent's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// One of the methods of HTTP.
    pub method: &'static str,
    /// Beginning with `/`.
    pub path: String,
}

/// What a target file may name; both belong to other crates.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// What kinds of registries differ in.
    pub abilities: &'k [&'k str],
    /// Ids of requirements.
    pub requirements: &'k [&'k str],
}

/// Reads a target file. Paths of files in it count from its folder.
///
/// # Errors
/// Every fault of the file at once, each with its place and a remedy.
pub fn load(path: &Path, known: Known<'_>) -> Result<RegistryFile, ScenarioError> {
    let text = read_file(path, &[])?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file = crate::read::with_table(&path.display().to_string(), &text, |root, faults| {
        read(root, &stem, known, faults)
    })?;
    if let Some(expected) = &mut file.expected {
        *expected = folder.join(&*expected);
    }
    if is_described(&file.target.dialect) {
        file.target.dialect = folder.join(&file.target.dialect).display().to_string();
        description::load(Path::new(&file.target.dialect))?;
    }
    Ok(file)
}

fn read(root: &mut Section<'_>, stem: &str, known: Known<'_>, faults: &mut Faults) -> Option<RegistryFile> {
    root.refuse_unknown_keys(&KEYS, faults);
    let name = root.or("name", stem.to_owned(), line, faults);
    let dialect = match root.value("dialect") {
        Some(value) if is_described(value.get_ref().as_str().unwrap_or_default()) => {
            faults.keep(values::text("dialect", value))
        }
        _ => root.choice("dialect", &DIALECTS, faults).map(str::to_owned),
    };
    // Of a dialect that is not known nothing else is asked.
    let ours = dialect.is_none() || dialect.as_deref() == DIALECTS.first().copied();
    let transition_bound = match root.value("transition_bound") {
        None if !ours => {
            root.refuse_missing("transition_bound", "transition_bound = \"1s\"", faults);
            None
        }
        _ => root.or("transition_bound", Duration::from_millis(50), values::positive_duration, faults),
    };
    let policies = match root.value("policies") {
        Some(value) => read_policies("policies", value, ours, faults),
        // It can be asked.
        None if ours => BTreeMap::new(),
        None => {
            root.refuse_missing("policies", "[policies.default]", faults);
            BTreeMap::new()
        }
    };
    let kind = read_kind(root, faults);
    let keeps_data = root.or("keeps_data", false, values::truth, faults);
    let store = root.optional("store", values::text, faults);
    if let (Some(false), Some(value)) = (keeps_data, root.value("store")) {
        faults.push(
            Fault::at(value.span(), "`store` has no meaning for a registry that keeps nothing", "of no use")
                .help(
                    "add `keeps_data = true` if the command, run again, finds what it knew; else remove it",
                ),
        );
    }
    let lacks = read_lacks(root, known, faults);
    let provoke = read_routes(root, faults);
    let expected = root.optional("expected", values::text, faults).map(PathBuf::from);
    let version_command = root.optional("version_command", words, faults);
    Some(RegistryFile {
        name: name?,
        target: Target { kind: kind?, dialect: dialect?, policies, transition_bound: transition_bound? },
        lacks,
        provoke,
        keeps_data: keeps_data?,
        store,
        expected,
        version_command,
    })
}

/// A text of one line that says something.
pub(crate) fn line(key: &str, value: &Value<'_>) -> Result<String, Fault> {
    let text = values::text(key, value)?;
    if text.trim().is_empty() || text.len() > LONGEST_REASON || text.chars().any(char::is_control) {
        return Err(Fault::at(value.span(), format!("`{key}` is not one line of text"), "empty or too much")
            .help(format!("one line of at most {LONGEST_REASON} bytes")));
    }
    Ok(text)
}

fn read_kind(root: &Section<'_>, faults: &mut Faults) -> Option<TargetKind> {
    match (root.value("url"), root.value("command")) {
        (Some(url), None) => {
            for key in OF_COMMANDS {
                let reason = format!("`{key}` has no meaning for a registry that is only reached");
                root.refuse_key(key, &reason, "remove it, or give a `command` in place of the `url`", faults);
            }
            faults.keep(values::url("url", url)).map(TargetKind::Url)
        }
        (None, Some(_)) => read_command(root, faults).map(TargetKind::Command),
        (None, None) => {
            root.refuse_missing(
                "url",
                "url = \"http://127.0.0.1:8000\"` or `command = [\"program\"]",
                faults,
            );
            None
        }
        (Some(url), Some(command)) => {
            faults.push(
                Fault::at(url.span(), "there are both a `url` and a `command`", "reached here")
                    .and_at(command.span(), "started here")
                    .help("keep the `command` if the harness is to start and kill it, else the `url`"),
            );
            None
        }
    }
}

fn read_lacks(root: &Section<'_>, known: Known<'_>, faults: &mut Faults) -> Vec<Lack> {
    let Some(value) = root.value("lacks") else { return Vec::new() };
    if value.get_ref().as_table().is_none() {
        faults.push(
            Fault::at(value.span(), "`lacks` does not say why", "a table is expected here").help(
                "each with its reason: `[lacks]` and below it `degraded = \"it knows up and down only\"`",
            ),
        );
        return Vec::new();
    }
    let Some(section) = faults.keep(Section::from_value("`[lacks]`", value)) else { return Vec::new() };
    let mut lacks = Vec::new();
    for (what, span, value) in section.entries() {
        if !known.abilities.contains(&what) && !known.requirements.contains(&what) {
            let all: Vec<&str> = known.abilities.iter().chain(known.requirements).copied().collect();
            let near = values::nearest(what, all.into_iter());
            let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            let abilities = known.abilities.join(", ");
            faults.push(
                Fault::at(span, format!("`{what}` is neither an ability nor a requirement"), "not known")
                    .help(format!(
                        "{near}abilities: {abilities}; `wallflower conformance --list` has the requirements"
                    )),
            );
        } else if let Some(why) = faults.keep(line(what, value)) {
            lacks.push(Lack { what: what.to_owned(), why });
        }
    }
    lacks
}

fn read_routes(root: &Section<'_>, faults: &mut Faults) -> Vec<Route> {
    let Some(list) = root.optional("provoke", values::texts, faults) else { return Vec::new() };
    if let Some((_, value)) = list.get(MOST_ROUTES) {
        faults.push(
            Fault::at(value.span(), format!("these are more than {MOST_ROUTES} routes"), "from here on")
                .help("name one of each kind"),
        );
    }
    let mut routes = Vec::new();
    for (text, value) in list {
        let method = text.split(' ').next().unwrap_or_default();
        let known = METHODS.into_iter().find(|known| *known == method);
        let path = text.split_once(' ').map(|(_, path)| path).unwrap_or_default();
        match known {
            Some(method) if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic()) => {
                routes.push(Route { method, path: path.to_owned() });
            }
            _ => faults.push(Fault::at(value.span(), format!("\"{text}\" is no route"), "no route").help(
                format!(
                    "a method and a path, such as \"POST /agents/{{agent_id}}/notify\"; methods: {}",
                    METHODS.join(", ")
                ),
            )),
        }
    }
    routes
}

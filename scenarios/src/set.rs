//! `--set key=value`: edits the text before it is read, so that faults keep their line and caret.

use toml_edit::{DocumentMut, Item, Key, Table, Value};

use crate::error::ScenarioError;
use crate::fleets::FLEET_KEYS;
use crate::inject::FAULT_KEYS;
use crate::phases::PHASE_KEYS;
use crate::read::ROOT_KEYS;
use crate::target::TARGET_KEYS;
use crate::thresholds::THRESHOLD_KEYS;
use crate::values::suggestion;

/// What a `--set` looks like, for remedies.
const EXAMPLES: &str = "such as `--set fleets.workers.agents=50`, `--set phases.hold.duration=5s` or \
                        `--set thresholds.0.limit=1us`";

/// Why an assignment cannot be made: the reason and the remedy.
type Refusal = (String, String);

/// Applies assignments, one after the other, and answers the new text.
pub(crate) fn apply(text: &str, assignments: &[String]) -> Result<String, ScenarioError> {
    if assignments.is_empty() {
        return Ok(text.to_owned());
    }
    // Text that is not TOML is left alone: reading it shows the fault where it stands.
    let Ok(mut document) = text.parse::<DocumentMut>() else { return Ok(text.to_owned()) };
    for assignment in assignments {
        assign(document.as_table_mut(), assignment).map_err(|(reason, remedy)| ScenarioError::Set {
            assignment: assignment.clone(),
            reason,
            remedy,
        })?;
    }
    Ok(document.to_string())
}

fn assign(root: &mut Table, assignment: &str) -> Result<(), Refusal> {
    let (path, text) = assignment
        .split_once('=')
        .ok_or_else(|| ("there is no `=` in it".to_owned(), format!("write key=value, {EXAMPLES}")))?;
    let path = Key::parse(path.trim())
        .map_err(|_| (format!("`{path}` is no key"), format!("names with dots between them, {EXAMPLES}")))?;
    let path: Vec<&str> = path.iter().map(Key::get).collect();
    let Some((last, parents)) = path.split_last() else {
        return Err(("there is no key in it".to_owned(), EXAMPLES.to_owned()));
    };
    let mut place = Place::Table(root);
    for (depth, name) in parents.iter().enumerate() {
        place = place.enter(name).map_err(|known| unknown(&path, depth, &known))?;
    }
    // What is no TOML value by itself is meant as text: `5s`, `hold`, `1us`.
    let value = text.trim().parse::<Value>().unwrap_or_else(|_| Value::from(text));
    let known = known_keys(&path);
    place.put(last, value, known).map_err(|known| unknown(&path, parents.len(), &known))
}

fn unknown(path: &[&str], depth: usize, known: &[String]) -> Refusal {
    let name = path.get(depth).copied().unwrap_or_default();
    let place = match depth {
        0 => "the file".to_owned(),
        _ => format!("`{}`", path.get(..depth).unwrap_or_default().join(".")),
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let remedy = match known.is_empty() {
        true => format!("nothing can be set in {place}"),
        false => suggestion(name, &known, "known there"),
    };
    (format!("{place} has no `{name}`"), remedy)
}

/// The keys that the language knows where `path` ends; `None` where any will do, or nothing may be added.
fn known_keys(path: &[&str]) -> Option<&'static [&'static str]> {
    match path {
        [_] => Some(&ROOT_KEYS),
        ["target", _] => Some(&TARGET_KEYS),
        ["target", "policies", _, _] => {
            Some(&["heartbeat_interval", "degraded_after", "expires_after", "evict_after"])
        }
        ["fleets", _, _] => Some(&FLEET_KEYS),
        ["phases", _, _] => Some(&PHASE_KEYS),
        ["faults", _, _] => Some(&FAULT_KEYS),
        ["thresholds", _, _] => Some(&THRESHOLD_KEYS),
        _ => None,
    }
}

/// Where in the document a path has led so far.
enum Place<'d> {
    /// A table, inline or not.
    Table(&'d mut dyn toml_edit::TableLike),
    /// `[[fleets]]`.
    Tables(&'d mut toml_edit::ArrayOfTables),
    /// `requirements`.
    List(&'d mut toml_edit::Array),
    /// A single value.
    Value,
}

impl<'d> Place<'d> {
    fn of(item: &'d mut Item) -> Self {
        match item {
            Item::Table(table) => Self::Table(table),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::Value(Value::InlineTable(table)) => Self::Table(table),
            Item::Value(Value::Array(list)) => Self::List(list),
            Item::Value(_) | Item::None => Self::Value,
        }
    }

    /// Follows one name; else what there is.
    fn enter(self, name: &str) -> Result<Self, Vec<String>> {
        match self {
            Self::Table(table) => {
                let known = keys(table);
                table.get_mut(name).map(Self::of).ok_or(known)
            }
            Self::Tables(tables) => {
                let names: Vec<String> = tables.iter().enumerate().map(called).collect();
                let index = index_of(name, &names).filter(|&index| index < tables.len());
                index.and_then(|index| tables.get_mut(index)).map(|table| Self::Table(table)).ok_or(names)
            }
            Self::List(list) => {
                let known = (0..list.len()).map(|index| index.to_string()).collect();
                let value = name.parse::<usize>().ok().and_then(|index| list.get_mut(index));
                match value {
                    Some(Value::InlineTable(table)) => Ok(Self::Table(table)),
                    Some(Value::Array(list)) => Ok(Self::List(list)),
                    Some(_) => Ok(Self::Value),
                    None => Err(known),
                }
            }
            Self::Value => Err(Vec::new()),
        }
    }

    /// Sets the entry `name`; else what there is or could be.
    fn put(self, name: &str, mut value: Value, known: Option<&[&str]>) -> Result<(), Vec<String>> {
        match self {
            Self::Table(table) => {
                if let Some(known) = known.filter(|known| !known.contains(&name)) {
                    return Err(known.iter().map(|&known| known.to_owned()).collect());
                }
                match table.get_mut(name) {
                    Some(Item::Value(old)) => {
                        // Comments beside the old value stay.
                        *value.decor_mut() = old.decor().clone();
                        *old = value;
                    }
                    _ => {
                        table.insert(name, Item::Value(value));
                    }
                }
                Ok(())
            }
            Self::List(list) => {
                let known = (0..list.len()).map(|index| index.to_string()).collect();
                match name.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                    Some(old) => {
                        *old = value;
                        Ok(())
                    }
                    None => Err(known),
                }
            }
            Self::Tables(tables) => Err(tables.iter().enumerate().map(called).collect()),
            Self::Value => Err(Vec::new()),
        }
    }
}

fn keys(table: &dyn toml_edit::TableLike) -> Vec<String> {
    table.iter().map(|(key, _)| key.to_owned()).collect()
}

/// What an entry of a list of tables is called: its name, or its number.
fn called((index, table): (usize, &Table)) -> String {
    table.get("name").and_then(Item::as_str).map_or_else(|| index.to_string(), str::to_owned)
}

/// A name comes before a number, since a fleet may be called `7`.
fn index_of(name: &str, names: &[String]) -> Option<usize> {
    names.iter().position(|known| known == name).or_else(|| name.parse().ok())
}

//! `extends = "other.toml"`: a file that says only what differs from another one.
//!
//! The files become one text before anything is read, so that `--set`, the report and a reader of the report know one
//! scenario and not a chain of them. `origin` finds the way back from that text to the files.

use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike};

use crate::error::{Fault, Faults, ScenarioError, read_file};
use crate::section::described;

/// The key.
pub(crate) const EXTENDS: &str = "extends";

/// Most files of one chain; a longer one is harder to read than a copy.
const MAX_LAYERS: usize = 8;

/// One file of a chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    /// What errors call it.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The file itself, then what it extends, and so on; one layer where it extends nothing.
pub(crate) fn layers(name: &str, text: &str) -> Result<Vec<Layer>, ScenarioError> {
    let mut layers = vec![Layer { name: name.to_owned(), text: text.to_owned() }];
    let mut seen = vec![identity(Path::new(name))];
    while let Some(layer) = layers.last() {
        let (table, errors) = DeTable::parse_recoverable(&layer.text);
        // Reading the first file shows its own fault; a file that others extend is read only as a part of them.
        if !errors.is_empty() && layers.len() > 1 {
            return Err(crate::read::not_toml(&layer.name, &layer.text));
        }
        let Some(value) = table.get_ref().get(EXTENDS).filter(|_| errors.is_empty()) else { break };
        let refuse = |fault: Fault| {
            let mut faults = Faults::default();
            faults.push(fault);
            Err(faults.into_error(&layer.name, &layer.text))
        };
        let Some(wanted) = value.get_ref().as_str() else {
            return refuse(
                Fault::at(
                    value.span(),
                    format!("`{EXTENDS}` is {}, not a file", described(value.get_ref())),
                    "the path of one file is expected here",
                )
                .help("such as extends = \"quickstart.toml\"; the path counts from the folder of this file"),
            );
        };
        let path = Path::new(&layer.name).parent().unwrap_or(Path::new("")).join(wanted);
        let chain = || layers.iter().map(|layer| format!("`{}`", layer.name)).collect::<Vec<_>>();
        if seen.contains(&identity(&path)) {
            let circle = [chain(), vec![format!("`{}`", path.display())]].concat().join(" extends ");
            return refuse(
                Fault::at(
                    value.span(),
                    format!("the files extend each other: {circle}"),
                    "closes the circle",
                )
                .help("let one of them stand alone"),
            );
        }
        if layers.len() == MAX_LAYERS {
            return refuse(
                Fault::at(
                    value.span(),
                    format!("{} files extend one another: {}", MAX_LAYERS + 1, chain().join(" extends ")),
                    "one too many",
                )
                .help(format!("at most {MAX_LAYERS} files make one scenario; copy what is needed")),
            );
        }
        let text = match read_file(&path, &[]) {
            Ok(text) => text,
            Err(error) => {
                return refuse(
                    Fault::at(value.span(), format!("nothing can be extended: {error}"), "this file")
                        .help(format!("the path counts from the folder of this file: `{}`", path.display())),
                );
            }
        };
        seen.push(identity(&path));
        layers.push(Layer { name: path.display().to_string(), text });
    }
    Ok(layers)
}

/// Tells two files apart, however their paths are written.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// All layers as one text, the first one over the others. Text that is not TOML is left alone.
pub(crate) fn flattened(layers: &[Layer]) -> String {
    let own = layers.first().map_or("", |layer| layer.text.as_str());
    let documents: Result<Vec<DocumentMut>, _> = layers.iter().map(|layer| layer.text.parse()).collect();
    let Ok(mut documents) = documents else { return own.to_owned() };
    let Some(mut whole) = documents.pop().filter(|_| !documents.is_empty()) else { return own.to_owned() };
    whole.remove(EXTENDS);
    forget_positions(whole.as_table_mut());
    while let Some(mut document) = documents.pop() {
        document.remove(EXTENDS);
        forget_positions(document.as_table_mut());
        overlay_root(whole.as_table_mut(), document.as_table());
    }
    whole.to_string()
}

/// Tables are printed where they stood in their file; of two files that would be a jumble.
fn forget_positions(table: &mut Table) {
    table.set_position(None);
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(table) => forget_positions(table),
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(forget_positions),
            _ => {}
        }
    }
}

/// The keys that name an entry of a list of tables.
pub(crate) fn naming_keys(list: &str) -> &'static [&'static str] {
    match list {
        "thresholds" => &["phase", "metric"],
        _ => &["name"],
    }
}

fn overlay_root(below: &mut Table, above: &Table) {
    for (key, item) in above {
        match (key, below.get_mut(key)) {
            ("fleets" | "phases" | "faults" | "thresholds", Some(old)) => overlay_list(key, old, item),
            ("target", Some(old)) => {
                leave_kind(old, item);
                overlay_item(old, item);
            }
            (_, Some(old)) => overlay_item(old, item),
            (_, None) => {
                below.insert(key, item.clone());
            }
        }
    }
}

/// A target of another kind has nothing of what only the old kind has.
fn leave_kind(below: &mut Item, above: &Item) {
    let kind = |item: &Item| item.get("kind").and_then(Item::as_str).map(str::to_owned);
    let Some(table) = below.as_table_like_mut() else { return };
    let old = table.get("kind").and_then(Item::as_str).map(str::to_owned);
    if kind(above).is_some_and(|new| Some(new) != old) {
        for key in ["command", "environment", "ready_path", "ready_timeout", "url"] {
            table.remove(key);
        }
    }
}

/// A fault of another kind keeps only when it strikes.
fn leave_fault(below: &mut Table, above: &Table) {
    let kind = |table: &Table| table.get("kind").and_then(Item::as_str).map(str::to_owned);
    if kind(above).is_some_and(|new| kind(below) != Some(new)) {
        below.retain(|key, _| ["name", "phase", "at"].contains(&key));
    }
}

fn overlay_item(below: &mut Item, above: &Item) {
    match (below.as_table_like_mut(), above.as_table_like()) {
        (Some(below), Some(above)) => overlay_table(below, above),
        _ => *below = above.clone(),
    }
}

fn overlay_table(below: &mut dyn TableLike, above: &dyn TableLike) {
    for (key, item) in above.iter() {
        match below.get_mut(key) {
            Some(old) => overlay_item(old, item),
            None => {
                below.insert(key, item.clone());
            }
        }
    }
}

/// Entries of one name become one; others are added. Of two with one name in the upper file the second is added, so
/// that the reader finds the twin.
fn overlay_list(list: &str, below: &mut Item, above: &Item) {
    let (Ok(mut old), Ok(new)) =
        (std::mem::take(below).into_array_of_tables(), above.clone().into_array_of_tables())
    else {
        *below = above.clone();
        return;
    };
    let mut open: Vec<Option<Vec<String>>> = old.iter().map(|entry| called(list, entry)).collect();
    for entry in &new {
        let name = called(list, entry);
        let place = open.iter().position(|known| known.is_some() && *known == name);
        match place.and_then(|index| Some((open.get_mut(index)?, old.get_mut(index)?))) {
            Some((place, old)) => {
                *place = None;
                if list == "faults" {
                    leave_fault(old, entry);
                }
                overlay_table(old, entry);
            }
            None => old.push(entry.clone()),
        }
    }
    *below = Item::ArrayOfTables(ArrayOfTables::from_iter(old));
}

fn called(list: &str, entry: &Table) -> Option<Vec<String>> {
    naming_keys(list).iter().map(|key| entry.get(key).and_then(Item::as_str).map(str::to_owned)).collect()
}

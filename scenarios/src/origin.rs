//! From a place in the text that was read back to the file that it came from.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::extend::{Layer, naming_keys};
use crate::section::Value;

/// A key or a value, by the names that lead to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    path: Vec<String>,
    is_key: bool,
}

/// All places of one text.
#[derive(Debug, Default)]
struct Index {
    by_place: BTreeMap<Place, (Range<usize>, bool)>,
    by_span: BTreeMap<(usize, usize), Place>,
}

/// Finds places of a text in the files that it was made of.
#[derive(Debug)]
pub(crate) struct Origins<'a> {
    text: &'a str,
    layers: &'a [Layer],
    read: Index,
    files: Vec<Index>,
}

impl<'a> Origins<'a> {
    /// `text` was made of `layers`, the first one over the others.
    pub(crate) fn new(text: &'a str, layers: &'a [Layer]) -> Self {
        let files = layers.iter().map(|layer| Index::of(&layer.text)).collect();
        Self { text, layers, read: Index::of(text), files }
    }

    /// The file and the place there; `None` for what no file says like this, which `--set` has put in.
    pub(crate) fn find(&self, span: &Range<usize>) -> Option<(&'a Layer, Range<usize>)> {
        let place = self.read.by_span.get(&(span.start, span.end))?;
        let found = |(layer, index): (&'a Layer, &Index)| Some((layer, index.by_place.get(place)?.clone()));
        let (layer, (there, is_table)) = self.layers.iter().zip(&self.files).find_map(found)?;
        let same = is_table || self.text.get(span.clone()) == layer.text.get(there.clone());
        same.then_some((layer, there))
    }
}

impl Index {
    fn of(text: &str) -> Self {
        let mut index = Self::default();
        let (table, _) = DeTable::parse_recoverable(text);
        // What is missing at the root is missing at the file's beginning.
        index.add(Place { path: Vec::new(), is_key: false }, 0..0, true);
        index.table(&[], table.get_ref());
        index
    }

    fn add(&mut self, place: Place, span: Range<usize>, is_table: bool) {
        self.by_span.entry((span.start, span.end)).or_insert_with(|| place.clone());
        self.by_place.insert(place, (span, is_table));
    }

    fn table(&mut self, path: &[String], table: &DeTable<'_>) {
        for (key, value) in table {
            let path = [path, &[key.get_ref().to_string()]].concat();
            self.add(Place { path: path.clone(), is_key: true }, key.span(), false);
            self.value(&path, value);
        }
    }

    fn value(&mut self, path: &[String], value: &Value<'_>) {
        let inner = value.get_ref();
        let is_table = matches!(inner, DeValue::Table(_))
            || inner.as_array().is_some_and(|list| list.iter().all(|entry| entry.get_ref().is_table()));
        self.add(Place { path: path.to_vec(), is_key: false }, value.span(), is_table);
        match inner {
            DeValue::Table(table) => self.table(path, table),
            DeValue::Array(list) => {
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                for (number, entry) in list.iter().enumerate() {
                    let name = called(path.last().map_or("", String::as_str), entry)
                        .unwrap_or_else(|| number.to_string());
                    // Two of one name are told apart by their order.
                    let twin = seen.entry(name.clone()).and_modify(|count| *count += 1).or_insert(0);
                    self.value(&[path, &[format!("{name} {twin}")]].concat(), entry);
                }
            }
            _ => {}
        }
    }
}

fn called(list: &str, entry: &Value<'_>) -> Option<String> {
    let table = entry.get_ref().as_table()?;
    let names: Option<Vec<&str>> =
        naming_keys(list).iter().map(|key| table.get(*key)?.get_ref().as_str()).collect();
    names.map(|names| names.join(" "))
}

//! A table of the file while it is read: known keys, required keys, and a fault for everything else.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Fault, Faults};
use crate::values::{nearest, one_of, suggestion};

/// A value with its place in the file.
pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

/// A table of the file.
#[derive(Debug, Clone)]
pub(crate) struct Section<'a> {
    /// What messages call it: "`[target]`".
    pub(crate) what: String,
    /// Where its header, or it as a whole, stands.
    pub(crate) span: Range<usize>,
    table: &'a DeTable<'a>,
    /// Known keys that unknown ones were probably meant to be: they are not missing as well.
    mistyped: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(what: impl Into<String>, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self { what: what.into(), span, table, mistyped: Vec::new() }
    }

    /// Reads `value` as a table.
    pub(crate) fn from_value(what: impl Into<String>, value: &'a Value<'a>) -> Result<Self, Fault> {
        let what = what.into();
        match value.get_ref().as_table() {
            Some(table) => Ok(Self::new(what, value.span(), table)),
            None => Err(Fault::at(
                value.span(),
                format!("{what} is {}, not a table", described(value.get_ref())),
                "a table is expected here",
            )),
        }
    }

    /// Reports every key that is not in `known`.
    pub(crate) fn refuse_unknown_keys(&mut self, known: &[&'static str], faults: &mut Faults) {
        for key in self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            faults.push(
                Fault::at(
                    key.span(),
                    format!("{} has no key `{}`", self.what, key.get_ref()),
                    "not a known key",
                )
                .help(suggestion(key.get_ref(), known, "known here")),
            );
            self.mistyped.extend(nearest(key.get_ref(), known.iter().copied()));
        }
    }

    /// Reports `key`, which is known and has no meaning here, with the reason.
    pub(crate) fn refuse_key(&self, key: &str, reason: &str, remedy: &str, faults: &mut Faults) {
        if let Some((found, _)) = self.table.get_key_value(key) {
            faults.push(Fault::at(found.span(), reason, "has no meaning here").help(remedy));
        }
    }

    pub(crate) fn value(&self, key: &str) -> Option<&'a Value<'a>> {
        self.table.get(key)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Value<'a>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }

    /// The value of `key` if it is there and right; a fault if it is there and wrong.
    pub(crate) fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str, &'a Value<'a>) -> Result<T, Fault>,
        faults: &mut Faults,
    ) -> Option<T> {
        self.value(key).and_then(|value| faults.keep(read(key, value)))
    }

    /// The value of `key`, or `default` if it is not there.
    pub(crate) fn or<T>(
        &self,
        key: &str,
        default: T,
        read: impl FnOnce(&str, &'a Value<'a>) -> Result<T, Fault>,
        faults: &mut Faults,
    ) -> Option<T> {
        match self.value(key) {
            Some(value) => faults.keep(read(key, value)),
            None => Some(default),
        }
    }

    /// The value of `key`; a fault if it is not there.
    pub(crate) fn required<T>(
        &self,
        key: &str,
        example: &str,
        read: impl FnOnce(&str, &'a Value<'a>) -> Result<T, Fault>,
        faults: &mut Faults,
    ) -> Option<T> {
        match self.value(key) {
            Some(value) => faults.keep(read(key, value)),
            None => {
                self.refuse_missing(key, example, faults);
                None
            }
        }
    }

    /// Reports that `key` is missing, unless a mistyped one was reported in its place.
    pub(crate) fn refuse_missing(&self, key: &str, example: &str, faults: &mut Faults) {
        if !self.mistyped.contains(&key) {
            faults.push(
                Fault::at(self.span.clone(), format!("{} has no `{key}`", self.what), "in here")
                    .help(format!("add `{example}`")),
            );
        }
    }

    /// The tables of an array of tables, numbered from 0; none if the key is missing.
    pub(crate) fn tables(&self, key: &str, faults: &mut Faults) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            faults.push(
                Fault::at(
                    value.span(),
                    format!("`{key}` is {}, not a list of tables", described(value.get_ref())),
                    "a list of tables is expected here",
                )
                .help(format!("begin each with `[[{key}]]`")),
            );
            return Vec::new();
        };
        let tables = array.iter().enumerate();
        tables
            .filter_map(|(index, value)| {
                faults.keep(Section::from_value(format!("`{key}` number {index}"), value))
            })
            .collect()
    }

    /// The word under `key`, which must be one of `known`; the first of `known` if it is missing.
    pub(crate) fn choice(
        &self,
        key: &str,
        known: &[&'static str],
        faults: &mut Faults,
    ) -> Option<&'static str> {
        match (self.value(key), known.first()) {
            (Some(value), _) => faults.keep(one_of(key, value, known)),
            (None, first) => first.copied(),
        }
    }
}

/// A value in a message: `the text "5 secs"`.
pub(crate) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(truth) => format!("`{truth}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

//! Reads single fields from their raw text and gathers what is wrong with them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Fault, TAG_BYTES, TAGS};

/// The faults found so far. Every method that finds one gives `None` or leaves the bad part out.
pub(super) struct Fields {
    faults: Vec<Fault>,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self { faults: Vec::new() }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(super) fn fault(&mut self, at: &str, detail: &str) {
        self.faults.push(Fault { pointer: at.to_owned(), detail: detail.to_owned() });
    }

    /// A string that `parse` accepts.
    pub(super) fn parsed<T>(
        &mut self,
        raw: &RawValue,
        at: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !raw.get().starts_with('"') {
            self.fault(at, &format!("must be a string, found {}", kind(raw)));
            return None;
        }
        let parsed = match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => parse(&text),
            Err(error) => Err(format!("is not a valid string: {error}")),
        };
        parsed.map_err(|detail| self.fault(at, &detail)).ok()
    }

    /// As [`Self::parsed`], and a fault when there is none.
    pub(super) fn required<T>(
        &mut self,
        raw: Option<&RawValue>,
        at: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match raw {
            Some(raw) => self.parsed(raw, at, parse),
            None => {
                self.fault(at, "is missing");
                None
            }
        }
    }

    pub(super) fn unsigned(&mut self, raw: &RawValue, at: &str) -> Option<u64> {
        let number = serde_json::from_str::<u64>(raw.get()).ok();
        if number.is_none() {
            let found = if raw.get().len() <= 40 { raw.get() } else { kind(raw) };
            self.fault(at, &format!("must be an unsigned integer below 2^64, found {found}"));
        }
        number
    }

    /// The members of an object; of two with the same name the last counts.
    pub(super) fn object<'a>(
        &mut self,
        raw: &'a RawValue,
        at: &str,
    ) -> Option<BTreeMap<String, &'a RawValue>> {
        if !raw.get().starts_with('{') {
            self.fault(at, &format!("must be an object, found {}", kind(raw)));
            return None;
        }
        let object = serde_json::from_str(raw.get());
        object.map_err(|error| self.fault(at, &format!("cannot be read: {error}"))).ok()
    }

    /// The items of an array. Of one that is too long only the first `most` are looked at, which bounds the faults.
    pub(super) fn items<'a>(&mut self, raw: &'a RawValue, at: &str, most: usize) -> Vec<&'a RawValue> {
        if !raw.get().starts_with('[') {
            self.fault(at, &format!("must be an array, found {}", kind(raw)));
            return Vec::new();
        }
        match serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) {
            Ok(mut items) => {
                if items.len() > most {
                    self.fault(at, &format!("has {} items, at most {most} are allowed", items.len()));
                    items.truncate(most);
                }
                items
            }
            Err(error) => {
                self.fault(at, &format!("cannot be read: {error}"));
                Vec::new()
            }
        }
    }

    pub(super) fn tags(&mut self, raw: &RawValue, at: &str) -> Vec<String> {
        let items = self.items(raw, at, TAGS);
        let numbered = items.into_iter().enumerate();
        numbered
            .filter_map(|(position, raw)| {
                self.parsed(raw, &format!("{at}/{position}"), |text| match text.len() {
                    0 => Err("must not be empty".to_owned()),
                    length if length > TAG_BYTES => {
                        Err(format!("has {length} bytes, at most {TAG_BYTES} are allowed"))
                    }
                    _ => Ok(text.to_owned()),
                })
            })
            .collect()
    }
}

/// What kind of JSON value a text is, for messages.
pub(super) fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null (leave the field out instead)",
        _ => "a number",
    }
}

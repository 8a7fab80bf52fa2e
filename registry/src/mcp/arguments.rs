//! The arguments of a tool as the query of the route that answers it.

use axum::http::Uri;
use registry_core::intake::Fault;
use rmcp::model::JsonObject;
use serde_json::Value;

/// The longest query, in bytes; the type for addresses takes no more than 64 KiB.
const QUERY_BYTES: usize = 32 * 1024;

/// An argument and the query parameter that it becomes.
pub(super) type Renamed = (&'static str, &'static str);

/// A query, and what of the arguments could not become part of it.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(&'static str, String)>,
    pub(super) faults: Vec<Fault>,
}

impl Query {
    /// Takes the arguments that `known` lists. A list becomes a repeated parameter.
    pub(super) fn of(arguments: JsonObject, known: &[Renamed]) -> Self {
        let mut query = Self { pairs: Vec::new(), faults: Vec::new() };
        for (name, value) in arguments {
            match known.iter().find(|(argument, _)| *argument == name) {
                Some((_, parameter)) => query.take(&name, parameter, &value),
                None => {
                    let names: Vec<_> = known.iter().map(|(argument, _)| *argument).collect();
                    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    query.fault(&name, format!("is no argument of this tool; known are: {known}"));
                }
            }
        }
        query
    }

    fn take(&mut self, name: &str, parameter: &'static str, value: &Value) {
        let Value::Array(items) = value else { return self.take_one(name, parameter, value) };
        for (position, item) in items.iter().enumerate() {
            self.take_one(&format!("{name}/{position}"), parameter, item);
        }
    }

    fn take_one(&mut self, at: &str, parameter: &'static str, value: &Value) {
        match value {
            Value::String(text) => self.pairs.push((parameter, text.clone())),
            Value::Number(number) => self.pairs.push((parameter, number.to_string())),
            _ => self.faults.push(Fault {
                pointer: format!("/{at}"),
                detail: format!("must be a string or a number, found {}", kind(value)),
            }),
        }
    }

    pub(super) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.faults.push(Fault { pointer: format!("/{name}"), detail: detail.into() });
    }

    /// The address to ask `path` at, and the faults so far.
    pub(super) fn finish(mut self, path: &str) -> (Uri, Vec<Fault>) {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.pairs).finish();
        if text.len() <= QUERY_BYTES
            && let Ok(uri) = format!("{path}?{text}").parse()
        {
            return (uri, self.faults);
        }
        self.faults.push(Fault {
            pointer: String::new(),
            detail: format!(
                "the arguments have {} bytes as a query, at most {QUERY_BYTES} are allowed",
                text.len()
            ),
        });
        (Uri::default(), self.faults)
    }
}

/// A text argument, or what is wrong with it.
pub(super) fn required_text(arguments: &mut JsonObject, name: &str) -> Result<String, Fault> {
    let fault = |detail: String| Fault { pointer: format!("/{name}"), detail };
    match arguments.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(fault(format!("must be a string, found {}", kind(&other)))),
        None => Err(fault("is missing".to_owned())),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

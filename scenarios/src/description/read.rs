//! From text to a description, or to every fault of the file at once.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::{DescribedCall, Description, Entry, EntryStatus, METHODS, Meaning, StatusPattern, Test, When};
use super::{template, template::known_to};
use crate::error::{Fault, Faults, ScenarioError};
use crate::read::with_table;
use crate::section::{Section, Value, described};
use crate::values::{self, one_of, suggestion};

const ROOT_KEYS: [&str; 7] = ["name", "abilities", "register", "renew", "leave", "list", "read"];
const ABILITIES: [&str; 5] = ["degraded", "evicts", "policies_by_type", "durable", "lease_after_restart"];
const CALL_KEYS: [&str; 6] = ["method", "path", "headers", "body", "answers", "when"];
const WHEN_KEYS: [&str; 5] = ["pointer", "equals", "begins", "absent", "means"];
/// What `[list]` has besides.
const LIST_KEYS: [&str; 15] = [
    "method",
    "path",
    "headers",
    "body",
    "answers",
    "when",
    "agents",
    "id",
    "status",
    "statuses",
    "document",
    "document_prefix",
    "type",
    "capabilities",
    "capability",
];

const MEANINGS: [(&str, Meaning); 9] = [
    ("registered", Meaning::Registered),
    ("renewed", Meaning::Renewed),
    ("updated", Meaning::Updated),
    ("left", Meaning::Left),
    ("shown", Meaning::Shown),
    ("unknown", Meaning::Unknown),
    ("conflict", Meaning::Conflict),
    ("refused", Meaning::Refused),
    ("unavailable", Meaning::Unavailable),
];

const STATUSES: [(&str, EntryStatus); 4] = [
    ("healthy", EntryStatus::Healthy),
    ("degraded", EntryStatus::Degraded),
    ("expired", EntryStatus::Expired),
    ("gone", EntryStatus::Gone),
];

pub(super) fn description(file: &str, text: &str) -> Result<Description, ScenarioError> {
    with_table(file, text, read_root)
}

fn read_root(root: &mut Section<'_>, faults: &mut Faults) -> Option<Description> {
    root.refuse_unknown_keys(&ROOT_KEYS, faults);
    let name = root.required("name", "name = \"my-registry\"", |k, v| values::name(k, v, 63), faults);
    let abilities = read_abilities(root, faults);
    let can = |ability: &str| abilities.get(ability).copied().unwrap_or_default();
    let register = read_call(root, "register", faults);
    let renew = read_call(root, "renew", faults);
    let leave = read_call(root, "leave", faults);
    let read = read_call(root, "read", faults);
    let list = read_call(root, "list", faults);
    for (key, call) in [("register", &register), ("list", &list)] {
        if call.is_none() && root.value(key).is_none() {
            root.refuse_missing(key, &format!("[{key}]"), faults);
        }
    }
    let shown = root
        .value("list")
        .and_then(|value| Section::from_value("`[list]`", value).ok())
        .and_then(|section| read_entry(&section, faults));
    let (agents, entry) = shown?;
    Some(Description {
        name: name?,
        degraded: can("degraded"),
        evicts: can("evicts"),
        policies_by_type: can("policies_by_type"),
        durable: can("durable"),
        lease_after_restart: can("lease_after_restart"),
        register: register?,
        renew,
        leave,
        list: list?,
        read,
        agents,
        entry,
    })
}

fn read_abilities(root: &Section<'_>, faults: &mut Faults) -> BTreeMap<&'static str, bool> {
    let mut abilities = BTreeMap::new();
    let Some(value) = root.value("abilities") else { return abilities };
    let Some(mut section) = faults.keep(Section::from_value("`[abilities]`", value)) else {
        return abilities;
    };
    section.refuse_unknown_keys(&ABILITIES, faults);
    for ability in ABILITIES {
        abilities.insert(ability, section.or(ability, false, truth, faults).unwrap_or_default());
    }
    abilities
}

fn truth(key: &str, value: &Value<'_>) -> Result<bool, Fault> {
    match value.get_ref() {
        DeValue::Boolean(truth) => Ok(*truth),
        other => Err(Fault::at(
            value.span(),
            format!("`{key}` is {}, not true or false", described(other)),
            "true or false is expected here",
        )
        .help(format!("such as {key} = true"))),
    }
}

fn read_call(root: &Section<'_>, call: &'static str, faults: &mut Faults) -> Option<DescribedCall> {
    let value = root.value(call)?;
    let mut section = faults.keep(Section::from_value(format!("`[{call}]`"), value))?;
    section.refuse_unknown_keys(if call == "list" { &LIST_KEYS } else { &CALL_KEYS }, faults);
    let method = section.required("method", "method = \"POST\"", |k, v| one_of(k, v, &METHODS), faults);
    let path_of = |key: &str, value: &Value<'_>| {
        let path = values::text(key, value)?;
        template::check(call, key, &path, value)?;
        if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic()) {
            return Ok(path);
        }
        let example = if known_to(call).is_empty() { "/agents" } else { "/agents/{agent_id}" };
        Err(Fault::at(value.span(), format!("`{key}` is \"{path}\", which is no path"), "no path")
            .help(format!("a path such as \"{example}\"; what is no ASCII letter is written as %20")))
    };
    let path = section.required("path", "path = \"/agents\"", path_of, faults);
    let headers = read_headers(&section, call, faults);
    let body = section.optional("body", |key, value| read_body(call, key, value), faults);
    let statuses = read_answers(&section, faults);
    let when = read_when(&section, faults);
    Some(DescribedCall { method: method?, path: path?, headers, body, statuses, when })
}

fn read_headers(section: &Section<'_>, call: &str, faults: &mut Faults) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let table =
        section.value("headers").and_then(|value| faults.keep(Section::from_value("`headers`", value)));
    for (name, span, value) in table.iter().flat_map(Section::entries) {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let text = values::text(name, value).and_then(|text| {
            template::check(call, name, &text, value)?;
            if !name.is_empty()
                && name.chars().all(legal)
                && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
            {
                return Ok(text);
            }
            Err(Fault::at(span, format!("`{name}` = \"{text}\" is no header"), "no header")
                .help("names of letters, digits and `-`, values of one line of ASCII"))
        });
        if let Some(text) = faults.keep(text) {
            headers.insert(name.to_ascii_lowercase(), text);
        }
    }
    headers
}

fn read_body(call: &str, key: &str, value: &Value<'_>) -> Result<serde_json::Value, Fault> {
    let text = values::text(key, value)?;
    let body = serde_json::from_str(&text).map_err(|error| {
        Fault::at(value.span(), format!("`{key}` is no JSON: {error}"), "not JSON")
            .help("JSON in ''' quotes; a number that is filled in is written as \"{document as number}\"")
    })?;
    template::check_body(call, &body, value)?;
    Ok(body)
}

fn meaning(key: &str, value: &Value<'_>) -> Result<Meaning, Fault> {
    word_of(key, value, &MEANINGS)
}

fn word_of<T: Copy>(key: &str, value: &Value<'_>, known: &[(&'static str, T)]) -> Result<T, Fault> {
    let word = values::text(key, value)?;
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    known.iter().find(|(name, _)| *name == word).map(|(_, meant)| *meant).ok_or_else(|| {
        Fault::at(value.span(), format!("`{key}` cannot mean `{word}`"), "not known")
            .help(suggestion(&word, &names, "known"))
    })
}

/// `answers = { 200 = "renewed", 4xx = "refused" }`.
fn read_answers(section: &Section<'_>, faults: &mut Faults) -> BTreeMap<StatusPattern, Meaning> {
    let mut statuses = BTreeMap::new();
    let table =
        section.value("answers").and_then(|value| faults.keep(Section::from_value("`answers`", value)));
    for (key, span, value) in table.iter().flat_map(Section::entries) {
        let class = key
            .strip_suffix("xx")
            .and_then(|digit| digit.parse().ok())
            .filter(|digit| (1..=5).contains(digit));
        let exactly = key.parse().ok().filter(|status| (100..=599).contains(status));
        match class.map(StatusPattern::Class).or(exactly.map(StatusPattern::Exactly)) {
            Some(pattern) => {
                if let Some(meant) = faults.keep(meaning(key, value)) {
                    statuses.insert(pattern, meant);
                }
            }
            None => faults.push(
                Fault::at(span, format!("`{key}` is no status"), "not a status")
                    .help("a status such as 404, or a class such as 4xx"),
            ),
        }
    }
    statuses
}

fn read_when(section: &Section<'_>, faults: &mut Faults) -> Vec<When> {
    let mut all = Vec::new();
    for mut table in section.tables("when", faults) {
        table.refuse_unknown_keys(&WHEN_KEYS, faults);
        let at = table.required("pointer", "pointer = \"/status\"", pointer, faults);
        let means = table.required("means", "means = \"refused\"", meaning, faults);
        let equals = table.optional("equals", scalar, faults).map(Test::Equals);
        let begins = table.optional("begins", values::text, faults).map(Test::Begins);
        let absent = table.optional("absent", truth, faults).filter(|absent| *absent).map(|_| Test::Absent);
        let mut tests: Vec<Test> = [equals, begins, absent].into_iter().flatten().collect();
        match (tests.pop(), tests.is_empty()) {
            (Some(test), true) => {
                if let (Some(pointer), Some(means)) = (at, means) {
                    all.push(When { pointer, test, means });
                }
            }
            _ => faults.push(
                Fault::at(
                    table.span.clone(),
                    format!("{} says not one thing to look for", table.what),
                    "here",
                )
                .help("one of `equals = \"error\"`, `begins = \"Agent registered\"` and `absent = true`"),
            ),
        }
    }
    all
}

/// A text, number or truth, as a text.
fn scalar(key: &str, value: &Value<'_>) -> Result<String, Fault> {
    match value.get_ref() {
        DeValue::Integer(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        _ => values::text(key, value),
    }
}

/// A JSON pointer (RFC 6901); empty for the whole.
fn pointer(key: &str, value: &Value<'_>) -> Result<String, Fault> {
    let text = values::text(key, value)?;
    if text.is_empty() || text.starts_with('/') {
        return Ok(text);
    }
    Err(Fault::at(value.span(), format!("`{key}` is \"{text}\", which is no JSON pointer"), "no pointer")
        .help(format!("such as \"/{}\"; empty for the whole", text.replace('.', "/"))))
}

fn read_entry(section: &Section<'_>, faults: &mut Faults) -> Option<(String, Entry)> {
    let agents = section.required("agents", "agents = \"/agents\"", pointer, faults);
    let status = section.optional("status", pointer, faults);
    let mut words = BTreeMap::new();
    let table =
        section.value("statuses").and_then(|value| faults.keep(Section::from_value("`statuses`", value)));
    for (word, _, value) in table.iter().flat_map(Section::entries) {
        if let Some(meant) = faults.keep(word_of(word, value, &STATUSES)) {
            words.insert(word.to_owned(), meant);
        }
    }
    if status.is_some() && words.is_empty() && table.is_none() {
        section.refuse_missing("statuses", "statuses = { up = \"healthy\", down = \"expired\" }", faults);
    }
    let entry = Entry {
        id: section.or("id", String::new(), pointer, faults)?,
        status,
        words,
        document: section.optional("document", pointer, faults),
        document_prefix: section.or("document_prefix", String::new(), values::text, faults)?,
        agent_type: section.optional("type", pointer, faults),
        capabilities: section.optional("capabilities", pointer, faults),
        capability: section.or("capability", String::new(), pointer, faults)?,
    };
    Some((agents?, entry))
}

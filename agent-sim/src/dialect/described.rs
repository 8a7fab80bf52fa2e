//! A kind of registry that a TOML file describes ([`scenarios::description`]).

use std::collections::BTreeMap;

use reports::history::{Abilities, AgentSeen, Filter, Outcome, Seen, Status};
use scenarios::description::{DescribedCall, Description, Entry, EntryStatus, Meaning, StatusPattern, Test};
use serde_json::Value;

use super::template::{Values, filled, filled_body};
use super::{Call, Dialect, Document, Reading, WireAnswer, WireRequest, escaped, hook, parsed, shortened};

/// Speaks as a file says.
#[derive(Debug, Clone)]
pub struct Described {
    description: Description,
    /// The names of each call's headers, by the texts in the description.
    header_names: BTreeMap<String, &'static str>,
}

impl Described {
    /// The dialect of this description. What its headers are called stays in memory as long as the program runs: a
    /// handful of words for each file that is read.
    pub fn new(description: Description) -> Self {
        let calls = [
            Some(&description.register),
            description.renew.as_ref(),
            description.leave.as_ref(),
            Some(&description.list),
            description.read.as_ref(),
        ];
        let names = calls.into_iter().flatten().flat_map(|call| call.headers.keys());
        let header_names =
            names.map(|name| (name.clone(), &*Box::leak(name.clone().into_boxed_str()))).collect();
        Self { description, header_names }
    }

    /// What is described of a call, if anything.
    fn described(&self, call: &Call) -> Option<&DescribedCall> {
        match call {
            Call::Register(_) => Some(&self.description.register),
            Call::Renew { .. } => self.description.renew.as_ref(),
            Call::Leave { .. } => self.description.leave.as_ref(),
            Call::List { .. } => Some(&self.description.list),
            Call::Read { .. } => self.description.read.as_ref(),
            Call::Probe { .. } | Call::Changes { .. } | Call::Events { .. } | Call::Provoke { .. } => None,
        }
    }

    /// Whether lists show what this filter goes by: it is applied here.
    fn can_filter(&self, filter: &Filter) -> bool {
        let entry = &self.description.entry;
        let shows = |wanted: &Status| match wanted {
            Status::Healthy | Status::Degraded => true,
            Status::Expired => self.shows(EntryStatus::Expired),
        };
        filter.label.is_none()
            && (filter.agent_type.is_none() || entry.agent_type.is_some())
            && (filter.capability.is_none() || entry.capabilities.is_some())
            && filter.status.iter().all(shows)
    }

    fn shows(&self, status: EntryStatus) -> bool {
        self.description.entry.words.values().any(|meant| *meant == status)
    }

    fn filled(&self, described: &DescribedCall, values: &Values<'_>) -> WireRequest {
        let named = |(name, value): (&String, &String)| {
            Some((*self.header_names.get(name)?, filled(value, values, str::to_owned)))
        };
        let mut headers: Vec<(&'static str, String)> = described.headers.iter().filter_map(named).collect();
        let body = described.body.as_ref().map(|body| filled_body(body, values).to_string().into_bytes());
        if body.is_some() && !described.headers.contains_key("content-type") {
            headers.push(("content-type", "application/json".to_owned()));
        }
        WireRequest {
            method: described.method,
            path: filled(&described.path, values, escaped),
            headers,
            body: body.unwrap_or_default(),
        }
    }
}

impl Dialect for Described {
    fn name(&self) -> &str {
        &self.description.name
    }

    fn abilities(&self) -> Abilities {
        let description = &self.description;
        Abilities {
            degraded: description.degraded,
            evicts: description.evicts,
            policies_by_type: description.policies_by_type,
            single_read: description.read.is_some(),
            conditional_lists: false,
            revisions: false,
            epochs: false,
            durable: description.durable,
            lease_after_restart: description.lease_after_restart,
            contract: false,
        }
    }

    fn request(&self, call: &Call) -> Option<WireRequest> {
        if let Call::Provoke { request, .. } = call {
            return Some(request.clone());
        }
        if matches!(call, Call::List { filter, .. } if !self.can_filter(filter)) {
            return None;
        }
        let values = match call {
            Call::Register(document) => Values::of(document),
            Call::Renew { agent_id, order, .. } => Values::of_beat(agent_id, *order),
            _ => Values::of_beat(call.agent_id().unwrap_or_default(), None),
        };
        Some(self.filled(self.described(call)?, &values))
    }

    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading {
        let Some(described) = self.described(call) else { return Reading::of(Outcome::Shown) };
        let exactly = described.statuses.get(&StatusPattern::Exactly(answer.status));
        let by_class = described.statuses.get(&StatusPattern::Class(answer.status / 100));
        let meant = exactly.or(by_class).copied().or_else(|| usual(call, answer.status));
        match meant {
            None => Reading::of(Outcome::Failed).noting(format!("unexpected status {}", answer.status)),
            Some(Meaning::Unavailable) => Reading::of(Outcome::Unavailable).noting(words(answer)),
            Some(Meaning::Refused) => Reading::of(Outcome::Refused).noting(words(answer)),
            Some(Meaning::Unknown) => Reading::of(Outcome::Unknown),
            Some(Meaning::Conflict) => Reading::of(Outcome::Conflict),
            Some(success) if described.when.is_empty() => self.success(call, success, answer),
            Some(success) => match serde_json::from_slice::<Value>(&answer.body) {
                Ok(body) => {
                    let fits =
                        described.when.iter().find(|when| holds(&when.test, body.pointer(&when.pointer)));
                    let meant = fits.map_or(success, |when| when.means);
                    match meant {
                        Meaning::Refused | Meaning::Unavailable => {
                            Reading::of(outcome(meant)).noting(words(answer))
                        }
                        meant => self.success(call, meant, answer),
                    }
                }
                Err(error) => unreadable(answer, &error),
            },
        }
    }

    /// What might make such a registry call an agent is not known: it is only told an address.
    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest> {
        let hook = hook(agent);
        let agent_id = hook.agent_id.clone();
        match answers.len() {
            0 => self.request(&Call::Register(hook)),
            1 => self.request(&Call::Leave { agent_id }),
            _ => None,
        }
    }

    fn policies_path(&self) -> Option<&'static str> {
        None
    }
}

impl Described {
    /// A success, with what it shows.
    fn success(&self, call: &Call, meant: Meaning, answer: &WireAnswer) -> Reading {
        let described = &self.description;
        match (call, meant) {
            (Call::List { filter, .. }, Meaning::Shown) => parsed(answer, |body: Value| {
                match agents(body.pointer(&described.agents), &described.entry) {
                    Ok(agents) => shown(agents.filter_by(filter)),
                    Err(note) => Reading::of(Outcome::Failed).noting(shortened(&note)),
                }
            }),
            (Call::Read { agent_id }, Meaning::Shown) => {
                parsed(answer, |body: Value| match listed(agent_id, &body, &described.entry) {
                    Ok(Some(listed)) => shown(vec![listed.seen]),
                    Ok(None) => Reading::of(Outcome::Unknown),
                    Err(note) => Reading::of(Outcome::Failed).noting(shortened(&note)),
                })
            }
            (_, meant) => Reading::of(outcome(meant)),
        }
    }
}

fn shown(agents: Vec<AgentSeen>) -> Reading {
    Reading::of(Outcome::Shown).seeing(Seen { agents: Some(agents), ..Seen::default() })
}

/// What a status means where nothing is said of it.
fn usual(call: &Call, status: u16) -> Option<Meaning> {
    let asks_for_one = !matches!(call, Call::List { .. } | Call::Register(_));
    Some(match status {
        200..=299 => match call {
            Call::Register(_) => Meaning::Registered,
            Call::Leave { .. } => Meaning::Left,
            Call::List { .. } | Call::Read { .. } => Meaning::Shown,
            _ => Meaning::Renewed,
        },
        404 | 410 if asks_for_one => Meaning::Unknown,
        409 => Meaning::Conflict,
        300..=499 => Meaning::Refused,
        500..=599 => Meaning::Unavailable,
        _ => return None,
    })
}

fn outcome(meant: Meaning) -> Outcome {
    match meant {
        Meaning::Registered => Outcome::Registered,
        Meaning::Renewed => Outcome::Renewed,
        Meaning::Updated => Outcome::Updated,
        Meaning::Left => Outcome::Left,
        Meaning::Shown => Outcome::Shown,
        Meaning::Unknown => Outcome::Unknown,
        Meaning::Conflict => Outcome::Conflict,
        Meaning::Refused => Outcome::Refused,
        Meaning::Unavailable => Outcome::Unavailable,
    }
}

fn holds(test: &Test, found: Option<&Value>) -> bool {
    let found = found.filter(|found| !found.is_null());
    match (test, found) {
        (Test::Absent, found) => found.is_none(),
        (Test::Equals(wanted), Some(found)) => text_of(found).is_some_and(|text| text == *wanted),
        (Test::Begins(wanted), Some(found)) => text_of(found).is_some_and(|text| text.starts_with(wanted)),
        (_, None) => false,
    }
}

/// A text, number or truth as a text.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// An entry of a list with what filters go by.
struct Listed {
    seen: AgentSeen,
    agent_type: Option<String>,
    capabilities: Vec<String>,
}

struct List(Vec<Listed>);

impl List {
    /// A filter that names no status leaves expired agents out.
    fn filter_by(self, filter: &Filter) -> Vec<AgentSeen> {
        let wanted = |listed: &Listed| {
            let of_status = match filter.status.as_slice() {
                [] => listed.seen.status != Status::Expired,
                statuses => statuses.contains(&listed.seen.status),
            };
            of_status
                && filter.agent_type.as_ref().is_none_or(|wanted| listed.agent_type.as_ref() == Some(wanted))
                && filter.capability.as_ref().is_none_or(|wanted| listed.capabilities.contains(wanted))
        };
        self.0.into_iter().filter(wanted).map(|listed| listed.seen).collect()
    }
}

/// All agents of a list or of a table by id; nothing or null is an empty list.
fn agents(found: Option<&Value>, entry: &Entry) -> Result<List, String> {
    let mut all = Vec::new();
    match found {
        None | Some(Value::Null) => {}
        Some(Value::Array(entries)) => {
            for value in entries {
                let id = value.pointer(&entry.id).and_then(text_of);
                let id = id.ok_or_else(|| format!("an entry has no id at {:?}: {value}", entry.id))?;
                all.extend(listed(&id, value, entry)?);
            }
        }
        Some(Value::Object(table)) => {
            for (id, value) in table {
                all.extend(listed(id, value, entry)?);
            }
        }
        Some(other) => return Err(format!("the agents are neither a list nor a table: {other}")),
    }
    Ok(List(all))
}

/// What an entry shows; `None` where it is there and means that the agent is gone.
fn listed(id: &str, value: &Value, entry: &Entry) -> Result<Option<Listed>, String> {
    let status = match &entry.status {
        None => Status::Healthy,
        Some(pointer) => {
            let word = value.pointer(pointer).and_then(text_of).unwrap_or_default();
            match entry.words.get(&word) {
                Some(EntryStatus::Healthy) => Status::Healthy,
                Some(EntryStatus::Degraded) => Status::Degraded,
                Some(EntryStatus::Expired) => Status::Expired,
                Some(EntryStatus::Gone) => return Ok(None),
                None => return Err(format!("agent {id} has the unknown status {word:?}")),
            }
        }
    };
    let text_at = |pointer: &Option<String>| value.pointer(pointer.as_ref()?).and_then(text_of);
    let number = text_at(&entry.document);
    let number = number.as_deref().and_then(|text| text.strip_prefix(&entry.document_prefix));
    let capabilities = match entry.capabilities.as_ref().and_then(|pointer| value.pointer(pointer)) {
        Some(Value::Array(all)) => {
            all.iter().filter_map(|one| one.pointer(&entry.capability).and_then(text_of)).collect()
        }
        Some(Value::String(all)) => all.split(',').map(|name| name.trim().to_owned()).collect(),
        _ => Vec::new(),
    };
    let document = number.and_then(|number| number.parse().ok());
    Ok(Some(Listed {
        seen: AgentSeen { id: id.to_owned(), status, epoch: None, document },
        agent_type: text_at(&entry.agent_type),
        capabilities,
    }))
}

fn unreadable(answer: &WireAnswer, error: &serde_json::Error) -> Reading {
    Reading::of(Outcome::Failed)
        .noting(shortened(&format!("unreadable answer with status {}: {error}", answer.status)))
}

fn words(answer: &WireAnswer) -> String {
    shortened(&format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

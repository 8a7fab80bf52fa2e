//! Timeouts by agent type, in scenarios and in files of their own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Fault, Faults, ScenarioError};
use crate::model::Policy;
use crate::section::{Section, Value};
use crate::values::{is_agent_type, positive_duration, short_duration};

const POLICY_KEYS: [&str; 4] = ["heartbeat_interval", "degraded_after", "expires_after", "evict_after"];

/// The rule as help texts quote it.
const RULE: &str = "heartbeat_interval < degraded_after < expires_after < evict_after must hold, each counted from \
                    the last heartbeat";

/// Reads a table of policies by agent type. `complete` asks for all four timeouts.
pub(crate) fn read_policies(
    key: &str,
    value: &Value<'_>,
    complete: bool,
    faults: &mut Faults,
) -> BTreeMap<String, Policy> {
    let Some(section) = faults.keep(Section::from_value(format!("`{key}`"), value)) else {
        return BTreeMap::new();
    };
    let mut policies = BTreeMap::new();
    for (agent_type, span, value) in section.entries() {
        if !is_agent_type(agent_type) {
            faults.push(
                Fault::at(span, format!("`{agent_type}` is no agent type"), "not allowed")
                    .help("1 to 64 of A-Z a-z 0-9 . _ : -, the first a letter or digit"),
            );
            continue;
        }
        let what = format!("`[{key}.{agent_type}]`");
        let policy = faults
            .keep(Section::from_value(what, value))
            .and_then(|mut section| read_policy(&mut section, complete, faults));
        if let Some(policy) = policy {
            policies.insert(agent_type.to_owned(), policy);
        }
    }
    if section.value("default").is_none() {
        section.refuse_missing("default", &format!("[{key}.default]"), faults);
    }
    policies
}

fn read_policy(section: &mut Section<'_>, complete: bool, faults: &mut Faults) -> Option<Policy> {
    section.refuse_unknown_keys(&POLICY_KEYS, faults);
    let heartbeat_interval =
        section.required("heartbeat_interval", "heartbeat_interval = \"5s\"", positive_duration, faults);
    let expires_after =
        section.required("expires_after", "expires_after = \"20s\"", positive_duration, faults);
    let degraded_after = section.optional("degraded_after", positive_duration, faults);
    let evict_after = section.optional("evict_after", positive_duration, faults);
    if complete {
        for (key, example) in
            [("degraded_after", "degraded_after = \"10s\""), ("evict_after", "evict_after = \"60s\"")]
        {
            if section.value(key).is_none() {
                section.refuse_missing(key, example, faults);
            }
        }
    }
    let timeouts = [heartbeat_interval, degraded_after, expires_after, evict_after];
    let stated: Vec<(&str, Duration, Option<Range<usize>>)> = POLICY_KEYS
        .iter()
        .zip(timeouts)
        .filter_map(|(key, timeout)| Some((*key, timeout?, section.value(key).map(Value::span))))
        .collect();
    refuse_disorder(&section.what, &stated, faults);
    Some(Policy {
        heartbeat_interval: heartbeat_interval?,
        degraded_after,
        expires_after: expires_after?,
        evict_after,
    })
}

/// Reports each two neighbours that are not in growing order.
fn refuse_disorder(what: &str, stated: &[(&str, Duration, Option<Range<usize>>)], faults: &mut Faults) {
    for pair in stated.windows(2) {
        let [(low_key, low, low_span), (high_key, high, high_span)] = pair else { continue };
        if low < high {
            continue;
        }
        let message = format!(
            "{what} is impossible: `{high_key}` ({}) is not above `{low_key}` ({})",
            short_duration(*high),
            short_duration(*low)
        );
        let fault = match (low_span, high_span) {
            (Some(low_span), Some(high_span)) => {
                Fault::at(high_span.clone(), message, &format!("must be above {}", short_duration(*low)))
                    .and_at(low_span.clone(), &format!("because of this {low_key}"))
            }
            _ => Fault::anywhere(message),
        };
        faults.push(fault.help(format!(
            "{RULE}: raise `{high_key}` above {} or lower `{low_key}` below {}",
            short_duration(*low),
            short_duration(*high)
        )));
    }
}

/// Reads a policy file in TOML: `transition_bound` and `[policies.<type>]`.
pub(crate) fn parse_toml(
    file: &str,
    text: &str,
) -> Result<(BTreeMap<String, Policy>, Duration), ScenarioError> {
    crate::read::with_table(file, text, |root, faults| {
        root.refuse_unknown_keys(&["transition_bound", "policies"], faults);
        let bound =
            root.required("transition_bound", "transition_bound = \"50ms\"", positive_duration, faults);
        let policies = match root.value("policies") {
            Some(value) => Some(read_policies("policies", value, false, faults)),
            None => {
                root.refuse_missing("policies", "[policies.default]", faults);
                None
            }
        };
        policies.zip(bound)
    })
}

/// The answer of `GET /policies` (CONTRACT.md 4.8).
#[derive(Debug, Deserialize)]
struct PoliciesAnswer {
    policies: BTreeMap<String, PolicyAnswer>,
    transition_bound_ms: u64,
}

/// A policy in that answer; null or missing where the registry has no such state.
#[derive(Debug, Deserialize)]
struct PolicyAnswer {
    heartbeat_interval_ms: u64,
    #[serde(default)]
    degraded_after_ms: Option<u64>,
    expires_after_ms: u64,
    #[serde(default)]
    evict_after_ms: Option<u64>,
}

/// Reads a policy file in JSON, as `GET /policies` answers.
pub(crate) fn parse_json(
    file: &str,
    text: &str,
) -> Result<(BTreeMap<String, Policy>, Duration), ScenarioError> {
    let mut faults = Faults::default();
    let answer: PoliciesAnswer = match serde_json::from_str(text) {
        Ok(answer) => answer,
        Err(error) => {
            let offset = offset_of(text, error.line(), error.column());
            faults.push(
                Fault::at(offset..offset, format!("this is not an answer of `GET /policies`: {error}"), "here")
                    .help("it looks like {\"policies\": {\"default\": {\"heartbeat_interval_ms\": 5000, ...}}, \"transition_bound_ms\": 50}"),
            );
            return Err(faults.into_error(file, text));
        }
    };
    let millis = Duration::from_millis;
    let mut policies = BTreeMap::new();
    for (agent_type, policy) in answer.policies {
        let stated: Vec<_> = [
            ("heartbeat_interval_ms", Some(policy.heartbeat_interval_ms)),
            ("degraded_after_ms", policy.degraded_after_ms),
            ("expires_after_ms", Some(policy.expires_after_ms)),
            ("evict_after_ms", policy.evict_after_ms),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, millis(value?), None)))
        .collect();
        refuse_disorder(&format!("the policy `{agent_type}`"), &stated, &mut faults);
        policies.insert(
            agent_type,
            Policy {
                heartbeat_interval: millis(policy.heartbeat_interval_ms),
                degraded_after: policy.degraded_after_ms.map(millis),
                expires_after: millis(policy.expires_after_ms),
                evict_after: policy.evict_after_ms.map(millis),
            },
        );
    }
    if !policies.contains_key("default") {
        faults.push(Fault::anywhere("there is no policy `default`").help("every registry has one; add it"));
    }
    if faults.is_empty() {
        Ok((policies, millis(answer.transition_bound_ms)))
    } else {
        Err(faults.into_error(file, text))
    }
}

/// The byte offset of a line and column, both from 1.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len().saturating_sub(1))
}

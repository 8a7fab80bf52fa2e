//! Why runs cannot be compared, in sentences that name what differs.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::result::{Environment, Kind, RunReport, Verdict};
use crate::words::{bytes, cut, one_line};

/// What may differ in the scenarios: what they are called, what is compared, and the seed, which is looked at apart.
const MAY_DIFFER: [&str; 4] = ["name", "description", "target", "seed"];

/// Most keys that are named.
const MAX_NAMED: usize = 8;

/// On what terms a run was made.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'r> {
    /// The scenario as it was run.
    pub scenario_text: &'r str,
    /// Where.
    pub environment: &'r Environment,
}

impl<'r> From<&'r RunReport> for Terms<'r> {
    fn from(report: &'r RunReport) -> Self {
        Self { scenario_text: &report.scenario_text, environment: &report.environment }
    }
}

/// Why a run cannot be compared with any; `None` when it can.
pub fn unfit(report: &RunReport) -> Option<String> {
    if report.kind != Kind::Loadtest {
        return Some("it is no load test".to_owned());
    }
    if let Some(shard) = &report.shard {
        return Some(format!(
            "it is shard {} of {}: `wallflower report merge` makes a run of all of them",
            shard.number, shard.of
        ));
    }
    if report.interrupted {
        return Some("it was interrupted".to_owned());
    }
    if report.verdict == Verdict::Invalid {
        let why = report.reasons.first().map(|reason| format!(": {}", one_line(reason))).unwrap_or_default();
        return Some(format!("it is INVALID and says nothing{why}"));
    }
    let planned_ms = report.phases.last().map(|phase| phase.end_ms);
    match planned_ms {
        None => Some("it has no phases".to_owned()),
        Some(planned_ms) if report.duration_ms < planned_ms => Some(format!(
            "it ended after {:.1} of {:.1} seconds",
            seconds(report.duration_ms),
            seconds(planned_ms)
        )),
        Some(_) => None,
    }
}

/// What differs in the terms of two runs, in sentences; empty when they can be compared.
pub fn differing_terms(a: Terms<'_>, b: Terms<'_>) -> Vec<String> {
    let mut differing = differing_scenarios(a.scenario_text, b.scenario_text);
    let (a, b) = (a.environment, b.environment);
    if a.cores != b.cores {
        differing.push(format!("the hosts have {} and {} processors", a.cores, b.cores));
    }
    if a.processor != b.processor {
        differing.push(format!(
            "the processors are `{}` and `{}`",
            one_line(&a.processor),
            one_line(&b.processor)
        ));
    }
    // What the kernel keeps for itself varies from boot to boot.
    if a.memory_bytes.abs_diff(b.memory_bytes) > a.memory_bytes.max(b.memory_bytes) / 10 {
        differing.push(format!("the hosts have {} and {}", bytes(a.memory_bytes), bytes(b.memory_bytes)));
    }
    differing
}

/// What differs in the seeds of two sides: each must have been run with the same ones.
pub fn differing_seeds(a: &[u64], b: &[u64]) -> Option<String> {
    let set = |seeds: &[u64]| seeds.iter().copied().collect::<BTreeSet<u64>>();
    let told = |seeds: BTreeSet<u64>| {
        let named: Vec<String> = seeds.iter().take(MAX_NAMED).map(u64::to_string).collect();
        named.join(", ") + if seeds.len() > MAX_NAMED { ", ..." } else { "" }
    };
    let (a, b) = (set(a), set(b));
    (a != b).then(|| format!("the seeds are {} and {}", told(a), told(b)))
}

fn differing_scenarios(a: &str, b: &str) -> Vec<String> {
    differing_keys(a, b, &MAY_DIFFER)
}

/// What differs in two scenarios, in sentences; empty when they are one and the same.
pub fn differing_texts(a: &str, b: &str) -> Vec<String> {
    let mut found = if a == b { Vec::new() } else { differing_keys(a, b, &[]) };
    if found.is_empty() && a != b {
        found.push("the texts of the scenarios differ, though not in what they say".to_owned());
    }
    found
}

fn differing_keys(a: &str, b: &str, may_differ: &[&str]) -> Vec<String> {
    let read = |text: &str| -> Option<Table> {
        let mut table: Table = text.parse().ok()?;
        may_differ.iter().for_each(|key| drop(table.remove(*key)));
        Some(table)
    };
    let (Some(a), Some(b)) = (read(a), read(b)) else {
        return vec!["the text of a scenario cannot be read".to_owned()];
    };
    let mut found = Vec::new();
    tables("", &a, &b, &mut found);
    let more = found.len().saturating_sub(MAX_NAMED);
    found.truncate(MAX_NAMED);
    if more > 0 {
        found.push(format!("the scenarios differ in {more} more keys"));
    }
    found
}

fn tables(place: &str, a: &Table, b: &Table, found: &mut Vec<String>) {
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        values(&place, a.get(key), b.get(key), found);
    }
}

fn values(place: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<String>) {
    match (a, b) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Value::Table(a)), Some(Value::Table(b))) => tables(place, a, b, found),
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                let name = a.get("name").and_then(Value::as_str);
                let place = name.map_or_else(|| format!("{place}.{index}"), |name| format!("{place}.{name}"));
                values(&place, Some(a), Some(b), found);
            }
        }
        (a, b) => found.push(format!("the scenarios differ in `{place}`: {} and {}", told(a), told(b))),
    }
}

fn told(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Array(list)) => format!("{} entries", list.len()),
        Some(Value::String(text)) => format!("\"{}\"", cut(&one_line(text), 60)),
        Some(Value::Integer(number)) => number.to_string(),
        Some(Value::Float(number)) => number.to_string(),
        Some(Value::Boolean(truth)) => truth.to_string(),
        Some(Value::Datetime(_) | Value::Table(_)) => "something else".to_owned(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1e3
}

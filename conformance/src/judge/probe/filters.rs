//! VIEW-9 and VIEW-6: filters and deltas, by the contract's sections 4.4, 4.6 and 4.9.

use std::collections::BTreeMap;

use reports::history::Exchange;
use semver::{Version, VersionReq};
use serde_json::Value;

use super::model::{agents, body, difference, revision, step, steps};
use super::{Findings, Known, Talk};

/// list(f) is list(all), filtered.
pub(super) fn view_9(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let (Some(all), Some(filtered)) = (step(talk, "all"), step(talk, "filtered")) else { return };
    match (all.status(), filtered.status()) {
        (Some(200), Some(200)) if revision(all) == revision(filtered) => {}
        (Some(200), Some(status @ 400..=499)) => {
            return findings
                .decide(filtered, Err(format!("A filter of the contract is refused with {status}.")));
        }
        _ => return findings.sample(),
    }
    let query = query(&filtered.target);
    let expected: Vec<Value> = agents(&body(all)).into_iter().filter(|entry| passes(entry, &query)).collect();
    let result = match difference(&agents(&body(filtered)), &expected) {
        Some(words) => Err(format!("The list under {} is not the filtered list: {words}.", readable(&query))),
        None => Ok(()),
    };
    findings.decide(filtered, result);
}

fn query(target: &str) -> Vec<(String, String)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn readable(query: &[(String, String)]) -> String {
    query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" and ")
}

/// Whether an entry passes a filter.
fn passes(entry: &Value, query: &[(String, String)]) -> bool {
    let all = |name: &str| {
        query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let one = |name: &str| all(name).first().copied();
    let status = entry["status"].as_str().unwrap_or_default();
    let statuses = all("status");
    let shown = if statuses.is_empty() {
        matches!(status, "healthy" | "degraded")
    } else {
        statuses.contains(&status)
    };
    let of_type = one("type").is_none_or(|wanted| entry["agent_type"] == wanted);
    let labelled = all("label").into_iter().all(|test| label(&entry["labels"], test));
    let tags = all("tag");
    let declared = entry["capabilities"].as_array().cloned().unwrap_or_default();
    let asked = one("capability").is_some() || one("version").is_some();
    let provides = if asked {
        declared.iter().any(|capability| {
            one("capability").is_none_or(|name| capability["name"] == name)
                && one("version").is_none_or(|wanted| satisfies(capability, wanted))
                && tags.iter().all(|tag| tagged(capability, tag))
        })
    } else {
        tags.iter().all(|tag| declared.iter().any(|capability| tagged(capability, tag)))
    };
    shown && of_type && labelled && provides
}

fn label(labels: &Value, test: &str) -> bool {
    if let Some(key) = test.strip_prefix('!') {
        return labels.get(key).is_none();
    }
    if let Some((key, value)) = test.split_once("!=") {
        return labels.get(key).is_none_or(|found| found != value);
    }
    match test.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
        None => labels.get(test).is_some(),
    }
}

pub(super) fn version(capability: &Value) -> Option<Version> {
    capability["version"].as_str().unwrap_or("0.0.0").parse().ok()
}

pub(super) fn satisfies(capability: &Value, wanted: &str) -> bool {
    let requirement: Option<VersionReq> = wanted.parse().ok();
    requirement.zip(version(capability)).is_some_and(|(wanted, version)| wanted.matches(&version))
}

pub(super) fn tagged(capability: &Value, tag: &str) -> bool {
    capability["tags"].as_array().is_some_and(|tags| tags.iter().any(|found| found == tag))
}

/// list(a) with delta(a to b) is list(b).
pub(super) fn view_6(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let Some(before) = step(talk, "before").filter(|before| before.status() == Some(200)) else { return };
    let afters = steps(talk, "after");
    for delta in steps(talk, "delta") {
        let since =
            query(&delta.target).iter().find(|(name, _)| name == "since").map(|(_, value)| value.clone());
        let from_start = since.as_deref() == Some("0");
        match delta.status() {
            Some(200) => {}
            // The beginning may be too old; what was just shown is not.
            Some(410) if from_start => findings.decide(delta, Ok(())),
            Some(status @ 400..=499) => {
                findings.decide(
                    delta,
                    Err(format!("A delta since a revision that was just shown is answered {status}.")),
                );
            }
            _ => findings.sample(),
        }
        let after = afters.iter().find(|after| after.sent_us >= delta.done_us);
        let Some(after) =
            after.filter(|after| delta.status() == Some(200) && revision(after) == revision(delta))
        else {
            continue;
        };
        let base = if from_start { BTreeMap::new() } else { entries(before) };
        findings.decide(delta, applied(base, delta, after));
    }
    for refused in steps(talk, "refused") {
        let gone = matches!(refused.status(), Some(410));
        let resync = body(refused)["type"].as_str().is_some_and(|kind| kind.ends_with("/resync"));
        match refused.status() {
            None | Some(500..) => findings.sample(),
            _ if gone && resync => findings.decide(refused, Ok(())),
            found => findings.decide(
                refused,
                Err(format!(
                    "A delta from the future or of another store is answered {found:?}, not 410 /resync."
                )),
            ),
        }
    }
}

/// What tells the entries of a view apart.
fn key(target: &str) -> (&'static str, &'static str) {
    if target.starts_with("/capabilities") { ("capabilities", "name") } else { ("agents", "agent_id") }
}

fn entries(exchange: &Exchange) -> BTreeMap<String, Value> {
    let (list, key) = key(&exchange.target);
    by_key(&body(exchange)[list], key)
}

fn by_key(list: &Value, key: &str) -> BTreeMap<String, Value> {
    let entries = list.as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| (entry[key].as_str().unwrap_or_default().to_owned(), entry)).collect()
}

fn applied(mut base: BTreeMap<String, Value>, delta: &Exchange, after: &Exchange) -> Result<(), String> {
    let (_, key) = key(&delta.target);
    let told = body(delta);
    for id in told["removed"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        base.remove(id);
    }
    base.extend(by_key(&told["changed"], key));
    let expected = entries(after);
    let revision = revision(after).unwrap_or_default();
    if let Some(id) = base.keys().find(|id| !expected.contains_key(*id)) {
        return Err(format!(
            "{id} is left over when the delta is applied, but not in the list of revision {revision}."
        ));
    }
    if let Some(id) = expected.keys().find(|id| !base.contains_key(*id)) {
        return Err(format!(
            "{id} is in the list of revision {revision}, but not when the delta is applied."
        ));
    }
    match expected.iter().find(|(id, entry)| base.get(*id) != Some(entry)) {
        Some((id, _)) => {
            Err(format!("{id} is another by the delta than in the list of revision {revision}."))
        }
        None => Ok(()),
    }
}

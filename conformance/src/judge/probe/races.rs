//! RACE-3 to RACE-7: repeats, latecomers, twins, and what comes after expiry and deregistration.

use reports::history::Exchange;
use serde_json::{Map, Value};

use super::model::{agents, body, step, steps};
use super::{Findings, Known, Talk};

/// What a document holds, in lists and single reads alike.
const FIELDS: [&str; 6] = ["agent_type", "endpoint", "capabilities", "dependencies", "labels", "metadata"];

/// Silence is told in whole milliseconds.
const ROUNDING_US: u64 = 1_000;

type Held = Result<(), String>;

/// What was sent of a heartbeat.
pub(super) fn sent(exchange: &Exchange) -> Value {
    let text = exchange.request_body.as_ref().map(|body| body.text.as_str()).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

/// The word that an accepted heartbeat was answered with.
fn result(exchange: &Exchange) -> Option<String> {
    (exchange.status() == Some(200)).then(|| body(exchange)["result"].as_str().unwrap_or_default().to_owned())
}

fn epoch(exchange: &Exchange) -> Option<u64> {
    body(exchange)["epoch"].as_u64()
}

/// Whether nothing can be said of an exchange: it got no answer, or the store was in trouble.
pub(super) fn silent(exchange: &Exchange) -> bool {
    matches!(exchange.status(), None | Some(500..))
}

pub(super) fn expect(exchange: &Exchange, found: &dyn std::fmt::Debug, wanted: &str, holds: bool) -> Held {
    if holds {
        return Ok(());
    }
    Err(format!("{} {} was answered {found:?} instead of {wanted}.", exchange.method, exchange.target))
}

fn expect_result(exchange: &Exchange, wanted: &str) -> Held {
    let found = (exchange.status(), result(exchange));
    expect(exchange, &found, &format!("200 `{wanted}`"), found.1.as_deref() == Some(wanted))
}

pub(super) fn expect_status(exchange: &Exchange, wanted: u16) -> Held {
    let found = exchange.status();
    expect(exchange, &found, &wanted.to_string(), found == Some(wanted))
}

/// Whether a view shows a document just as it was sent.
pub(super) fn shows(entry: &Value, document: &Value) -> bool {
    FIELDS.iter().all(|field| entry[field] == document[field])
}

/// Whether no timer of the agent can have acted when `view` ended, its last heartbeat having begun at `from`.
pub(super) fn steady(known: &Known<'_>, from: &Exchange, view: &Exchange) -> bool {
    let agent_type = sent(from)["agent_type"].as_str().unwrap_or("default").to_owned();
    known.policy(&agent_type).is_some_and(|policy| {
        let until_ms = policy.degraded_after_ms.unwrap_or(policy.expires_after_ms);
        view.done_us < from.sent_us.saturating_add(until_ms.saturating_mul(1000))
    })
}

/// Two looks at an agent that must tell the same.
fn same(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings, what: &str) {
    let (Some(first), Some(before), Some(after)) =
        (step(talk, "first"), step(talk, "before"), step(talk, "after"))
    else {
        return findings.sample();
    };
    if before.status() != Some(200) || silent(after) || !steady(known, first, after) {
        return findings.sample();
    }
    let (was, is) = (body(before), body(after));
    let differs = was
        .as_object()
        .into_iter()
        .flat_map(Map::iter)
        .find(|(name, value)| is.get(name.as_str()) != Some(*value));
    let held = match differs {
        Some((name, value)) => {
            Err(format!("Behind {what} `{name}` is shown as {} instead of {value}.", is[name]))
        }
        None => Ok(()),
    };
    findings.decide(after, held);
}

/// Exactly one of equal heartbeats counts.
pub(super) fn race_3(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    for again in steps(talk, "again").into_iter().filter(|again| !silent(again)) {
        findings.decide(again, expect_result(again, "stale"));
    }
    same(talk, known, findings, "repeats of a (incarnation, sequence)");
    lease_is_the_first_ones(talk, findings);
    let together = steps(talk, "together");
    if together.is_empty() || together.iter().any(|one| silent(one)) {
        return;
    }
    let count = |word: &str| together.iter().filter(|one| result(one).as_deref() == Some(word)).count();
    let (registered, stale) = (count("registered"), count("stale"));
    let held = if registered == 1 && stale == together.len() - 1 {
        Ok(())
    } else {
        Err(format!(
            "Of {} heartbeats with one (incarnation, sequence) at once {registered} were answered `registered` and \
             {stale} `stale`; it must be one, and all others.",
            together.len()
        ))
    };
    findings.decide(together[together.len() - 1], held);
    let (first, after) = (together[0], step(talk, "after"));
    let Some(after) = after.filter(|after| after.status() == Some(200)) else { return findings.sample() };
    let (entry, document) = (body(after), sent(first));
    let held = shows(&entry, &document) && entry["epoch"] == 1;
    findings.decide(after, expect(after, &entry, &format!("epoch 1 of {document}"), held));
}

/// A repeat does not renew: silence is counted from the first.
fn lease_is_the_first_ones(talk: &Talk<'_>, findings: &mut Findings) {
    let (Some(first), Some(lease)) = (step(talk, "first"), step(talk, "lease")) else { return };
    let Some(silence_ms) = body(lease)["silence_ms"].as_u64() else { return findings.sample() };
    let least_us = lease.sent_us.saturating_sub(first.done_us);
    let told_us = silence_ms.saturating_mul(1000).saturating_add(ROUNDING_US);
    let held = if told_us >= least_us {
        Ok(())
    } else {
        Err(format!(
            "A repeat renewed the lease: {silence_ms} ms of silence are told, though the one heartbeat that counts was \
             answered {} ms before.",
            least_us / 1000
        ))
    };
    findings.decide(lease, held);
}

/// Latecomers change nothing, and the highest sequence stays.
pub(super) fn race_4(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    for late in steps(talk, "late").into_iter().filter(|late| !silent(late)) {
        findings.decide(late, expect_result(late, "stale"));
    }
    for older in steps(talk, "older").into_iter().filter(|older| !silent(older)) {
        findings.decide(older, expect_status(older, 409));
    }
    if step(talk, "before").is_some() {
        same(talk, known, findings, "latecomers");
    }
    if let Some(next) = step(talk, "next").filter(|next| !silent(next)) {
        findings.decide(next, expect_result(next, "updated"));
    }
    let all: Vec<&Exchange> =
        talk.iter().filter(|one| ["next", "shuffled"].contains(&one.step.as_str())).copied().collect();
    let last = all.iter().max_by_key(|one| sent(one)["sequence"].as_u64());
    let (Some(last), Some(end)) = (last, step(talk, "end")) else { return };
    if all.iter().any(|one| silent(one)) || end.status() != Some(200) {
        return findings.sample();
    }
    let (entry, document) = (body(end), sent(last));
    let wanted = format!("the document of the highest sequence, {document}");
    findings.decide(end, expect(end, &entry, &wanted, shows(&entry, &document)));
}

/// Every view is one document as it was sent; behind the newer process's registration it is one of its own.
pub(super) fn race_5(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let whole = |name: &str| steps(talk, name);
    let (older, newer) = (whole("older"), whole("newer"));
    let took_over = newer.iter().find(|one| result(one).is_some()).map(|one| one.done_us);
    for early in steps(talk, "early").into_iter().filter(|early| !silent(early)) {
        findings.decide(early, expect_status(early, 410));
    }
    if let Some(over_us) = took_over {
        for late in older.iter().filter(|one| one.sent_us >= over_us && !silent(one)) {
            findings.decide(late, expect_status(late, 409));
        }
    }
    for one in newer.iter().filter(|one| !silent(one)) {
        findings.decide(one, expect_status(one, 200));
    }
    let sent_by = |all: &[&Exchange], view: &Exchange| -> Vec<Value> {
        all.iter().filter(|one| one.sent_us < view.done_us).map(|one| sent(one)).collect()
    };
    for view in talk.iter().filter(|one| ["view", "list", "end"].contains(&one.step.as_str())) {
        let seen = body(view);
        let entries = if view.step == "list" { agents(&seen) } else { vec![seen] };
        let [entry] = entries.as_slice() else { continue };
        if view.status() != Some(200) {
            continue;
        }
        let mut possible = sent_by(&newer, view);
        let replaced = took_over.is_some_and(|over_us| view.sent_us >= over_us);
        if !replaced {
            possible.extend(sent_by(&older, view));
        }
        let held = if possible.iter().any(|document| shows(entry, document)) {
            Ok(())
        } else {
            let whose = if replaced { "the newer process" } else { "any process" };
            Err(format!("What is shown is no document of {whose} as it was sent, but {entry}."))
        };
        findings.decide(view, held);
    }
    let (Some(last), Some(end)) = (newer.last(), step(talk, "end")) else { return findings.sample() };
    if end.status() != Some(200) || newer.iter().any(|one| silent(one)) {
        return findings.sample();
    }
    let (entry, document) = (body(end), sent(last));
    let wanted = format!("the newer process's last document, {document}");
    findings.decide(end, expect(end, &entry, &wanted, shows(&entry, &document)));
}

/// The expired stay so until a whole heartbeat begins the next epoch.
pub(super) fn race_6(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    let Some(first) = step(talk, "first").filter(|first| result(first).is_some()) else { return };
    let agent_type = sent(first)["agent_type"].as_str().unwrap_or("default").to_owned();
    let Some(policy) = known.policy(&agent_type) else { return };
    let expired_us = first.done_us + policy.expires_after_ms * 1000 + known.late_us;
    let lean: Vec<&Exchange> =
        talk.iter().filter(|one| ["lean", "head"].contains(&one.step.as_str())).copied().collect();
    if lean.is_empty() || lean.iter().any(|one| silent(one) || one.sent_us <= expired_us) {
        return findings.sample();
    }
    for one in &lean {
        let told = body(one)["type"].as_str().is_some_and(|kind| kind.ends_with("/unknown-agent"));
        let held = expect_status(one, 410).and_then(|()| {
            let wanted = "the problem type `.../unknown-agent`";
            expect(one, &one.text(), wanted, told || one.method == "HEAD")
        });
        findings.decide(one, held);
    }
    if let (Some(before), Some(after)) = (step(talk, "before"), step(talk, "after")) {
        unchanged_by_lean(before, after, findings);
    }
    let Some(back) = step(talk, "back").filter(|back| !silent(back)) else { return };
    let next = epoch(first).map(|epoch| epoch + 1);
    let found = (result(back), epoch(back));
    let wanted = format!("`registered` with epoch {next:?}");
    let holds = found.0.as_deref() == Some("registered") && found.1 == next;
    findings.decide(back, expect(back, &found, &wanted, holds));
    // Until Q it is shown by its id, until X in the list as well.
    let until_us = |ms: Option<u64>| ms.map_or(u64::MAX, |ms| back.sent_us.saturating_add(ms * 1000));
    let listed_us = until_us(Some(policy.expires_after_ms));
    for view in talk.iter().filter(|one| ["view", "health", "list"].contains(&one.step.as_str())) {
        let limit_us = if view.step == "list" { listed_us } else { until_us(policy.evict_after_ms) };
        if silent(view) || view.done_us >= limit_us {
            findings.sample();
            continue;
        }
        let seen = body(view);
        let entry = if view.step == "list" { agents(&seen).into_iter().next() } else { Some(seen) };
        let shown = entry.and_then(|entry| entry["epoch"].as_u64());
        findings.decide(view, expect(view, &shown, &format!("epoch {next:?}"), shown == next));
    }
}

fn unchanged_by_lean(before: &Exchange, after: &Exchange, findings: &mut Findings) {
    if silent(before) || silent(after) {
        return findings.sample();
    }
    let (was, is) = (body(before), body(after));
    let held = match (before.status(), after.status()) {
        // An eviction may have come between.
        (_, Some(404)) => Ok(()),
        (Some(404), found) => expect(after, &found, "404, as before the lean heartbeat", false),
        _ => expect(after, &is, &format!("{was}, as before the lean heartbeat"), was == is),
    };
    findings.decide(after, held);
}

/// Behind a deregistration there is nobody until a newer process comes.
pub(super) fn race_7(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let (Some(first), Some(gone)) = (step(talk, "first"), step(talk, "gone")) else { return };
    if result(first).is_none() || gone.status() != Some(204) {
        return findings.sample();
    }
    for racing in steps(talk, "racing").into_iter().filter(|one| one.sent_us > gone.done_us && !silent(one)) {
        findings.decide(racing, expect_status(racing, 410));
    }
    for late in steps(talk, "late").into_iter().filter(|late| !silent(late)) {
        findings.decide(late, expect_status(late, 410));
    }
    for view in steps(talk, "view").into_iter().filter(|view| !silent(view)) {
        findings.decide(view, expect_status(view, 404));
    }
    if let Some(list) = step(talk, "list").filter(|list| list.status() == Some(200)) {
        let shown = agents(&body(list)).len();
        findings.decide(list, expect(list, &shown, "an empty list", shown == 0));
    }
    let Some(next) = step(talk, "next").filter(|next| !silent(next)) else { return };
    let found = (result(next), epoch(next));
    let holds = found.0.as_deref() == Some("registered") && found.1 > epoch(first);
    findings.decide(next, expect(next, &found, "`registered` with a higher epoch", holds));
    if let Some(shown) = step(talk, "shown").filter(|shown| !silent(shown)) {
        findings.decide(shown, expect_status(shown, 200));
    }
}

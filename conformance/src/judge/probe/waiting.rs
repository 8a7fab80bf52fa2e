//! VIEW-8: a long-poll ends in time, wakes by a change, and by nothing else.

use super::model::{body, id, revision, step};
use super::{Findings, Known, Talk};
use reports::history::Exchange;

/// How much of its own lag the harness can bear here, in microseconds: beyond it nothing about waking can be told.
const BEARABLE_US: u64 = 1_000_000;

/// One poll.
pub(super) fn view_8(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    let (Some(before), Some(poll)) = (step(talk, "before"), step(talk, "poll")) else { return };
    let Some(wait_us) = wait_us(&poll.target) else { return };
    match poll.status() {
        Some(200 | 304) => {}
        Some(status @ 400..=499) if status != 429 => {
            return findings
                .decide(poll, Err(format!("A long-poll of the contract is refused with {status}.")));
        }
        _ => return findings.sample(),
    }
    match step(talk, "change") {
        None => quiet(before, poll, wait_us, (talk, known), findings),
        Some(change) if change.status() == Some(200) && body(change)["result"] == "updated" => {
            woken(talk, poll, change, known, findings);
        }
        Some(_) => findings.sample(),
    }
}

/// What an answer of this harness and registry takes at the moment: the slowest other exchange of the conversation.
fn round_trip_us(talk: &Talk<'_>) -> u64 {
    let others = talk.iter().filter(|exchange| exchange.step != "poll");
    others.map(|exchange| exchange.done_us - exchange.sent_us).max().unwrap_or(0)
}

/// Nothing changed: it ends by its time, neither before nor long after.
fn quiet(
    before: &Exchange,
    poll: &Exchange,
    wait_us: u64,
    (talk, known): (&Talk<'_>, &Known<'_>),
    findings: &mut Findings,
) {
    let took_us = poll.done_us - poll.sent_us;
    let told = body(poll);
    let same = poll.status() == Some(304) || revision(poll) == revision(before);
    let nothing = told["changed"].as_array().is_none_or(Vec::is_empty);
    if took_us < wait_us && same && nothing {
        let words = format!(
            "A long-poll of {} ms came back with no news after {} ms: a renewal woke it.",
            wait_us / 1000,
            took_us / 1000
        );
        return findings.decide(poll, Err(words));
    }
    // Somebody else changed the registry: it may come back early for that.
    if took_us < wait_us {
        return findings.sample();
    }
    late(poll, poll.sent_us + wait_us + wait_us / 16, (talk, known), findings);
}

/// A change was acknowledged: it tells of it within W + d, counted from whichever came last, poll or change.
fn woken(talk: &Talk<'_>, poll: &Exchange, change: &Exchange, known: &Known<'_>, findings: &mut Findings) {
    let agent = change
        .request_body
        .as_ref()
        .and_then(|body| serde_json::from_str::<serde_json::Value>(&body.text).ok())
        .map(|sent| id(&sent).to_owned())
        .unwrap_or_default();
    let told = body(poll);
    let list = if poll.target.contains("since=") { &told["changed"] } else { &told["agents"] };
    let shown = list.as_array().is_some_and(|entries| {
        entries.iter().any(|entry| id(entry) == agent && entry["metadata"]["changed"] == true)
    });
    if !shown {
        // One that came back before the change was acknowledged may have been woken by somebody else's.
        if poll.done_us < change.done_us {
            return findings.sample();
        }
        let words =
            format!("A long-poll came back without the change of {agent}, which had been acknowledged.");
        return findings.decide(poll, Err(words));
    }
    late(poll, change.done_us.max(poll.sent_us), (talk, known), findings);
}

/// Beyond the bound and the harness's lag it is late; what an ordinary answer takes as well is nobody's proof.
fn late(poll: &Exchange, due_us: u64, (talk, known): (&Talk<'_>, &Known<'_>), findings: &mut Findings) {
    let by_us = poll.done_us.saturating_sub(due_us + known.late_us);
    let round_trip_us = round_trip_us(talk);
    if by_us == 0 {
        findings.decide(poll, Ok(()));
    } else if known.late_us > BEARABLE_US || by_us <= 4 * round_trip_us || round_trip_us > BEARABLE_US {
        findings.sample();
    } else {
        let words = "A long-poll came back later than its time or a change, W and the harness's lag allow."
            .to_owned();
        findings.late(poll, by_us, words);
    }
}

fn wait_us(target: &str) -> Option<u64> {
    let (_, rest) = target.split_once("wait_ms=")?;
    let digits = rest.split('&').next()?;
    digits.parse::<u64>().ok().map(|ms| ms * 1000)
}

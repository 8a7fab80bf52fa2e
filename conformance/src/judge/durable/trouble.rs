//! DURABLE-5: a store that cannot be written to. DURABLE-6: one that is not the registry's, or not whole.

use std::path::Path;

use reports::history::{Operation, Outcome};

use super::super::beside::{Trouble, Troubled};
use super::super::evidence::{Evidence, Span};
use super::super::settle::Horizon;
use super::super::sighting::{Lane, Sighting};
use super::super::tally::{Case, Tallies, Tally, milliseconds};
use super::super::time::case;
use super::super::{Subject, view};
use crate::catalogue::{Check, row};

/// DURABLE-5, agent by agent: nobody who lives is told that nobody knows it, and nothing acknowledged is lost.
pub(in crate::judge) fn check_agent(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    horizon: Horizon,
    tally: &mut Tally,
) {
    let beside = &subject.evidence.beside;
    let now = |call: &&Troubled| (horizon.from..horizon.until).contains(&call.span.s);
    for call in beside.troubled.iter().filter(now).filter(|call| call.agent == subject.id) {
        let Some(trouble) = beside.trouble_of(call.span) else { continue };
        // A list that is not there any more to tell changes from says nothing of the agent that asked.
        let asks_for_itself = !matches!(call.op, Operation::List | Operation::Watch);
        if asks_for_itself && surely_lives(subject, call.span) && call.outcome == Outcome::Unknown {
            let sentence = format!(
                "A {} of {} was answered {} at {} ms, when {} or had been, although the agent lived.",
                call.op.name(),
                subject.id,
                call.http.map_or_else(|| "as unknown".to_owned(), |status| status.to_string()),
                milliseconds(call.span.e),
                trouble.sentence()
            );
            tally.break_with(case(subject, call.span, 0, sentence));
        }
    }
    for trouble in &beside.troubles {
        check_kept(subject, sightings, trouble, tally);
    }
}

/// What had been acknowledged before or during the trouble is there behind the next restart.
fn check_kept(subject: &Subject<'_>, sightings: &[Sighting], trouble: &Trouble, tally: &mut Tally) {
    let after = subject.evidence.restarts.iter().find(|restart| restart.killed.s >= trouble.freed.s);
    let Some(restart) = after else { return };
    let behind = |seen: &&Sighting| {
        !matches!(seen.lane, Lane::Unchanged(_)) && seen.span.s >= restart.started.s && seen.shows_all
    };
    for seen in
        sightings.iter().filter(|seen| behind(seen) || (seen.present && seen.span.s > restart.started.s))
    {
        let Some(acknowledged) = subject.lease.acknowledged_registration(seen.span) else { continue };
        if acknowledged.e > trouble.freed.e || acknowledged.e + 60_000_000 < trouble.held.s {
            continue;
        }
        let lost = !seen.present && surely_lives(subject, seen.span);
        let wrong = view::wrong_document(subject, seen).map(|(_, sentence)| sentence);
        if lost || wrong.is_some() {
            let sentence = wrong.unwrap_or_else(|| format!("{} was gone.", subject.id));
            let sentence = format!("Behind {} and a restart: {sentence}", trouble.kind.name());
            tally.break_with(case(subject, seen.span, 0, sentence));
        }
    }
}

fn surely_lives(subject: &Subject<'_>, span: Span) -> bool {
    subject.lease.surest(span, true).is_some_and(|index| {
        span.e < subject.lease.beats[index].span.s.saturating_add(subject.timeouts.expires_us)
    })
}

/// DURABLE-5, call by call: what cannot be done is answered 503 with Retry-After.
pub(super) fn check_answers(evidence: &Evidence, tally: &mut Tally) {
    let beside = &evidence.beside;
    if beside.troubles.is_empty() {
        tally.hindrance = Some("the registry's store was not in trouble in this run".to_owned());
        return;
    }
    let mut remarks = Vec::new();
    for (number, trouble) in beside.troubles.iter().enumerate() {
        let refused = check_trouble(evidence, trouble, tally);
        remarks.push(if refused > 0 {
            format!("{}: {refused} changes were refused", trouble.kind.name())
        } else {
            format!(
                "{}: for {} ms nothing was refused, so the registry did not feel it, and it decides nothing",
                trouble.kind.name(),
                milliseconds(trouble.freed.s.saturating_sub(trouble.held.e))
            )
        });
        let next = beside.troubles.get(number + 1).map_or(u64::MAX, |next| next.held.s);
        let recovered = beside.troubled.iter().any(|call| {
            let is_change = matches!(call.op, Operation::Register | Operation::Leave);
            is_change && (trouble.freed.e..next).contains(&call.span.s) && call.outcome.renews()
        });
        if !recovered {
            tally.hindrance = Some(format!(
                "no registration was accepted when {} no more: the run was too short to tell",
                trouble.kind.sentence()
            ));
        }
    }
    let parts = row(Check::Durable5).into_iter().flat_map(|row| beside.left_out_parts(row.id));
    remarks.extend(parts.map(|(part, reason)| format!("{part} was not tried: {reason}")));
    tally.remark = Some(remarks.join("; "));
}

/// One of them; how many changes were refused for it.
fn check_trouble(evidence: &Evidence, trouble: &Trouble, tally: &mut Tally) -> u64 {
    let during = |call: &&Troubled| call.span.s >= trouble.held.e && call.span.e <= trouble.freed.s;
    let mut refused = 0;
    for call in evidence.beside.troubled.iter().filter(during) {
        if call.outcome != Outcome::Unavailable {
            tally.sample();
            continue;
        }
        refused += 1;
        tally.decide(None);
        let with_time = call.retry_after.as_ref().is_some_and(|time| !time.trim().is_empty());
        if call.http == Some(503) && with_time {
            continue;
        }
        tally.break_with(Case {
            agent: Some(call.agent.clone()),
            view: call.span,
            wrong: call.span,
            by_us: 0,
            sentence: format!(
                "While {} a {} was answered {} {}; it must be 503 with Retry-After.",
                trouble.kind.sentence(),
                call.op.name(),
                call.http.map_or_else(|| "without a status".to_owned(), |status| status.to_string()),
                if with_time { "with Retry-After" } else { "without Retry-After" }
            ),
        });
    }
    // Until the harness ends the process it has to answer.
    let end =
        evidence.restarts.iter().map(|restart| restart.killed).find(|killed| killed.e >= trouble.held.s);
    if let Some(died) = end.filter(|end| evidence.beside.deaths.contains(end)) {
        tally.decide(None);
        tally.break_with(Case {
            agent: None,
            view: died,
            wrong: Span { s: trouble.held.s, e: died.e },
            by_us: 0,
            sentence: format!(
                "The registry ended by itself when {} or had been; it must answer 503 with Retry-After.",
                trouble.kind.sentence()
            ),
        });
    }
    refused
}

/// DURABLE-6: refused with a message that names the file, and not one byte changed.
pub(super) fn check_refusals(evidence: &Evidence, tallies: &mut Tallies) {
    let tally = tallies.of(Check::Durable6);
    for spoilt in &evidence.beside.spoilt {
        let span = Span { s: spoilt.s_us, e: spoilt.e_us };
        let name = Path::new(&spoilt.file).file_name().map(|name| name.to_string_lossy().into_owned());
        let named = name.is_some_and(|name| spoilt.output.contains(&name));
        let wrong = if spoilt.ready {
            Some("was taken: the registry began to serve".to_owned())
        } else if spoilt.exit_code.is_none_or(|code| code == 0) {
            let code = spoilt.exit_code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            Some(format!("was refused with the exit code {code}; it must be one that says failure"))
        } else if !named {
            Some("was refused without a message that names it".to_owned())
        } else if spoilt.before != spoilt.after {
            Some("was changed by the start that refused it".to_owned())
        } else {
            None
        };
        tally.decide(None);
        if let Some(wrong) = wrong {
            let sentence = format!("A {} store, {}, {wrong}.", spoilt.kind, spoilt.file);
            tally.break_with(Case { agent: None, view: span, wrong: span, by_us: 0, sentence });
        }
    }
}

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
use crate::catalogue::Check;

/// DURABLE-5, agent by agent: nobody who lives is told that nobody knows it, and nothing acknowledged is lost.
pub(in crate::judge) fn check_agent(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    horizon: Horizon,
    tally: &mut Tally,
) {
    let beside = &subject.evidence.beside;
    let Some(first) = beside.troubles.first() else { return };
    let now = |call: &&Troubled| {
        (horizon.from..horizon.until).contains(&call.span.s) && call.span.s >= first.held.s
    };
    for call in beside.troubled.iter().filter(now).filter(|call| call.agent == subject.id) {
        // A list that is not there any more to tell changes from says nothing of the agent that asked.
        let asks_for_itself = !matches!(call.op, Operation::List | Operation::Watch);
        if asks_for_itself && surely_lives(subject, call.span) && call.outcome == Outcome::Unknown {
            let sentence = format!(
                "A {} of {} was answered {} at {} ms, when the store was locked or had been, although the agent lived.",
                call.op.name(),
                subject.id,
                call.http.map_or_else(|| "as unknown".to_owned(), |status| status.to_string()),
                milliseconds(call.span.e)
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
            let sentence = format!("Behind a locked store and a restart: {sentence}");
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
    let Some(last) = beside.troubles.last() else {
        tally.hindrance = Some("the registry's store was not locked in this run".to_owned());
        return;
    };
    let is_change = |call: &Troubled| matches!(call.op, Operation::Register | Operation::Leave);
    for call in &beside.troubled {
        let during = beside.troubles.iter().any(|it| call.span.s >= it.held.e && call.span.e <= it.freed.s);
        if !during {
            continue;
        }
        if call.outcome != Outcome::Unavailable {
            tally.sample();
            continue;
        }
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
                "While the store was locked a {} was answered {} {}; it must be 503 with Retry-After.",
                call.op.name(),
                call.http.map_or_else(|| "without a status".to_owned(), |status| status.to_string()),
                if with_time { "with Retry-After" } else { "without Retry-After" }
            ),
        });
    }
    let recovered = beside
        .troubled
        .iter()
        .any(|call| is_change(call) && call.span.s >= last.freed.e && call.outcome.renews());
    if !recovered {
        let reason =
            "no registration was accepted after the lock had been given back: the run was too short to tell";
        tally.hindrance = Some(reason.to_owned());
    }
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

//! PASSIVE-1: nobody ever reaches an address that an agent declared.
//!
//! - `kernel`: PASSIVE-2 to 4; `room`: their part that a network namespace decides.

use super::evidence::{Evidence, Provocation, Span};
use super::tally::{Case, Tallies, milliseconds};
use crate::catalogue::Check;

mod kernel;
mod room;

/// Touches count against the registry whenever they come: the listeners belong to this run alone.
pub(super) fn check(evidence: &Evidence, tallies: &mut Tallies) {
    kernel::check(evidence, tallies);
    let tally = tallies.of(Check::Passive1);
    tally.samples = evidence.declared_agents;
    match &evidence.end {
        Some(end) if end.tripwire => tally.decided = tally.samples,
        _ => {
            tally.hindrance = Some(
                "no listener stood behind every declared endpoint during the whole run, so silence proves nothing"
                    .to_owned(),
            );
        }
    }
    for touch in &evidence.touches {
        let whose = touch.agent.as_deref().unwrap_or("no agent");
        let provoked = provocation_before(evidence, touch.at_us, touch.agent.as_deref());
        let after = provoked
            .map(|provocation| {
                format!(", {} ms after {}", milliseconds(touch.at_us - provocation.span.s), provocation.route)
            })
            .unwrap_or_default();
        tally.break_with(Case {
            agent: touch.agent.clone(),
            view: Span { s: touch.at_us, e: touch.at_us },
            wrong: Span { s: touch.at_us, e: touch.at_us },
            by_us: 0,
            sentence: format!(
                "At {} ms the endpoint {} of {whose} was called by {} from {}{after}.",
                milliseconds(touch.at_us),
                touch.address,
                touch.protocol,
                touch.from
            ),
        });
    }
}

/// The last route that was called before `at_us` to provoke such a call: the agent's own, or else anybody's.
fn provocation_before<'a>(
    evidence: &'a Evidence,
    at_us: u64,
    agent: Option<&str>,
) -> Option<&'a Provocation> {
    let before = evidence.provocations.iter().filter(|provocation| provocation.span.s <= at_us);
    before
        .clone()
        .filter(|provocation| provocation.agent.as_deref() == agent)
        .max_by_key(|provocation| provocation.span.s)
        .or_else(|| before.max_by_key(|provocation| provocation.span.s))
}

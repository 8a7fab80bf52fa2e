//! INPUT-2: whatever came over the wire, the registry refused it, hung up, and lived on.

use reports::history::{Exchange, ExchangeOutcome, Outcome};

use super::races::expect;
use super::{Findings, Known, Talk};
use crate::probe::PSS_NOTE;

/// How much more the process may hold afterwards. What was sent is about twice as much.
const GROWTH_BYTES: u64 = 32 * 1024 * 1024;

/// Steps `bytes`, `any`, `left`, `alive` and `memory`.
pub(super) fn input_2(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    for exchange in talk {
        let status = exchange.status();
        match (exchange.step.as_str(), status) {
            ("bytes", Some(status)) => {
                let holds = (400..500).contains(&status);
                findings.decide(exchange, expect(exchange, &status, "a status of 4xx", holds));
            }
            ("any", Some(status)) => {
                findings.decide(exchange, expect(exchange, &status, "a status below 500", status < 500));
            }
            ("bytes" | "any", None) if hung_up(exchange) => findings.decide(exchange, Ok(())),
            ("alive", Some(status)) => {
                let holds = (200..300).contains(&status);
                findings
                    .decide(exchange, expect(exchange, &status, "as ever, behind all those bytes", holds));
            }
            ("alive", None) if !cut_off(exchange) => {
                let sentence = "Behind all those bytes a right request gets no answer any more.".to_owned();
                findings.decide(exchange, Err(sentence));
            }
            ("bytes" | "any" | "alive", None) => findings.sample(),
            _ => {}
        }
    }
    let held: Vec<(&Exchange, u64)> =
        talk.iter().filter_map(|exchange| Some((*exchange, pss_bytes(exchange)?))).collect();
    let (Some((_, before)), Some((last, after))) = (held.first(), held.get(1)) else { return };
    let grown = after.saturating_sub(*before);
    let sentence =
        format!("The process holds {grown} bytes more than before, where {GROWTH_BYTES} are allowed.");
    findings.decide(last, if grown <= GROWTH_BYTES { Ok(()) } else { Err(sentence) });
}

fn pss_bytes(exchange: &Exchange) -> Option<u64> {
    let bytes = exchange.note.as_ref()?.strip_prefix(PSS_NOTE)?.parse().ok()?;
    (bytes > 0).then_some(bytes)
}

fn hung_up(exchange: &Exchange) -> bool {
    matches!(exchange.outcome, ExchangeOutcome::Failed { outcome: Outcome::Failed, .. })
}

/// The run was ended, so that nothing was sent.
fn cut_off(exchange: &Exchange) -> bool {
    matches!(&exchange.outcome, ExchangeOutcome::Failed { outcome: Outcome::NotSent, cause } if cause.contains("the run was ended"))
}

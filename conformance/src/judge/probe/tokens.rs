//! GUARD-2: a wrong token gets 401, somebody else's agent 403, and neither changes anything.

use std::collections::BTreeMap;

use reports::history::Exchange;
use serde_json::Value;

use super::model::body;
use super::{Findings, Known, Talk};

/// What the silence must have been before, in milliseconds, for a renewal to show in the next look.
const TELLING_MS: u64 = 5;

/// Silences are whole milliseconds; each of two may be rounded either way.
const ROUNDED_MS: u64 = 2;

/// What somebody is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Unauthorized,
    Forbidden,
    Allowed,
}

/// By the scopes of the contract's section 6. All agents belong to the prefix of `own`.
fn due(who: &str, method: &str, target: &str) -> Option<Due> {
    let beats = target.starts_with("/heartbeat") || method == "DELETE";
    Some(match (who, beats) {
        ("none" | "wrong", _) => Due::Unauthorized,
        ("admin", _) | ("own", true) | ("read", false) => Due::Allowed,
        ("other", _) | ("own", false) | ("read", true) => Due::Forbidden,
        _ => return None,
    })
}

/// Each answer by itself, and each look by the one before it, unless something that is allowed came between.
pub(super) fn guard_2(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    let mut seen: BTreeMap<&str, &Exchange> = BTreeMap::new();
    let mut renewed: Option<Renewed> = None;
    for exchange in talk {
        if exchange.step == "look" {
            let calm = renewed.as_ref().is_some_and(|renewed| renewed.is_calm(exchange, known));
            let before = seen.insert(&exchange.target, exchange).filter(|_| calm);
            match before.filter(|before| before.status().is_some() && exchange.status().is_some()) {
                Some(before) => look(before, exchange, findings),
                None => findings.sample(),
            }
            continue;
        }
        let Some(due) = due(&exchange.step, &exchange.method, &exchange.target) else { continue };
        match exchange.status() {
            Some(status) => answer(exchange, status, due, findings),
            None => findings.sample(),
        }
        if due == Due::Allowed && exchange.method != "GET" {
            seen.clear();
            renewed = Renewed::by(exchange, renewed);
        }
    }
}

fn answer(exchange: &Exchange, status: u16, due: Due, findings: &mut Findings) {
    let who = match exchange.step.as_str() {
        "none" => "Nobody's token",
        "wrong" => "A wrong token",
        "own" => "The token of the agent's own prefix",
        "other" => "The token of another prefix",
        "read" => "A reader's token",
        _ => "An administrator's token",
    };
    let what = format!("{} {}", exchange.method, exchange.target);
    let result = match (due, status) {
        (Due::Unauthorized, 401) if exchange.header("www-authenticate").is_some() => Ok(()),
        (Due::Unauthorized, 401) => Err(format!("{who} got 401 for {what} without `WWW-Authenticate`.")),
        (Due::Unauthorized, _) => Err(format!("{who} got {status} for {what}; it must be 401.")),
        (Due::Forbidden, 403) | (Due::Allowed, 200..=299) => Ok(()),
        (Due::Forbidden, _) => Err(format!("{who} got {status} for {what}; it must be 403.")),
        (Due::Allowed, 401 | 403) => Err(format!("{who} got {status} for {what}, which it allows.")),
        // What else goes wrong with an allowed request is another requirement's.
        (Due::Allowed, _) => return findings.sample(),
    };
    findings.decide(exchange, result);
}

/// The last heartbeat that was to be accepted: from then on the agent's timers run.
struct Renewed {
    sent_us: u64,
    agent_type: Option<String>,
}

impl Renewed {
    fn by(exchange: &Exchange, before: Option<Self>) -> Option<Self> {
        if !exchange.target.starts_with("/heartbeat") {
            return before;
        }
        let sent = exchange.request_body.as_ref().map(|body| body.text.as_str()).unwrap_or_default();
        let sent: Value = serde_json::from_str(sent).unwrap_or_default();
        let agent_type = sent["agent_type"].as_str().map(str::to_owned);
        let agent_type = agent_type.or_else(|| before.and_then(|before| before.agent_type));
        Some(Self { sent_us: exchange.sent_us, agent_type })
    }

    /// No timer can have changed anything by the end of this exchange.
    fn is_calm(&self, exchange: &Exchange, known: &Known<'_>) -> bool {
        let policy = known.policy(self.agent_type.as_deref().unwrap_or("default"));
        policy.is_some_and(|policy| {
            let first_ms = policy.degraded_after_ms.unwrap_or(policy.expires_after_ms);
            exchange.done_us < self.sent_us.saturating_add(first_ms.saturating_mul(1000))
        })
    }
}

fn look(before: &Exchange, now: &Exchange, findings: &mut Findings) {
    if now.target.ends_with("/health") && before.status() == Some(200) && now.status() == Some(200) {
        return silence(before, now, findings);
    }
    let result = if before.status() != now.status() {
        Err(format!(
            "GET {} was answered {:?} before what was refused, and {:?} after it.",
            now.target,
            before.status().unwrap_or_default(),
            now.status().unwrap_or_default()
        ))
    } else if shown(before) != shown(now) {
        Err(format!("What was refused changed {}: it was {}.", now.target, shown(before)))
    } else {
        Ok(())
    };
    findings.decide(now, result);
}

/// What of an answer is of these agents alone: others may change the registry's revision.
fn shown(exchange: &Exchange) -> Value {
    let body = body(exchange);
    for member in ["agents", "events"] {
        if body[member].is_array() {
            return body[member].clone();
        }
    }
    if exchange.status() == Some(200) { body } else { Value::Null }
}

/// A refused heartbeat does not renew: the silence has grown by the time that passed.
fn silence(before: &Exchange, now: &Exchange, findings: &mut Findings) {
    let silence = |exchange: &Exchange| body(exchange)["silence_ms"].as_u64();
    let (Some(was), Some(is)) = (silence(before), silence(now)) else { return findings.sample() };
    if was < TELLING_MS {
        return findings.sample();
    }
    let passed = now.sent_us.saturating_sub(before.done_us) / 1000;
    let result = if is + ROUNDED_MS >= was + passed {
        Ok(())
    } else {
        Err(format!(
            "A refused heartbeat renewed the lease: the silence was {was} ms, {passed} ms later it was {is} ms."
        ))
    };
    findings.decide(now, result);
}

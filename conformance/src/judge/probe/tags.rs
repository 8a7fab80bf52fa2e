//! VIEW-4: after a visible change the old entity tag gets no 304.

use super::model::{body, step};
use super::{Findings, Known, Talk};

/// A change was acknowledged, or a timer has run out, between the tag and its second use.
pub(super) fn view_4(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    let (Some(first), Some(again)) = (step(talk, "first"), step(talk, "again")) else { return };
    let what = match (step(talk, "change"), step(talk, "heartbeat")) {
        (Some(change), _) if change.status() == Some(204) => "deregistered".to_owned(),
        (Some(change), _) => {
            let told = body(change);
            let result = told["result"].as_str().unwrap_or("nothing");
            if change.status() != Some(200) || !matches!(result, "registered" | "updated") {
                return findings.sample();
            }
            result.to_owned()
        }
        (None, Some(beat)) => {
            let sent: serde_json::Value = beat
                .request_body
                .as_ref()
                .and_then(|body| serde_json::from_str(&body.text).ok())
                .unwrap_or_default();
            let policy = known.policy(sent["agent_type"].as_str().unwrap_or("default"));
            let Some(degraded_ms) = policy.and_then(|policy| policy.degraded_after_ms) else {
                return findings.sample();
            };
            let due_us = beat.done_us + degraded_ms * 1000 + known.late_us;
            // The first look must have come before the timer, for otherwise it had shown its effect already.
            let early = first.done_us < beat.sent_us + degraded_ms * 1000;
            if beat.status() != Some(200) || !early || again.sent_us <= due_us {
                return findings.sample();
            }
            "degraded by its timer".to_owned()
        }
        (None, None) => return,
    };
    match again.status() {
        Some(200) => findings.decide(again, Ok(())),
        Some(304) => findings.decide(
            again,
            Err(format!("An agent of this view was {what}, and its entity tag from before still gets 304.")),
        ),
        _ => findings.sample(),
    }
}

//! VIEW-11: events in order, each transition once, equal to what the views showed.

use reports::history::Exchange;
use serde_json::Value;

use super::model::{body, steps};
use super::{Findings, Known, Talk};

/// One life: its events against its heartbeats and the reads of it.
pub(super) fn view_11(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let pages = steps(talk, "events");
    let Some(last) = pages.last() else { return };
    if talk.iter().any(|exchange| exchange.status().is_none_or(|status| status >= 500)) {
        return findings.sample();
    }
    if let Some(refused) = pages.iter().find(|page| page.status() != Some(200)) {
        return findings
            .decide(refused, Err(format!("The events of an agent are answered {:?}.", refused.status())));
    }
    let events: Vec<Value> =
        pages.iter().flat_map(|page| body(page)["events"].as_array().cloned().unwrap_or_default()).collect();
    findings.decide(last, in_order(&events));
    for exchange in talk {
        match exchange.step.as_str() {
            "beat" => beat(exchange, &events, last, findings),
            "leave" if exchange.status() == Some(204) => {
                let told = events.iter().filter(|event| event["kind"] == "deregistered").count();
                let left = steps(talk, "leave").iter().filter(|leave| leave.status() == Some(204)).count();
                let words = || format!("{left} deregistrations were acknowledged, the events tell {told}.");
                findings.decide(last, if told == left { Ok(()) } else { Err(words()) });
            }
            "read" => read(exchange, &events, last, findings),
            _ => {}
        }
    }
}

fn number(event: &Value, name: &str) -> u64 {
    event[name].as_u64().unwrap_or_default()
}

/// Numbers and revisions rise, and each event begins where the one before it ended.
fn in_order(events: &[Value]) -> Result<(), String> {
    let mut status = Value::Null;
    let mut epoch = 0;
    for (index, event) in events.iter().enumerate() {
        if let Some(before) = index.checked_sub(1).and_then(|index| events.get(index)) {
            if number(event, "number") <= number(before, "number") {
                return Err(format!("Event {} stands behind event {}.", event["number"], before["number"]));
            }
            if number(event, "revision") <= number(before, "revision") {
                return Err(format!(
                    "Event {} has no later revision than event {}.",
                    event["number"], before["number"]
                ));
            }
        }
        // Whoever registers with a new incarnation does so from a living epoch; these agents have none.
        if event["from"] != status {
            return Err(format!(
                "Event {} goes from {}, but the one before it ended at {status}.",
                event["number"], event["from"]
            ));
        }
        let begins = event["kind"] == "registered";
        if begins && number(event, "epoch") != epoch + 1 || !begins && number(event, "epoch") != epoch {
            return Err(format!(
                "Event {} is of epoch {} behind epoch {epoch}.",
                event["number"], event["epoch"]
            ));
        }
        epoch = number(event, "epoch");
        status = event["to"].clone();
        let fits = match event["kind"].as_str().unwrap_or_default() {
            "registered" => event["from"].is_null() || event["from"] == "expired",
            "updated" => event["from"] == event["to"],
            "degraded" => event["to"] == "degraded" && event["from"] == "healthy",
            "recovered" => event["to"] == "healthy" && event["from"] == "degraded",
            "expired" => event["to"] == "expired",
            "evicted" | "deregistered" => event["to"].is_null(),
            _ => false,
        };
        if !fits {
            return Err(format!(
                "Event {} is {}, but goes from {} to {}.",
                event["number"], event["kind"], event["from"], event["to"]
            ));
        }
        // A timer's end of a registration leaves nothing to begin from.
        if status == "expired"
            && events
                .get(index + 1)
                .is_some_and(|next| next["kind"] == "registered" && next["from"].is_null())
        {
            status = Value::Null;
        }
    }
    Ok(())
}

/// An acknowledged change has its event, at the revision that the answer named; a renewal has none.
fn beat(beat: &Exchange, events: &[Value], last: &Exchange, findings: &mut Findings) {
    let answer = body(beat);
    let registered = events.iter().filter(|event| event["kind"] == "registered");
    if answer["result"] == "registered" {
        let found = registered.filter(|event| event["epoch"] == answer["epoch"]).count();
        let words = || format!("Epoch {} was registered, the events tell it {found} times.", answer["epoch"]);
        findings.decide(last, if found == 1 { Ok(()) } else { Err(words()) });
    }
}

/// What a read showed is where the last event up to the entry's revision led.
fn read(read: &Exchange, events: &[Value], last: &Exchange, findings: &mut Findings) {
    let entry = body(read);
    if read.status() != Some(200) {
        return;
    }
    let revision = number(&entry, "revision");
    let at: Vec<&Value> = events.iter().filter(|event| number(event, "revision") == revision).collect();
    let result = match at.as_slice() {
        [event] if event["to"] == entry["status"] && event["epoch"] == entry["epoch"] => Ok(()),
        [event] => Err(format!(
            "A read showed {} at revision {revision}, but the event of that revision leads to {}.",
            entry["status"], event["to"]
        )),
        [] => Err(format!(
            "A read showed {} since revision {revision}, but no event tells of it.",
            entry["status"]
        )),
        more => Err(format!("Revision {revision} of one agent has {} events.", more.len())),
    };
    findings.decide(last, result);
}

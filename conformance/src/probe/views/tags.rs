//! VIEW-4: an old entity tag after each kind of visible change, a timer's included.

use serde_json::{Value, json};

use crate::probe::{Prober, accepted};

/// Steps `first`, `change` and `again`; where a timer is the change, `heartbeat` before `first` and no `change`.
pub(in crate::probe) async fn view_4(prober: Prober) {
    for (name, kind) in ["registered", "updated", "reported", "left", "timer"].into_iter().enumerate() {
        for on in ["agents", "capabilities"] {
            let case = format!("{kind}-{on}");
            let view = match on {
                "agents" => format!("/agents?{}", prober.own_filter(&case)),
                _ => format!("/capabilities?prefix={}.", prober.own(&case)),
            };
            let mut document = document(&prober, &case, name);
            match kind {
                "timer" => document["agent_type"] = json!(prober.brisk().0),
                "registered" => {}
                _ => drop(prober.beat(&case, "register", &document).await),
            }
            if kind == "timer" {
                timer(&prober, &case, &view, &document).await;
                continue;
            }
            let first = prober.get(&case, "first", &view).await;
            match kind {
                "updated" => document["endpoint"] = json!(format!("http://{}/moved", prober.endpoint)),
                "reported" => document["status"] = json!("degraded"),
                _ => {}
            }
            let change = match kind {
                "left" => prober.leave(&case, "change", &prober.id(&case, "0")).await,
                _ => prober.beat(&case, "change", &document).await,
            };
            if let (Some(tag), true) = (first.header("etag"), accepted(&change)) {
                prober.get_unless(&case, "again", &view, tag).await;
            }
            prober.leave(&case, "tidy up", &prober.id(&case, "0")).await;
        }
    }
}

async fn timer(prober: &Prober, case: &str, view: &str, document: &Value) {
    let policy = prober.brisk().1;
    let beat = prober.beat(case, "heartbeat", document).await;
    let first = prober.get(case, "first", view).await;
    let Some(tag) = first.header("etag") else { return };
    let wait_ms = policy.degraded_after_ms.unwrap_or(policy.expires_after_ms) + prober.bound_ms;
    // What the harness is late by itself comes on top; a little of it is always there.
    prober.recorder.sleep_until(beat.done_us + wait_ms * 1000 + prober.recorder.slack_us() + 50_000).await;
    prober.get_unless(case, "again", view, tag).await;
}

fn document(prober: &Prober, case: &str, number: usize) -> Value {
    let mut document = prober.document(case, "0");
    document["capabilities"] = json!([{ "name": format!("{}.c{number}", prober.own(case)) }]);
    document
}

//! The probes of races and identity: RACE-3 to RACE-7.

use std::time::Duration;

use reports::history::Exchange;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use agent_sim::dialect::{WireRequest, escaped};

use crate::probe::{Prober, accepted};

/// Conversations of each requirement.
const CASES: usize = 6;

/// How long a lease has run when a repeat arrives: what the silence is told by.
const RUN_ON: Duration = Duration::from_millis(40);

/// Beats of each of two processes with one id.
const BEATS: u64 = 24;

/// Steps `first`, `before`, `again` several times, `lease`, `after`; or `together` several times and `after`.
pub(super) async fn race_3(prober: Prober) {
    let strategy = proptest::collection::vec((1_u64..1_000_000, 1_u64..1_000_000, 2_u64..=5), CASES);
    for (number, order) in prober.draw(&strategy).unwrap_or_default().into_iter().enumerate() {
        let (incarnation, sequence, times) = order;
        let case = number.to_string();
        let document = ordered(declared(&prober, &case, 1), incarnation, sequence);
        if number % 2 == 1 {
            all_at_once(&prober, &case, "together", (0..=times).map(|_| document.clone())).await;
        } else {
            prober.beat(&case, "first", &document).await;
            look(&prober, &case, "before").await;
            let run_on_us = u64::try_from(RUN_ON.as_micros()).unwrap_or_default();
            prober.recorder.sleep_until(prober.recorder.clock.now_us() + run_on_us).await;
            for time in 0..times {
                let again = match time % 3 {
                    0 => document.clone(),
                    1 => lean(&prober, &case, Some("degraded")),
                    _ => declared(&prober, &case, 2),
                };
                prober.beat(&case, "again", &ordered(again, incarnation, sequence)).await;
            }
            let path = format!("/agents/{}/health", escaped(&prober.id(&case, "0")));
            prober.get(&case, "lease", &path).await;
        }
        look(&prober, &case, "after").await;
        tidy_up(&prober, &case).await;
    }
}

/// Steps `first`, `before`, `late` and `older`, `after`, `next`, `end`; or `shuffled` several times and `end`.
pub(super) async fn race_4(prober: Prober) {
    let strategy = proptest::collection::vec((2_u64..1_000, 20_u64..1_000, 1_u64..=19), CASES);
    for (number, (incarnation, sequence, behind)) in
        prober.draw(&strategy).unwrap_or_default().into_iter().enumerate()
    {
        let case = number.to_string();
        let first = ordered(declared(&prober, &case, 1), incarnation, sequence);
        if number % 2 == 1 {
            prober.beat(&case, "first", &first).await;
            // Every other one from behind, so that low ones come late; none twice, which is RACE-3.
            let steps = (1..=8).map(|step| if step % 2 == 0 { step } else { 8 - step });
            let documents =
                steps.map(|step| ordered(declared(&prober, &case, 1 + step), incarnation, sequence + step));
            all_at_once(&prober, &case, "shuffled", documents).await;
        } else {
            prober.beat(&case, "first", &first).await;
            look(&prober, &case, "before").await;
            let low = sequence - behind;
            let other = declared(&prober, &case, 2);
            let degraded = lean(&prober, &case, Some("degraded"));
            prober.beat(&case, "late", &ordered(other.clone(), incarnation, low)).await;
            prober.beat(&case, "late", &ordered(degraded.clone(), incarnation, low)).await;
            prober.beat(&case, "older", &ordered(other, incarnation - 1, sequence + behind)).await;
            prober.beat(&case, "older", &ordered(degraded, incarnation - 1, sequence + behind)).await;
            look(&prober, &case, "after").await;
            prober
                .beat(&case, "next", &ordered(declared(&prober, &case, 3), incarnation, sequence + 1))
                .await;
        }
        look(&prober, &case, "end").await;
        tidy_up(&prober, &case).await;
    }
}

/// Steps `older` and `newer` from two processes, `view` and `list` meanwhile, `early` (a lean heartbeat of the newer
/// one before it has registered), `end`.
pub(super) async fn race_5(prober: Prober) {
    let strategy = proptest::collection::vec((1_u64..1_000, 1_u64..1_000, 1_u64..=BEATS / 2), CASES);
    for (number, (incarnation, above, before)) in
        prober.draw(&strategy).unwrap_or_default().into_iter().enumerate()
    {
        let case = number.to_string();
        process(&prober, &case, "older", incarnation, 1..=before).await;
        let early = ordered(lean(&prober, &case, None), incarnation + above, 1);
        prober.beat(&case, "early", &early).await;
        let mut running = JoinSet::new();
        let (own, name) = (prober.clone(), case.clone());
        running.spawn(async move { process(&own, &name, "older", incarnation, before + 1..=BEATS).await });
        let (own, name) = (prober.clone(), case.clone());
        running.spawn(async move { process(&own, &name, "newer", incarnation + above, 2..=BEATS).await });
        let (own, name) = (prober.clone(), case.clone());
        running.spawn(async move {
            for _ in 0..BEATS / 2 {
                look(&own, &name, "view").await;
                own.get(&name, "list", &format!("/agents?{}", own.own_filter(&name))).await;
            }
        });
        while running.join_next().await.is_some() {}
        look(&prober, &case, "end").await;
        tidy_up(&prober, &case).await;
    }
}

/// One process: whole heartbeats, one behind the other, each with a document of its own.
async fn process(
    prober: &Prober,
    case: &str,
    step: &str,
    incarnation: u64,
    sequences: impl Iterator<Item = u64>,
) {
    for sequence in sequences {
        // No two documents of two processes are alike.
        let version = incarnation * 1_000 + sequence;
        prober.beat(case, step, &ordered(declared(prober, case, version), incarnation, sequence)).await;
    }
}

/// Steps `first`, `before`, `lean` and `head`, `after`, `back`, then `view`, `health` and `list`. Half of the agents
/// are evicted by then.
pub(super) async fn race_6(prober: Prober) {
    let mut running = JoinSet::new();
    for number in 0..2 * CASES {
        let prober = prober.clone();
        running.spawn(async move { expire_and_return(&prober, &number.to_string(), number % 2 == 1).await });
    }
    while running.join_next().await.is_some() {}
}

async fn expire_and_return(prober: &Prober, case: &str, evicted: bool) {
    let (agent_type, policy) = prober.brisk();
    let mut document = declared(prober, case, 1);
    document["agent_type"] = json!(agent_type);
    let first = prober.beat(case, "first", &document).await;
    let silent_ms =
        policy.evict_after_ms.filter(|_| evicted).unwrap_or(policy.expires_after_ms) + prober.bound_ms;
    // What the harness is late by itself comes on top; a little of it is always there.
    prober.recorder.sleep_until(first.done_us + silent_ms * 1000 + prober.recorder.slack_us() + 30_000).await;
    look(prober, case, "before").await;
    prober.beat(case, "lean", &lean(prober, case, None)).await;
    let head = format!("/heartbeat/{}", escaped(&prober.id(case, "0")));
    prober.exchange(case, "head", WireRequest::bare("HEAD", head)).await;
    look(prober, case, "after").await;
    let mut again = declared(prober, case, 2);
    again["agent_type"] = json!(agent_type);
    if accepted(&prober.beat(case, "back", &again).await) {
        look(prober, case, "view").await;
        prober.get(case, "health", &format!("/agents/{}/health", escaped(&prober.id(case, "0")))).await;
        prober.get(case, "list", &format!("/agents?{}", prober.own_filter(case))).await;
    }
    tidy_up(prober, case).await;
}

/// Steps `first`, `racing` beside `gone` in every other case, else `gone`, then `late` (no higher incarnation) and
/// `view` in turn, `list`, `next` (a process that may register) and `shown`.
pub(super) async fn race_7(prober: Prober) {
    let strategy = proptest::collection::vec((2_u64..1_000, 1_u64..1_000), CASES);
    for (number, (incarnation, sequence)) in
        prober.draw(&strategy).unwrap_or_default().into_iter().enumerate()
    {
        let case = number.to_string();
        let numbered = number % 3 != 2;
        let (document, other) = (declared(&prober, &case, 1), declared(&prober, &case, 2));
        let order = |document: &Value, incarnation: u64, step: u64| {
            ordered(document.clone(), incarnation, sequence + step)
        };
        let first = if numbered { order(&document, incarnation, 0) } else { document.clone() };
        prober.beat(&case, "first", &first).await;
        if number % 3 == 1 {
            gone_meanwhile(&prober, &case, (1..=6).map(|step| order(&other, incarnation, step)).collect())
                .await;
        } else {
            prober.leave(&case, "gone", &prober.id(&case, "0")).await;
        }
        let bare = lean(&prober, &case, None);
        let late = if numbered {
            vec![
                order(&bare, incarnation, 10),
                order(&other, incarnation, 11),
                order(&other, incarnation - 1, 12),
                bare,
            ]
        } else {
            vec![bare.clone(), order(&other, 0, 10), order(&bare, 0, 11)]
        };
        for heartbeat in late {
            prober.beat(&case, "late", &heartbeat).await;
            look(&prober, &case, "view").await;
        }
        prober.get(&case, "list", &format!("/agents?{}", prober.own_filter(&case))).await;
        // Without an incarnation a whole heartbeat is taken for a new process.
        let next = if numbered { order(&other, incarnation + 1, 1) } else { other };
        prober.beat(&case, "next", &next).await;
        look(&prober, &case, "shown").await;
        tidy_up(&prober, &case).await;
    }
}

/// Deregisters while heartbeats of the same process are under way.
async fn gone_meanwhile(prober: &Prober, case: &str, heartbeats: Vec<Value>) {
    let mut running = JoinSet::new();
    for (number, heartbeat) in heartbeats.into_iter().enumerate() {
        let (own, name) = (prober.clone(), case.to_owned());
        if number == 3 {
            let (own, name) = (own.clone(), name.clone());
            running.spawn(async move { own.leave(&name, "gone", &own.id(&name, "0")).await });
        }
        running.spawn(async move { own.beat(&name, "racing", &heartbeat).await });
    }
    while running.join_next().await.is_some() {}
}

async fn all_at_once(prober: &Prober, case: &str, step: &'static str, all: impl Iterator<Item = Value>) {
    let mut running = JoinSet::new();
    for heartbeat in all {
        let (own, case) = (prober.clone(), case.to_owned());
        running.spawn(async move { own.beat(&case, step, &heartbeat).await });
    }
    while running.join_next().await.is_some() {}
}

async fn look(prober: &Prober, case: &str, step: &str) -> Exchange {
    prober.get(case, step, &format!("/agents/{}", escaped(&prober.id(case, "0")))).await
}

async fn tidy_up(prober: &Prober, case: &str) {
    prober.leave(case, "tidy up", &prober.id(case, "0")).await;
}

/// A whole heartbeat that says its version in every field, so that a mix of two would show.
fn declared(prober: &Prober, case: &str, version: u64) -> Value {
    let mut document = prober.document(case, "0");
    document["endpoint"] = json!(format!("http://{}/{version}", prober.endpoint));
    document["capabilities"] = json!([{
        "name": format!("{}.shared", prober.own(case)),
        "version": format!("1.{version}.0"),
        "tags": [format!("t{version}")],
        "description": format!("version {version}"),
    }]);
    document["dependencies"] =
        json!([{ "capability": "suite.nobody", "version": format!("^{version}.0.0"), "tags": [] }]);
    document["labels"]["version"] = json!(version.to_string());
    document["metadata"] = json!({ "version": version });
    document
}

fn lean(prober: &Prober, case: &str, status: Option<&str>) -> Value {
    match status {
        Some(status) => json!({ "agent_id": prober.id(case, "0"), "status": status }),
        None => json!({ "agent_id": prober.id(case, "0") }),
    }
}

fn ordered(mut heartbeat: Value, incarnation: u64, sequence: u64) -> Value {
    heartbeat["incarnation"] = json!(incarnation);
    heartbeat["sequence"] = json!(sequence);
    heartbeat
}

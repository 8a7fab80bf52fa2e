//! Ten thousand deadlines in one instant, on the real clock, with everything but sockets and the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use registry_core::Setup;
use registry_core::agent::Phase;
use registry_core::document::{AgentId, AgentType, Document, Reported};
use registry_core::policy::{Policies, Policy};
use registry_core::saving::{Saved, SavedAgent};
use registry_core::time::{Revision, WallTime};
use serde_json::Value;

use super::{TIMERS_AT_ONCE, run};
use crate::http;
use crate::mcp::Endpoint;
use crate::shared::Shared;
use crate::testing::{call, request, shared};

const AGENTS: usize = 10_000;
/// They are degraded soon, since their silence began long ago; who beats is not degraded again before the test is over.
const DEGRADED_AFTER_MS: u64 = 3_600_000;

/// All of them live since the same instant.
fn restored() -> Arc<Shared> {
    let document = Arc::new(Document::default());
    let agents = (0..AGENTS).map(|number| SavedAgent {
        key: number as u64 + 1,
        agent_id: AgentId::parse(&format!("a{number}")).unwrap(),
        phase: Phase::Live,
        reported: Reported::Healthy,
        epoch: 1,
        incarnation: 0,
        sequence: None,
        barred: None,
        registered_at: WallTime(0),
        changed: Revision(1),
        wiring_since: Revision(1),
        document: Arc::clone(&document),
        document_changed: false,
    });
    let saved = Saved { revision: Revision(1), agents: agents.collect(), ..Saved::default() };
    let policy = Policy::new(100, DEGRADED_AFTER_MS, 7_200_000, 7_200_001).unwrap();
    let policies = Policies::new(BTreeMap::from([(AgentType::default(), policy)]));
    shared(Setup { store_id: "s".into(), policies, max_agents: AGENTS }, saved, DEGRADED_AFTER_MS - 500)
}

async fn json(router: &axum::Router, path: &str) -> Value {
    let (status, body) = call(router, request("GET", path).body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// One thread: what runs between two steps of the timers shows that they let others in.
#[tokio::test]
async fn deadlines_that_come_together_are_worked_off_in_steps_and_others_get_their_turn() {
    let shared = restored();
    let router = http::router(Arc::clone(&shared), Endpoint::new(&shared, &[]));
    let timers = tokio::spawn(run(Arc::clone(&shared)));
    // Looks at the revision without making what is due.
    let mut seen = vec![1];
    while seen.last() != Some(&(AGENTS as u64 + 1)) {
        let revision = shared.with_core(|core, _| core.revision().0);
        if seen.last() != Some(&revision) {
            seen.push(revision);
        }
        tokio::task::yield_now().await;
    }
    assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= TIMERS_AT_ONCE as u64), "{seen:?}");
    assert!(seen.len() > AGENTS / TIMERS_AT_ONCE, "{seen:?}");

    let metrics = request("GET", "/metrics").body(Body::empty()).unwrap();
    let metrics = String::from_utf8(call(&router, metrics).await.1).unwrap();
    for line in [
        format!("registry_agents{{status=\"degraded\",type=\"default\"}} {AGENTS}"),
        format!("registry_events_total{{kind=\"degraded\"}} {AGENTS}"),
        format!("registry_transition_lag_seconds_count {AGENTS}"),
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} in {metrics}");
    }
    let events = json(&router, "/events?limit=10000").await;
    assert_eq!(events["events"].as_array().unwrap().len(), AGENTS);
    timers.abort();
}

#[tokio::test]
async fn a_long_poll_is_told_what_the_timers_did_while_nobody_asked() {
    let shared = restored();
    let router = http::router(Arc::clone(&shared), Endpoint::new(&shared, &[]));
    let timers = tokio::spawn(run(Arc::clone(&shared)));
    let delta = json(&router, "/agents?since=1&store_id=s&wait_ms=60000").await;
    assert_eq!(delta["revision"], AGENTS + 1);
    assert_eq!(delta["changed"].as_array().unwrap().len(), AGENTS);
    timers.abort();
}

/// Who tells of itself only makes its own transitions; who tells of all makes all of them before it is answered.
#[tokio::test]
async fn a_heartbeat_and_an_answer_in_the_middle_of_the_steps_are_exact() {
    let shared = restored();
    let router = http::router(Arc::clone(&shared), Endpoint::new(&shared, &[]));
    let timers = tokio::spawn(run(Arc::clone(&shared)));
    while shared.with_core(|core, _| core.revision().0) == 1 {
        tokio::task::yield_now().await;
    }
    let made = shared.with_core(|core, _| core.revision().0) - 1;
    assert!((1..=TIMERS_AT_ONCE as u64).contains(&made), "in the middle: {made}");

    let beat = request("POST", "/heartbeat").header("content-type", "application/json");
    let last = format!("{{\"agent_id\":\"a{}\"}}", AGENTS - 1);
    let (status, body) = call(&router, beat.body(Body::from(last)).unwrap()).await;
    assert_eq!(status, 200);
    let degraded = json(&router, "/agents?status=degraded&limit=10000").await;
    if shared.metrics.pauses.get() > 0 {
        eprintln!(
            "the machine did not let this run for half a second, which moves leases: nothing is judged"
        );
        return;
    }
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["status"], "healthy");
    let revision = answer["revision"].as_u64().unwrap();
    // Two of them are its own: degraded and recovered.
    assert!((made + 3..=AGENTS as u64 + 2).contains(&revision), "{revision} after {made} of others");
    assert_eq!(degraded["agents"].as_array().unwrap().len(), AGENTS - 1);
    assert_eq!(degraded["revision"], AGENTS + 2);
    timers.abort();
}

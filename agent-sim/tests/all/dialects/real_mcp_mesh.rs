//! The real mcp-mesh registry agrees with its dialect. Only when asked for (`-- --ignored`), since it must
//! be installed.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_sim::clock::Clock;
use agent_sim::dialect::{Call, Document};
use agent_sim::target::Target;
use agent_sim::tripwire::Tripwire;
use reports::history::{AgentSeen, Filter, Outcome, Status};
use scenarios::model::{TargetCommand, TargetKind};

use super::targets::{open, target, ten_minutes};
use super::{capability, document, leave, list, renew};

/// The real registry, where scenarios/peers/install has put it.
async fn real_mcp_mesh(dialect: &str) -> Target {
    let program = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/peers/node_modules/@mcpmesh/cli-linux-x64/bin/mcp-mesh-registry"
    );
    assert!(std::path::Path::new(program).exists(), "{program} is missing: run scenarios/peers/install");
    let environment = [
        ("HOST", "127.0.0.1"),
        ("PORT", "{port}"),
        ("DATABASE_URL", "{dir}/mesh.db"),
        ("DEFAULT_TIMEOUT_THRESHOLD", "600"),
        ("HEALTH_CHECK_INTERVAL", "1"),
    ];
    let command = TargetCommand {
        command: vec![program.to_owned()],
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ready_path: "/health".to_owned(),
        ready_timeout: Duration::from_secs(30),
    };
    let policies = BTreeMap::from([("default".to_owned(), ten_minutes())]);
    open(&target(TargetKind::Command(command), dialect, policies)).await.unwrap()
}

async fn outcome(target: &Target, call: &Call) -> Outcome {
    let record = target.client.call(call, None).await.record;
    assert!(!record.outcome.is_error() || record.note.is_some(), "{record:?}");
    record.outcome
}

async fn listed(target: &Target, filter: Filter) -> Vec<AgentSeen> {
    target.client.call(&list(filter), None).await.record.seen.unwrap().agents.unwrap()
}

#[tokio::test]
#[ignore = "needs what scenarios/peers/install brings"]
async fn the_real_mcp_mesh_is_understood() {
    understood("mcp-mesh").await;
}

#[tokio::test]
#[ignore = "needs what scenarios/peers/install brings"]
async fn the_real_mcp_mesh_is_understood_by_its_description_too() {
    understood(super::described::MCP_MESH).await;
}

async fn understood(dialect: &str) {
    let target = real_mcp_mesh(dialect).await;
    assert_eq!(listed(&target, Filter::default()).await, []);
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::Unknown);
    assert_eq!(outcome(&target, &Call::Register(document())).await, Outcome::Registered);
    let changed = Document { document: 43, ..document() };
    assert_eq!(outcome(&target, &Call::Register(changed)).await, Outcome::Renewed);
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::Renewed);
    let shown =
        AgentSeen { id: "geo-1".to_owned(), status: Status::Healthy, epoch: None, document: Some(43) };
    assert_eq!(listed(&target, capability("geo.cap-1")).await, std::slice::from_ref(&shown));
    let refused = Document { agent_id: "Geo_1".to_owned(), ..document() };
    assert_eq!(outcome(&target, &Call::Register(refused)).await, Outcome::Refused);
    assert_eq!(outcome(&target, &leave()).await, Outcome::Left);
    assert_eq!(listed(&target, Filter::default()).await, []);
    let expired = Filter { status: vec![Status::Expired], ..Filter::default() };
    assert_eq!(listed(&target, expired).await, [AgentSeen { status: Status::Expired, ..shown }]);
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::Unknown);
    target.process.unwrap().stop().await;
}

#[tokio::test]
#[ignore = "needs what scenarios/peers/install brings"]
async fn the_real_mcp_mesh_keeps_its_registrations_when_it_is_killed() {
    let mut target = real_mcp_mesh("mcp-mesh").await;
    assert_eq!(outcome(&target, &Call::Register(document())).await, Outcome::Registered);
    let before = listed(&target, Filter::default()).await;
    let mut process = target.process.take().unwrap();
    process.kill().await;
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::NotSent);
    process.restart().await.unwrap();
    assert_eq!(listed(&target, Filter::default()).await, before);
    assert_eq!(before.len(), 1);
    assert!(process.cost().pss_bytes > 0);
    process.stop().await;
}

#[tokio::test]
#[ignore = "needs what scenarios/peers/install brings"]
async fn the_real_mcp_mesh_calls_an_agent_when_it_is_provoked() {
    let target = real_mcp_mesh("mcp-mesh").await;
    let tripwire = Tripwire::open(Clock::start()).await.unwrap();
    let agent = Document { endpoint: tripwire.assign(5, "geo-1"), ..document() };
    let mut answers = Vec::new();
    while let Some(request) = target.dialect.provoke(&agent, &answers) {
        answers.push(target.client.send(&request).await.unwrap());
    }
    // It answers a cancellation before it has called the agent.
    let all_called = async {
        while tripwire.touch_count() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(30), all_called).await.is_ok();
    tripwire.settle().await;
    let touches = tripwire.take_touches();
    assert!(came, "{touches:?}");
    for route in ["GET /mcp", "POST /mcp", "POST /jobs/"] {
        let called = touches
            .iter()
            .any(|touch| touch.agent.as_deref() == Some("geo-1") && touch.first_bytes.starts_with(route));
        assert!(called, "no {route} in {touches:?}");
    }
    target.process.unwrap().stop().await;
}

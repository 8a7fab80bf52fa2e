//! The real etcd agrees with its dialect. Only when asked for (`-- --ignored`), since it must be installed.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_sim::dialect::{Call, Document};
use agent_sim::target::Target;
use reports::history::{AgentSeen, Filter, Outcome, Status};
use scenarios::model::{TargetCommand, TargetKind};

use super::targets::{open, target, ten_minutes};
use super::{capability, document, leave, list, read_one, renew};

async fn real_etcd() -> Target {
    let words = [
        "etcd",
        "--data-dir={dir}/etcd",
        "--listen-client-urls=http://127.0.0.1:{port}",
        "--advertise-client-urls=http://127.0.0.1:{port}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--initial-advertise-peer-urls=http://127.0.0.1:1",
        "--initial-cluster=default=http://127.0.0.1:1",
    ];
    let command = TargetCommand {
        command: words.map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        ready_path: "/health".to_owned(),
        ready_timeout: Duration::from_secs(60),
    };
    let policies = BTreeMap::from([("default".to_owned(), ten_minutes())]);
    open(&target(TargetKind::Command(command), "etcd", policies))
        .await
        .expect("etcd is needed: scenarios/peers/install says how to get it")
}

async fn outcome(target: &Target, call: &Call) -> Outcome {
    let record = target.client.call(call, None).await.record;
    assert!(!record.outcome.is_error() || record.note.is_some(), "{record:?}");
    record.outcome
}

async fn seen(target: &Target, call: &Call) -> Vec<AgentSeen> {
    target.client.call(call, None).await.record.seen.unwrap().agents.unwrap()
}

#[tokio::test]
#[ignore = "needs what scenarios/peers/install brings"]
async fn the_real_etcd_is_understood() {
    let target = real_etcd().await;
    assert_eq!(seen(&target, &list(Filter::default())).await, []);
    assert_eq!(outcome(&target, &read_one()).await, Outcome::Unknown);
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::Unknown);
    assert_eq!(outcome(&target, &leave()).await, Outcome::Unknown);
    assert_eq!(outcome(&target, &Call::Register(document())).await, Outcome::Registered);
    assert_eq!(outcome(&target, &Call::Register(document())).await, Outcome::Renewed);
    let changed = Document { document: 43, ..document() };
    assert_eq!(outcome(&target, &Call::Register(changed)).await, Outcome::Updated);
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::Renewed);
    let shown =
        AgentSeen { id: "geo-1".to_owned(), status: Status::Healthy, epoch: None, document: Some(43) };
    assert_eq!(seen(&target, &list(capability("geo.cap-1"))).await, std::slice::from_ref(&shown));
    assert_eq!(seen(&target, &read_one()).await, [shown]);
    assert_eq!(outcome(&target, &leave()).await, Outcome::Left);
    assert_eq!(seen(&target, &list(Filter::default())).await, []);
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::Unknown);
    target.process.unwrap().stop().await;
}

#[tokio::test]
#[ignore = "needs what scenarios/peers/install brings"]
async fn the_real_etcd_keeps_its_registrations_when_it_is_killed() {
    let mut target = real_etcd().await;
    assert_eq!(outcome(&target, &Call::Register(document())).await, Outcome::Registered);
    let before = seen(&target, &list(Filter::default())).await;
    let mut process = target.process.take().unwrap();
    process.kill().await;
    process.restart().await.unwrap();
    assert_eq!(seen(&target, &list(Filter::default())).await, before);
    assert_eq!(before.len(), 1);
    assert_eq!(outcome(&target, &renew(None, None, None)).await, Outcome::Renewed);
    process.stop().await;
}

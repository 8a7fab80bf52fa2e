//! How a registry is had: started, reached, or not at all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_sim::clock::Clock;
use agent_sim::target::{Target, TargetError};
use scenarios::model::{self, TargetKind};

pub(super) fn target(
    kind: TargetKind,
    dialect: &str,
    policies: BTreeMap<String, model::Policy>,
) -> model::Target {
    let transition_bound = Duration::from_secs(1);
    model::Target { kind, dialect: dialect.to_owned(), policies, transition_bound }
}

pub(super) async fn open(target: &model::Target) -> Result<Target, TargetError> {
    let program = PathBuf::from("/nowhere/wallflower");
    Target::open(target, &program, Clock::start(), Duration::from_secs(30)).await
}

#[tokio::test]
async fn a_target_that_cannot_be_had_says_why_and_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let policies = || BTreeMap::from([("default".to_owned(), ten_minutes())]);
    let odd = || {
        let policy = model::Policy { expires_after: Duration::from_millis(2_500), ..ten_minutes() };
        BTreeMap::from([("default".to_owned(), policy)])
    };
    let at = |url: &str| TargetKind::Url(url.to_owned());
    let rows = [
        (
            target(at(&url), "wallflower", BTreeMap::new()),
            vec!["no registry answers at", &url, "is it running"],
        ),
        (target(at(&url), "mcp-mesh", policies()), vec!["no registry answers at", &url]),
        (target(at(&url), "mcp-mesh", BTreeMap::new()), vec!["no way to ask", "--policies"]),
        (target(at("https://x"), "wallflower", BTreeMap::new()), vec!["https://x", "plain http only"]),
        (target(at(&url), "consul", policies()), vec!["no dialect `consul`", "wallflower, mcp-mesh"]),
        (target(at(&url), "etcd", odd()), vec!["whole seconds", "type `default` is 2500 ms", "\"3s\""]),
        (target(TargetKind::Reference, "wallflower", policies()), vec!["/nowhere/wallflower"]),
    ];
    for (target, words) in rows {
        let error = open(&target).await.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    }
}

/// So long that no lease ends during a test, however slow the machine.
pub(super) fn ten_minutes() -> model::Policy {
    model::Policy {
        heartbeat_interval: Duration::from_secs(60),
        degraded_after: None,
        expires_after: Duration::from_secs(600),
        evict_after: None,
    }
}

//! Another store than SQLite: one in memory, which does what the test says. Writer and handlers cannot tell.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is the way to say so")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use registry_core::Registry;
use registry_core::Setup;
use registry_core::policy::Policies;
use registry_core::saving::{Batch, Saved};
use registry_core::time::Revision;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::writer::{self, Unsaved};
use super::{Failing, Pending, Store, StoreError};
use crate::clock::Clock;
use crate::mcp::Endpoint;
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::testing;

/// Every commit waits for an outcome that the test sends; when it sends none any more, the store hangs.
#[derive(Debug)]
struct Scripted {
    begun: watch::Sender<usize>,
    outcomes: mpsc::UnboundedReceiver<Result<(), Failing>>,
    closed: watch::Sender<Option<Option<Revision>>>,
}

impl Store for Scripted {
    fn commit<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a> {
        assert!(!batch.events.is_empty() || !batch.saves.is_empty());
        Box::pin(async {
            self.begun.send_modify(|begun| *begun += 1);
            match self.outcomes.recv().await {
                Some(outcome) => outcome.map_err(|kind| StoreError::new(kind, "as the test says")),
                None => std::future::pending().await,
            }
        })
    }

    fn close(self: Box<Self>, shown: Option<Revision>) -> Pending<'static> {
        Box::pin(async move {
            self.closed.send_replace(Some(shown));
            Ok(())
        })
    }
}

/// A registry on such a store, without a socket.
struct Served {
    shared: Arc<Shared>,
    router: Router,
    writer: JoinHandle<(Box<dyn Store>, Result<(), Unsaved>)>,
    begun: watch::Receiver<usize>,
    outcomes: mpsc::UnboundedSender<Result<(), Failing>>,
    closed: watch::Receiver<Option<Option<Revision>>>,
}

impl Served {
    fn start() -> Self {
        let (outcomes, scripted) = mpsc::unbounded_channel();
        let (begun, closed) = (watch::Sender::new(0), watch::Sender::new(None));
        let (begun_seen, closed_seen) = (begun.subscribe(), closed.subscribe());
        let store = Box::new(Scripted { begun, outcomes: scripted, closed });
        let clock = Clock::start();
        let setup = Setup { store_id: "s".into(), policies: Policies::default(), max_agents: 100 };
        let core = Registry::restore(setup, Saved::default(), clock.read().moment);
        let shared = Arc::new(Shared::new(core, clock, Metrics::new().unwrap(), testing::options()));
        Self {
            router: crate::http::router(Arc::clone(&shared), Endpoint::new(&shared, &[])),
            writer: tokio::spawn(writer::run(Arc::clone(&shared), store)),
            shared,
            begun: begun_seen,
            outcomes,
            closed: closed_seen,
        }
    }

    /// Sends a request; the answer comes when it comes.
    fn ask(&self, method: &str, path: &str, body: &str) -> JoinHandle<(u16, Value)> {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let router = self.router.clone();
        tokio::spawn(async move {
            let answer = router.oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            (status, serde_json::from_slice(&body).unwrap_or_default())
        })
    }

    fn register(&self, agent_id: &str) -> JoinHandle<(u16, Value)> {
        self.ask("POST", "/heartbeat", &format!(r#"{{"agent_id":"{agent_id}","capabilities":[]}}"#))
    }

    async fn commits_begun(&mut self, count: usize) {
        self.begun.wait_for(|begun| *begun >= count).await.unwrap();
    }
}

/// Lets everything else go as far as it comes without the store.
async fn give_way() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_view_of_a_change_waits_until_any_store_has_it_and_a_renewal_waits_for_nothing() {
    let mut served = Served::start();
    let old = served.register("old");
    served.outcomes.send(Ok(())).unwrap();
    assert_eq!(old.await.unwrap().0, 200);

    let new = served.register("new");
    served.commits_begun(2).await;
    let views: Vec<_> = ["/agents", "/agents/new", "/agents/new/health", "/capabilities", "/events"]
        .into_iter()
        .chain(["/agents?since=1&store_id=s"])
        .map(|path| (path, served.ask("GET", path, "")))
        .collect();
    let read = served.ask("GET", "/agents/old", "").await.unwrap();
    assert_eq!((read.0, &read.1["epoch"]), (200, &1.into()), "nothing of it is new");
    let renewed = served.ask("POST", "/heartbeat", r#"{"agent_id":"old"}"#).await.unwrap();
    assert_eq!((renewed.0, &renewed.1["revision"]), (200, &2.into()), "a number is only a number");
    give_way().await;
    for (path, view) in &views {
        // On a machine that stood still for seconds, the store counts as hanging.
        let counts_as_hanging = served.shared.progress.now().is_failing;
        assert!(!view.is_finished() || counts_as_hanging, "{path} shows what the store does not have");
    }
    assert!(!new.is_finished());
    served.outcomes.send(Ok(())).unwrap();
    assert_eq!(new.await.unwrap().0, 200);
    for (path, view) in views {
        assert_eq!(view.await.unwrap().0, 200, "{path}");
    }

    served.shared.stopping.send_replace(true);
    let (store, outcome) = served.writer.await.unwrap();
    outcome.unwrap();
    store.close(Some(Revision(2))).await.unwrap();
    assert_eq!(*served.closed.borrow(), Some(Some(Revision(2))));
}

#[tokio::test]
async fn a_store_that_fails_once_and_then_hangs_gets_503_for_changes_while_views_are_answered() {
    let mut served = Served::start();
    let refused = served.register("a");
    served.outcomes.send(Err(Failing::ForNow)).unwrap();
    let (status, problem) = refused.await.unwrap();
    assert_eq!(status, 503, "{problem}");
    // The next try hangs.
    let list = served.ask("GET", "/agents", "").await.unwrap();
    assert_eq!((list.0, &list.1["agents"][0]["agent_id"]), (200, &"a".into()));
    served.commits_begun(2).await;
    let events = served.ask("GET", "/events", "").await.unwrap();
    assert_eq!((events.0, &events.1["events"][0]["kind"]), (200, &"registered".into()));
    served.outcomes.send(Ok(())).unwrap();
    served.shared.progress.until(Revision(u64::MAX), |progress| !progress.is_failing).await;
    assert_eq!(served.ask("POST", "/heartbeat", r#"{"agent_id":"a"}"#).await.unwrap().0, 200);

    // One that hangs from the first is found out by the first view that waits for it, and no other waits so long.
    let change = served.register("b");
    served.commits_begun(3).await;
    assert_eq!(served.ask("GET", "/agents/b", "").await.unwrap().0, 200);
    assert!(served.shared.progress.now().is_failing);
    let health = served.ask("GET", "/health", "").await.unwrap().1;
    assert_eq!(health["status"], "store_unavailable");
    assert_eq!(served.ask("GET", "/agents", "").await.unwrap().1["agents"][1]["agent_id"], "b");
    served.outcomes.send(Ok(())).unwrap();
    // Whether it came in time for this call depends on the machine; it is never told otherwise than it is.
    assert!([200, 503].contains(&change.await.unwrap().0));
    served.shared.progress.until(Revision(u64::MAX), |progress| !progress.is_failing).await;
    served.writer.abort();
}

#[tokio::test]
async fn a_store_that_must_be_mended_is_not_waited_for_when_the_server_stops() {
    let mut served = Served::start();
    let refused = served.register("a");
    served.commits_begun(1).await;
    served.shared.stopping.send_replace(true);
    // The one that was under way when the stop came, and the last.
    served.outcomes.send(Err(Failing::UntilMended)).unwrap();
    served.outcomes.send(Err(Failing::UntilMended)).unwrap();
    assert_eq!(refused.await.unwrap().0, 503);
    let (_store, outcome) = served.writer.await.unwrap();
    assert_eq!(outcome, Err(Unsaved { agents: 1 }));
}

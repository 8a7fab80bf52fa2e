//! A registry without sockets whose time is moved by hand: router, core, writer and timers as they serve, on a disk in
//! memory that survives the process. The conformance tests run thousands of schedules against it in seconds.
//!
//! It wants a runtime of one thread with tokio's own time paused, so that nothing in it waits for real.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use registry_core::document::AgentType;
use registry_core::events::Event;
use registry_core::policy::{Policies, Policy};
use registry_core::saving::{Batch, Saved, SavedAgent};
use registry_core::time::Revision;
use registry_core::{Registry, Setup};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::clock::{Clock, Hands};
use crate::connections::Limits;
use crate::mcp::Endpoint;
use crate::metrics::Metrics;
use crate::protection::Protection;
use crate::seal::{self, SealMode};
use crate::shared::{Options, Shared};
use crate::store::{Pending, Store, writer};

/// Revisions that a start reserves, as a store must: more than any schedule uses.
const RESERVED_REVISIONS: u64 = 10_000;
/// The clock is read at least so often, as the timers do: what is longer counts as a pause of the process.
const LONGEST_STEP_US: u64 = 100_000;
/// By then the writer has begun, or made, the transaction of a call that was just sent.
const UNTIL_WRITTEN: Duration = Duration::from_millis(20);

/// Why no world began.
#[derive(Debug, thiserror::Error)]
#[error("no registry in virtual time: {0}")]
pub struct WorldError(String);

/// What a killed registry leaves behind.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    agents: BTreeMap<u64, SavedAgent>,
    events: Vec<Event>,
    ceiling: u64,
    hangs: bool,
}

impl Disk {
    /// Loses an agent, as a store that had not written what it said it had.
    pub fn lose(&mut self, agent_id: &str) {
        self.agents.retain(|_, agent| agent.agent_id.as_str() != agent_id);
    }

    /// Forgets which revisions were promised to nobody else, as a store that reserves none.
    pub fn forget_revisions(&mut self) {
        self.ceiling = 0;
    }

    /// Forgets which incarnations were deregistered.
    pub fn forget_barred(&mut self) {
        self.agents.values_mut().for_each(|agent| agent.barred = None);
    }

    fn open(&mut self) -> Saved {
        let revision = Revision(self.ceiling);
        self.ceiling += RESERVED_REVISIONS;
        self.hangs = false;
        let last = self.events.last().map_or(0, |event| event.number);
        Saved {
            revision,
            // A revision has two events at most, and those above the last may have been shown.
            next_event: last + 1 + 2 * RESERVED_REVISIONS,
            events: self.events.clone(),
            agents: self.agents.values().cloned().collect(),
        }
    }

    fn commit(&mut self, batch: &Batch) {
        for key in &batch.forgets {
            self.agents.remove(key);
        }
        for save in &batch.saves {
            let kept = self.agents.get(&save.key).map(|kept| Arc::clone(&kept.document));
            let mut saved = save.clone();
            // As in tables: a document that is said to be the same is not written again.
            saved.document = kept.filter(|_| !save.document_changed).unwrap_or(saved.document);
            saved.document_changed = false;
            self.agents.insert(save.key, saved);
        }
        self.events.extend(batch.events.iter().cloned());
        self.ceiling = self.ceiling.max(batch.revision.0 + RESERVED_REVISIONS / 2);
    }
}

#[derive(Debug, Clone)]
struct Shelf(Arc<Mutex<Disk>>);

impl Shelf {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Shelf {
    fn commit<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a> {
        if self.disk().hangs {
            return Box::pin(std::future::pending());
        }
        self.disk().commit(batch);
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(self: Box<Self>, _shown: Option<Revision>) -> Pending<'static> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What is asked, as it would go over the wire.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Beside `host`.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// Those whose values are text.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// A running registry and its clock.
#[derive(Debug)]
pub struct World {
    shared: Arc<Shared>,
    router: Router,
    writer: JoinHandle<()>,
    hands: Arc<Hands>,
    shelf: Shelf,
}

impl World {
    /// Starts a registry on what is on the disk, at this instant. Policies are H, D, X and Q in milliseconds by type.
    ///
    /// # Errors
    /// When the policies are none.
    pub fn start(
        mut disk: Disk,
        policies: &BTreeMap<String, [u64; 4]>,
        now_us: u64,
        wall_ms: u64,
    ) -> Result<Self, WorldError> {
        let policies = policies.iter().map(|(name, [h, d, x, q])| {
            let agent_type =
                AgentType::parse(name).map_err(|fault| format!("the type {name:?}: {fault:?}"))?;
            let policy =
                Policy::new(*h, *d, *x, *q).map_err(|fault| format!("the type {name:?}: {fault}"))?;
            Ok((agent_type, policy))
        });
        let policies: BTreeMap<_, _> = policies.collect::<Result<_, _>>().map_err(WorldError)?;
        let hands = Arc::new(Hands { now_us: now_us.into(), wall_ms: wall_ms.into() });
        let clock = Clock::by(Arc::clone(&hands));
        let setup =
            Setup { store_id: "virtual".into(), policies: Policies::new(policies), max_agents: 1_000 };
        let core = Registry::restore(setup, disk.open(), clock.read().moment);
        let options = Options {
            most_waiters: 100,
            seal: seal::seal(SealMode::Off).map_err(|error| WorldError(error.to_string()))?,
            access_log: false,
            limits: Limits::default(),
            max_connections: 100,
            protection: Protection::default(),
        };
        let metrics = Metrics::new().map_err(|error| WorldError(error.to_string()))?;
        let shared = Arc::new(Shared::new(core, clock, metrics, options));
        let shelf = Shelf(Arc::new(Mutex::new(disk)));
        let writing = writer::run(Arc::clone(&shared), Box::new(shelf.clone()));
        let writer = tokio::spawn(async move { drop(writing.await) });
        let router = crate::http::router(Arc::clone(&shared), Endpoint::new(&shared, &[]));
        Ok(Self { shared, router, writer, hands, shelf })
    }

    /// What the monotonic clock shows, in microseconds.
    pub fn now_us(&self) -> u64 {
        self.hands.now_us.load(Ordering::Relaxed)
    }

    /// Lets time pass. With `timers` every transition is made when it is due, as the timers make them while nobody asks;
    /// without, they are left to whoever asks next.
    pub fn wait_until(&self, until_us: u64, timers: bool) {
        loop {
            let now_us = self.now_us();
            let due_us = self.shared.with_core(|core, moment| {
                if timers {
                    core.advance(moment);
                }
                core.next_deadline().map_or(u64::MAX, |due| now_us + due.us_since(moment.now))
            });
            if now_us >= until_us {
                return;
            }
            let next_us = until_us.min(now_us + LONGEST_STEP_US);
            let next_us = if timers { next_us.min(due_us.max(now_us + 1)) } else { next_us };
            self.hands.now_us.store(next_us, Ordering::Relaxed);
        }
    }

    /// Stops the process until then: nobody reads the clock meanwhile.
    pub fn pause_until(&self, until_us: u64) {
        self.hands.now_us.fetch_max(until_us, Ordering::Relaxed);
        self.shared.with_core(|_, _| ());
    }

    /// Sets the wall clock.
    pub fn set_wall(&self, wall_ms: u64) {
        self.hands.wall_ms.store(wall_ms, Ordering::Relaxed);
    }

    /// Asks, and waits for the answer. The registry acts at the instant that the clock shows.
    pub async fn ask(&self, asked: &Asked) -> Answered {
        ask(self.router.clone(), asked.clone()).await
    }

    /// Kills it, with a call under way whose answer nobody gets. If it `reaches_disk`, what it changed is there behind the
    /// restart, otherwise it is lost.
    pub async fn kill_during(self, asked: &Asked, reaches_disk: bool) -> Disk {
        self.settle().await;
        self.shelf.disk().hangs = !reaches_disk;
        let _unanswered = tokio::time::timeout(UNTIL_WRITTEN, self.ask(asked)).await;
        self.end().await
    }

    /// Kills it while it does nothing.
    pub async fn kill(self) -> Disk {
        self.settle().await;
        self.end().await
    }

    /// Returns when the writer has nothing left to write.
    async fn settle(&self) {
        tokio::time::sleep(UNTIL_WRITTEN).await;
    }

    async fn end(self) -> Disk {
        self.writer.abort();
        drop(self.writer.await);
        self.shelf.disk().clone()
    }
}

async fn ask(router: Router, asked: Asked) -> Answered {
    let mut request =
        Request::builder().method(asked.method.as_str()).uri(&asked.path).header("host", "localhost");
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Body::from(asked.body)) else {
        return Answered { status: 0, headers: Vec::new(), body: b"this is no request".to_vec() };
    };
    let answer = match router.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers = answer.headers().iter().filter_map(text).collect();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    Answered { status, headers, body }
}

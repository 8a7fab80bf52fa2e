//! Opens the store, listens, serves, stops gracefully.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use registry_core::policy::Policies;
use registry_core::{Registry, Setup};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::protection::{self, Protection, ProtectionError};
use crate::seal::{self, SealError};
use crate::shared::{Options, Shared};
use crate::store::{self, Store, writer};
use crate::{connections, timers};

pub use crate::store::{OpenError, StoreError};

/// How long requests that are under way may take when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the server did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As set.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate or the tokens cannot be used. Nothing was opened.
    #[error(transparent)]
    Protection(#[from] ProtectionError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The metrics cannot be set up.
    #[error("cannot set up the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The process could not be sealed, and `require` was set.
    #[error("the process cannot be sealed: {0}; --seal try serves without")]
    Seal(#[from] SealError),
    /// What was acknowledged is safe; what was answered with 503 is not.
    #[error("the store refused the last changes of {agents} agents; none of them had been acknowledged")]
    Unsaved {
        /// How many agents.
        agents: usize,
    },
    /// Everything was saved, yet the file was not closed properly.
    #[error("the store was not closed properly: {0}")]
    Close(#[source] StoreError),
    /// A task of the server failed.
    #[error("a task of the server failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Listens on the address of the settings and serves until `shutdown` completes. `ready` is called with the address
/// when requests are answered, before the first one is.
pub async fn run(
    settings: Settings,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (_never, policies) = watch::channel(settings.policies.clone());
    let (_nor, files) = watch::channel(());
    run_reloadable(settings, Reloads { policies, files }, ready, shutdown).await
}

/// What may change while the registry runs.
#[derive(Debug)]
pub struct Reloads {
    /// Other policies.
    pub policies: watch::Receiver<Policies>,
    /// Changes when the certificate and the tokens are to be read again.
    pub files: watch::Receiver<()>,
}

/// As [`run`]; whenever the policies change, the agents live by the new ones from their next heartbeat on (see
/// [`Registry::set_policies`]). The channel's first value counts for nothing: the settings hold the first policies.
pub async fn run_reloadable(
    settings: Settings,
    reloads: Reloads,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = settings.listen;
    let listen = |source| ServeError::Listen { address, source };
    let protection = Protection::load(&settings)?;
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let opened = Opened::open(&settings, protection).await?;
    ready(bound);
    let _reloads = Ending(tokio::spawn(reload(Arc::clone(&opened.shared), reloads.policies)));
    let _files = Ending(tokio::spawn(protection::keep_current(Arc::clone(&opened.shared), reloads.files)));
    opened.serve(&settings, listener, shutdown).await
}

/// Serves on a listener until `shutdown` completes: then no connection is accepted any more, requests under way are
/// finished within 5 s, what is unsaved is saved, and the store is closed.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let protection = Protection::load(&settings)?;
    Opened::open(&settings, protection).await?.serve(&settings, listener, shutdown).await
}

/// A registry that has read its store and judges already.
struct Opened {
    shared: Arc<Shared>,
    store: Box<dyn Store>,
}

impl Opened {
    async fn open(settings: &Settings, protection: Protection) -> Result<Self, ServeError> {
        let metrics = Metrics::new()?;
        let opened = store::open(&settings.database).await?;
        // Whoever calls has bound the listener: from here on no other socket is needed.
        let seal = seal::seal(settings.seal)?;
        tracing::info!(seal = %settings.seal, passivity = seal.describe(), "this process calls nobody");
        let setup = Setup {
            store_id: opened.store_id,
            policies: settings.policies.clone(),
            max_agents: settings.max_agents,
        };
        // Leases run from here, when the registry can be reached, not from when it began to read.
        let clock = Clock::start();
        let core = Registry::restore(setup, opened.saved, clock.read().moment);
        // Each waiter holds a connection: half of them stay for heartbeats.
        let most_waiters = (settings.max_connections / 2).max(1);
        let shared = Shared::new(
            core,
            clock,
            metrics,
            Options {
                most_waiters,
                seal,
                access_log: settings.access_log,
                protection,
                limits: settings.limits.clone(),
                max_connections: settings.max_connections,
            },
        );
        Ok(Self { shared: Arc::new(shared), store: opened.store })
    }

    async fn serve(
        self,
        settings: &Settings,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let shared = self.shared;
        let writer = tokio::spawn(writer::run(Arc::clone(&shared), self.store));
        let mut timers = Ending(tokio::spawn(timers::run(Arc::clone(&shared))));

        let connections = connections::accept(&shared, settings, listener, shutdown).await;
        tracing::info!("stopping");
        shared.draining.send_replace(true);
        let all_are_answered = tokio::time::timeout(STOP_TIMEOUT, connections.shutdown()).await.is_ok();
        if !all_are_answered {
            tracing::warn!("some requests were not finished in time");
        }
        timers.end().await;
        shared.stopping.send_replace(true);
        let (store, outcome) = writer.await?;
        outcome.map_err(|unsaved| ServeError::Unsaved { agents: unsaved.agents })?;
        // Whoever is still being answered may be told of a change that nobody saves any more.
        let shown = all_are_answered.then(|| shared.with_core(|core, _| core.revision()));
        store.close(shown).await.map_err(ServeError::Close)
    }
}

async fn reload(shared: Arc<Shared>, mut policies: watch::Receiver<Policies>) {
    while policies.changed().await.is_ok() {
        let new = policies.borrow_and_update().clone();
        let types = new.all().len();
        let agents = shared.with_core(|core, moment| core.set_policies(moment, new));
        shared.policies_set.notify_one();
        tracing::info!(types, agents, "other policies hold for each agent from its next heartbeat on");
    }
}

/// A task that ends when this is dropped.
struct Ending(JoinHandle<()>);

impl Ending {
    /// Returns when the task does nothing any more.
    async fn end(&mut self) {
        self.0.abort();
        // What it comes to is that it was aborted.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! The load driver: follows the plan against a registry, and measures.
//!
//! - [`address`]: where a URL leads.
//! - [`agents`]: what each agent knows and does about it; pure.
//! - [`driver`]: the loop that makes the calls.
//! - [`calls`]: a call on its way, from the agent's wish to the record of it.
//! - [`network`]: many calls at once in one thread.
//! - [`observer`]: the harness's own reading of the list, beside the loop.
//! - [`worker`]: threads that wake in time, and the control that measures the host's own floor.
//! - [`progress`]: what a run tells while it goes on.
//! - [`sampler`]: what the registry and the harness use.
//! - [`arrivals`]: calls that become due, by tenths of a second.
//! - [`collector`]: counts by phase, operation and second.
//! - [`thresholds`]: what must hold.
//! - [`faults`]: does what no agent can: to the registry's process, to the network.
//! - [`windows`]: every stretch of a phase, for a threshold.
//! - [`recovery`]: how what went wrong on purpose was got over.
//! - [`trace`]: the trace that a call belongs to.
//! - [`metrics`]: what Prometheus reads of a run while it goes on.
//! - [`offered`]: what a plan asks of a registry, counted before anything starts.
//! - [`outcome`]: all of it as plain data.

mod address;
mod agents;
mod arrivals;
mod calls;
mod collector;
mod driver;
mod faults;
pub mod metrics;
pub(crate) mod network;
mod observer;
mod offered;
mod outcome;
mod progress;
mod recovery;
mod sampler;
mod thresholds;
mod trace;
mod windows;
mod worker;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reports::history::{FORMAT, Line, RunEnd, RunHeader};
use scenarios::model::Scenario;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

pub(crate) use self::address::{address_of, parts_of};
use self::agents::Agents;
use self::collector::Collector;
use self::driver::{Driver, Ending, Trouble};
use self::faults::{BadNetworks, FaultEnd, FaultRunner, Tools};
use self::network::Network;
use self::network::http::Common;
use self::observer::Observer;
pub use self::offered::{OfferedPhase, offered};
use self::outcome::Finished;
pub use self::outcome::LoadOutcome;
use self::recovery::Recovery;
pub use self::recovery::fill_wrong_expiries;
use self::sampler::{Costs, Watched};
pub use self::thresholds::fill_freshness;
pub use self::worker::timer_floor;
use self::worker::{Floor, Worker};
use crate::clock::{Clock, wall_clock};
use crate::history_writer::HistoryWriter;
use crate::plan::schedule::Schedule;
use crate::plan::{Plan, hash_of, micros};
use crate::process::RegistryProcess;
use crate::target::{Target, TargetError};
use crate::tripwire::Tripwire;
use crate::validity::lag_limit_us;

/// How a run is run, beside its scenario.
#[derive(Debug)]
pub struct LoadOptions {
    /// Where the plan comes from.
    pub seed: u64,
    /// This program, which serves the reference registry.
    pub reference_program: PathBuf,
    /// The file that the history is written to; one that is there is replaced.
    pub history: PathBuf,
    /// Whether each call carries a `traceparent`.
    pub traceparent: bool,
    /// Becomes true when the user wants the run to end.
    pub interrupt: watch::Receiver<bool>,
    /// Is told once a second how it goes; closed when the run is over.
    pub progress: watch::Sender<Progress>,
}

/// How a run goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The phase's name.
    pub phase: String,
    /// Its index, from 0.
    pub phase_index: usize,
    /// How many phases there are.
    pub phases: usize,
    /// Time since the plan began, milliseconds.
    pub elapsed_ms: u64,
    /// The length of the plan, milliseconds.
    pub total_ms: u64,
    /// Agents registered, as far as their own answers told.
    pub agents: u64,
    /// Calls due in the last second.
    pub offered_per_second: u64,
    /// Calls sent in the last second.
    pub achieved_per_second: u64,
    /// Median response of the last 10 s, microseconds.
    pub p50_us: u64,
    /// 99 % response of the last 10 s, microseconds.
    pub p99_us: u64,
    /// 99 % lag of the last second, microseconds.
    pub lag_p99_us: u64,
    /// The registry's CPU, in cores.
    pub target_cores: f64,
    /// The registry's proportional set size, bytes.
    pub target_pss_bytes: u64,
    /// Calls that failed so far.
    pub errors: u64,
    /// What has been counted since the run began.
    pub figures: metrics::Figures,
}

/// What prevents a run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no registry to test.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The agents' addresses have no listener.
    #[error(
        "cannot listen behind the agents' addresses (one port of 0.0.0.0, TCP and UDP): {source}; free a port, or \
         raise the limit of open files (`ulimit -n`)"
    )]
    Tripwire {
        /// Why.
        source: std::io::Error,
    },
    /// The history cannot be written.
    #[error("cannot create the history {}: {source}; choose an output folder that can be written", path.display())]
    History {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The registry's address leads nowhere.
    #[error("cannot find out where {url} is: {cause}; is the name right?")]
    Address {
        /// As given.
        url: String,
        /// Why not.
        cause: String,
    },
    /// The system gives no poller or no timer.
    #[error("cannot make the sockets' poller: {source}; raise the limit of open files (`ulimit -n`)")]
    Poller {
        /// Why.
        source: std::io::Error,
    },
    /// The thread that makes the calls has ended before its time.
    #[error("the thread that makes the calls broke down; its last words are above")]
    BrokenDown,
    /// The system gives no thread.
    #[error("cannot start the thread that {what}: {source}; raise the limit of processes (`ulimit -u`)")]
    Thread {
        /// What it is for.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// How long calls under way may take after the end of the plan before they are cut off.
const LONGEST_DRAIN: Duration = Duration::from_secs(2);

/// So long a connection may take to come to be before it is missed, microseconds.
const CONNECT_TIME_US: u64 = 1_000_000;

/// Runs a scenario: starts or reaches the registry, follows the plan, measures, and stops all that it started.
///
/// # Errors
/// Only for what prevents a run. What goes wrong during one is in its outcome.
pub async fn run(scenario: &Scenario, options: LoadOptions) -> Result<LoadOutcome, LoadError> {
    let plan = Arc::new(Plan::new(scenario, options.seed));
    let plan_hash = hash_of(&plan);
    let clock = Clock::start();
    let tripwire = Tripwire::open(clock).await.map_err(|source| LoadError::Tripwire { source })?;
    let mut target =
        Target::open(&scenario.target, &options.reference_program, clock, scenario.call_timeout).await?;
    let started_at = humantime::format_rfc3339_millis(wall_clock()).to_string();
    let header = RunHeader {
        format: FORMAT,
        name: scenario.name.clone(),
        seed: options.seed,
        started_at: started_at.clone(),
        dialect: target.dialect.name().to_owned(),
        abilities: target.dialect.abilities(),
        policies: target.policies.clone(),
        transition_bound_ms: target.transition_bound_ms,
        claims: scenario.requirements.clone(),
    };
    let watched: Watched = Arc::new(Mutex::new(target.process.take()));
    let result = match HistoryWriter::create(&options.history, header) {
        Ok(history) => {
            let seed = Seed { scenario, plan, plan_hash, clock, started_at, target, watched: &watched };
            seed.run(tripwire, history, options).await
        }
        Err(source) => Err(LoadError::History { path: options.history, source }),
    };
    let process = watched.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(process) = process {
        process.stop().await;
    }
    result
}

/// A run with everything that it needs.
struct Seed<'a> {
    scenario: &'a Scenario,
    plan: Arc<Plan>,
    plan_hash: String,
    clock: Clock,
    started_at: String,
    target: Target,
    watched: &'a Watched,
}

impl Seed<'_> {
    async fn run(
        &self,
        tripwire: Tripwire,
        mut history: HistoryWriter,
        options: LoadOptions,
    ) -> Result<LoadOutcome, LoadError> {
        if let Some(event) = with(self.watched, RegistryProcess::started) {
            history.write(&Line::Process(event));
        }
        let LoadOptions { interrupt, progress, traceparent, seed, .. } = options;
        let networks = BadNetworks::start(&self.plan, self.registry_address()?, self.clock)
            .map_err(|source| LoadError::Thread { what: "passes on the calls of a partition", source })?;
        let mut driver = self.driver(tripwire, history, progress, &networks)?;
        driver.traced_by = traceparent.then_some(seed);
        let (clock, plan) = (self.clock, &self.plan);
        let mut schedule = Schedule::new(Arc::clone(plan));
        let begin_us = clock.now_us();
        driver.begin_us = begin_us;
        let (tools, extra) = Tools::new(&self.target, self.registry_address()?, begin_us);
        let faults = FaultRunner::start(plan.faults(), &tools, &networks, self.watched, clock);
        let quit = faults.quit();
        (driver.extra, driver.faults) = (extra, faults.quit());
        driver.agents.begin_at(begin_us);
        let thread = |what| move |source| LoadError::Thread { what, source };
        let floor = worker::measure_floor(clock).map_err(thread("measures the timer floor"))?;
        let (mut samples, sampler) = sampler::start(Arc::clone(self.watched), plan.phases(), clock, begin_us)
            .map_err(thread("samples processes"))?;
        let watched = Arc::clone(self.watched);
        let longest_drain_us = micros(self.scenario.call_timeout.min(LONGEST_DRAIN));
        let (done, finished) = oneshot::channel();
        let work = move || {
            let mut ending = driver.follow(&mut schedule, &mut samples, &interrupt);
            let ended_us = driver.now_us();
            quit.tell();
            sampler.stop();
            driver.drain(clock.now_us() + longest_drain_us);
            let mut last = vec![sampler::sample(&watched, driver.now_us(), None)];
            while let Ok(sample) = samples.try_recv() {
                last.insert(last.len() - 1, sample);
            }
            // A registry that died in the last moment has failed too.
            if last.iter().filter(|sample| driver.sampled(sample)).count() > 0 {
                ending = Ending::TargetDied;
            }
            // Nobody waits any more: then the run has been given up.
            drop(done.send((driver, ending, ended_us)));
        };
        let generator = std::thread::Builder::new().name("generator".to_owned());
        generator.spawn(work).map_err(thread("makes the calls"))?;
        let (mut driver, ending, ended_us) = finished.await.map_err(|_| LoadError::BrokenDown)?;
        let fault_end = faults.stop().await;
        driver.keep_extra_lines();
        Ok(self.finish(driver, floor, ending, ended_us, fault_end).await)
    }

    /// Where the registry is reached.
    fn registry_address(&self) -> Result<SocketAddr, LoadError> {
        let url = self.target.client.url();
        address_of(parts_of(url).0).map_err(|cause| LoadError::Address { url: url.to_owned(), cause })
    }

    fn driver(
        &self,
        tripwire: Tripwire,
        history: HistoryWriter,
        progress: watch::Sender<Progress>,
        networks: &BadNetworks,
    ) -> Result<Driver, LoadError> {
        let Self { scenario, plan, clock, target, watched, .. } = self;
        let endpoints =
            (0..plan.agents()).map(|agent| tripwire.assign(agent, &plan.agent_id(agent))).collect();
        let url = target.client.url();
        let (authority, base_path) = parts_of(url);
        let mut routes = vec![self.registry_address()?];
        routes.extend(networks.addresses());
        let common = Common::new(authority, base_path, target.client.authorization());
        let network = Network::new(common, routes, scenario.source_addresses)
            .map_err(|source| LoadError::Poller { source })?;
        // Nobody sends lines before the faults begin.
        let (_, extra) = std::sync::mpsc::channel();
        Ok(Driver {
            clock: *clock,
            begin_us: 0,
            plan: Arc::clone(plan),
            dialect: Arc::clone(&target.dialect),
            mcp: target.dialect.over_mcp().unwrap_or_else(|| Arc::clone(&target.dialect)),
            url: url.to_owned(),
            observer: Observer::new(target.client.clone(), *clock, Handle::current(), network.waker()),
            network,
            route_of: networks.route_of(),
            faults: Default::default(),
            extra,
            tripwire,
            agents: Agents::new(Arc::clone(plan), endpoints, target.dialect.as_ref())
                .retrying(|plan, agent, at_us| plan.retries(agent, at_us)),
            collector: Collector::new(plan.phases(), &scenario.thresholds)
                .with_faults(plan.phases(), plan.faults()),
            recovery: Recovery::new(plan),
            costs: Costs::new(sampler::sample(watched, 0, None), plan.phases().len()),
            history,
            progress,
            limit: usize::try_from(scenario.max_in_flight).unwrap_or(usize::MAX).max(1),
            timeout_us: micros(scenario.call_timeout),
            lag_limit_us: lag_limit_us(plan.shortest_period_us().unwrap_or(u64::MAX)),
            traced_by: None,
            trouble: Trouble::default(),
            held_back: VecDeque::new(),
            is_cut: false,
        })
    }

    async fn finish(
        &self,
        mut driver: Driver,
        floor: Worker<Floor>,
        ending: Ending,
        ended_us: u64,
        fault_end: FaultEnd,
    ) -> LoadOutcome {
        let tripwire = driver.tripwire.works().await;
        driver.keep_touches();
        let floor = floor.stop();
        let Driver { agents, collector, recovery, costs, history, trouble, network, begin_us, .. } = driver;
        let worst_floor_us = floor.as_ref().map_or(0, |floor| floor.lateness.max_us());
        let written = history.finish(&RunEnd {
            at_us: self.clock.now_us(),
            slack_us: collector.lag().max.max(worst_floor_us),
            lost_lines: 0,
            tripwire,
        });
        Finished {
            scenario: self.scenario,
            plan: &self.plan,
            target: &self.target,
            ending,
            ended_us,
            last_output: with(self.watched, RegistryProcess::last_output).unwrap_or_default(),
            agents: &agents,
            collector,
            faults: recovery.reports(),
            fault_end,
            begin_us,
            costs,
            trouble,
            floor,
            written,
            tripwire,
            shortest_period_us: self.plan.shortest_period_us().unwrap_or(u64::MAX),
            // The last agent may have come in the last moment, its connection not yet.
            connections_wanted: self.plan.own_connections(ended_us.saturating_sub(CONNECT_TIME_US)),
            connections_held: network.peak_own(),
        }
        .outcome(&self.plan_hash, &self.started_at)
    }
}

/// Asks the registry process something; `None` where it is not the harness's own.
fn with<T>(watched: &Watched, ask: impl FnOnce(&RegistryProcess) -> T) -> Option<T> {
    watched.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
}

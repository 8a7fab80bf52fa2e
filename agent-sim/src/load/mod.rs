//! The load driver: follows the plan against a registry, and measures.
//!
//! - [`address`]: where a URL leads.
//! - [`options`]: how a run is run, how it goes, what prevents one.
//! - [`agents`]: what each agent knows and does about it; pure.
//! - [`driver`]: the loop that makes the calls; [`assemble`] puts it together, [`watching`] is what it notes beside calls.
//! - [`ledger`]: what happens in the loop, and who counts it.
//! - [`gang`]: the processes over which agents are spread; [`shard`] is one of them.
//! - [`teller`]: what such a process tells; [`merge`] puts it together, [`parts`] their histories.
//! - [`calls`]: a call on its way, from the agent's wish to the record of it.
//! - [`network`]: many calls at once in one thread.
//! - [`observer`]: the harness's own reading of the list, beside the loop.
//! - [`worker`]: threads that wake in time, and the control that measures the host's own floor.
//! - [`progress`]: what a run tells while it goes on.
//! - [`sampler`]: what the registry and the harness use; [`memory`], which is read more seldom.
//! - [`arrivals`]: calls that become due, by tenths of a second.
//! - [`collector`]: counts by phase, operation and second; [`second`] is one of them.
//! - [`thresholds`]: what must hold.
//! - [`faults`]: does what no agent can: to the registry's process, to the network.
//! - [`lately`]: response times of the last seconds, for whoever watches.
//! - [`windows`]: every stretch of a phase, for a threshold.
//! - [`recovery`]: how what went wrong on purpose was got over.
//! - [`units`]: measured values in the words of their limits.
//! - [`trace`]: the trace that a call belongs to.
//! - [`metrics`]: what Prometheus reads of a run while it goes on.
//! - [`offered`]: what a plan asks of a registry, counted before anything starts.
//! - [`finish`]: what is left when the loop has ended; [`outcome`]: all of it as plain data.
//! - [`kept`]: what a part of a run leaves for the merging of all parts; [`whole`] puts them together.

mod address;
mod agents;
mod arrivals;
mod assemble;
mod calls;
mod collector;
mod driver;
mod faults;
mod finish;
mod gang;
mod kept;
mod lately;
mod ledger;
mod memory;
mod merge;
pub mod metrics;
pub(crate) mod network;
mod observer;
mod offered;
mod options;
mod outcome;
mod parts;
mod progress;
mod recovery;
mod sampler;
mod second;
mod shard;
mod teller;
mod thresholds;
mod trace;
mod units;
mod watching;
mod whole;
mod windows;
mod worker;

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reports::history::{FORMAT, Line, RunHeader};
use scenarios::model::Scenario;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

pub(crate) use self::address::{address_of, parts_of};
use self::assemble::{Parts, assemble};
use self::collector::Collector;
use self::driver::{Driver, Ending};
use self::faults::{BadNetworks, FaultRunner, Tools};
use self::finish::Ended;
use self::gang::Gang;
pub use self::gang::{WORKER_COMMAND, WorkerError, workers_of};
pub use self::kept::EVENTS;
use self::kept::{Keeper, file_of};
use self::ledger::{Books, Ledger};
use self::merge::Merge;
pub use self::offered::{OfferedPhase, offered};
pub use self::options::{LoadError, LoadOptions, Part};
pub use self::outcome::LoadOutcome;
pub use self::progress::{BrokenThreshold, ErrorKind, Outline, OutlinedPhase, Progress, Second};
use self::recovery::Recovery;
pub use self::recovery::{fill_worst_freshness, fill_wrong_expiries};
use self::sampler::Watched;
use self::shard::Assignment;
pub use self::shard::work;
pub use self::thresholds::fill_freshness;
pub use self::whole::{MergeError, PartOfRun, put_together};
pub use self::worker::timer_floor;
use crate::clock::{Clock, wall_clock};
use crate::history_writer::HistoryWriter;
use crate::latency_log::{self, LatencyLog};
use crate::plan::schedule::Schedule;
use crate::plan::share::Share;
use crate::plan::{Plan, hash_of, micros};
use crate::process::{RegistryProcess, own_fd_limit};
use crate::target::{Target, policies_in_ms};
use crate::tripwire::Tripwire;

/// How long calls under way may take after the end of the plan before they are cut off.
const LONGEST_DRAIN: Duration = Duration::from_secs(2);

/// The plan of several processes begins so long after all are ready, so that all hear of it before.
const HEAD_START_US: u64 = 50_000;

/// Runs a scenario: starts or reaches the registry, follows the plan, measures, and stops all that it started.
///
/// # Errors
/// Only for what prevents a run. What goes wrong during one is in its outcome.
pub async fn run(scenario: &Scenario, options: LoadOptions) -> Result<LoadOutcome, LoadError> {
    let share = options.part.map_or(Share::WHOLE, |part| part.share);
    let plan = Arc::new(Plan::new(scenario, options.seed).counting(share));
    let plan_hash = hash_of(&plan);
    let clock = Clock::start();
    let tripwire = Tripwire::open(clock).await.map_err(|source| LoadError::Tripwire { source })?;
    let mut target =
        Target::open(&scenario.target, &options.reference_program, clock, scenario.call_timeout).await?;
    let started_at = rfc3339(options.part.and_then(|part| part.start).unwrap_or_else(wall_clock));
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
    // A part of a run has a worker at least: what workers tell is what the parts are put together from.
    let workers = match (workers_of(scenario, share, own_fd_limit()), options.part) {
        (1, None) => 0,
        (workers, _) => workers,
    };
    let path = if workers == 0 { options.history.clone() } else { parts::part_of(&options.history, 0) };
    let result = match HistoryWriter::create(&path, header.clone()) {
        Ok(history) => {
            let watched = &watched;
            let (part, share) = (options.part, share);
            let seed = Seed {
                scenario,
                plan,
                plan_hash,
                clock,
                started_at,
                target,
                watched,
                workers,
                header,
                part,
                share,
            };
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
    /// In so many processes the agents' calls are made; 0: in this one.
    workers: u32,
    /// How the history begins.
    header: RunHeader,
    /// Which part of a run it is, where it is one, and its share of the agents.
    part: Option<Part>,
    share: Share,
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
        let networks = BadNetworks::start(&self.plan, self.registry_address()?, self.clock)
            .map_err(|source| LoadError::Thread { what: "passes on the calls of a partition", source })?;
        let mut gang = self.gang(&tripwire, &networks, &options)?;
        let LoadOptions { interrupt, progress, traceparent, seed, history: path, .. } = options;
        let log = self.latency_log(&path.with_file_name(latency_log::FILE))?;
        let keeper = self.part.map(|_| Keeper::create(&file_of(&path, 0))).transpose();
        let keeper = keeper.map_err(|source| LoadError::Kept { path: path.clone(), source })?;
        let mut driver = self.driver(tripwire, (history, log, keeper), progress, &networks)?;
        driver.traced_by = traceparent.then_some(seed);
        let (clock, plan) = (self.clock, &self.plan);
        let is_spread = gang.is_some();
        let whose = Arc::clone(plan);
        let mut schedule = if is_spread { Schedule::of_harness(whose) } else { Schedule::new(whose) };
        let (begin_us, began_unix_us) = self.begin(is_spread)?;
        if let Some(gang) = &mut gang {
            gang.begin(begin_us);
        }
        driver.gang = gang;
        driver.begin_us = begin_us;
        let (tools, extra) = Tools::new(&self.target, self.registry_address()?, begin_us, self.share);
        let faults = FaultRunner::start(plan.faults(), &tools, &networks, self.watched, clock);
        let quit = faults.quit();
        (driver.extra, driver.faults) = (extra, faults.quit());
        driver.agents.begin_at(begin_us);
        let thread = |what| move |source| LoadError::Thread { what, source };
        let floor = worker::measure_floor(clock, begin_us, plan.phases())
            .map_err(thread("measures the timer floor"))?;
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
            driver.dismiss_workers(&ending);
            driver.drain(clock.now_us() + longest_drain_us);
            let mut last = vec![sampler::sample(&watched, driver.now_us())];
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
        let ended = Ended { floor, ending, ended_us, fault_end, history: &path, began_unix_us };
        self.finish(driver, ended).await
    }

    /// When the plan begins: on the clock, and by the wall clock in microseconds since 1970.
    fn begin(&self, is_spread: bool) -> Result<(u64, u64), LoadError> {
        let head_start_us = if is_spread { HEAD_START_US } else { 0 };
        let (now_us, now_unix_us) = (self.clock.now_us(), unix_us(wall_clock()));
        let Some(start_unix_us) = self.part.and_then(|part| part.start).map(unix_us) else {
            return Ok((now_us + head_start_us, now_unix_us + head_start_us));
        };
        match start_unix_us.checked_sub(now_unix_us).filter(|ahead_us| *ahead_us >= head_start_us) {
            Some(ahead_us) => Ok((now_us + ahead_us, start_unix_us)),
            None => Err(LoadError::Late { late_ms: (now_unix_us + head_start_us - start_unix_us) / 1_000 }),
        }
    }

    /// Where the registry is reached.
    fn registry_address(&self) -> Result<SocketAddr, LoadError> {
        let url = self.target.client.url();
        address_of(parts_of(url).0).map_err(|cause| LoadError::Address { url: url.to_owned(), cause })
    }

    /// The processes that make the agents' calls, where one is not enough, ready to begin.
    fn gang(
        &self,
        tripwire: &Tripwire,
        networks: &BadNetworks,
        options: &LoadOptions,
    ) -> Result<Option<Gang>, LoadError> {
        if self.workers == 0 {
            return Ok(None);
        }
        let Self { scenario, target, .. } = self;
        let mut routes = vec![self.registry_address()?];
        routes.extend(networks.addresses());
        let assignment = |worker: u32| Assignment {
            scenario: scenario.text.clone(),
            seed: options.seed,
            share: self.share.worker(worker, self.workers),
            origin_ns: self.clock.origin_ns(),
            url: target.client.url().to_owned(),
            is_authorized: target.client.authorization().is_some(),
            routes: routes.clone(),
            route_of: networks.route_of(),
            dialect: scenario.target.dialect.clone(),
            policies: policies_in_ms(&scenario.target.policies),
            tripwire_port: tripwire.port(),
            history: parts::part_of(&options.history, worker as usize + 1),
            header: self.header.clone(),
            traceparent: options.traceparent,
        };
        let assignments: Vec<Assignment> = (0..self.workers).map(assignment).collect();
        let numbers = 1..=self.part.map_or(0, |_| assignments.len());
        let kept = numbers.map(|number| File::create(file_of(&options.history, number)));
        let kept = kept.collect::<Result<_, _>>();
        let kept = kept.map_err(|source| LoadError::Kept { path: options.history.clone(), source })?;
        Ok(Some(Gang::start(&options.reference_program, &assignments, kept)?))
    }

    fn latency_log(&self, path: &Path) -> Result<LatencyLog, LoadError> {
        let phases = self.plan.phases().iter().map(|phase| phase.name.clone()).collect();
        let start = self.part.and_then(|part| part.start).unwrap_or_else(wall_clock);
        LatencyLog::create(path, phases, start)
            .map_err(|source| LoadError::Latencies { path: path.to_owned(), source })
    }

    fn driver(
        &self,
        tripwire: Tripwire,
        (history, log, keeper): (HistoryWriter, LatencyLog, Option<Keeper>),
        progress: watch::Sender<Progress>,
        networks: &BadNetworks,
    ) -> Result<Driver, LoadError> {
        let Self { scenario, plan, clock, target, watched, .. } = self;
        let mut routes = vec![self.registry_address()?];
        routes.extend(networks.addresses());
        let books = Books {
            collector: Collector::new(plan.phases(), &scenario.thresholds)
                .with_faults(plan.phases(), plan.faults())
                .logging(log),
            recovery: Recovery::new(plan),
        };
        let ledger = match self.workers {
            0 => Ledger::Own(books),
            workers => Ledger::Merged(books, Merge::new(workers as usize), keeper),
        };
        for agent in 0..plan.agents() {
            tripwire.assign(agent, &plan.agent_id(agent));
        }
        let parts = Parts {
            scenario,
            plan,
            clock: *clock,
            client: &target.client,
            dialect: &target.dialect,
            url: target.client.url(),
            share: if self.workers == 0 { Share::WHOLE } else { Share::NOBODY },
            tripwire_port: tripwire.port(),
            routes,
            route_of: networks.route_of(),
            ledger,
            history,
            progress,
            watched,
            limit: scenario.max_in_flight,
            runtime: Handle::current(),
        };
        let mut driver = assemble(parts).map_err(|source| LoadError::Poller { source })?;
        driver.tripwire = Some(tripwire);
        Ok(driver)
    }
}

/// Asks the registry process something; `None` where it is not the harness's own.
fn with<T>(watched: &Watched, ask: impl FnOnce(&RegistryProcess) -> T) -> Option<T> {
    watched.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
}

/// Microseconds since 1970.
fn unix_us(wall: SystemTime) -> u64 {
    wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, micros)
}

fn rfc3339(wall: SystemTime) -> String {
    humantime::format_rfc3339_millis(wall).to_string()
}

//! A worker process: the same loop as ever, for some of the agents, which tells another process what there is to count.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use reports::history::{Policy, RunEnd, RunHeader};
use scenarios::model::Scenario;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::assemble::{Parts, assemble};
use super::gang::WorkerError;
use super::ledger::Ledger;
use super::merge::{Done, Message, Used};
use super::sampler::{self, Watched};
use super::teller::Teller;
use super::{LONGEST_DRAIN, Progress};
use crate::clock::Clock;
use crate::dialect;
use crate::history_writer::HistoryWriter;
use crate::plan::schedule::Schedule;
use crate::plan::share::Share;
use crate::plan::{Plan, micros};
use crate::target;

/// What a worker is to do: one line of JSON on its standard input. The next line is the instant at which the plan begins;
/// the end of the input is its order to end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Assignment {
    /// The scenario's text, all assignments applied.
    pub(super) scenario: String,
    pub(super) seed: u64,
    /// The agents that are its own.
    pub(super) share: Share,
    /// Of the run's clock.
    pub(super) origin_ns: u64,
    pub(super) url: String,
    /// Whether calls carry the token of the environment.
    pub(super) is_authorized: bool,
    /// The registry, and the bad networks before it.
    pub(super) routes: Vec<SocketAddr>,
    /// The route of each agent; empty where all have the first.
    pub(super) route_of: Vec<u8>,
    /// A name, or the path of a description.
    pub(super) dialect: String,
    /// What the dialect is told.
    pub(super) policies: BTreeMap<String, Policy>,
    /// Behind the agents' addresses.
    pub(super) tripwire_port: u16,
    /// Where its part of the history goes, and how that begins.
    pub(super) history: PathBuf,
    pub(super) header: RunHeader,
    pub(super) traceparent: bool,
}

impl Assignment {
    fn scenario(&self) -> Result<Scenario, WorkerError> {
        let parse = |set: &[String]| scenarios::parse("the scenario", &self.scenario, set);
        // A description's path counted from the folder of a file that is not known here.
        let read = parse(&[]).or_else(|_| parse(&[format!("target.dialect={}", self.dialect)]));
        read.map_err(|error| wrong("the scenario cannot be read", error))
    }
}

/// Does what a process of the same program says on standard input and tells it on standard output what came of it.
///
/// # Errors
/// When it cannot begin. What goes wrong later is told.
pub fn work(input: impl Read + Send + 'static, out: impl Write + Send + 'static) -> Result<(), WorkerError> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| wrong("standard input cannot be read", error))?;
    let own: Assignment =
        serde_json::from_str(&line).map_err(|error| wrong("standard input is no assignment", error))?;
    let scenario = own.scenario()?;
    let clock = Clock::of_origin(own.origin_ns);
    let plan = Arc::new(Plan::new(&scenario, own.seed));
    let dialect = dialect::open(&own.dialect).map_err(|error| wrong("the dialect", error))?;
    let dialect = target::told(dialect, &own.policies).map_err(|error| wrong("the dialect", error))?;
    let client = target::client_of(&own.url, &dialect, clock, scenario.call_timeout, own.is_authorized);
    let client = client.map_err(|error| wrong("the registry", error))?;
    let history = HistoryWriter::create(&own.history, own.header.clone())
        .map_err(|error| wrong("its part of the history cannot be created", error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| wrong("there is no runtime", error))?;
    let mut teller = Teller::start(out).map_err(|error| wrong("there is no thread to tell", error))?;
    teller.tell(&Message::Ready);
    let watched: Watched = Arc::new(Mutex::new(None));
    // Each has room for one call at least.
    let limit = own.share.count(scenario.max_in_flight).max(1);
    let parts = Parts {
        scenario: &scenario,
        plan: &plan,
        clock,
        client: &client,
        dialect: &dialect,
        url: &own.url,
        share: own.share,
        tripwire_port: own.tripwire_port,
        routes: own.routes.clone(),
        route_of: own.route_of.clone(),
        ledger: Ledger::Told(teller),
        history,
        progress: watch::Sender::new(Progress::default()),
        watched: &watched,
        limit,
        runtime: runtime.handle().clone(),
    };
    let mut driver = assemble(parts).map_err(|error| wrong("there is no poller", error))?;
    driver.traced_by = own.traceparent.then_some(own.seed);
    let mut schedule = Schedule::of_agents(Arc::clone(&plan), own.share);
    line.clear();
    input.read_line(&mut line).map_err(|error| wrong("standard input cannot be read", error))?;
    // The other process has given up before it began.
    let Ok(begin_us) = line.trim().parse() else { return Ok(()) };
    driver.begin_us = begin_us;
    driver.agents.begin_at(begin_us);
    let interrupt = until_the_end(input)?;
    let (mut samples, sampler) = sampler::start(Arc::clone(&watched), plan.phases(), clock, begin_us)
        .map_err(|error| wrong("there is no thread for samples", error))?;
    driver.follow(&mut schedule, &mut samples, &interrupt);
    sampler.stop();
    driver.drain(clock.now_us() + micros(scenario.call_timeout.min(LONGEST_DRAIN)));
    driver.sampled(&sampler::sample(&watched, driver.now_us()));
    let (trouble, ledger, history) = (driver.trouble, driver.ledger, driver.history);
    let Ledger::Told(mut teller) = ledger else { return Ok(()) };
    let written =
        history.finish(&RunEnd { at_us: clock.now_us(), slack_us: 0, lost_lines: 0, tripwire: true });
    teller.used(Used::of(&driver.costs));
    let done = Done {
        trouble,
        lost_events: teller.lost_events(),
        lost_lines: written.lost_lines,
        history_failure: written.failure,
    };
    teller.finish(&Message::Done(done));
    Ok(())
}

/// Becomes true when the other process wants the run to end, or is gone.
fn until_the_end(mut input: impl Read + Send + 'static) -> Result<watch::Receiver<bool>, WorkerError> {
    let (tell, interrupt) = watch::channel(false);
    let wait = move || {
        let mut ignored = [0; 64];
        while matches!(input.read(&mut ignored), Ok(count) if count > 0) {}
        tell.send_replace(true);
    };
    std::thread::Builder::new()
        .name("orders".to_owned())
        .spawn(wait)
        .map_err(|error| wrong("there is no thread for orders", error))?;
    Ok(interrupt)
}

fn wrong(what: &str, error: impl std::fmt::Display) -> WorkerError {
    WorkerError(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_assignment_is_refused_in_words() {
        let error = work(&b"hello\n"[..], std::io::sink()).expect_err("no assignment");
        assert!(error.to_string().starts_with("standard input is no assignment"), "{error}");
    }
}

//! `wallflower scenario`: what is wrong with scenario files, and what one would ask for.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_sim::ceiling::{self, Ceiling};
use agent_sim::load::{OfferedPhase, offered};
use agent_sim::plan::{Plan, plan_hash};
use agent_sim::process::{Host, own_fd_limit, own_usage};
use conformance::catalogue::Selection;
use scenarios::ScenarioError;
use scenarios::model::Scenario;
use serde_json::{Value, json};

use crate::cli::{Scenario as Command, ScenarioCheck, ScenarioPlan};
use crate::run::{self, Failure, USAGE};

/// For how long calls are made to learn what one costs.
const CALIBRATION: Duration = Duration::from_millis(500);
/// The listeners behind the agents' addresses: TCP and UDP.
const LISTENERS: u64 = 2;
/// The history, the report, the registry's pipes, the runtime's own, /proc while it is read.
const FILES_AND_PIPES: u64 = 32;

/// Reads a scenario that is to be run: what it claims must be decidable.
pub(crate) fn load(path: &Path, set: &[String]) -> Result<Scenario, ScenarioError> {
    scenarios::load_deciding(path, set, &|id, profile| {
        let one = [id.to_owned()];
        Selection::parse(None, &one)
            .map_err(|_| "`wallflower conformance --list` says which requirements are checked".to_owned())?;
        Selection::parse(profile, &one).map(drop).map_err(|_| {
            format!("it is not of the `profile` {}; leave the profile out", profile.unwrap_or_default())
        })
    })
}

pub(crate) fn scenario(command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Check(arguments) => Ok(check(arguments)),
        Command::Plan(arguments) => plan(arguments),
    }
}

/// Looks at every file, whatever is wrong with the ones before.
fn check(arguments: &ScenarioCheck) -> u8 {
    let mut code = 0;
    let mut out = std::io::stdout().lock();
    for file in &arguments.files {
        let read = load(file, &[]);
        if read.is_err() {
            code = USAGE;
        }
        // A closed pipe is no fault of the files.
        let _ = match (read, arguments.json) {
            (read, true) => {
                let faults = read.as_ref().err().map(ScenarioError::messages).unwrap_or_default();
                writeln!(out, "{}", json!({ "file": file, "good": read.is_ok(), "faults": faults }))
            }
            (Ok(_), false) => writeln!(out, "{} is good", file.display()),
            (Err(error), false) => {
                let flushed = out.flush();
                Failure::diagnostic(USAGE, error).print();
                flushed
            }
        };
    }
    code
}

/// All that is known before anything starts.
struct Forecast<'a> {
    scenario: &'a Scenario,
    hash: String,
    agents: u32,
    length_us: u64,
    phases: Vec<OfferedPhase>,
    descriptors: Descriptors,
    /// What a call costs; else why it is not known.
    cost: Result<Ceiling, String>,
}

/// The descriptors that a run may take, and the local ports that its connections need.
struct Descriptors {
    connections: u64,
    open_now: u64,
    limit: u64,
    ports: Option<u32>,
}

impl Descriptors {
    fn needed(&self) -> u64 {
        self.connections + LISTENERS + FILES_AND_PIPES + self.open_now
    }

    fn ports_are_enough(&self) -> Option<bool> {
        self.ports.map(|ports| self.connections <= u64::from(ports))
    }
}

fn plan(arguments: &ScenarioPlan) -> Result<u8, Failure> {
    let mut set = arguments.set.clone();
    set.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    let scenario = load(&arguments.file, &set).map_err(|error| Failure::diagnostic(USAGE, error))?;
    let dialect = run::dialect(&scenario.target.dialect)?;
    let plan = Arc::new(Plan::new(&scenario, scenario.seed));
    // Each agent waits for one heartbeat and one poll at most, and the harness reads the list.
    let connections = u64::from(scenario.max_in_flight).min(2 * u64::from(plan.agents()) + 1);
    let forecast = Forecast {
        hash: plan_hash(&scenario, scenario.seed),
        agents: plan.agents(),
        length_us: plan.end_us(),
        phases: offered(&plan, dialect.as_ref()),
        descriptors: Descriptors {
            connections,
            open_now: own_usage().fds,
            limit: own_fd_limit(),
            ports: Host::look().ports_per_address(),
        },
        cost: match arguments.no_cpu {
            true => Err("not asked for".to_owned()),
            false => ceiling::measure(CALIBRATION).map_err(|error| error.to_string()),
        },
        scenario: &scenario,
    };
    let mut out = std::io::stdout().lock();
    // A closed pipe is no fault of the plan.
    let _ = match arguments.json {
        true => writeln!(out, "{:#}", forecast.as_json()),
        false => forecast.show(&mut out),
    };
    Ok(0)
}

impl Forecast<'_> {
    /// The phase with the highest rate.
    fn busiest(&self) -> Option<&OfferedPhase> {
        let rate = |phase: &OfferedPhase| phase.per_second(phase.total());
        self.phases.iter().max_by(|left, right| rate(left).total_cmp(&rate(right)))
    }

    /// What a call costs the harness, microseconds of CPU, and how many cores the busiest phase takes by that.
    fn cpu(&self) -> Result<(f64, f64), String> {
        let ceiling = self.cost.as_ref().map_err(Clone::clone)?;
        let calls = ceiling
            .calls_per_cpu_second()
            .filter(|calls| *calls > 0.0)
            .ok_or("the calls took too little CPU to be told")?;
        let rate = self.busiest().map_or(0.0, |phase| phase.per_second(phase.total()));
        Ok((1e6 / calls, rate / calls))
    }

    fn basis(&self) -> String {
        let calls = self.cost.as_ref().map_or(0, |ceiling| ceiling.calls);
        let build = if cfg!(debug_assertions) { ", in a debug build" } else { "" };
        format!(
            "measured now by {calls} renewals against a responder that does nothing{build}; schedule, history, long \
             lists and the registry itself come on top"
        )
    }

    fn show(&self, out: &mut impl Write) -> std::io::Result<()> {
        let scenario = self.scenario;
        writeln!(
            out,
            "{}: {} agents, {}, seed {}",
            scenario.name,
            self.agents,
            seconds(self.length_us),
            scenario.seed
        )?;
        writeln!(out, "plan {}\n", self.hash)?;
        self.table(out)?;
        if let Some(phase) = self.busiest() {
            let rate = phase.per_second(phase.total());
            writeln!(
                out,
                "\noffered      {rate:.1} calls/s at most, in `{}`; what answers make agents do besides (fetch changed \
                 wiring, register again) comes on top",
                phase.name
            )?;
        }
        let Descriptors { connections, open_now, limit, ports } = self.descriptors;
        let needed = self.descriptors.needed();
        let verdict =
            if needed <= limit { "ok" } else { "too little: raise `ulimit -n`, or lower `max_in_flight`" };
        writeln!(
            out,
            "descriptors  {connections} connections at most, {LISTENERS} listeners, {FILES_AND_PIPES} for files and \
             pipes, {open_now} open now: {needed} of {limit}, {verdict}",
        )?;
        let verdict = match self.descriptors.ports_are_enough() {
            Some(true) => "ok",
            Some(false) => "too little: widen net.ipv4.ip_local_port_range, or lower `max_in_flight`",
            None => "their number cannot be read here",
        };
        let ports = ports.map_or_else(String::new, |ports| format!(" of {ports}"));
        writeln!(out, "local ports  {connections} at most{ports}, {verdict}")?;
        match self.cpu() {
            Ok((us, cores)) => {
                writeln!(
                    out,
                    "CPU          {cores:.2} cores of the harness in the busiest phase, at {us:.0} us a call"
                )?;
                writeln!(out, "             {}", self.basis())
            }
            Err(reason) => writeln!(out, "CPU          left out: {reason}"),
        }
    }

    /// One line a phase, calls per second by operation.
    fn table(&self, out: &mut impl Write) -> std::io::Result<()> {
        let operations: BTreeSet<&str> =
            self.phases.iter().flat_map(|phase| phase.calls.keys().copied()).collect();
        let mut rows = vec![
            ["phase", "kind", "length", "agents"]
                .into_iter()
                .chain(operations.iter().copied())
                .chain(["calls/s", "peak/mean"])
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        ];
        for phase in &self.phases {
            let rate = |calls| format!("{:.1}", phase.per_second(calls));
            let by_operation = operations
                .iter()
                .map(|name| phase.calls.get(name).map_or("-".to_owned(), |calls| rate(*calls)));
            let peak = phase.peak_over_mean().map_or("-".to_owned(), |peak| format!("{peak:.2}"));
            let first = [
                phase.name.clone(),
                phase.kind.to_owned(),
                seconds(phase.length_us),
                phase.agents.to_string(),
            ];
            rows.push(first.into_iter().chain(by_operation).chain([rate(phase.total()), peak]).collect());
        }
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in &rows {
            let cells = row.iter().enumerate().map(|(column, cell)| match column {
                0 | 1 => format!("{cell:<0$}", width(column)),
                _ => format!("{cell:>0$}", width(column)),
            });
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
        }
        writeln!(out, "(calls per second by operation; `observe` is the harness's own reading of the list)")?;
        writeln!(out, "(peak/mean: the busiest 100 ms of the phase over its mean)")
    }

    fn as_json(&self) -> Value {
        let phases: Vec<Value> = self
            .phases
            .iter()
            .map(|phase| {
                let rates: serde_json::Map<String, Value> = phase
                    .calls
                    .iter()
                    .map(|(name, calls)| ((*name).to_owned(), json!(phase.per_second(*calls))))
                    .collect();
                json!({
                    "name": phase.name,
                    "kind": phase.kind,
                    "duration_ms": phase.length_us / 1_000,
                    "agents": phase.agents,
                    "calls": phase.calls,
                    "calls_per_second": rates,
                    "total_per_second": phase.per_second(phase.total()),
                    "busiest_100ms": phase.busiest_100ms,
                    "peak_over_mean": phase.peak_over_mean(),
                })
            })
            .collect();
        let cpu = match self.cpu() {
            Ok((us, cores)) => json!({ "cores": cores, "us_per_call": us, "basis": self.basis() }),
            Err(reason) => json!({ "left_out": reason }),
        };
        let Descriptors { connections, open_now, limit, ports } = self.descriptors;
        let needed = self.descriptors.needed();
        json!({
            "scenario": self.scenario.name,
            "seed": self.scenario.seed,
            "plan_hash": self.hash,
            "duration_ms": self.length_us / 1_000,
            "agents": self.agents,
            "phases": phases,
            "descriptors": {
                "connections": connections,
                "open_now": open_now,
                "needed": needed,
                "limit": limit,
                "enough": needed <= limit,
            },
            "local_ports": { "needed": connections, "limit": ports, "enough": self.descriptors.ports_are_enough() },
            "cpu": cpu,
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "runs are far shorter than 2^53 us")]
fn seconds(us: u64) -> String {
    format!("{:.1} s", us as f64 / 1e6)
}

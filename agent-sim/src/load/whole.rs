//! A run put together from its parts: what the workers of all parts told is counted once more, in the order of time since
//! each part's plan began, by the same books that count a run while it goes on. So histograms, seconds, windows of
//! thresholds and recoveries are those that one generator would have counted. Memory does not grow with the length of
//! the run. [`replay`] reads what the parts have kept.

mod replay;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reports::result::{
    AgentCounts, CallStats, FaultReport, FreshnessReport, GeneratorReport, Interval, PackedDurations,
    Percentiles, RunReport, Shard, TargetReport,
};
use scenarios::model::Scenario;

use self::replay::Replay;
use super::collector::Collector;
use super::finish::CONNECT_TIME_US;
use super::ledger::Books;
use super::merge::Merge;
use super::outcome::{LoadOutcome, phase_reports};
use super::recovery::Recovery;
use super::thresholds::fill_freshness;
use super::{hash_of, rfc3339};
use crate::latency_log::{self, LatencyLog};
use crate::measure::Durations;
use crate::plan::Plan;

/// A part of a run, as it was left in a folder.
#[derive(Debug, Clone, Copy)]
pub struct PartOfRun<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// Its report.
    pub report: &'a RunReport,
    /// What the report says of it as a part.
    pub shard: &'a Shard,
}

/// Why parts cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Something that a part has kept is not to be had.
    #[error("cannot read {}: {cause}; copy the whole folder of the shard", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The reports tell of other calls than the files beside them.
    #[error(
        "the reports of the shards do not tell of the calls that the `shard.events-*` beside them do ({what}); take \
         both from the same runs"
    )]
    Differing {
        /// What differs.
        what: String,
    },
    /// The plan of this version is another.
    #[error(
        "this version lays another plan ({ours}) for the scenario than the shards followed ({theirs}); merge with the \
         version that ran them"
    )]
    OtherPlan {
        /// The hash of the plan that this version lays.
        ours: String,
        /// That of the shards.
        theirs: String,
    },
    /// The log of latencies cannot be written.
    #[error("cannot write {}: {cause}; choose another folder with --out", path.display())]
    Latencies {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// Puts the parts together: all of one run, in order. The log of latencies goes into `folder`.
///
/// # Errors
/// What a part lacks, or that the log cannot be written.
pub fn put_together(
    scenario: &Scenario,
    parts: &[PartOfRun<'_>],
    folder: &Path,
) -> Result<(LoadOutcome, Vec<FreshnessReport>), MergeError> {
    let first = parts.first().map(|part| part.report);
    let seed = first.map_or(scenario.seed, |report| report.seed);
    let plan = Arc::new(Plan::new(scenario, seed));
    let (ours, theirs) = (hash_of(&plan), first.map_or("", |report| report.plan_hash.as_str()));
    if ours != theirs {
        return Err(MergeError::OtherPlan { ours, theirs: theirs.to_owned() });
    }
    let log_path = folder.join(latency_log::FILE);
    let unwritten = |cause: String| MergeError::Latencies { path: log_path.clone(), cause };
    let phases = plan.phases().iter().map(|phase| phase.name.clone()).collect();
    let began = began(parts);
    let log = LatencyLog::create(&log_path, phases, began).map_err(|error| unwritten(error.to_string()))?;
    let collector = Collector::new(plan.phases(), &scenario.thresholds)
        .with_faults(plan.phases(), plan.faults())
        .logging(log.waiting());
    let mut books = Books { collector, recovery: Recovery::new(&plan) };
    let merge = Replay::open(parts)?.run(&mut books)?;
    if let Some(cause) = books.collector.finish_log() {
        return Err(unwritten(cause));
    }
    same_calls(parts, &plan, &books.collector)?;
    let floors = floors(parts)?;
    let freshness = freshness(parts)?;
    let mut outcome = outcome(&Found { plan: &plan, parts, merge: &merge, floors: &floors }, books);
    outcome.plan_hash = ours;
    outcome.started_at = rfc3339(began);
    fill_freshness(&scenario.thresholds, &mut outcome.thresholds, &freshness);
    Ok((outcome, freshness))
}

/// When the first part began.
fn began(parts: &[PartOfRun<'_>]) -> SystemTime {
    let first_us = parts.iter().map(|part| part.shard.began_unix_us).min().unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(first_us)
}

/// What was found of all parts.
struct Found<'a> {
    plan: &'a Plan,
    parts: &'a [PartOfRun<'a>],
    merge: &'a Merge,
    /// Of the whole run, then of each phase.
    floors: &'a [Durations],
}

fn outcome(found: &Found<'_>, books: Books) -> LoadOutcome {
    let Found { plan, parts, floors, .. } = *found;
    let Books { mut collector, recovery } = books;
    let faults = faults(parts, recovery.reports());
    fill_seconds(&mut collector, parts);
    let followed_us = parts.iter().map(|part| part.shard.followed_us).max().unwrap_or_default();
    let floors_us: Vec<u64> = floors.iter().skip(1).map(|floor| floor.quantile_us(0.999)).collect();
    LoadOutcome {
        plan_hash: String::new(),
        interrupted: parts.iter().any(|part| part.report.interrupted),
        invalid: named(parts, |shard| &shard.invalid),
        failed: named(parts, |shard| &shard.failed),
        agents: AgentCounts { planned: u64::from(plan.agents()), peak: found.merge.peak().registered },
        calls: collector.judged_stats(),
        phases: phase_reports(plan, &collector, followed_us, &[]),
        thresholds: collector.thresholds(&faults, &floors_us),
        faults,
        begin_us: 0,
        target: target(parts),
        generator: generator(found, collector.lag(), followed_us),
        intervals: collector.into_intervals(),
        started_at: String::new(),
        duration_ms: followed_us / 1_000,
        shard: None,
    }
}

/// Sentences of all parts, each with the part that says so.
fn named(parts: &[PartOfRun<'_>], of: impl Fn(&Shard) -> &Vec<String>) -> Vec<String> {
    let of_part = |part: &PartOfRun<'_>| {
        let number = part.shard.number;
        of(part.shard).iter().map(move |said| format!("shard {number}: {said}")).collect::<Vec<_>>()
    };
    parts.iter().flat_map(of_part).collect()
}

/// Wrong expiries are those that each part saw of its own agents.
fn faults(parts: &[PartOfRun<'_>], mut faults: Vec<FaultReport>) -> Vec<FaultReport> {
    for (index, fault) in faults.iter_mut().enumerate() {
        let of_parts = parts.iter().filter_map(|part| part.report.faults.get(index));
        fault.wrong_expiries = of_parts.map(|fault| fault.wrong_expiries).sum();
    }
    faults
}

/// What the parts used in each second, and the worst lateness of views.
fn fill_seconds(collector: &mut Collector, parts: &[PartOfRun<'_>]) {
    for used in parts.iter().flat_map(|part| &part.report.intervals) {
        let Some(interval) = collector.interval(used.second) else { continue };
        let Interval { generator_cores, generator_fds, generator_wait, freshness_max_us, .. } = interval;
        *generator_cores += used.generator_cores;
        *generator_fds += used.generator_fds;
        *generator_wait += used.generator_wait;
        *freshness_max_us = used.freshness_max_us.max(*freshness_max_us);
    }
}

/// No part can see the registry's process: its cost is unknown.
fn target(parts: &[PartOfRun<'_>]) -> TargetReport {
    let first = parts.first().map(|part| part.report.target.clone()).unwrap_or_default();
    TargetReport { kind: first.kind, dialect: first.dialect, url: first.url, ..TargetReport::default() }
}

fn generator(found: &Found<'_>, lag_us: Percentiles, followed_us: u64) -> GeneratorReport {
    let reports = || found.parts.iter().map(|part| &part.report.generator);
    let sum = |of: fn(&GeneratorReport) -> u64| reports().map(of).sum::<u64>();
    GeneratorReport {
        cpu_seconds: reports().map(|report| report.cpu_seconds).sum(),
        pss_bytes: sum(|report| report.pss_bytes),
        fds: sum(|report| report.fds),
        run_queue_wait_share: reports().map(|report| report.run_queue_wait_share).fold(0.0, f64::max),
        lag_us,
        timer_floor_us: found.floors.first().map(Durations::percentiles).unwrap_or_default(),
        peak_in_flight: sum(|report| report.peak_in_flight),
        in_flight_limit: sum(|report| report.in_flight_limit),
        lost_history_lines: sum(|report| report.lost_history_lines),
        workers: sum(|report| report.workers),
        connections_wanted: found.plan.own_connections(followed_us.saturating_sub(CONNECT_TIME_US)),
        connections_held: found.merge.peak().own_open,
    }
}

/// Lateness of bare sleeps on the machines of all parts: in the whole run, then in each phase.
fn floors(parts: &[PartOfRun<'_>]) -> Result<Vec<Durations>, MergeError> {
    let mut floors: Vec<Durations> = Vec::new();
    for part in parts {
        let of_part = std::iter::once(&part.shard.timer_floor).chain(&part.shard.timer_floor_by_phase);
        for (index, packed) in of_part.enumerate() {
            let floor = unpacked(part, packed)?;
            match floors.get_mut(index) {
                Some(sum) => sum.merge(&floor),
                None => floors.push(floor),
            }
        }
    }
    Ok(floors)
}

/// How late views were in all parts. Each has seen all changes of its own agents, so that none counts twice.
fn freshness(parts: &[PartOfRun<'_>]) -> Result<Vec<FreshnessReport>, MergeError> {
    let mut reports: Vec<(FreshnessReport, Durations)> = Vec::new();
    for part in parts {
        for report in &part.report.freshness {
            let packed = part.shard.freshness.get(&report.name);
            let seen = packed.map(|packed| unpacked(part, packed)).transpose()?.unwrap_or_default();
            match reports.iter_mut().find(|(known, _)| known.name == report.name) {
                Some((_, sum)) => sum.merge(&seen),
                None => reports.push((report.clone(), seen)),
            }
        }
    }
    let filled = |(report, seen): (FreshnessReport, Durations)| FreshnessReport {
        count: seen.count(),
        lateness_us: seen.percentiles(),
        ..report
    };
    Ok(reports.into_iter().map(filled).collect())
}

fn unpacked(part: &PartOfRun<'_>, packed: &PackedDurations) -> Result<Durations, MergeError> {
    let path = part.folder.join("report.json");
    Durations::unpacked(packed).map_err(|cause| MergeError::Unreadable { path, cause })
}

/// What was counted by phase, or by phase and operation: due, ended, failed, missed, cut off.
type Counts = BTreeMap<(usize, String), [u64; 5]>;

fn add_counts(counts: &mut Counts, phase: usize, calls: &BTreeMap<String, CallStats>) {
    for (operation, stats) in calls {
        let sum = counts.entry((phase, operation.clone())).or_default();
        let these = [stats.planned, stats.count, stats.errors, stats.misses, stats.cut_off];
        sum.iter_mut().zip(these).for_each(|(sum, count)| *sum += count);
    }
}

/// Holds what was counted anew against what the parts had counted themselves.
fn same_calls(parts: &[PartOfRun<'_>], plan: &Plan, collector: &Collector) -> Result<(), MergeError> {
    let (mut told, mut counted) = (Counts::new(), Counts::new());
    for part in parts {
        for (phase, report) in part.report.phases.iter().enumerate() {
            add_counts(&mut told, phase, &report.calls);
        }
    }
    for phase in 0..plan.phases().len() {
        add_counts(&mut counted, phase, &collector.phase_stats(phase));
    }
    let differing = counted.iter().find(|(key, counts)| told.get(*key) != Some(*counts));
    let missing = told.iter().find(|(key, _)| !counted.contains_key(*key));
    let Some(((phase, operation), _)) = differing.or(missing) else { return Ok(()) };
    let key = (*phase, operation.clone());
    let words = |counts: &Counts| match counts.get(&key) {
        Some([planned, count, errors, misses, cut_off]) => {
            format!("{planned} due, {count} ended, {errors} failed, {misses} missed, {cut_off} cut off")
        }
        None => "none".to_owned(),
    };
    let phase = plan.phases().get(*phase).map_or("", |phase| phase.name.as_str());
    let what = format!("`{operation}` in `{phase}`: {}, counted {}", words(&told), words(&counted));
    // A part that broke down may have told more than it could count.
    let is_sound = parts.iter().all(|part| part.shard.invalid.is_empty());
    if is_sound { Err(MergeError::Differing { what }) } else { Ok(()) }
}

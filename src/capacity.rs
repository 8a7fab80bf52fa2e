//! `wallflower loadtest --find-capacity`: how much of a scenario a registry bears. Every step is a whole run with a
//! report of its own; what to try next is decided in [`search`].

mod scale;
mod search;

use std::io::Write as _;
use std::path::Path;

use reports::result::{RunReport, ThresholdReport, Verdict};
use reports::verdict::{EXIT_INVALID, EXIT_PASS, EXIT_THRESHOLD};
use serde::Serialize;

use crate::cli::{Loadtest, Quantity};
use crate::loadtest;
use crate::run::{self, Failure, HISTORY, INTERRUPTED, TROUBLE};
use scale::Scale;
use search::{End, Next, Outcome, Search, Step};

/// What the search leaves in its folder.
const FILE: &str = "capacity.json";

/// The shape of `capacity.json`.
#[derive(Debug, Serialize)]
struct Capacity {
    schema: u32,
    scenario: String,
    quantity: &'static str,
    resolution: f64,
    /// What it came to, in a sentence; empty while the search goes on.
    sentence: String,
    end: Option<End>,
    /// What broke first at the least that broke.
    first_broken: Option<String>,
    steps: Vec<Made>,
}

/// One run of the search.
#[derive(Debug, Serialize)]
struct Made {
    /// Agents, or for rates thousandths of the scenario's own rate.
    level: u64,
    confirms: bool,
    agents: u64,
    /// The highest planned rate of a phase that is no ramp.
    calls_per_second: f64,
    outcome: Outcome,
    /// What broke first, or why it is invalid.
    why: String,
    /// Its report, below the output folder.
    folder: String,
}

pub(crate) fn find(arguments: &Loadtest, quantity: Quantity) -> Result<u8, Failure> {
    let scenario = loadtest::scenario(arguments, &[])?;
    let scale = Scale::new(quantity, &scenario);
    let folder = run::output_folder(arguments.out.as_deref(), &format!("capacity-{}", scenario.name))?;
    let mut search =
        Search::new(scale.start(), scale.bounds(), arguments.series.resolution, arguments.series.max_steps);
    let mut capacity = Capacity {
        schema: 1,
        scenario: scenario.name.clone(),
        quantity: quantity.name(),
        resolution: arguments.series.resolution,
        sentence: String::new(),
        end: None,
        first_broken: None,
        steps: Vec::new(),
    };
    say(&format!("{:>4} {:>10} {:>12}  {:<8} why", "step", "agents", "calls/s", "outcome"));
    let mut step = search.first();
    loop {
        let (made, interrupted) = make(arguments, &scale, step, capacity.steps.len() + 1, &folder)?;
        say(&line(capacity.steps.len() + 1, &made));
        let outcome = made.outcome;
        capacity.steps.push(made);
        if interrupted {
            let (level, broke) = search.bounds();
            capacity.sentence = format!("ended early by the user; {}", between(&capacity, level, broke));
            write(&capacity, &folder)?;
            say(&format!("\n{}", capacity.sentence));
            return Ok(INTERRUPTED);
        }
        match search.after(outcome) {
            Next::Try(next) => {
                write(&capacity, &folder)?;
                step = next;
            }
            Next::Done(end) => return close(capacity, end, &folder),
        }
    }
}

/// One whole run, and whether the user ended it.
fn make(
    arguments: &Loadtest,
    scale: &Scale,
    step: Step,
    number: usize,
    folder: &Path,
) -> Result<(Made, bool), Failure> {
    let set = scale.set(step.level);
    let scenario = loadtest::scenario(arguments, &set)?;
    let name = format!("step-{number:02}-{}", scale.named(step.level));
    let all = folder;
    let folder = run::output_folder(Some(&all.join(&name)), &scenario.name)?;
    let (mut report, _) = loadtest::run_once(&scenario, &folder, loadtest::How::of(arguments), None)
        .inspect_err(|_| {
            run::discard_empty(&folder);
            run::discard_empty(all);
        })?;
    report.command = loadtest::command(arguments, &set);
    reports::write_all(&report, &folder).map_err(|error| Failure::new(TROUBLE, error))?;
    let outcome = match report.verdict {
        Verdict::Pass => Outcome::Held,
        Verdict::Fail => Outcome::Broke,
        Verdict::Invalid => Outcome::Invalid,
    };
    if outcome != Outcome::Broke {
        // A dozen histories fill a disk, and only that of what broke is evidence.
        let _ = std::fs::remove_file(folder.join(HISTORY));
    }
    let phases = report.phases.iter().filter(|phase| phase.kind != "ramp" || report.phases.len() == 1);
    let made = Made {
        level: step.level,
        confirms: step.confirms,
        agents: report.agents.planned,
        calls_per_second: phases.map(|phase| phase.planned_per_second).fold(0.0, f64::max),
        outcome,
        why: why(&report),
        folder: name,
    };
    Ok((made, report.interrupted))
}

/// The threshold that broke first; else the weightiest reason; nothing when all held.
fn why(report: &RunReport) -> String {
    let broken = |threshold: &&ThresholdReport| !threshold.ok && !threshold.value.is_empty();
    let first =
        report.thresholds.iter().filter(broken).min_by_key(|row| row.first_breach_ms.unwrap_or(u64::MAX));
    match first.filter(|_| report.verdict == Verdict::Fail) {
        Some(row) => {
            let when = row
                .first_breach_ms
                .map_or_else(String::new, |ms| format!(", first {} s into the run", ms / 1_000));
            format!("{} in {} was {}, the limit is {}{when}", row.metric, row.phase, row.value, row.limit)
        }
        None => report.reasons.first().cloned().unwrap_or_default(),
    }
}

fn close(mut capacity: Capacity, end: End, folder: &Path) -> Result<u8, Failure> {
    let (broke, code) = match end {
        End::Found { broke, .. } => (broke, EXIT_PASS),
        End::NothingHolds { broke } => (Some(broke), EXIT_THRESHOLD),
        End::GeneratorsLimit { level, .. } => (None, if level.is_some() { EXIT_PASS } else { EXIT_INVALID }),
        End::OutOfSteps { level, broke } => (broke, if level.is_some() { EXIT_PASS } else { EXIT_INVALID }),
    };
    capacity.first_broken = broke.and_then(|level| {
        let broken = |made: &&Made| made.level == level && made.outcome == Outcome::Broke;
        capacity.steps.iter().rfind(broken).map(|made| made.why.clone())
    });
    capacity.sentence = sentence(&capacity, end);
    capacity.end = Some(end);
    write(&capacity, folder)?;
    say(&format!("\n{}", capacity.sentence));
    if let Some(first) = &capacity.first_broken {
        say(&format!("what broke first: {first}"));
    }
    say(&format!("steps    {}", folder.join(FILE).display()));
    Ok(code)
}

fn sentence(capacity: &Capacity, end: End) -> String {
    let told = |level: u64| told(capacity, level);
    match end {
        End::Found { level, broke: Some(broke) } => {
            format!("{} held twice, {} broke", told(level), told(broke))
        }
        End::Found { level, broke: None } => {
            format!("{} held twice, and a scenario cannot ask for more", told(level))
        }
        End::NothingHolds { broke } => format!("not even {} held", told(broke)),
        End::GeneratorsLimit { level, at } => {
            let held = level.map_or_else(
                || "nothing is known of the registry".to_owned(),
                |level| format!("the registry bears at least {} (not confirmed)", told(level)),
            );
            format!("{held}; {} is the generator's limit, not the registry's", told(at))
        }
        End::OutOfSteps { level, broke } => {
            format!("the steps were used up (--max-steps); {}", between(capacity, level, broke))
        }
    }
}

fn between(capacity: &Capacity, level: Option<u64>, broke: Option<u64>) -> String {
    let held = level
        .map_or_else(|| "nothing held".to_owned(), |level| format!("{} held once", told(capacity, level)));
    match broke {
        Some(broke) => format!("{held}, {} broke", told(capacity, broke)),
        None => format!("{held}, nothing broke"),
    }
}

/// A level as its run had it.
fn told(capacity: &Capacity, level: u64) -> String {
    let made = capacity.steps.iter().find(|made| made.level == level);
    made.map_or_else(
        || level.to_string(),
        |made| format!("{} agents with {:.0} calls/s", made.agents, made.calls_per_second),
    )
}

fn line(number: usize, made: &Made) -> String {
    let outcome = match made.outcome {
        Outcome::Held if made.confirms => "held again",
        Outcome::Held => "held",
        Outcome::Broke => "broke",
        Outcome::Invalid => "INVALID",
    };
    let line =
        format!("{number:>4} {:>10} {:>12.0}  {outcome:<8} {}", made.agents, made.calls_per_second, made.why);
    line.trim_end().to_owned()
}

fn write(capacity: &Capacity, folder: &Path) -> Result<(), Failure> {
    let path = folder.join(FILE);
    let text = serde_json::to_string_pretty(capacity).map_err(|error| Failure::new(TROUBLE, error))?;
    std::fs::write(&path, text + "\n")
        .map_err(|error| Failure::new(TROUBLE, format!("cannot write {}: {error}", path.display())))
}

/// To standard output; a closed pipe is no fault of the search.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

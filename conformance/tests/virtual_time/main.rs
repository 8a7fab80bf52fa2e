//! The tier in virtual time: tens of thousands of generated schedules against the reference registry, core and router,
//! judged by the judge of live runs and by a model that is exact to the microsecond.
//!
//! - `schedule`: what a schedule is, and how one is drawn
//! - `drive`: runs one, and writes its history
//! - `wire`: what goes over the wire, and the lines of the history
//! - `model`: what the contract's table says of each answer
//! - `fault`: registries that are wrong on purpose, each of which must be found
//! - `kept`: schedules that failed once, replayed first
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests end with a panic, and a failing one shows what it saw"
)]

mod drive;
mod fault;
mod kept;
mod model;
mod schedule;
mod wire;

use std::fmt::Write as _;

use conformance::judge::{Ask, judge};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use reports::result::RequirementVerdict;

use drive::Driver;
use fault::Fault;
use schedule::{Schedule, schedule};

/// Schedules of a run, unless `VIRTUAL_SCHEDULES` says otherwise.
const SCHEDULES: u32 = 20_000;
/// Threads that share them; the same schedules come whatever the machine.
const THREADS: u32 = 4;
/// Within so many schedules each fault must be found.
const WITHIN: u32 = 2_000;
/// The most variants that shrinking tries.
const SHRINKING: u32 = 4_000;

fn number(name: &str, otherwise: u32) -> u32 {
    let Ok(text) = std::env::var(name) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}; it must be a whole number"))
}

/// Runs a schedule and judges it. The words of a failure name what is wrong and show the timeline.
fn check(schedule: &Schedule, fault: Fault) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let (history, modelled) = runtime.unwrap().block_on(Driver::run(schedule, fault));
    let judgement = judge(history.into_iter().map(Ok), &Ask::default());
    let mut words = modelled.err().map(|error| format!("the model: {error}\n")).unwrap_or_default();
    match judgement {
        Err(error) => words.push_str(&format!("the history cannot be judged: {error}\n")),
        Ok(judgement) => {
            let failed = |row: &&reports::result::RequirementReport| row.verdict == RequirementVerdict::Fail;
            for row in judgement.requirements.iter().filter(failed) {
                let _written =
                    writeln!(words, "{}: {}\n    {}", row.id, row.detail, row.timeline.join("\n    "));
            }
        }
    }
    if words.is_empty() { Ok(()) } else { Err(words) }
}

/// Draws schedules until one fails, and shrinks that one.
fn search(seed: u32, stream: u32, schedules: u32, fault: Fault) -> Result<(), Box<(Schedule, String)>> {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    bytes[4..8].copy_from_slice(&stream.to_le_bytes());
    let config = Config {
        cases: schedules,
        max_shrink_iters: SHRINKING,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &bytes));
    match runner.run(&schedule(), |schedule| check(&schedule, fault).map_err(TestCaseError::fail)) {
        Ok(()) => Ok(()),
        Err(TestError::Fail(_, schedule)) => {
            let words = check(&schedule, fault).err().unwrap_or_else(|| "it failed only once".to_owned());
            Err(Box::new((schedule, words)))
        }
        Err(TestError::Abort(reason)) => panic!("no schedules could be drawn: {reason}"),
    }
}

#[test]
fn what_failed_once_is_replayed_first_and_the_registry_keeps_every_schedule() {
    for (path, schedule) in kept::all() {
        check(&schedule, Fault::None).unwrap_or_else(|words| panic!("{}:\n{words}", path.display()));
    }
    let (seed, schedules) = (number("VIRTUAL_SEED", 1), number("VIRTUAL_SCHEDULES", SCHEDULES));
    let mut failed = Vec::new();
    std::thread::scope(|scope| {
        let streams: Vec<_> = (0..THREADS)
            .map(|stream| scope.spawn(move || search(seed, stream, schedules.div_ceil(THREADS), Fault::None)))
            .collect();
        failed = streams.into_iter().filter_map(|stream| stream.join().unwrap().err()).collect();
    });
    let told = failed.iter().map(|failed| {
        let path = kept::keep(&failed.0);
        format!("seed {seed}; kept as {} and replayed first from now on\n{}", path.display(), failed.1)
    });
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "{}", told.join("\n\n"));
}

#[test]
fn every_fault_is_found_and_shrunk() {
    let mut missed = Vec::new();
    std::thread::scope(|scope| {
        let found: Vec<_> = Fault::ALL
            .into_iter()
            .map(|fault| scope.spawn(move || (fault, search(1, 100, WITHIN, fault))))
            .collect();
        for found in found {
            match found.join().unwrap() {
                (fault, Ok(())) => missed.push(format!("{fault:?} was not found in {WITHIN} schedules")),
                (fault, Err(failed)) => {
                    eprintln!("{fault:?}: found, {} steps\n{}", failed.0.steps.len(), failed.1);
                    if check(&failed.0, Fault::None).is_err() {
                        missed.push(format!("{fault:?}: the registry without it fails, too:\n{}", failed.1));
                    }
                }
            }
        }
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

//! The driver against a small real registry over real sockets. What depends on the machine's speed is judged by what
//! the same run measured.

mod ends;
mod own;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_sim::load::{LoadOptions, LoadOutcome, Progress};
use agent_sim::plan::plan_hash;
use reports::history::{CallRecord, Line, Operation, Outcome};
use reports::result::{CallStats, Interval};
use scenarios::model::{Figure, Fleet, Limit, Metric, PhaseKind, Policy, Scenario, TargetKind, Threshold};
use tokio::sync::watch;

use self::server::{Server, Trouble};
use crate::plan::{fleet, phase, scenario};

pub(crate) fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Ten agents with dependencies and polls, ten without; half of all crash and come back.
fn storm() -> Scenario {
    let web = Fleet {
        heartbeat: ms(200),
        poll: Some(ms(300)),
        jitter: 0.1,
        dependencies_per_agent: 2,
        ..fleet("web", 10)
    };
    let api = Fleet { heartbeat: ms(200), jitter: 0.1, ..fleet("api", 10) };
    let phases = vec![
        phase("ramp", PhaseKind::Ramp, ms(500)),
        phase("hold", PhaseKind::Hold, ms(1_000)),
        phase("crash", PhaseKind::Crash { share: 0.5, over: ms(200) }, ms(500)),
        phase("recover", PhaseKind::Recover { over: Duration::ZERO }, ms(1_000)),
    ];
    against(scenario(vec![web, api], phases))
}

/// Ten agents of one kind that hold for a while after a short ramp.
pub(crate) fn hold(fleet: Fleet, length: Duration) -> Scenario {
    let phases = vec![phase("ramp", PhaseKind::Ramp, ms(200)), phase("hold", PhaseKind::Hold, length)];
    against(scenario(vec![fleet], phases))
}

pub(crate) fn against(mut scenario: Scenario) -> Scenario {
    let policy = Policy {
        heartbeat_interval: ms(200),
        degraded_after: Some(ms(60_000)),
        expires_after: ms(120_000),
        evict_after: Some(ms(180_000)),
    };
    scenario.target.policies = BTreeMap::from([("default".to_owned(), policy)]);
    scenario.call_timeout = Duration::from_secs(30);
    scenario
}

/// A run with its history.
pub(crate) struct Run {
    pub(crate) outcome: LoadOutcome,
    pub(crate) lines: Vec<Line>,
}

impl Run {
    pub(crate) fn calls(&self) -> Vec<&CallRecord> {
        let calls = self.lines.iter();
        calls.filter_map(|line| if let Line::Call(call) = line { Some(call) } else { None }).collect()
    }

    /// Sums over all phases and operations: planned, ended, misses, cut off.
    fn sums(&self) -> (u64, u64, u64, u64) {
        let stats = self.outcome.phases.iter().flat_map(|phase| phase.calls.values());
        stats.fold((0, 0, 0, 0), |sum, stats| {
            (sum.0 + stats.planned, sum.1 + stats.count, sum.2 + stats.misses, sum.3 + stats.cut_off)
        })
    }

    /// Every due call was sent or missed, every sent one is in the history, and none was sent before its instant.
    fn adds_up(&self) {
        let (planned, ended, misses, cut_off) = self.sums();
        assert_eq!(planned, ended + misses + cut_off, "{:?}", self.outcome.phases);
        assert_eq!(u64::try_from(self.calls().len()).unwrap(), ended + cut_off);
        for call in self.calls() {
            assert!(call.planned_us.is_some_and(|planned_us| planned_us <= call.s_us), "too early: {call:?}");
            assert!(call.s_us <= call.e_us, "{call:?}");
        }
        assert!(matches!(self.lines.first(), Some(Line::Run(header)) if header.name == "test"));
        let worst_lag_us = self.outcome.generator.lag_us.max;
        match self.lines.last() {
            Some(Line::End(end)) => {
                assert!(end.tripwire && end.lost_lines == 0 && end.slack_us >= worst_lag_us, "{end:?}");
            }
            other => panic!("the last line is {other:?}"),
        }
        let seconds = self.outcome.intervals.iter();
        let in_seconds = seconds.map(|second| second.misses).sum::<u64>();
        assert_eq!(in_seconds, misses, "every miss is dated");
    }

    fn says_invalid(&self, cause: &str) -> bool {
        self.outcome.invalid.iter().any(|sentence| sentence.contains(cause))
    }
}

/// So many runs bear each other: each has a loop that may not be late.
static BESIDE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(3);

pub(crate) async fn run_with(
    scenario: &Scenario,
    interrupt: watch::Receiver<bool>,
    progress: watch::Sender<Progress>,
) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    let options = LoadOptions {
        seed: 11,
        reference_program: PathBuf::from("/nowhere/wallflower"),
        traceparent: false,
        part: None,
        history: history.clone(),
        interrupt,
        progress,
    };
    let _beside = BESIDE.acquire().await.unwrap();
    let outcome = agent_sim::load::run(scenario, options).await.unwrap();
    let text = std::fs::read_to_string(history).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Run { outcome, lines }
}

pub(crate) async fn run(scenario: &Scenario) -> Run {
    let (_interrupt, interrupted) = watch::channel(false);
    run_with(scenario, interrupted, watch::Sender::default()).await
}

pub(crate) async fn run_against(server: &Server, mut scenario: Scenario) -> Run {
    scenario.target.kind = TargetKind::Url(server.url.clone());
    run(&scenario).await
}

fn threshold(metric: Metric, limit: Limit) -> Threshold {
    Threshold {
        phase: "hold".to_owned(),
        metric,
        limit,
        window: None,
        grace: Duration::ZERO,
        floor_times: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_through_all_phases_and_everything_adds_up() {
    let server = Server::start(Trouble::default()).await;
    let run = run_against(&server, storm()).await;
    run.adds_up();
    let outcome = &run.outcome;
    assert_eq!(outcome.plan_hash, plan_hash(&storm(), 11));
    assert_eq!((outcome.agents.planned, outcome.agents.peak, outcome.interrupted), (20, 20, false));
    assert_eq!(outcome.failed, Vec::<String>::new());
    let phases: Vec<_> =
        outcome.phases.iter().map(|phase| (phase.kind.as_str(), phase.start_ms, phase.end_ms)).collect();
    assert_eq!(
        phases,
        [("ramp", 0, 500), ("hold", 500, 1_500), ("crash", 1_500, 2_000), ("recover", 2_000, 3_000)]
    );
    let operations: Vec<&str> = outcome.calls.keys().map(String::as_str).collect();
    assert_eq!(operations, ["list", "observe", "probe", "register", "renew"]);
    // Those that come back, in the judged phases; the ramp's registrations are warm-up.
    let sent = |stats: &CallStats| stats.planned - stats.misses;
    assert_eq!(sent(&outcome.calls["register"]), 10);
    assert_eq!(sent(&outcome.phases[0].calls["register"]), 20);
    assert!(outcome.calls.values().all(|stats| stats.errors == 0 && stats.response_curve.len() == 60));
    let planned_in_seconds: u64 = outcome.intervals.iter().map(|second| second.planned).sum();
    let observed: u64 =
        outcome.phases.iter().filter_map(|phase| phase.calls.get("observe")).map(|stats| stats.planned).sum();
    assert_eq!(planned_in_seconds, run.sums().0 - observed);
    assert_eq!(outcome.intervals.iter().map(|second| second.agents).max(), Some(20));
    assert!(outcome.generator.cpu_seconds > 0.0 && outcome.generator.timer_floor_us.max > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_register_with_a_new_incarnation_after_a_crash_and_renew_as_lean_as_they_may() {
    let server = Server::start(Trouble::default()).await;
    let run = run_against(&server, storm()).await;
    let received = server.received();
    let full = received.iter().filter(|request| request.body.get("capabilities").is_some());
    let mut incarnations: BTreeMap<u64, usize> = BTreeMap::new();
    full.for_each(|request| {
        *incarnations.entry(request.body["incarnation"].as_u64().unwrap()).or_default() += 1
    });
    assert_eq!(incarnations, BTreeMap::from([(1, 20), (2, 10)]));
    // The wiring's revision comes back with the next lean heartbeat.
    let lean = received.iter().filter(|request| {
        request.body.get("agent_id").is_some() && request.body.get("capabilities").is_none()
    });
    assert!(lean.clone().count() > 0 && lean.clone().all(|request| request.body["wiring_revision"] == 7));
    let probes: Vec<_> = run.calls().into_iter().filter(|call| call.op == Operation::Probe).collect();
    assert!(probes.iter().all(|call| call.agent.as_deref().is_some_and(|agent| agent.starts_with("api-"))));
    let polls = run.calls().into_iter().filter(|call| call.op == Operation::List);
    let tags: Vec<_> = polls.filter(|call| call.outcome == Outcome::Unchanged).collect();
    assert!(tags.iter().all(|call| call.sent.as_ref().is_some_and(|sent| sent.if_none_match.is_some())));
    assert!(!tags.is_empty(), "nobody asked conditionally");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_of_the_registry_shows_in_response_but_not_in_lag_and_its_misses_are_dated() {
    let trouble = Trouble { stall_each: Some(3), stall: ms(500), ..Trouble::default() };
    let server = Server::start(trouble).await;
    let run = run_against(&server, hold(Fleet { heartbeat: ms(100), ..fleet("web", 10) }, ms(2_500))).await;
    run.adds_up();
    let stalled: Vec<_> = run.calls().into_iter().filter(|call| call.e_us - call.s_us >= 500_000).collect();
    assert!(!stalled.is_empty());
    let heartbeats = ["probe", "renew"].map(|name| &run.outcome.calls[name]);
    for stats in heartbeats {
        assert!(stats.response_us.max >= 500_000 && stats.service_us.max >= 500_000, "{stats:?}");
    }
    let lag_us = run.outcome.generator.lag_us;
    if lag_us.max < 50_000 {
        // Sent in time: four heartbeats at least fell due while a stalled one was unanswered.
        let last_us = run.calls().iter().filter_map(|call| call.planned_us).max();
        let whole = stalled.iter().filter(|call| last_us.is_some_and(|last_us| call.e_us <= last_us)).count();
        assert!(whole > 0 && run.sums().2 >= 4 * u64::try_from(whole).unwrap(), "{} misses", run.sums().2);
    }
    if lag_us.max <= 10_000 {
        assert!(!run.says_invalid("missed because the harness was late"), "{:?}", run.outcome.invalid);
    }
    // A second with misses is one in which somebody's heartbeat was under way for longer than a period.
    let Some(begin_us) = run.calls().iter().filter_map(|call| call.planned_us).min() else {
        panic!("no call")
    };
    for Interval { second, .. } in run.outcome.intervals.iter().filter(|second| second.misses > 0) {
        let (from_us, to_us) =
            (begin_us.saturating_sub(1_000_000) + second * 1_000_000, begin_us + (second + 2) * 1_000_000);
        let slow = |call: &&CallRecord| call.e_us - call.s_us + lag_us.max >= 100_000;
        assert!(
            run.calls()
                .iter()
                .filter(|call| slow(call))
                .any(|call| call.s_us <= to_us && call.e_us >= from_us),
            "second {second}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_agent_registers_at_the_instant_of_the_answer() {
    let server = Server::start(Trouble { forget_each: Some(2), ..Trouble::default() }).await;
    let run = run_against(&server, hold(Fleet { heartbeat: ms(100), ..fleet("web", 10) }, ms(800))).await;
    run.adds_up();
    let calls = run.calls();
    let unknown: Vec<_> = calls.iter().filter(|call| call.outcome == Outcome::Unknown).collect();
    assert!(!unknown.is_empty());
    for forgotten in unknown {
        let reacted = |call: &&&CallRecord| {
            call.op == Operation::Register
                && call.agent == forgotten.agent
                && call.planned_us == Some(forgotten.e_us)
        };
        assert_eq!(calls.iter().filter(reacted).count(), 1, "{forgotten:?}");
    }
    assert!(run.outcome.calls.values().all(|stats| stats.errors == 0), "410 is an answer, not an error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_gone_is_errors_that_were_never_sent_and_breaks_the_threshold() {
    let server = Server::start(Trouble { dies_after: Some(60), ..Trouble::default() }).await;
    let mut scenario = hold(Fleet { heartbeat: ms(100), ..fleet("web", 10) }, ms(2_500));
    let errors = Metric { operation: "heartbeat", figure: Figure::Errors };
    scenario.thresholds = vec![threshold(errors, Limit::Share(0.01))];
    let run = run_against(&server, scenario).await;
    run.adds_up();
    let refused = run.calls().into_iter().filter(|call| call.outcome == Outcome::NotSent).count();
    assert!(refused > 0);
    let [threshold] = run.outcome.thresholds.as_slice() else { panic!("{:?}", run.outcome.thresholds) };
    assert!(!threshold.ok && threshold.first_breach_ms.is_some_and(|ms| ms < 2_700), "{threshold:?}");
    assert_eq!((threshold.metric.as_str(), threshold.limit.as_str()), ("heartbeat.errors", "1%"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_are_bounded_and_what_the_bound_holds_back_shows_as_lag() {
    let server = Server::start(Trouble { delay: ms(20), ..Trouble::default() }).await;
    let mut scenario = hold(Fleet { heartbeat: ms(100), ..fleet("web", 10) }, ms(1_500));
    scenario.max_in_flight = 1;
    let run = run_against(&server, scenario).await;
    assert_eq!(run.outcome.generator.peak_in_flight, 1);
    assert!(run.outcome.generator.lag_us.p99 >= 20_000, "{:?}", run.outcome.generator.lag_us);
    assert!(run.says_invalid("the limit of 1 calls in flight was hit"), "{:?}", run.outcome.invalid);
    assert!(run.outcome.intervals.iter().all(|second| second.in_flight <= 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_an_answer_counts_with_the_whole_time_waited() {
    let server = Server::start(Trouble { is_silent: true, ..Trouble::default() }).await;
    let mut scenario = hold(fleet("web", 5), ms(1_500));
    scenario.call_timeout = ms(300);
    let run = run_against(&server, scenario).await;
    run.adds_up();
    // Nobody was ever told that it is registered, so everybody goes on registering.
    assert_eq!(run.outcome.agents.peak, 0);
    let registrations = &run.outcome.calls["register"];
    assert!(registrations.count > 0 && registrations.errors == registrations.count, "{registrations:?}");
    assert_eq!(registrations.by_result.get("timeout"), Some(&registrations.count));
    assert!(registrations.response_us.p50 >= 299_000, "{registrations:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_still_unanswered_at_the_end_are_cut_off_as_a_class_of_their_own() {
    let server = Server::start(Trouble { is_silent: true, ..Trouble::default() }).await;
    let run = run_against(&server, hold(Fleet { heartbeat: ms(100), ..fleet("web", 5) }, ms(400))).await;
    run.adds_up();
    assert_eq!(run.sums().3, 5);
    let cut: Vec<_> = run.calls().into_iter().filter(|call| call.outcome == Outcome::CutOff).collect();
    assert!(cut.iter().all(|call| call.op == Operation::Register && call.sent.is_some()), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_run_ends_early_and_still_has_its_outcome() {
    let server = Server::start(Trouble::default()).await;
    let mut scenario = hold(fleet("web", 5), Duration::from_secs(600));
    scenario.target.kind = TargetKind::Url(server.url.clone());
    let (interrupt, interrupted) = watch::channel(false);
    let (progress, mut shown) = watch::channel(Progress::default());
    let user = tokio::spawn(async move {
        shown.changed().await.unwrap();
        let first = shown.borrow_and_update().clone();
        interrupt.send_replace(true);
        while shown.changed().await.is_ok() {}
        first
    });
    let run = run_with(&scenario, interrupted, progress).await;
    run.adds_up();
    let first = user.await.unwrap();
    assert_eq!((first.phases, first.total_ms, first.phase.as_str()), (2, 600_200, "hold"));
    assert!(run.outcome.interrupted && run.outcome.duration_ms < 600_000, "{}", run.outcome.duration_ms);
    assert_eq!(run.outcome.failed, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_threshold_without_anything_to_measure_has_no_value_and_does_not_hold() {
    let server = Server::start(Trouble::default()).await;
    let mut scenario = hold(fleet("web", 2), ms(300));
    let metric = Metric { operation: "list", figure: Figure::Errors };
    scenario.thresholds = vec![threshold(metric, Limit::Share(0.5))];
    let run = run_against(&server, scenario).await;
    let [threshold] = &run.outcome.thresholds[..] else { panic!("{:?}", run.outcome.thresholds) };
    assert!(!threshold.ok && threshold.value.is_empty(), "{threshold:?}");
}

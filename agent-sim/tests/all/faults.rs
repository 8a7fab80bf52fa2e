//! Faults done for real, to small registries: what stands in the history, and that a run gets over them or says why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use agent_sim::load::Progress;
use agent_sim::plan::Plan;
use reports::history::{Line, ProcessChange, ProcessEvent};
use scenarios::model::{BadNetwork, FaultKind, Fleet, InjectedFault, Scenario, TargetCommand, TargetKind};
use tokio::sync::watch;

use crate::load::server::{Server, Trouble};
use crate::load::{Run, hold, ms, run, run_against, run_with};
use crate::plan::fleet;

fn fault(name: &str, at: Duration, kind: FaultKind) -> InjectedFault {
    InjectedFault { name: name.to_owned(), phase: "hold".to_owned(), at, kind }
}

/// Ten agents that renew every 100 ms.
fn busy(length: Duration, faults: Vec<InjectedFault>) -> Scenario {
    let mut scenario = hold(Fleet { heartbeat: ms(100), jitter: 0.1, ..fleet("web", 10) }, length);
    scenario.call_timeout = ms(400);
    scenario.faults = faults;
    scenario
}

/// A registry of the harness's own that runs this script before it serves; `$PORT` is its port.
fn command(scenario: &mut Scenario, before: &str) {
    let server =
        std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("little_server");
    let script = format!("{before}\nexec {} --listen 127.0.0.1:{{port}}", server.display());
    scenario.target.kind = TargetKind::Command(TargetCommand {
        command: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        ready_path: "/health".to_owned(),
        ready_timeout: Duration::from_secs(30),
    });
}

fn events(run: &Run) -> Vec<&ProcessEvent> {
    run.lines
        .iter()
        .filter_map(|line| if let Line::Process(event) = line { Some(event) } else { None })
        .collect()
}

fn changes(run: &Run) -> Vec<ProcessChange> {
    events(run).iter().map(|event| event.event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_silences_those_behind_it_and_nobody_else_until_it_heals() {
    let server = Server::start(Trouble::default()).await;
    let lasting = Duration::from_secs(2);
    let kind = FaultKind::Partition { share: 0.5, lasting, network: BadNetwork::Cut };
    let scenario = busy(Duration::from_secs(4), vec![fault("split", ms(500), kind)]);
    let plan = Plan::new(&scenario, 11);
    let inside: BTreeSet<String> = (0..10)
        .filter(|agent| plan.partitioned(*agent).is_some())
        .map(|agent| plan.identity(agent).unwrap().agent_id)
        .collect();
    assert!(!inside.is_empty() && inside.len() < 10, "{inside:?}");
    let run = run_against(&server, scenario).await;
    if !run.outcome.invalid.is_empty() {
        eprintln!("NOT JUDGED: {:?}", run.outcome.invalid);
        return;
    }
    let failed: BTreeSet<String> = run
        .calls()
        .iter()
        .filter(|call| call.outcome.is_error())
        .filter_map(|call| call.agent.clone())
        .collect();
    assert_eq!(failed, inside);
    let [report] = &run.outcome.faults[..] else { panic!("{:?}", run.outcome.faults) };
    assert_eq!((report.kind.as_str(), report.start_ms, report.end_ms), ("partition", 700, 2_700));
    assert!(report.first_success_ms.is_some() && report.live_ms.is_some(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_is_killed_and_paused_as_planned_and_the_history_tells_when() {
    let kill = FaultKind::Kill { down: ms(300), times: 2, every: ms(1_000) };
    let pause = FaultKind::Pause { lasting: ms(300), times: 1, every: Duration::ZERO };
    let faults = vec![fault("gone", ms(200), kill), fault("still", ms(2_500), pause)];
    let mut scenario = busy(Duration::from_secs(4), faults);
    command(&mut scenario, "");
    let plan = Plan::new(&scenario, 11);
    let run = run(&scenario).await;
    assert_eq!(run.outcome.failed, Vec::<String>::new());
    // Only if the harness kept its plan was everything done before the run's end.
    if !run.outcome.invalid.is_empty() {
        eprintln!("NOT JUDGED: {:?}", run.outcome.invalid);
        return;
    }
    let expected = {
        use ProcessChange::{Continued, Killed, Paused, Started};
        [Started, Killed, Started, Killed, Started, Paused, Continued]
    };
    assert_eq!(changes(&run), expected);
    let events = events(&run);
    let planned =
        plan.faults().iter().flat_map(|fault| fault.instants.iter().flat_map(|(from, to)| [*from, *to]));
    for (event, planned_us) in events.iter().skip(1).zip(planned) {
        let planned_us = run.outcome.begin_us + planned_us;
        assert!(event.s_us >= planned_us && event.e_us >= event.s_us, "{event:?}, planned at {planned_us}");
    }
    let names: Vec<_> = run.outcome.faults.iter().map(|fault| (&fault.name[..], &fault.kind[..])).collect();
    assert_eq!(names, [("gone", "kill"), ("still", "pause")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_waits_for_a_registry_that_another_one_is_still_starting() {
    let kill = FaultKind::Kill { down: ms(50), times: 1, every: Duration::ZERO };
    let pause = FaultKind::Pause { lasting: ms(100), times: 1, every: Duration::ZERO };
    let mut scenario =
        busy(Duration::from_secs(4), vec![fault("gone", ms(100), kill), fault("still", ms(600), pause)]);
    // It starts at once, and again only after a second and a half.
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    command(&mut scenario, &format!("if [ -e {0} ]; then sleep 1.5; fi; touch {0}", ran.display()));
    let run = run(&scenario).await;
    assert_eq!(run.outcome.failed, Vec::<String>::new());
    let found_none = run.outcome.invalid.iter().any(|reason| reason.contains("found no registry process"));
    assert!(!found_none, "{:?}", run.outcome.invalid);
    if !run.outcome.invalid.is_empty() {
        eprintln!("NOT JUDGED: {:?}", run.outcome.invalid);
        return;
    }
    use ProcessChange::{Continued, Killed, Paused, Started};
    assert_eq!(changes(&run), [Started, Killed, Started, Paused, Continued]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_does_not_start_again_ends_the_run_with_its_last_words() {
    let kill = FaultKind::Kill { down: ms(50), times: 1, every: Duration::ZERO };
    let mut scenario = busy(Duration::from_secs(600), vec![fault("gone", ms(100), kill)]);
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let before = format!("if [ -e {0} ]; then echo broken store >&2; exit 3; fi; touch {0}", ran.display());
    command(&mut scenario, &before);
    let run = run(&scenario).await;
    let [failure] = &run.outcome.failed[..] else { panic!("{:?}", run.outcome.failed) };
    assert!(failure.starts_with("the registry did not start again after fault `gone`: "), "{failure}");
    assert!(failure.contains("broken store"), "{failure}");
    assert_eq!(changes(&run), [ProcessChange::Started, ProcessChange::Killed]);
    assert!(run.outcome.duration_ms < 600_000);
}

/// Interrupts a run once its registry is in this state of the kernel's, and tells how it ended.
async fn interrupted_in(mut scenario: Scenario, is_there: fn(Option<char>) -> bool) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    command(&mut scenario, &format!("echo $$ > {}", pid_file.display()));
    let (interrupt, interrupted) = watch::channel(false);
    let watcher = tokio::spawn(async move {
        while !std::fs::read_to_string(&pid_file).is_ok_and(|pid| is_there(state_of(pid.trim()))) {
            tokio::time::sleep(ms(5)).await;
        }
        // The registry may be seen a moment before the fault has told of it; the fault tells in any case.
        interrupt.send_replace(true);
        interrupt
    });
    let run = run_with(&scenario, interrupted, watch::Sender::<Progress>::default()).await;
    drop(watcher.await.unwrap());
    assert!(run.outcome.interrupted && run.outcome.failed.is_empty(), "{:?}", run.outcome.failed);
    run
}

/// The state letter of a process; `None` when there is none.
fn state_of(pid: &str) -> Option<char> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_registry_goes_on_when_the_run_is_interrupted() {
    let pause = FaultKind::Pause { lasting: Duration::from_secs(300), times: 1, every: Duration::ZERO };
    let scenario = busy(Duration::from_secs(600), vec![fault("still", ms(100), pause)]);
    let run = interrupted_in(scenario, |state| state == Some('T')).await;
    let expected = [ProcessChange::Started, ProcessChange::Paused, ProcessChange::Continued];
    assert_eq!(changes(&run), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_registry_is_not_started_for_nothing_when_the_run_is_interrupted() {
    let down = Duration::from_secs(300);
    let kill = FaultKind::Kill { down, times: 1, every: Duration::ZERO };
    let scenario = busy(Duration::from_secs(600), vec![fault("gone", ms(100), kill)]);
    let run = interrupted_in(scenario, |state| state.is_none()).await;
    assert_eq!(changes(&run), [ProcessChange::Started, ProcessChange::Killed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_ask_for_the_whole_list() {
    let server = Server::start(Trouble::default()).await;
    let kind = FaultKind::SlowReaders { connections: 7, bytes_per_second: 1_000, lasting: ms(700) };
    let scenario = busy(ms(1_000), vec![fault("slow", ms(100), kind)]);
    let run = run_against(&server, scenario).await;
    let lists = server.received().iter().filter(|request| request.line.starts_with("GET /agents")).count();
    let own = run.calls().iter().filter(|call| call.op == reports::history::Operation::List).count();
    assert!(lists >= own + 7, "{lists} lists were asked for, {own} of them by the run itself");
}

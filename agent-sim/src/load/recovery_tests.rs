//! Recoveries of twenty agents, told by hand.

use std::time::Duration;

use scenarios::model::{BadNetwork, InjectedFault};

use super::*;

const SECOND: u64 = 1_000_000;

/// Twenty agents: a ramp of 2 s, then the phases, then these faults.
fn recovery(phases: &str, faults: Vec<InjectedFault>) -> Recovery {
    let text = format!(
        "name = \"t\"\nseed = 1\ntarget.kind = \"reference\"\n\
         [target.policies.default]\nheartbeat_interval = \"1s\"\ndegraded_after = \"3s\"\nexpires_after = \"4s\"\nevict_after = \"9s\"\n\
         [[fleets]]\nname = \"web\"\nagents = 20\nheartbeat = \"1s\"\n\
         [[phases]]\nname = \"ramp\"\nkind = \"ramp\"\nduration = \"2s\"\n{phases}"
    );
    let mut scenario = scenarios::parse("t.toml", &text, &[]).expect("a scenario");
    scenario.faults = faults;
    Recovery::new(&Arc::new(Plan::new(&scenario, 1)))
}

const HOLD: &str = "[[phases]]\nname = \"hold\"\nkind = \"hold\"\nduration = \"20s\"\n";

fn fault(name: &str, at_seconds: u64, kind: FaultKind) -> InjectedFault {
    let at = Duration::from_secs(at_seconds);
    InjectedFault { name: name.to_owned(), phase: "hold".to_owned(), at, kind }
}

/// Away from second `2 + at_seconds` on, for two seconds.
fn kill(name: &str, at_seconds: u64) -> InjectedFault {
    let down = Duration::from_secs(2);
    fault(name, at_seconds, FaultKind::Kill { down, times: 1, every: Duration::ZERO })
}

fn beat(recovery: &mut Recovery, agent: u32, at_us: u64, op: Operation, outcome: Outcome) {
    let call = Timed { op, planned_us: at_us, s_us: at_us, e_us: at_us, outcome, http: None };
    recovery.ended(agent, &call, at_us);
}

fn all_register(recovery: &mut Recovery) {
    (0..20).for_each(|agent| {
        beat(recovery, agent, 1_900_000 + u64::from(agent), Operation::Register, Outcome::Registered);
    });
}

#[test]
fn a_kill_is_over_when_those_who_noticed_are_answered_again() {
    let mut recovery = recovery(HOLD, vec![kill("gone", 3)]);
    all_register(&mut recovery);
    for agent in 0..3 {
        beat(&mut recovery, agent, 6 * SECOND, Operation::Renew, Outcome::NotSent);
    }
    recovery.missed(3);
    recovery.advance(7 * SECOND);
    beat(&mut recovery, 9, 7 * SECOND + 250_000, Operation::Renew, Outcome::Renewed);
    for agent in 0..4 {
        let at_us = 8 * SECOND + u64::from(agent) * 100_000;
        beat(&mut recovery, agent, at_us, Operation::Register, Outcome::Registered);
    }
    let report = &recovery.reports()[0];
    assert_eq!((report.name.as_str(), report.kind.as_str(), report.phase.as_str()), ("gone", "kill", "hold"));
    assert_eq!((report.start_ms, report.end_ms), (5_000, 7_000));
    assert_eq!((report.first_success_ms, report.live_ms), (Some(250), Some(1_300)));
    assert_eq!(report.peak_registrations_per_second, 4, "those of the ramp came before it");
}

#[test]
fn a_fault_that_nobody_noticed_was_got_over_when_it_ended() {
    let mut recovery = recovery(HOLD, vec![kill("short", 3)]);
    all_register(&mut recovery);
    recovery.advance(7 * SECOND + 20_000);
    let report = &recovery.reports()[0];
    assert_eq!((report.live_ms, report.first_success_ms), (Some(0), None));
}

#[test]
fn who_never_comes_back_leaves_the_figure_empty() {
    let mut recovery = recovery(HOLD, vec![kill("for good", 3)]);
    all_register(&mut recovery);
    beat(&mut recovery, 0, 6 * SECOND, Operation::Renew, Outcome::TimedOut);
    beat(&mut recovery, 1, 8 * SECOND, Operation::Renew, Outcome::Renewed);
    recovery.advance(20 * SECOND);
    let report = &recovery.reports()[0];
    assert_eq!((report.first_success_ms, report.live_ms), (Some(1_000), None), "19 of 20 are not 99 %");
}

#[test]
fn a_partition_is_got_over_by_those_behind_it() {
    let lasting = Duration::from_secs(2);
    let network = BadNetwork::Cut;
    let mut recovery =
        recovery(HOLD, vec![fault("split", 3, FaultKind::Partition { share: 0.5, lasting, network })]);
    all_register(&mut recovery);
    let inside = (0..20).find(|agent| recovery.plan.partitioned(*agent).is_some()).expect("somebody inside");
    let outside =
        (0..20).find(|agent| recovery.plan.partitioned(*agent).is_none()).expect("somebody outside");
    beat(&mut recovery, outside, 7 * SECOND + 1_000, Operation::Renew, Outcome::Renewed);
    assert_eq!(recovery.reports()[0].first_success_ms, None);
    beat(&mut recovery, inside, 7 * SECOND + 30_000, Operation::Renew, Outcome::Renewed);
    assert_eq!(recovery.reports()[0].first_success_ms, Some(30));
}

#[test]
fn a_herd_is_got_over_when_it_has_registered_and_not_while_nobody_is_there() {
    let down = Duration::from_secs(1);
    let mut recovery = recovery(HOLD, vec![fault("herd", 3, FaultKind::Herd { down })]);
    all_register(&mut recovery);
    (0..20).for_each(|agent| recovery.gone(agent));
    recovery.advance(6 * SECOND);
    for agent in 0..20 {
        let at_us = 6 * SECOND + 10_000 * u64::from(agent + 1);
        beat(&mut recovery, agent, at_us, Operation::Register, Outcome::Registered);
    }
    let report = &recovery.reports()[0];
    assert_eq!((report.first_success_ms, report.live_ms), (Some(10), Some(200)));
    assert_eq!(report.peak_registrations_per_second, 20);
}

#[test]
fn phases_of_crash_and_recovery_are_faults_of_their_own() {
    let phases = "[[phases]]\nname = \"crash\"\nkind = \"crash\"\nduration = \"5s\"\nshare = 0.5\nover = \"1s\"\n\
                  [[phases]]\nname = \"back\"\nkind = \"recover\"\nduration = \"5s\"\nover = \"0s\"\n";
    let mut recovery = recovery(phases, Vec::new());
    all_register(&mut recovery);
    let crashed: Vec<u32> =
        (0..20).filter(|agent| recovery.plan.lives(*agent).first().unwrap().crash_us.is_some()).collect();
    assert_eq!(crashed.len(), 10);
    crashed.iter().for_each(|agent| recovery.gone(*agent));
    let left = (0..20).find(|agent| !crashed.contains(agent)).unwrap();
    beat(&mut recovery, left, 3 * SECOND + 500_000, Operation::Renew, Outcome::Renewed);
    for (number, agent) in (1..).zip(&crashed) {
        beat(&mut recovery, *agent, 7 * SECOND + number * 200_000, Operation::Register, Outcome::Registered);
    }
    let reports = recovery.reports();
    let rows: Vec<_> = reports
        .iter()
        .map(|report| {
            let name = report.name.as_str();
            (name, report.start_ms, report.end_ms, report.first_success_ms, report.live_ms)
        })
        .collect();
    // Nobody comes back from the crash before the next fault, so anybody's answer shows that the registry lives.
    let expected =
        [("crash", 2_000, 3_000, Some(500), Some(0)), ("back", 7_000, 7_000, Some(200), Some(2_000))];
    assert_eq!(rows, expected);
    // At 7.2, 7.4, 7.6, 7.8 s, then five from 8.0 s on.
    assert_eq!((reports[0].peak_registrations_per_second, reports[1].peak_registrations_per_second), (0, 5));
}

#[test]
fn a_run_without_faults_remembers_nothing_of_its_agents() {
    let mut recovery = recovery(HOLD, Vec::new());
    all_register(&mut recovery);
    assert_eq!((recovery.reports(), recovery.well.len()), (Vec::new(), 0));
}

#[test]
fn a_wrong_expiry_counts_to_the_fault_whose_window_it_fell_in() {
    let mut reports = recovery(HOLD, vec![kill("first", 3), kill("second", 10)]).reports();
    // The run began at 500 s of the clock.
    let begin_us = 500 * SECOND;
    let wrong = [4_999_000, 5_000_000, 11_999_000, 12_000_000, 90_000_000].map(|us| begin_us + us);
    fill_wrong_expiries(&mut reports, begin_us, &wrong);
    assert_eq!(reports.iter().map(|report| report.wrong_expiries).collect::<Vec<_>>(), [2, 2]);
}

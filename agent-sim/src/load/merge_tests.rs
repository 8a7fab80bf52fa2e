//! What several processes told is what one would have counted.

use std::io::Write;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use reports::history::{Operation, Outcome};

use super::*;
use crate::load::collector::{Collector, Series};
use crate::load::recovery::Recovery;
use crate::load::teller::{Teller, messages_of, read_frame};
use crate::measure::Timed;
use crate::plan::Plan;

/// What a worker wrote.
#[derive(Debug, Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Twenty agents, two seconds of ramp, three of hold, then a crash; thresholds with and without windows.
fn plan() -> (Arc<Plan>, Books) {
    let text = "name = \"t\"\nseed = 1\ntarget.kind = \"reference\"\n\
        [target.policies.default]\nheartbeat_interval = \"1s\"\ndegraded_after = \"3s\"\nexpires_after = \"4s\"\nevict_after = \"9s\"\n\
        [[fleets]]\nname = \"web\"\nagents = 20\nheartbeat = \"1s\"\n\
        [[phases]]\nname = \"ramp\"\nkind = \"ramp\"\nduration = \"2s\"\n\
        [[phases]]\nname = \"hold\"\nkind = \"hold\"\nduration = \"3s\"\n\
        [[phases]]\nname = \"fall\"\nkind = \"crash\"\nshare = 0.5\nover = \"100ms\"\nduration = \"2s\"\n\
        [[thresholds]]\nphase = \"hold\"\nmetric = \"heartbeat.response.p99\"\nlimit = \"5ms\"\n\
        [[thresholds]]\nphase = \"hold\"\nmetric = \"heartbeat.errors\"\nlimit = \"5%\"\nwindow = \"2s\"\ngrace = \"300ms\"\n\
        [[thresholds]]\nphase = \"hold\"\nmetric = \"heartbeat.misses\"\nlimit = \"5%\"\n";
    let scenario = scenarios::parse("t.toml", text, &[]).expect("a scenario");
    let plan = Arc::new(Plan::new(&scenario, 1));
    let collector = Collector::new(plan.phases(), &scenario.thresholds);
    let recovery = Recovery::new(&plan);
    (plan, Books { collector, recovery })
}

/// A turn of a worker's loop: whose, how long after the last one of anybody, and what happened in it.
#[derive(Debug, Clone)]
struct Turn {
    worker: usize,
    after_us: u64,
    registered: u64,
    calls: Vec<(u32, u64, u8)>,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let calls = prop::collection::vec((0..20_u32, 1..40_000_u64, 0..6_u8), 0..4);
    let turn = (0..3_usize, 600..60_000_u64, 0..20_u64, calls)
        .prop_map(|(worker, after_us, registered, calls)| Turn { worker, after_us, registered, calls });
    prop::collection::vec(turn, 1..200)
}

/// The events of a call that ended in the turn at `now_us`.
fn events(plan: &Plan, now_us: u64, (agent, took_us, kind): (u32, u64, u8)) -> Vec<Event> {
    let at_us = now_us.saturating_sub(took_us);
    let operation = if kind == 0 { Operation::Register } else { Operation::Renew };
    let series = Series { phase: plan.phase_at(at_us), operation, observes: false, at_us };
    let outcome = match kind {
        0 => Outcome::Registered,
        1 => Outcome::TimedOut,
        _ => Outcome::Renewed,
    };
    let timed = Timed {
        op: operation,
        planned_us: at_us,
        s_us: at_us + took_us / 4,
        e_us: now_us,
        outcome,
        http: None,
    };
    match kind {
        2 => vec![Event::Due(series), Event::Missed(series, Some(agent)), Event::Blamed(series, 1)],
        3 => vec![Event::Gone(agent)],
        _ => vec![
            Event::Due(series),
            Event::Arrived(at_us),
            Event::Sent(series, usize::try_from(took_us % 7).unwrap()),
            Event::Ended { series, timed, agent: Some(agent), at_us: now_us },
        ],
    }
}

fn standing(registered: u64) -> Standing {
    Standing { registered, in_flight: 1, own_open: registered, lost_lines: 0 }
}

/// Everything that a run reports of what was counted.
fn told(books: Books) -> impl PartialEq + std::fmt::Debug {
    let Books { collector, recovery } = books;
    let faults = recovery.reports();
    let phases: Vec<_> = (0..3).map(|phase| collector.phase_stats(phase)).collect();
    let misses = (collector.kept_outside_faults(), collector.own_misses());
    (
        (phases, collector.judged_stats(), collector.lag(), misses),
        (collector.thresholds(&faults, &[]), faults, collector.into_intervals()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_workers_tell_is_counted_as_one_loop_would_have(turns in turns(), by_worker in any::<bool>()) {
        let (plan, mut one) = plan();
        let pipes: Vec<Pipe> = (0..3).map(|_| Pipe::default()).collect();
        let mut tellers: Vec<Teller> =
            pipes.iter().map(|pipe| Teller::start(pipe.clone()).expect("a thread")).collect();
        let (mut now_us, mut stands, mut peak) = (0, [Standing::default(); 3], 0);
        for turn in &turns {
            now_us += turn.after_us;
            for event in turn.calls.iter().flat_map(|call| events(&plan, now_us, *call)) {
                one.take(&event);
                tellers[turn.worker].take(event);
            }
            stands[turn.worker] = standing(turn.registered);
            let sum = stands.iter().fold(Standing::default(), |sum, own| sum.and(*own));
            one.advance(now_us, sum);
            peak = peak.max(sum.registered);
            tellers[turn.worker].turned(now_us, stands[turn.worker]);
        }
        tellers.into_iter().for_each(|teller| teller.finish(&Message::Done(Done::default())));
        let (_, mut merged) = super::tests::plan();
        let mut merge = Merge::new(3);
        let heard: Vec<Vec<Message>> = pipes.iter().map(heard).collect();
        let longest = heard.iter().map(Vec::len).max().unwrap_or_default();
        if by_worker {
            for (worker, messages) in heard.into_iter().enumerate() {
                messages.into_iter().for_each(|message| merge.told(worker, message));
                merge.settle(&mut merged);
            }
        } else {
            for place in 0..longest {
                for (worker, messages) in heard.iter().enumerate() {
                    messages.get(place).into_iter().for_each(|message| merge.told(worker, message.clone()));
                }
                merge.settle(&mut merged);
            }
        }
        prop_assert!(merge.is_over());
        prop_assert_eq!(merge.peak().registered, peak);
        prop_assert_eq!(told(merged), told(one));
    }
}

fn heard(pipe: &Pipe) -> Vec<Message> {
    let bytes = pipe.0.lock().unwrap().clone();
    let mut from = bytes.as_slice();
    let mut all = Vec::new();
    while let Some(frame) = read_frame(&mut from).expect("a frame") {
        let messages = messages_of(&frame).expect("messages");
        all.extend(messages);
    }
    all
}

#[test]
fn nothing_is_counted_while_somebody_may_still_tell_of_an_earlier_instant() {
    let (plan, mut books) = plan();
    let mut merge = Merge::new(2);
    for event in events(&plan, 1_500_000, (1, 1_000, 4)) {
        merge.told(0, Message::Event(event));
    }
    merge.told(0, Message::Turned(1_500_000, standing(1)));
    merge.settle(&mut books);
    assert_eq!(books.collector.totals().planned, 0);
    merge.told(1, Message::Turned(1_400_000, standing(2)));
    merge.settle(&mut books);
    assert_eq!((books.collector.totals().planned, merge.standing().registered), (0, 2));
    assert_eq!(merge.silent_since(1_450_000), Some(1));
    // One that died holds nobody up.
    merge.ended(1);
    merge.settle(&mut books);
    assert_eq!((books.collector.totals().planned, merge.standing().registered), (1, 3));
    assert!(!merge.is_over() && !merge.is_done(1));
}

#[test]
fn what_could_not_be_told_is_trouble_and_the_worst_wait_stands_for_all() {
    let mut merge = Merge::new(2);
    let used = |cpu_seconds, run_queue_wait_share| {
        let cost = ProcessCost { cpu_seconds, ..ProcessCost::default() };
        Message::Used(Used {
            cost,
            run_queue_wait_share,
            run_queue_wait_seconds: run_queue_wait_share * 10.0,
        })
    };
    merge.told(0, used(1.0, 0.01));
    merge.told(1, used(2.0, 0.2));
    let used = merge.used();
    assert!((used.cost.cpu_seconds - 3.0).abs() < 1e-9 && (used.run_queue_wait_share - 0.2).abs() < 1e-9);
    assert!((used.run_queue_wait_seconds - 2.1).abs() < 1e-9, "{used:?}");
    merge.told(0, Message::Done(Done { lost_lines: 2, ..Done::default() }));
    merge.told(1, Message::Done(Done { lost_events: 7, lost_lines: 1, ..Done::default() }));
    let done = merge.done();
    assert_eq!((done.lost_events, done.lost_lines), (7, 3));
    let breakdown = done.trouble_with_losses().breakdown.expect("a reason");
    assert!(breakdown.starts_with("7 events of worker processes could not be told"), "{breakdown}");
}

//! What the parts of a call without a socket cost the thread that makes the calls, in nanoseconds of its CPU time:
//! `cargo run --release -p agent-sim --example pieces [AGENTS]`.
//!
//! Lines that are set in tell what plainer ways take, so that the gain can be seen on any machine.

#![allow(clippy::print_stdout, reason = "its output is the result")]
#![allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 calls")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::sync::Arc;

use agent_sim::clock::thread_cpu_seconds;
use agent_sim::dialect::wallflower::Wallflower;
use agent_sim::dialect::{Call, Dialect as _, WireAnswer};
use agent_sim::plan::Plan;
use agent_sim::plan::schedule::Schedule;
use reports::history::{CallRecord, Line, Operation, Outcome, Seen, Sent};

const ROUNDS: u64 = 1_000_000;

const PERIOD_US: u64 = 5_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agents: u32 = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    println!("{agents} agents, nanoseconds of CPU time each");
    schedule(agents)?;
    lines();
    messages()
}

fn told(what: &str, count: u64, work: impl FnOnce()) {
    let before = thread_cpu_seconds();
    work();
    println!("{:>7.0}  {what}", (thread_cpu_seconds() - before) * 1e9 / count as f64);
}

/// The plan's actions in their order, with the draw of each instant; beside it the order alone, by one heap of all.
fn schedule(agents: u32) -> Result<(), Box<dyn std::error::Error>> {
    let changes = [
        format!("fleets.workers.agents={agents}"),
        "phases.ramp.duration=5s".to_owned(),
        "phases.hold.duration=600s".to_owned(),
    ];
    let text = include_str!("../../scenarios/fleet-100k.toml");
    let scenario = scenarios::parse("scenarios/fleet-100k.toml", text, &changes)?;
    let mut schedule = Schedule::new(Arc::new(Plan::new(&scenario, 1)));
    // Everybody has started.
    while schedule.next_us().is_some_and(|us| us < 2 * PERIOD_US) {
        schedule.next();
    }
    told("an action of the plan", ROUNDS, || {
        for _ in 0..ROUNDS {
            black_box(schedule.next());
        }
    });
    let mut heap: BinaryHeap<_> =
        (0..agents).map(|agent| Reverse((u64::from(agent) * 7_919 % PERIOD_US, agent))).collect();
    told("    the order alone by one heap", ROUNDS, || {
        for _ in 0..ROUNDS {
            if let Some(Reverse((us, agent))) = heap.pop() {
                heap.push(Reverse((us + PERIOD_US, black_box(agent))));
            }
        }
    });
    Ok(())
}

fn lines() {
    let call = CallRecord {
        agent: Some("workers-012345".to_owned()),
        op: Operation::Renew,
        planned_us: Some(61_234_567),
        s_us: 61_234_678,
        e_us: 61_235_432,
        outcome: Outcome::Renewed,
        http: Some(200),
        sent: Some(Sent { incarnation: Some(1), sequence: Some(9), ..Sent::default() }),
        seen: Some(Seen { revision: Some(100_017), epoch: Some(1), ..Seen::default() }),
        note: None,
    };
    let mut out = Vec::new();
    told("a line of the history", ROUNDS, || {
        for _ in 0..ROUNDS {
            out.clear();
            black_box(&call).append_line(black_box(&mut out));
        }
    });
    let line = Line::Call(call);
    told("    the same by serde", ROUNDS, || {
        for _ in 0..ROUNDS {
            out.clear();
            // A vector takes whatever is written.
            let _ = serde_json::to_writer(black_box(&mut out), black_box(&line));
        }
    });
}

fn messages() -> Result<(), Box<dyn std::error::Error>> {
    let agent_id = || "workers-012345".to_owned();
    let call =
        Call::Renew { agent_id: agent_id(), status: None, order: Some((1, 9)), wiring_revision: Some(0) };
    told("a request of a lean heartbeat", ROUNDS, || {
        (0..ROUNDS).for_each(|_| drop(black_box(Wallflower.request(black_box(&call)))));
    });
    let body =
        serde_json::json!({ "agent_id": agent_id(), "incarnation": 1, "sequence": 9, "wiring_revision": 0 });
    told("    the body alone from a copied value", ROUNDS, || {
        (0..ROUNDS).for_each(|_| drop(black_box(black_box(&body).clone().to_string())));
    });
    let body = br#"{"agent_id":"workers-012345","result":"renewed","status":"healthy","epoch":1,"revision":100017,"heartbeat_interval_ms":5000,"degraded_after_ms":12000,"expires_after_ms":20000,"wiring_revision":0}"#;
    let answer = WireAnswer { status: 200, etag: None, retry_after: None, body: body.to_vec() };
    let reading = Wallflower.read(&call, &answer);
    if reading.outcome != Outcome::Renewed {
        return Err(format!("the answer was read as {reading:?}").into());
    }
    told("an answer read", ROUNDS, || {
        (0..ROUNDS).for_each(|_| drop(black_box(Wallflower.read(black_box(&call), black_box(&answer)))));
    });
    Ok(())
}

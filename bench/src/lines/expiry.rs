//! 10,000 leases that expire in one instant among 100,000, while the others beat on.
//!
//! A restart gives every living agent a full lease from one instant, so that a type with a short policy expires as one.
//! `/health` counts agents by status and is exact when it answers; it is asked as fast as it answers, a pause of a
//! millisecond apart. Shown is counted from when the last answer was asked for that told of none, to when the first had
//! come that told of all: the poll's own period is inside.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::bench::{Bench, CONNECTIONS, PATIENT};
use crate::client::{Connection, Kind, Pool};
use crate::clock;
use crate::figures::{Round, Sample, quantile};
use crate::machine::Meter;
use crate::requests::{agent, get, post, registering};
use crate::row::{Goal, Line, Row};
use crate::server::Server;
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 2] = [
    Line {
        id: "mass-expiry",
        what: "10,000 of 100,000 leases expire at once: from the first shown to all shown",
        unit: "ms",
        goal: Goal::at_most(50.0),
    },
    Line {
        id: "mass-expiry-p99",
        what: "heartbeat p99 meanwhile, 2,000/s, beside the p99.9 of a bare sleep of 1 ms",
        unit: "ms",
        goal: Goal::at_most(10.0),
    },
];

const OTHERS: usize = 90_000;
const BRIEF: usize = 10_000;
/// Expires after eight seconds: long enough to start again and to begin beating.
const BRIEF_POLICY: &str = "brief=2s,4s,8s,20m";
/// So that they live until all are registered.
const BRIEF_AT_FIRST: &str = "brief=1h,2h,3h,4h";
const BEATS_PER_SECOND: usize = 2_000;
/// Beats of this long before the first was shown, and after the last, are judged.
const AROUND: Duration = Duration::from_millis(400);
/// Nothing expires until then.
const QUIET: Duration = Duration::from_secs(6);
const GIVEN_UP: Duration = Duration::from_secs(40);
const ROUNDS: usize = 3;

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let folder = bench.folder("expiry")?;
    let (mut shown, mut beats) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds.min(ROUNDS) {
        let registry = bench.registry_with(&folder, &[PATIENT, BRIEF_AT_FIRST]).await?;
        register(&registry, round == 0).await?;
        registry.stop().await?;
        let registry = bench.registry_with(&folder, &[PATIENT, BRIEF_POLICY]).await?;
        let (of_shown, of_beats) = expire(&registry).await?;
        shown.push(of_shown);
        beats.push(of_beats);
        registry.stop().await?;
    }
    rows.push(Row::measured(LINES[0], shown));
    rows.push(Row::measured(LINES[1], beats));
    Ok(())
}

/// The others first, once; the brief ones in every round, for they are gone or expired.
async fn register(registry: &Server, is_first: bool) -> Result<(), Trouble> {
    let mut pool = Pool::new(registry.address, CONNECTIONS);
    if is_first {
        pool.drive(&registering("default", OTHERS).0, 0, OTHERS).await?;
    }
    pool.drive(&registering("brief", OTHERS + BRIEF).0, OTHERS, BRIEF).await?;
    Ok(())
}

async fn expire(registry: &Server) -> Result<(Round, Round), Trouble> {
    let began = clock::now();
    let floor = std::thread::spawn(move || sleeps(began + QUIET, GIVEN_UP));
    let kind: Rc<Kind> = Kind::new(
        "a heartbeat",
        |number, out| post(out, "/heartbeat", "", &format!("{{\"agent_id\":\"{}\"}}", agent(number))),
        |_, answer| answer.says(200, "\"result\":\"renewed\""),
    );
    let (ending, ended) = tokio::sync::watch::channel(false);
    let mut beating = Vec::new();
    for own in 0..CONNECTIONS {
        let connection = Connection::open(registry.address).await?;
        beating.push(tokio::task::spawn_local(beat(connection, Rc::clone(&kind), own, began, ended.clone())));
    }
    tokio::time::sleep_until((began + QUIET).into()).await;
    let meter = Meter::begin(registry.process)?;
    let (first, all) = watch(registry, began).await?;
    tokio::time::sleep(AROUND).await;
    let sample = meter.end()?.sample(all.duration_since(first).as_secs_f64() * 1_000.0);
    ending.send_replace(true);
    let mut latencies_us = Vec::new();
    for task in beating {
        let judged =
            task.await??.into_iter().filter(|(due, _)| *due >= first - AROUND && *due <= all + AROUND);
        latencies_us.extend(judged.map(|(_, us)| us));
    }
    let mut late_us: Vec<u64> = floor
        .join()
        .map_err(|_| "the sleeper has ended")?
        .into_iter()
        .filter(|(at, _)| *at >= first - AROUND && *at <= all + AROUND)
        .map(|(_, us)| us)
        .collect();
    let (_, listed, _) = registry.get("/agents?type=brief&status=expired&limit=10000", "").await?;
    let listed: serde_json::Value = serde_json::from_slice(&listed)?;
    if listed["agents"].as_array().map(Vec::len) != Some(BRIEF) {
        return Err("the list of expired agents does not have all of them".into());
    }
    let in_ms = |us: u64| us as f64 / 1_000.0;
    let p99 = Sample { value: in_ms(quantile(&mut latencies_us, 0.99)), ..sample };
    let floor = Sample { value: in_ms(quantile(&mut late_us, 0.999)), ..sample };
    Ok((Round::of(sample, None, 1), Round::of(p99, Some(floor), 1)))
}

/// When the last answer was asked for that told of no expired agent, and when the first had come that told of all.
async fn watch(registry: &Server, began: Instant) -> Result<(Instant, Instant), Trouble> {
    let mut connection = Connection::open(registry.address).await?;
    let request = get("/health", "");
    let mut none = None;
    loop {
        let asked = clock::now();
        let answer = connection.ask(&request).await?;
        let told = clock::now();
        match answer.number("\"expired\":").ok_or("/health does not count expired agents")? {
            0 => none = Some(asked),
            expired if expired == BRIEF as u64 => {
                return Ok((none.ok_or("they had expired before anybody looked")?, told));
            }
            _ => {}
        }
        if told.duration_since(began) > GIVEN_UP {
            return Err("they did not all expire".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Beats of some of the others, each due at its own instant however late the one before was answered: when each was due,
/// and how long after that it was answered, microseconds.
async fn beat(
    mut connection: Connection,
    kind: Rc<Kind>,
    own: usize,
    began: Instant,
    ended: tokio::sync::watch::Receiver<bool>,
) -> Result<Vec<(Instant, u64)>, Trouble> {
    let mut answered = Vec::new();
    let mut request = Vec::new();
    for turn in (own..).step_by(CONNECTIONS) {
        let due = began + Duration::from_secs_f64(turn as f64 / BEATS_PER_SECOND as f64);
        tokio::time::sleep_until(due.into()).await;
        if *ended.borrow() {
            break;
        }
        request.clear();
        (kind.request)(turn % OTHERS, &mut request);
        let answer = connection.ask(&request).await?;
        if !(kind.check)(turn, &answer) {
            return Err(format!("a heartbeat was answered {}", answer.words()).into());
        }
        answered.push((due, clock::now().duration_since(due).as_micros() as u64));
    }
    Ok(answered)
}

/// How late bare sleeps of a millisecond wake, from an instant on: what the machine itself does to latencies.
fn sleeps(from: Instant, longest: Duration) -> Vec<(Instant, u64)> {
    const LENGTH: Duration = Duration::from_millis(1);
    /// Past what is judged: the leases end two seconds after the quiet.
    const LASTING: Duration = Duration::from_secs(4);
    std::thread::sleep(from.saturating_duration_since(clock::now()));
    let mut late = Vec::new();
    while clock::now() < from + LASTING.min(longest) {
        let before = clock::now();
        std::thread::sleep(LENGTH);
        let after = clock::now();
        late.push((after, after.duration_since(before).saturating_sub(LENGTH).as_micros() as u64));
    }
    late
}

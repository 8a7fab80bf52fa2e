//! Acknowledged registrations: 1,000 clients at once, each registers the next agent when its last is durable; beside a
//! server that makes a transaction of each.

use std::rc::Rc;

use crate::bench::Bench;
use crate::client::{Kind, Pool};
use crate::figures::{Round, Sample, quantile};
use crate::machine::Meter;
use crate::requests::{post, registration};
use crate::rounds::{Side, interleaved};
use crate::row::{Goal, Line, Row};
use crate::server::Server;
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 2] = [
    Line {
        id: "registrations",
        what: "durable registrations, 1,000 clients at once, beside a transaction each",
        unit: "/s",
        goal: Goal::times_the_rate(15.0),
    },
    Line { id: "registrations-p99", what: "their 99 % latency", unit: "ms", goal: Goal::at_most(60.0) },
];

const CLIENTS: usize = 1_000;
/// A turn's calls, ours and the yardstick's: about a second each.
const CALLS: [usize; 2] = [20_000, 2_000];

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let folder = bench.folder("registrations")?;
    let registry = bench.registry(&folder).await?;
    let database = folder.join("yardstick.db").display().to_string();
    let yardstick = bench.yardstick(&["registrations", &database], &folder).await?;
    let kind: Rc<Kind> = Kind::new(
        "a registration",
        |number, out| post(out, "/heartbeat", "", &registration(&format!("new-{number}"))),
        |_, answer| answer.says(200, "\"result\":\"registered\""),
    );
    let mut ours = Pool::new(registry.address, CLIENTS);
    let mut theirs = Pool::to_bare(yardstick.address, CLIENTS);
    // The rounds are found again by the rate, which is never the same twice.
    let mut tails: Vec<(f64, f64)> = Vec::new();
    let rounds = interleaved(bench.rounds, async |side, number| match side {
        Side::Ours => {
            let (sample, p99_ms) = turn(&registry, &mut ours, &kind, number, CALLS[0]).await?;
            tails.push((sample.value, p99_ms));
            Ok(sample)
        }
        Side::Yardstick => Ok(turn(&yardstick, &mut theirs, &kind, number, CALLS[1]).await?.0),
    })
    .await?;
    let of_tails: Vec<Round> = rounds
        .iter()
        .filter_map(|round| {
            let (_, ms) = tails.iter().find(|(rate, _)| *rate == round.ours)?;
            Some(Round { ours: *ms, yardstick: None, ..round.clone() })
        })
        .collect();
    let bare = bench.yardstick(&["bare"], &folder).await?;
    let mut to_bare = Pool::to_bare(bare.address, CLIENTS);
    let bound = interleaved(bench.rounds, async |side, number| {
        let (server, pool, calls) = match side {
            Side::Ours => (&bare, &mut to_bare, CALLS[0]),
            Side::Yardstick => (&yardstick, &mut theirs, CALLS[1]),
        };
        Ok(turn(server, pool, &kind, number, calls).await?.0)
    })
    .await;
    let row = Row::measured(LINES[0], rounds);
    rows.push(row.bounded("bare hyper, which stores nothing", bound));
    rows.push(Row::measured(LINES[1], of_tails));
    Ok(())
}

/// So many calls: their number a second, and their 99 % latency in milliseconds.
async fn turn(
    server: &Server,
    pool: &mut Pool,
    kind: &Rc<Kind>,
    number: usize,
    calls: usize,
) -> Result<(Sample, f64), Trouble> {
    pool.open().await?;
    let meter = Meter::begin(server.process)?;
    let mut driven = pool.drive(kind, number * calls, calls).await?;
    let sample = meter.end()?.sample(calls as f64 / driven.seconds);
    Ok((sample, quantile(&mut driven.latencies_us, 0.99) as f64 / 1_000.0))
}

//! What a call costs with 100,000 agents registered, beside the same with 100; both registries are ours.

use super::calls::{self, CALLS};
use crate::bench::{Bench, CONNECTIONS};
use crate::client::Pool;
use crate::row::{Goal, Line, Row};
use crate::trouble::Trouble;

const fn line(id: &'static str, what: &'static str) -> Line {
    Line { id, what, unit: "us", goal: Goal::calls_per_cpu(0.85) }
}

/// In the order of the kinds of `calls`.
pub(super) const LINES: [Line; 5] = [
    line("scale-lean", "lean heartbeat with 100,000 agents, beside 100"),
    line("scale-head", "HEAD with 100,000 agents, beside 100"),
    line("scale-not-modified", "304 with 100,000 agents, beside 100"),
    line("scale-delta", "delta of 10 with 100,000 agents, beside 100"),
    line("scale-full", "full heartbeat with 100,000 agents, beside 100"),
];

const MANY: usize = 100_000;
const FEW: usize = 100;

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let large = bench.registry(&bench.folder("scale-large")?).await?;
    let small = bench.registry(&bench.folder("scale-small")?).await?;
    let (many, few) = (calls::kinds(&large, MANY).await?, calls::kinds(&small, FEW).await?);
    let mut to_large = Pool::new(large.address, CONNECTIONS);
    let mut to_small = Pool::new(small.address, CONNECTIONS);
    for ((line, many), few) in LINES.iter().zip(&many).zip(&few).filter(|((line, _), _)| bench.wants(line)) {
        let rounds =
            calls::compared(bench, CALLS, [many, few], (&large, &mut to_large), (&small, &mut to_small))
                .await;
        rows.push(Row::of(*line, rounds));
    }
    Ok(())
}

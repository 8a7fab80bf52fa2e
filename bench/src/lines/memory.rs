//! The registry's memory with 100,000 agents, and over an hour of churn.

use std::rc::Rc;
use std::time::Duration;

use crate::bench::{Bench, CONNECTIONS, register};
use crate::client::{Kind, Pool};
use crate::clock;
use crate::figures::{Round, slope};
use crate::machine::memory_bytes;
use crate::requests::{agent, bare, full, post};
use crate::row::{Goal, Line, Row};
use crate::server::Server;
use crate::trouble::Trouble;

const MB: f64 = 1e6;

pub(super) const LINES: [Line; 2] = [
    Line {
        id: "memory",
        what: "memory (resident) with 100,000 agents of 3 capabilities",
        unit: "MB",
        goal: Goal::at_most(250.0),
    },
    Line {
        id: "memory-churn",
        what: "its growth in churn: 200 agents leave and 200 come each second",
        unit: "% an hour",
        goal: Goal::at_most(5.0),
    },
];

const AGENTS: usize = 100_000;
/// What only registrations need is given back in this time.
const SETTLE: Duration = Duration::from_secs(3);
/// Agents that leave and come back in a second.
const TURNOVER: usize = 200;
const TICK: Duration = Duration::from_secs(1);
/// Caches and rings fill in the first part of the churn, which is not judged.
const FILLING_SHARE: f64 = 0.25;

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let registry = bench.registry(&bench.folder("memory")?).await?;
    register(&registry, AGENTS).await?;
    tokio::time::sleep(SETTLE).await;
    let (resident, proportional) = memory_bytes(registry.process)?;
    let note = format!("proportional set size {:.0} MB; documents of 600 bytes", proportional / MB);
    rows.push(Row::measured(LINES[0], vec![Round::absolute(resident / MB)]).noting(note));
    if bench.wants(&LINES[1]) {
        rows.push(match bench.churn {
            Some(lasting) => churned(&registry, lasting).await?,
            None => Row::not_measured(LINES[1], "`--churn 60m` does it"),
        });
    }
    Ok(())
}

async fn churned(registry: &Server, lasting: Duration) -> Result<Row, Trouble> {
    let leave = Kind::new(
        "a deregistration",
        |number, out| bare(out, "DELETE", &format!("/agents/{}", agent(number % AGENTS)), ""),
        |_, answer| answer.status == 204,
    );
    let come: Rc<Kind> = Kind::new(
        "a registration",
        |number, out| post(out, "/heartbeat", "", &full(&agent(number % AGENTS), "default", "1.0.0")),
        |_, answer| answer.says(200, "\"result\":\"registered\""),
    );
    let mut pool = Pool::new(registry.address, CONNECTIONS);
    let began = clock::now();
    let mut points = Vec::new();
    let mut first = 0;
    loop {
        let elapsed = clock::now().duration_since(began);
        if elapsed >= lasting {
            break;
        }
        pool.drive(&leave, first, TURNOVER).await?;
        pool.drive(&come, first, TURNOVER).await?;
        first += TURNOVER;
        points.push((elapsed.as_secs_f64() / 3_600.0, memory_bytes(registry.process)?.0 / MB));
        tokio::time::sleep(TICK.saturating_sub(clock::now().duration_since(began).saturating_sub(elapsed)))
            .await;
    }
    let filling = lasting.as_secs_f64() / 3_600.0 * FILLING_SHARE;
    let judged: Vec<(f64, f64)> = points.iter().copied().filter(|(hours, _)| *hours >= filling).collect();
    let growth = slope(&judged).ok_or("the churn was too short for a slope")?;
    let (start, end) =
        (judged.first().map_or(0.0, |point| point.1), judged.last().map_or(0.0, |point| point.1));
    let note = format!(
        "over {}: from {start:.0} to {end:.0} MB after the first quarter, slope {growth:.1} MB an hour",
        humantime::format_duration(lasting)
    );
    Ok(Row::measured(LINES[1], vec![Round::absolute(growth / start * 100.0)]).noting(note))
}

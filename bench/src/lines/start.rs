//! A start with 100,000 agents in the database: from the process' beginning to the first 200 of `/readyz`.

use crate::bench::{Bench, PATIENT, register};
use crate::clock;
use crate::figures::Round;
use crate::machine::Meter;
use crate::row::{Goal, Line, Row};
use crate::server::free_port;
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 1] = [Line {
    id: "start",
    what: "start with 100,000 agents in the database, until ready",
    unit: "s",
    goal: Goal::at_most(2.0),
}];

const AGENTS: usize = 100_000;
const STARTS: usize = 5;

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let folder = bench.folder("start")?;
    let registry = bench.registry(&folder).await?;
    register(&registry, AGENTS).await?;
    registry.stop().await?;
    let database = format!("sqlite://{}", folder.join("registry.db").display());
    let mut rounds = Vec::new();
    for _ in 0..STARTS {
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        let program = bench.program(&bench.wallflower, &folder);
        let program =
            program.args(["serve", "--listen", &listen, "--database", &database, "--policy", PATIENT]);
        let (meter, began) = (Meter::before()?, clock::now());
        let registry = program.ready(port, "/readyz").await?;
        let seconds = clock::now().duration_since(began).as_secs_f64();
        let started = meter.of(registry.process).end()?.sample(seconds);
        let (_, health, _) = registry.get("/health", "").await?;
        let health: serde_json::Value = serde_json::from_slice(&health)?;
        if health["agents"]["healthy"].as_u64() != Some(AGENTS as u64) {
            return Err(format!("it was ready without its agents: {}", health["agents"]).into());
        }
        registry.stop().await?;
        rounds.push(Round::of(started, None, 1));
    }
    rows.push(Row::measured(LINES[0], rounds));
    Ok(())
}

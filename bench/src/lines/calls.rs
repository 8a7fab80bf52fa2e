//! What a call costs the registry in CPU time, beside a bare hyper server that answers everything with the same 150
//! bytes.

use std::rc::Rc;

use crate::bench::{Bench, CONNECTIONS, register};
use crate::client::{Connection, Kind, Pool};
use crate::figures::Round;
use crate::machine::Meter;
use crate::requests::{agent, bare, full, lean, post};
use crate::rounds::{Side, interleaved};
use crate::row::{Goal, Line, Row};
use crate::server::Server;
use crate::trouble::Trouble;

const fn line(id: &'static str, what: &'static str, goal: f64) -> Line {
    Line { id, what, unit: "us", goal: Goal::calls_per_cpu(goal) }
}

pub(super) const LINES: [Line; 5] = [
    line("lean", "lean `POST /heartbeat`, beside bare hyper", 0.75),
    line("head", "`HEAD /heartbeat/{id}`, beside bare hyper", 0.80),
    line("not-modified", "304 on `GET /agents`, beside bare hyper", 0.80),
    line(DELTA, "a delta of 10, beside bare hyper", 0.80),
    line("full", "full heartbeat of 600 bytes, unchanged, beside bare hyper", 0.50),
];

const DELTA: &str = "delta";
/// What bounds a server that has long answers: the kernel copies the bytes, whoever sends them.
pub(super) const SENDER: &str = "bare hyper with as many";
const AGENTS: usize = 1_000;
/// Calls of each kind in a turn.
pub(super) const CALLS: usize = 20_000;
/// So many agents are changed after the others registered, which makes a delta.
const CHANGED: usize = 10;

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let folder = bench.folder("calls")?;
    let registry = bench.registry(&folder).await?;
    let yardstick = bench.yardstick(&["bare"], &folder).await?;
    let kinds = kinds(&registry, AGENTS).await?;
    let mut ours = Pool::new(registry.address, CONNECTIONS);
    let mut theirs = Pool::to_bare(yardstick.address, CONNECTIONS);
    for (line, kind) in LINES.iter().zip(&kinds).filter(|(line, _)| bench.wants(line)) {
        let rounds =
            compared(bench, CALLS, [kind, kind], (&registry, &mut ours), (&yardstick, &mut theirs)).await;
        let mut row = Row::of(*line, rounds);
        if line.id == DELTA {
            let bytes = answer_bytes(&registry, kind).await?;
            let rounds =
                of_sender(bench, CALLS, [kind, kind], (bytes, CONNECTIONS), (&yardstick, &mut theirs)).await;
            row = row.noting(format!("{bytes} bytes an answer")).bounded(SENDER, rounds);
        }
        rows.push(row);
    }
    Ok(())
}

/// What so many calls cost two servers, by turns: of the first kind ours, of the second the yardstick.
pub(super) async fn compared(
    bench: &Bench,
    calls: usize,
    kinds: [&Rc<Kind>; 2],
    mut ours: (&Server, &mut Pool),
    mut yardstick: (&Server, &mut Pool),
) -> Result<Vec<Round>, Trouble> {
    interleaved(bench.rounds, async |side, number| {
        let (kind, (server, pool)) = match side {
            Side::Ours => (kinds[0], &mut ours),
            Side::Yardstick => (kinds[1], &mut yardstick),
        };
        pool.open().await?;
        let meter = Meter::begin(server.process)?;
        // From where the last turn ended: all agents beat in the end.
        pool.drive(kind, number * calls, calls).await?;
        Ok(meter.end()?.us_a_call(calls))
    })
    .await
}

/// The same with bare hyper in the place of ours, which has so many bytes an answer, over so many connections.
pub(super) async fn of_sender(
    bench: &Bench,
    calls: usize,
    kinds: [&Rc<Kind>; 2],
    (bytes, connections): (usize, usize),
    yardstick: (&Server, &mut Pool),
) -> Result<Vec<Round>, Trouble> {
    let sender = bench.yardstick(&["bare", &bytes.to_string()], &bench.folder("sender")?).await?;
    let mut to_sender = Pool::to_bare_of(bytes, sender.address, connections);
    compared(bench, calls, kinds, (&sender, &mut to_sender), yardstick).await
}

/// How long the body of an answer is.
async fn answer_bytes(server: &Server, kind: &Kind) -> Result<usize, Trouble> {
    let mut request = Vec::new();
    (kind.request)(0, &mut request);
    Ok(Connection::open(server.address).await?.ask(&request).await?.body.len())
}

/// Registers so many agents; then the kinds of call, in the order of [`LINES`].
pub(super) async fn kinds(registry: &Server, agents: usize) -> Result<[Rc<Kind>; 5], Trouble> {
    let wiring = Rc::new(register(registry, agents).await?);
    let (_, listed, _) = registry.get("/agents?limit=1", "").await?;
    let listed: serde_json::Value = serde_json::from_slice(&listed)?;
    let revision = listed["revision"].as_u64().ok_or("a list without a revision")?;
    let store_id = listed["store_id"].as_str().ok_or("a list without a store")?.to_owned();
    let change = Kind::new(
        "a change",
        |number, out| post(out, "/heartbeat", "", &full(&agent(number), "default", "1.0.1")),
        |_, answer| answer.says(200, "\"result\":\"updated\""),
    );
    Pool::new(registry.address, 1).drive(&change, 0, CHANGED).await?;
    let (_, _, tag) = registry.get("/agents", "").await?;
    let tag = tag.ok_or("a list without a tag")?;
    let known = Rc::clone(&wiring);
    let head = Kind::new(
        "HEAD /heartbeat",
        move |number, out| {
            let id = number % agents;
            let revision = known.get(id).copied().unwrap_or_default();
            bare(out, "HEAD", &format!("/heartbeat/{}?wiring_revision={revision}", agent(id)), "");
        },
        |_, answer| answer.status == 200,
    );
    let not_modified = Kind::new(
        "304 on GET /agents",
        move |_, out| bare(out, "GET", "/agents", &format!("if-none-match: {tag}\r\n")),
        |_, answer| answer.status == 304,
    );
    let delta = Kind::new(
        "a delta",
        move |_, out| bare(out, "GET", &format!("/agents?since={revision}&store_id={store_id}"), ""),
        |_, answer| answer.says(200, "\"changed\":[{"),
    );
    let unchanged = Kind::new(
        "a full heartbeat",
        move |number, out| {
            let id = agent(CHANGED + number % (agents - CHANGED));
            post(out, "/heartbeat", "", &full(&id, "default", "1.0.0"));
        },
        |_, answer| answer.says(200, "\"result\":\"renewed\""),
    );
    Ok([lean(wiring), head, not_modified, delta, unchanged])
}

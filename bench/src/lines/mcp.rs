//! A heartbeat as a call of the MCP tool, beside the plainest tool of the same library with an answer of the same size.

use crate::bench::{Bench, CONNECTIONS, register};
use crate::client::{Connection, Kind, Pool};
use crate::machine::Meter;
use crate::requests::{agent, post};
use crate::rounds::{Side, interleaved};
use crate::row::{Goal, Line, Row};
use crate::server::Server;
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 1] = [Line {
    id: "mcp",
    what: "`agent_heartbeat` through MCP, beside the plainest rmcp tool",
    unit: "us",
    goal: Goal::times_the_cost(1.15),
}];

const AGENTS: usize = 1_000;
const CALLS: usize = 8_000;
/// The revision that knows no session.
const HEADERS: &str = "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
    mcp-method: tools/call\r\nmcp-name: agent_heartbeat\r\n";

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let folder = bench.folder("mcp")?;
    let registry = bench.registry(&folder).await?;
    let wiring = register(&registry, AGENTS).await?;
    let call = move |number: usize, out: &mut Vec<u8>| {
        let id = number % AGENTS;
        let revision = wiring.get(id).copied().unwrap_or_default();
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"agent_heartbeat","arguments":{{"agent_id":"{}","wiring_revision":{revision}}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1"}}}}}}}}"#,
            agent(id)
        );
        post(out, "/mcp", HEADERS, &body);
    };
    let kind = Kind::new("a tool call", call, |_, answer| {
        answer.says(200, "\"structuredContent\":") && answer.says(200, "\"result\":\"renewed\"")
    });
    let mut request = Vec::new();
    (kind.request)(0, &mut request);
    let ours = answer(&registry, &request).await?;
    let document: serde_json::Value = serde_json::from_slice(&ours)?;
    let file = folder.join("result.json");
    std::fs::write(&file, serde_json::to_vec(&document["result"])?)?;
    let yardstick = bench.yardstick(&["mcp", &file.display().to_string()], &folder).await?;
    let theirs = answer(&yardstick, &request).await?;
    if ours.len().abs_diff(theirs.len()) > ours.len() / 10 {
        return Err(format!("the yardstick answers {} bytes instead of {}", theirs.len(), ours.len()).into());
    }
    let mut to_ours = Pool::new(registry.address, CONNECTIONS);
    let mut to_theirs = Pool::new(yardstick.address, CONNECTIONS);
    let rounds = interleaved(bench.rounds, async |side, number| {
        let (server, pool) = match side {
            Side::Ours => (&registry, &mut to_ours),
            Side::Yardstick => (&yardstick, &mut to_theirs),
        };
        pool.open().await?;
        let meter = Meter::begin(server.process)?;
        pool.drive(&kind, number * CALLS, CALLS).await?;
        Ok(meter.end()?.us_a_call(CALLS))
    })
    .await?;
    rows.push(Row::measured(LINES[0], rounds).noting(format!("{} bytes an answer", ours.len())));
    Ok(())
}

async fn answer(server: &Server, request: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut connection = Connection::open(server.address).await?;
    let answer = connection.ask(request).await?;
    match answer.status {
        200 => Ok(answer.body.to_vec()),
        _ => Err(format!("a tool call was answered {}", answer.words()).into()),
    }
}

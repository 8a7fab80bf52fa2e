//! Renewals of 5,000 agents, beside other registries' renewals as their own agents send them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::bench::{Bench, CONNECTIONS, register};
use crate::client::{Kind, Pool};
use crate::figures::Round;
use crate::machine::Meter;
use crate::requests::{agent, bare, lean, post};
use crate::rounds::{Side, interleaved};
use crate::row::{Goal, Line, Row};
use crate::server::{Server, found, free_port};
use crate::trouble::Trouble;

const fn line(id: &'static str, what: &'static str, goal: f64) -> Line {
    Line { id, what, unit: "us", goal: Goal::calls_per_cpu(goal) }
}

pub(super) const LINES: [Line; 3] = [
    line("peers-mcp-mesh", "heartbeats of 5,000 agents, beside mcp-mesh's HEAD", 50.0),
    line("peers-etcd", "heartbeats of 5,000 agents, beside etcd's keepalives (JSON gateway)", 10.0),
    line("peers-nacos", "heartbeats of 5,000 agents, beside r-nacos' beats", 2.0),
];

const AGENTS: usize = 5_000;
const CALLS: usize = 20_000;
/// A turn's renewals of each peer: about a second at most of them.
const PEER_CALLS: [usize; 3] = [200, 3_000, 12_000];

/// A peer that has its agents, and what renews them.
struct Peer {
    server: Server,
    renewal: Rc<Kind>,
}

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let registry = bench.registry(&bench.folder("peers")?).await?;
    let ours = lean(Rc::new(register(&registry, AGENTS).await?));
    for (place, line) in LINES.iter().enumerate().filter(|(_, line)| bench.wants(line)) {
        let folder = bench.folder(line.id)?;
        let started = match place {
            0 => mcp_mesh(bench, &folder).await,
            1 => etcd(bench, &folder).await,
            _ => nacos(bench, &folder).await,
        };
        let measured = match started {
            Ok(peer) => beside(bench, (&registry, &ours), &peer, PEER_CALLS[place]).await,
            Err(trouble) => Err(trouble),
        };
        // One that is not here does not keep the others from being measured.
        rows.push(Row::of(*line, measured));
    }
    Ok(())
}

async fn beside(
    bench: &Bench,
    (registry, ours): (&Server, &Rc<Kind>),
    peer: &Peer,
    peer_calls: usize,
) -> Result<Vec<Round>, Trouble> {
    let mut to_ours = Pool::new(registry.address, CONNECTIONS);
    let mut to_theirs = Pool::new(peer.server.address, CONNECTIONS);
    interleaved(bench.rounds, async |side, number| {
        let (server, pool, kind, calls) = match side {
            Side::Ours => (registry, &mut to_ours, ours, CALLS),
            Side::Yardstick => (&peer.server, &mut to_theirs, &peer.renewal, peer_calls),
        };
        pool.open().await?;
        let meter = Meter::begin(server.process)?;
        pool.drive(kind, number * calls, calls).await?;
        Ok(meter.end()?.us_a_call(calls))
    })
    .await
}

/// Where `scenarios/peers/install` puts a peer, or its words.
fn installed(path: &str, name: &str) -> Result<PathBuf, Trouble> {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let places = [format!("target/peers/{path}"), format!("{target}/peers/{path}")];
    let place = places.iter().find_map(|place| found(place));
    place.ok_or_else(|| format!("there is no {name}; `scenarios/peers/install {name}` brings it").into())
}

async fn all(server: &Server, kind: &Rc<Kind>) -> Result<(), Trouble> {
    Pool::new(server.address, CONNECTIONS).drive(kind, 0, AGENTS).await.map(drop)
}

async fn mcp_mesh(bench: &Bench, folder: &Path) -> Result<Peer, Trouble> {
    let program = installed("node_modules/@mcpmesh/cli-linux-x64/bin/mcp-mesh-registry", "mcp-mesh")?;
    let port = free_port()?;
    let program = bench.program(&program, folder).env("HOST", "127.0.0.1").env("PORT", port.to_string());
    // Nobody falls silent.
    let program =
        program.env("DATABASE_URL", folder.join("mesh.db")).env("DEFAULT_TIMEOUT_THRESHOLD", "3600");
    let server = program.ready(port, "/health").await?;
    let registering = Kind::new(
        "a registration at mcp-mesh",
        |number, out| {
            let id = agent(number);
            let body = format!(
                r#"{{"agent_id":"{id}","name":"{id}","agent_type":"mcp_agent","version":"1.0.0","http_host":"10.0.0.3","http_port":9000,"namespace":"default","status":"healthy","tools":[{{"function_name":"f","capability":"geo.lookup","version":"1.4.0","tags":["eu"],"dependencies":[]}}]}}"#
            );
            post(out, "/heartbeat", "", &body);
        },
        // A refusal comes as 200 with another status in its body.
        |_, answer| answer.says(200, "\"status\":\"success\""),
    );
    all(&server, &registering).await?;
    let renewal = Kind::new(
        "HEAD at mcp-mesh",
        |number, out| bare(out, "HEAD", &format!("/heartbeat/{}", agent(number % AGENTS)), ""),
        // 202 renews too, and says that the topology changed; 410 would be an agent that it does not know.
        |_, answer| matches!(answer.status, 200 | 202),
    );
    Ok(Peer { server, renewal })
}

async fn etcd(bench: &Bench, folder: &Path) -> Result<Peer, Trouble> {
    let program = found("etcd").ok_or("there is no etcd; `scenarios/peers/install etcd` brings it")?;
    let port = free_port()?;
    let program = bench.program(&program, folder).args([
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{port}"),
        format!("--advertise-client-urls=http://127.0.0.1:{port}"),
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:1".to_owned(),
        "--initial-cluster=default=http://127.0.0.1:1".to_owned(),
    ]);
    let server = program.ready(port, "/health").await?;
    let call = |name, path: &'static str, body: fn(usize) -> String, told: &'static str| {
        Kind::new(
            name,
            move |number, out| post(out, path, "", &body(number)),
            move |_, answer| answer.says(200, told),
        )
    };
    // Lease 0 would be one that etcd chooses.
    let grant =
        call("a grant", "/v3/lease/grant", |n| format!(r#"{{"ID":"{}","TTL":"3600"}}"#, n + 1), "\"TTL\":");
    let put = call(
        "a put",
        "/v3/kv/put",
        // Base64 of six digits and a short value: what is stored does not matter to a keepalive.
        |n| format!(r#"{{"key":"{:08}","value":"aHR0cDovLzEwLjAuMC4zOjkwMDAvbWNw","lease":"{}"}}"#, n, n + 1),
        "\"revision\":",
    );
    all(&server, &grant).await?;
    all(&server, &put).await?;
    // A dead lease is answered 200 too, without its time to live.
    let body = |n: usize| format!(r#"{{"ID":"{}"}}"#, n % AGENTS + 1);
    let renewal = call("a keepalive", "/v3/lease/keepalive", body, "\"TTL\":\"");
    Ok(Peer { server, renewal })
}

async fn nacos(bench: &Bench, folder: &Path) -> Result<Peer, Trouble> {
    const INSTANCE: &str = "/nacos/v1/ns/instance";
    let program = installed("rnacos/bin/rnacos", "r-nacos")?;
    let (port, grpc) = (free_port()?, free_port()?);
    let program = bench.program(&program, folder).env("RNACOS_HTTP_PORT", port.to_string());
    let program = program.env("RNACOS_GRPC_PORT", grpc.to_string()).env("RNACOS_HTTP_CONSOLE_PORT", "0");
    let program = program.env("RNACOS_DATA_DIR", folder.join("nacos"));
    let program = program.env("RNACOS_NAMING_HEALTH_TIMEOUT_SECOND", "3600");
    let server = program.env("RNACOS_NAMING_INSTANCE_TIMEOUT_SECOND", "7200").ready(port, "/health").await?;
    let named =
        |number: usize| format!("serviceName=DEFAULT_GROUP%40%40bench&ip={}&port=1", agent(number % AGENTS));
    let registering = Kind::new(
        "a registration at r-nacos",
        move |number, out| {
            bare(
                out,
                "POST",
                &format!("{INSTANCE}?{}&ephemeral=true", named(number)),
                "content-length: 0\r\n",
            );
        },
        |_, answer| answer.says(200, "ok"),
    );
    all(&server, &registering).await?;
    let renewal = Kind::new(
        "a beat at r-nacos",
        move |number, out| {
            bare(out, "PUT", &format!("{INSTANCE}/beat?{}", named(number)), "content-length: 0\r\n");
        },
        |_, answer| answer.says(200, "10200"),
    );
    Ok(Peer { server, renewal })
}

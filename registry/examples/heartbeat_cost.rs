//! What a call costs the registry in CPU time, beside a bare hyper server that answers everything with the same 150
//! bytes. Both run as processes of their own, driven by the same client over 64 connections, in turns, so that a slow
//! minute of the machine is slow for both: read the ratios. By hand, in the release build:
//!
//! ```text
//! cargo build --release
//! cargo run --release -p registry --example heartbeat_cost -- target/release/wallflower [AGENTS] [ROUNDS] [ONLY]
//! ```
//!
//! It prints one line for each kind of call: the median of the rounds, in microseconds of CPU time of all threads of the
//! server, and how many calls the registry answers in the time that the bare server needs for one.

#![allow(clippy::print_stdout, reason = "its output is how it answers")]

use std::convert::Infallible;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

const CONNECTIONS: usize = 64;
/// Calls of each kind in a round, to each server.
const CALLS: usize = 12_000;
const ROUNDS: usize = 5;
const AGENTS: usize = 1_000;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The yardstick's answer.
const FIXED: [u8; 150] = [b'x'; 150];

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.as_slice() {
        [mode] if mode == "bare" => runtime.block_on(bare()),
        [program, rest @ ..] if rest.len() <= 3 => {
            let number =
                |at: usize, otherwise| rest.get(at).map_or(Ok(otherwise), |text| text.parse::<usize>());
            let (agents, rounds) = (number(0, AGENTS)?.max(CONNECTIONS), number(1, ROUNDS)?.max(1));
            LocalSet::new()
                .block_on(&runtime, compare(program, agents, rounds, rest.get(2).map(String::as_str)))
        }
        _ => Err("name the program to measure; see the top of this file".into()),
    }
}

/// The yardstick: hyper's connection, a body that is read and an answer that is always the same.
async fn bare() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(|request: hyper::Request<Incoming>| async {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(&FIXED))))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A server in a process of its own, killed when this is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("it has no output")?).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().unwrap_or_default().parse();
        let address = address.map_err(|_| format!("it is not ready, but said {line:?}"))?;
        Ok(Self { child, address })
    }

    /// The CPU time of all its threads, in microseconds.
    fn cpu_us(&self) -> Result<f64, Failure> {
        let mut sum_ns = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            sum_ns += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(sum_ns as f64 / 1_000.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A kind of call: the request with this number, and the status that answers it.
struct Kind {
    name: &'static str,
    status: &'static str,
    request: Box<dyn Fn(usize) -> String>,
}

impl Kind {
    fn new(
        name: &'static str,
        status: &'static str,
        request: impl Fn(usize) -> String + 'static,
    ) -> Rc<Self> {
        Rc::new(Self { name, status, request: Box::new(request) })
    }
}

async fn compare(program: &str, agents: usize, rounds: usize, only: Option<&str>) -> Result<(), Failure> {
    tokio::task::spawn_local(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("cost.db");
    let mut serve = Command::new("taskset");
    serve.args(["-c", "0", program]);
    // Nobody falls silent during the measurement.
    let policy = "default=5m,10m,20m,60m";
    serve.args(["serve", "--listen", "127.0.0.1:0", "--policy", policy, "--database"]).arg(database);
    let registry = Server::start(&mut serve)?;
    let yardstick =
        Server::start(Command::new("taskset").arg("-c").arg("0").arg(std::env::current_exe()?).arg("bare"))?;

    // Ten providers that are changed once more at the end, which makes a delta of ten.
    let fleet = Kind::new("register", "200", |number| full(&format!("agent-{number}"), "1.0.0"));
    let wiring = drive(&registry, &fleet, 0, agents).await?;
    let known = wiring.clone();
    let listed = ask(&registry, &get("/agents", "")).await?;
    let revision = member(&listed, "\"revision\":").ok_or("a list has a revision")?.to_owned();
    let store_id = member(&listed, "\"store_id\":").ok_or("a list has a store")?.trim_matches('"').to_owned();
    let changed = Kind::new("change", "200", |number| full(&format!("agent-{number}"), "1.0.1"));
    drive(&registry, &changed, 0, 10).await?;
    let listed = ask(&registry, &get("/agents", "")).await?;
    let tag =
        listed.lines().find_map(|line| line.strip_prefix("etag: ")).ok_or("a list has a tag")?.to_owned();

    let kinds = [
        Kind::new("lean POST /heartbeat", "200", move |number| {
            let id = number % agents;
            post(&format!("{{\"agent_id\":\"agent-{id}\",\"wiring_revision\":{}}}", known[id]))
        }),
        Kind::new("HEAD /heartbeat/{id}", "200", move |number| {
            let id = number % agents;
            format!("HEAD /heartbeat/agent-{id}?wiring_revision={} HTTP/1.1\r\nhost: a\r\n\r\n", wiring[id])
        }),
        Kind::new("304 on GET /agents", "304", move |_| get("/agents", &format!("if-none-match: {tag}\r\n"))),
        Kind::new("delta of 10", "200", move |_| {
            get(&format!("/agents?since={revision}&store_id={store_id}"), "")
        }),
        Kind::new("full POST, unchanged", "200", move |number| {
            full(&format!("agent-{}", 10 + number % (agents - 10)), "1.0.0")
        }),
        Kind::new("registration", "200", |number| full(&format!("new-{number}"), "1.0.0")),
    ];
    println!(
        "{agents} agents, {CONNECTIONS} connections, {rounds} rounds of {CALLS} calls; us of CPU time a call"
    );
    println!("{:<24}{:>10}{:>10}{:>8}{:>16}", "call", "registry", "bare", "ratio", "(all rounds)");
    for kind in kinds.iter().filter(|kind| only.is_none_or(|only| kind.name.starts_with(only))) {
        // The one is driven, then the other: 0 is for warming up.
        let mut costs = Vec::new();
        for round in 0..=rounds {
            let bare = cost(&yardstick, kind, round).await?;
            let ours = cost(&registry, kind, round).await?;
            costs.extend((round > 0).then_some((ours, bare)));
        }
        let ratios: Vec<f64> = costs.iter().map(|(ours, bare)| bare / ours).collect();
        let (ours, bare) = (median(costs.iter().map(|cost| cost.0)), median(costs.iter().map(|cost| cost.1)));
        let (least, most) =
            ratios.iter().fold((f64::MAX, 0.0_f64), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
        let ratio = median(ratios.iter().copied());
        println!("{:<24}{ours:>10.1}{bare:>10.1}{ratio:>8.2}{least:>10.2}-{most:.2}", kind.name);
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

async fn cost(server: &Server, kind: &Rc<Kind>, round: usize) -> Result<f64, Failure> {
    let before = server.cpu_us()?;
    drive(server, kind, round * CALLS, CALLS).await?;
    Ok((server.cpu_us()? - before) / CALLS as f64)
}

/// Makes `calls` calls, from number `first` on, over all connections, each as soon as its last is answered. Gives the
/// wiring revisions that the answers named, 0 where none was.
async fn drive(server: &Server, kind: &Rc<Kind>, first: usize, calls: usize) -> Result<Vec<u64>, Failure> {
    let mut tasks = Vec::new();
    for own in 0..CONNECTIONS {
        let (kind, address) = (Rc::clone(kind), server.address);
        tasks.push(tokio::task::spawn_local(async move {
            let mut connection = Connection::open(address).await?;
            let mut named = Vec::new();
            for number in (own..calls).step_by(CONNECTIONS) {
                let request = (kind.request)(first + number);
                let answer = connection.ask(&request).await?;
                // The yardstick says 200 to everything.
                if !answer.ends_with(FIXED.as_slice()) && answer.get(9..12) != Some(kind.status.as_bytes()) {
                    return Err(format!("{}: {}", kind.name, String::from_utf8_lossy(answer)));
                }
                let revision = member(&String::from_utf8_lossy(answer), "\"wiring_revision\":")
                    .and_then(|text| text.parse().ok());
                named.push((number, revision.unwrap_or_default()));
            }
            Ok::<_, String>(named)
        }));
    }
    let mut revisions = vec![0; calls];
    for task in tasks {
        for (number, revision) in task.await?? {
            revisions[number] = revision;
        }
    }
    Ok(revisions)
}

async fn ask(server: &Server, request: &str) -> Result<String, Failure> {
    let mut connection = Connection::open(server.address).await?;
    Ok(String::from_utf8_lossy(connection.ask(request).await?).into_owned())
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// The whole answer.
    async fn ask(&mut self, request: &str) -> Result<&[u8], String> {
        self.read.clear();
        let stream = &mut self.stream;
        let read = &mut self.read;
        let asking = async {
            stream.write_all(request.as_bytes()).await?;
            while !is_whole(read, request.starts_with("HEAD")) {
                if stream.read_buf(read).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok::<_, std::io::Error>(())
        };
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, asking).await;
        asked.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
        Ok(&self.read)
    }
}

/// An answer has a length, unless it has no body.
fn is_whole(read: &[u8], is_head: bool) -> bool {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.filter(|_| !is_head).map_or(0, |text| text.parse::<usize>().unwrap_or(0));
    read.len() >= end + 4 + length
}

fn member<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.split_once(name).and_then(|(_, rest)| rest.split([',', '}']).next())
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n")
}

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /heartbeat HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Some 600 bytes: three capabilities, two dependencies.
fn full(agent_id: &str, version: &str) -> String {
    let capability = |name: &str| {
        format!(
            r#"{{"name":"{name}","version":"{version}","tags":["fast","eu"],"description":"looks things up in a table"}}"#
        )
    };
    let dependency = r#"{"capability":"nobody.has","version":">=1.2, <2","tags":["eu"]}"#;
    post(&format!(
        r#"{{"agent_id":"{agent_id}","endpoint":"http://10.0.0.3:9000/mcp","capabilities":[{},{},{}],"dependencies":[{dependency},{}],"labels":{{"zone":"a"}},"metadata":{{"build":"20260102"}}}}"#,
        capability("geo.lookup"),
        capability("geo.route"),
        capability("text.index"),
        dependency.replace("nobody", "no-one"),
    ))
}

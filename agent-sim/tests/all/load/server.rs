//! A small real registry for the driver's tests: HTTP/1.1 with keep-alive over TCP, agents in memory, and troubles on
//! demand.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the registry does wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble {
    /// Every answer to an agent's heartbeat waits so long.
    pub(crate) delay: Duration,
    /// Every so-manieth renewal of an agent waits for [`Trouble::stall`].
    pub(crate) stall_each: Option<usize>,
    /// How long it waits.
    pub(crate) stall: Duration,
    /// Every so-manieth renewal of an agent finds it forgotten.
    pub(crate) forget_each: Option<usize>,
    /// Heartbeats get no answer at all.
    pub(crate) is_silent: bool,
    /// Listens no more after so many requests, and cuts every connection.
    pub(crate) dies_after: Option<usize>,
    /// Closes each connection behind its first answer.
    pub(crate) hangs_up: bool,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) body: Value,
    pub(crate) traceparent: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    registered: HashSet<String>,
    renewals: BTreeMap<String, usize>,
    received: Vec<Received>,
    /// Which agents called from where; `None` for whoever did not say.
    peers: BTreeSet<(Option<String>, SocketAddr)>,
}

/// The running server; it ends when dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let mut task = JoinSet::new();
        task.spawn(listen(listener, trouble, Arc::clone(&state)));
        Self { url, state, _task: task }
    }

    pub(crate) fn peers(&self) -> BTreeSet<(Option<String>, SocketAddr)> {
        self.state.lock().unwrap().peers.clone()
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }
}

async fn listen(listener: TcpListener, trouble: Trouble, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    let (dead, mut died) = tokio::sync::watch::channel(false);
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let (trouble, state, dead) = (trouble.clone(), Arc::clone(&state), dead.clone());
                connections.spawn(async move {
                    if serve(stream, &trouble, &state).await.is_none() {
                        let is_over = trouble.dies_after.is_some_and(|most| state.lock().unwrap().received.len() > most);
                        dead.send_if_modified(|dead| std::mem::replace(dead, *dead || is_over) != (*dead || is_over));
                    }
                });
            }
            _ = died.wait_for(|dead| *dead) => return,
        }
    }
}

/// Answers the requests of a connection until it ends.
async fn serve(stream: TcpStream, trouble: &Trouble, state: &Mutex<State>) -> Option<()> {
    let peer = stream.peer_addr().ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let (received, if_none_match) = read(&mut stream).await?;
        let agent = agent_of(&received);
        let pause = {
            let mut state = state.lock().unwrap();
            state.received.push(received.clone());
            state.peers.insert((agent.clone(), peer));
            if trouble.dies_after.is_some_and(|most| state.received.len() > most) {
                return None;
            }
            agent.as_deref().map(|agent| pause(&mut state, trouble, agent, &received))
        };
        if trouble.is_silent && agent.is_some() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(pause.unwrap_or_default()).await;
        let answer = answer(&mut state.lock().unwrap(), agent, &received, if_none_match.as_deref());
        stream.write_all(answer.as_bytes()).await.ok()?;
        if trouble.hangs_up {
            return None;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<(Received, Option<String>)> {
    let (mut line, mut header, mut length, mut if_none_match) = (String::new(), String::new(), 0, None);
    let mut traceparent = None;
    stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
    loop {
        header.clear();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "if-none-match" => if_none_match = Some(value.to_owned()),
            "traceparent" => traceparent = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some((Received { line: line.trim().to_owned(), body, traceparent }, if_none_match))
}

/// The agent of a heartbeat.
fn agent_of(received: &Received) -> Option<String> {
    if received.line.starts_with("POST /heartbeat") {
        return received.body["agent_id"].as_str().map(str::to_owned);
    }
    let path = received.line.strip_prefix("HEAD /heartbeat/")?;
    path.split(['?', ' ']).next().map(str::to_owned)
}

/// Counts a renewal, forgets its agent where it is to be forgotten, and says how long its answer waits.
fn pause(state: &mut State, trouble: &Trouble, agent: &str, received: &Received) -> Duration {
    if received.body.get("capabilities").is_some() {
        return trouble.delay;
    }
    let number = state.renewals.entry(agent.to_owned()).or_default();
    *number += 1;
    let is_turn = |each: Option<usize>| each.is_some_and(|each| number.is_multiple_of(each));
    if is_turn(trouble.forget_each) {
        state.registered.remove(agent);
    }
    if is_turn(trouble.stall_each) { trouble.stall } else { trouble.delay }
}

fn answer(
    state: &mut State,
    agent: Option<String>,
    received: &Received,
    if_none_match: Option<&str>,
) -> String {
    let whole = |status: u16, headers: &str, body: &str| {
        format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
    };
    let Some(agent) = agent else {
        // The tag tells how many there are: it changes with every registration and by nothing else.
        let etag = format!("\"{}\"", state.registered.len());
        if if_none_match == Some(etag.as_str()) {
            return format!("HTTP/1.1 304 X\r\netag: {etag}\r\n\r\n");
        }
        let agents: Vec<Value> = state
            .registered
            .iter()
            .map(|id| json!({"agent_id": id, "status": "healthy", "epoch": 1}))
            .collect();
        let body = json!({"store_id": "s", "revision": 1, "next_cursor": null, "agents": agents});
        return whole(200, &format!("etag: {etag}\r\n"), &body.to_string());
    };
    let is_full = received.body.get("capabilities").is_some();
    if is_full {
        state.registered.insert(agent.clone());
    }
    if received.line.starts_with("HEAD") {
        return whole(if state.registered.contains(&agent) { 200 } else { 410 }, "", "");
    }
    if !state.registered.contains(&agent) {
        return whole(410, "", r#"{"type": "/unknown-agent", "title": "unknown", "status": 410}"#);
    }
    let result = if is_full { "registered" } else { "renewed" };
    let body = json!({"agent_id": agent, "result": result, "status": "healthy", "epoch": 1, "revision": 1, "wiring_revision": 7});
    whole(200, "", &body.to_string())
}

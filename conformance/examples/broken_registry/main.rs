//! A small registry that keeps the contract with `--fault none`, and breaks it in one way with each other fault: what
//! the suite itself is tested on. It shares no code with the reference registry.
//!
//! `broken_registry --listen ADDR --data FILE --fault NAME --policy TYPE=H,D,X,Q...` (milliseconds)
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for tests: it has its own clock and may end with a panic"
)]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use world::{LATE, World, policy, policy_name, word};

mod journal;
mod outward;
mod spoilt;
mod world;

/// How often timers are looked at and buffered lines are written.
const SWEEP: Duration = Duration::from_millis(10);

type Shared = Arc<Mutex<World>>;

#[tokio::main]
async fn main() {
    let mut listen = String::new();
    let mut data = PathBuf::new();
    let mut fault = "none".to_owned();
    let mut policies = BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        match name.as_str() {
            "--listen" => listen = value,
            "--data" => data = value.into(),
            "--fault" => fault = value,
            "--policy" => drop(policies.insert(policy_name(&value), policy(&value))),
            other => panic!("unknown argument {other}"),
        }
    }
    if fault == "phones-home" {
        let home = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        home.send_to(b"I am here", "127.0.0.1:9").expect("it is sent, whoever hears it");
    }
    let world = Arc::new(Mutex::new(World::load(&data, fault, policies)));
    tokio::spawn(sweep(Arc::clone(&world)));
    let app = Router::new()
        .route("/health", get(async || "ok"))
        .route("/heartbeat", post(heartbeat))
        .route("/heartbeat/{id}", axum::routing::head(probe))
        .route("/events", get(events))
        .route("/agents", get(list))
        .route("/agents/{id}", get(read).delete(leave))
        .with_state(world)
        .layer(axum::middleware::map_response(signed));
    let listener = tokio::net::TcpListener::bind(&listen).await.expect("the address is free");
    axum::serve(listener, app).await.expect("the listener serves");
}

/// What only the registry itself can have said, and no history keeps.
async fn signed(mut response: Response) -> Response {
    response.headers_mut().insert("x-served-by", header::HeaderValue::from_static("broken-registry"));
    response
}

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().expect("no handler panics")
}

async fn sweep(world: Shared) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let mut world = lock(&world);
        let now = Instant::now();
        world.settle(now);
        world.flush(now);
    }
}

/// Renewals of one agent that are in the handler together lose their effect by the fault `race-shortens-lease`.
async fn raced(world: &Shared, id: &str) -> bool {
    let slow = {
        let mut world = lock(world);
        let slow = world.fault == "race-shortens-lease";
        if let Some(agent) = world.agents.get_mut(id) {
            agent.beating += 1;
        }
        slow
    };
    if slow {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let alone = lock(world).agents.get(id).is_none_or(|agent| agent.beating == 1);
    if slow {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if let Some(agent) = lock(world).agents.get_mut(id) {
        agent.beating = agent.beating.saturating_sub(1);
    }
    slow && !alone
}

async fn heartbeat(State(world): State<Shared>, Json(body): Json<Value>) -> Response {
    let id = word(&body, "agent_id", "");
    let raced = raced(&world, &id).await;
    let mut world = lock(&world);
    let now = Instant::now();
    world.settle(now);
    let changes = body["capabilities"].is_array() || body["status"].is_string();
    if changes && world.is_held() {
        return cannot_write(&world, "unknown-under-trouble");
    }
    let before = world.before(&id);
    let result = if body["capabilities"].is_array() {
        world.register(&id, body, now)
    } else if world.lives(&id, now) {
        lean(&mut world, &id, body["status"].as_str())
    } else {
        return StatusCode::GONE.into_response();
    };
    if world.undoes(&id, before) {
        return cannot_write(&world, "unknown-on-a-full-disk");
    }
    world.renew(&id, raced && result == "renewed");
    world.settle(Instant::now());
    let Some(agent) = world.agents.get(&id) else { return StatusCode::GONE.into_response() };
    let policy = world.policy(&agent.agent_type);
    let interval = u64::try_from(policy.interval.as_millis()).unwrap_or_default();
    Json(json!({
        "agent_id": id, "result": result, "status": agent.reported, "epoch": agent.epoch,
        "revision": world.revision, "heartbeat_interval_ms": interval,
    }))
    .into_response()
}

/// By its fault a registry knows nobody any more.
fn cannot_write(world: &World, fault: &str) -> Response {
    if world.fault == fault {
        return StatusCode::GONE.into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response()
}

async fn events(State(world): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let id = query.strip_prefix("agent_id=").unwrap_or_default();
    let world = lock(&world);
    let numbers = world.events.get(id).into_iter().flatten();
    let events: Vec<Value> = numbers.map(|number| json!({ "number": number })).collect();
    Json(json!({ "events": events })).into_response()
}

fn lean(world: &mut World, id: &str, status: Option<&str>) -> &'static str {
    let changed = status.is_some_and(|status| {
        world.agents.get_mut(id).is_some_and(|agent| {
            let changed = agent.reported != status;
            status.clone_into(&mut agent.reported);
            changed
        })
    });
    if changed {
        world.change(id);
        "updated"
    } else {
        "renewed"
    }
}

async fn probe(State(world): State<Shared>, Path(id): Path<String>) -> StatusCode {
    let raced = raced(&world, &id).await;
    let mut world = lock(&world);
    let now = Instant::now();
    world.settle(now);
    if !world.lives(&id, now) {
        return StatusCode::GONE;
    }
    world.renew(&id, raced);
    world.settle(Instant::now());
    StatusCode::OK
}

async fn leave(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = lock(&world);
    world.settle(Instant::now());
    if world.is_held() {
        return cannot_write(&world, "unknown-under-trouble");
    }
    let before = world.agents.remove(&id);
    if before.is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    world.revision += 1;
    world.put(&json!({ "id": id, "body": null }));
    if world.undoes(&id, before) {
        return cannot_write(&world, "unknown-on-a-full-disk");
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn read(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = lock(&world);
    let now = Instant::now();
    world.settle(now);
    match world.agents.get(&id) {
        Some(agent) => Json(world.entry(&id, agent, &agent.body, now)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn list(State(world): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = query.unwrap_or_default();
    let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let one = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let mut statuses: Vec<&str> =
        pairs.iter().filter(|(key, _)| *key == "status").map(|(_, value)| *value).collect();
    if statuses.is_empty() {
        statuses = vec!["healthy", "degraded"];
    }
    let mut world = lock(&world);
    let now = Instant::now();
    world.settle(now);
    let shown: Vec<Value> = world
        .agents
        .iter()
        .filter(|(_, agent)| one("type").is_none_or(|wanted| wanted == agent.agent_type))
        .filter(|(_, agent)| {
            one("capability").is_none_or(|wanted| {
                let declared = agent.body["capabilities"].as_array();
                declared.is_some_and(|all| all.iter().any(|capability| capability["name"] == wanted))
            })
        })
        .map(|(id, agent)| {
            let old = agent.old_body.as_ref().filter(|(_, at)| now - *at < LATE).map(|(body, _)| body);
            world.entry(id, agent, old.unwrap_or(&agent.body), now)
        })
        .filter(|entry| statuses.iter().any(|status| entry["status"] == *status))
        .collect();
    let mut hasher = DefaultHasher::new();
    query.hash(&mut hasher);
    for entry in &shown {
        entry.to_string().hash(&mut hasher);
    }
    let tag = format!("\"{:016x}\"", hasher.finish());
    let held = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wrong = world.fault == "wrong-304" && world.tags.contains(held);
    let unchanged = held == tag || wrong;
    world.tags.insert(tag.clone());
    if unchanged {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, held.to_owned())]).into_response();
    }
    let body = json!({ "revision": world.revision, "next_cursor": null, "agents": shown });
    ([(header::ETAG, tag)], Json(body)).into_response()
}

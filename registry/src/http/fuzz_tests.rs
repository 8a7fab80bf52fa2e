//! Whatever bytes come in, an answer goes out that blames nobody else: 2xx to 4xx, never 5xx, never a panic.
//!
//! The corpus under `tests/corpus` is run first, as it is; then it is cut, spliced and garbled. `PROPTEST_CASES` sets how
//! often.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use proptest::prelude::*;
use registry_core::Setup;
use registry_core::policy::Policies;
use registry_core::saving::Saved;

use crate::mcp::Endpoint;
use crate::testing::{call, request, shared};

/// What one part of a request holds.
#[derive(Debug, Clone, Copy)]
enum Target {
    Heartbeat,
    Query,
    Cursor,
    Tag,
    Mcp,
}

const TARGETS: [(Target, &str); 5] = [
    (Target::Heartbeat, "heartbeat"),
    (Target::Query, "query"),
    (Target::Cursor, "cursor"),
    (Target::Tag, "tag"),
    (Target::Mcp, "mcp"),
];
const ROUTES_WITH_QUERY: [&str; 6] =
    ["/agents", "/capabilities", "/events", "/agents/a", "/heartbeat/a", "/policies"];

fn corpus(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 4, "{folder:?} holds only {paths:?}");
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Inputs too large to keep as files.
fn large(target: Target) -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    match target {
        Target::Heartbeat => vec![
            deep("[", "]").into_bytes(),
            format!(
                "{{\"agent_id\":\"a\",\"capabilities\":[],\"metadata\":{}1{}}}",
                "{\"a\":".repeat(1_600),
                "}".repeat(1_600)
            )
            .into_bytes(),
            format!("{{\"agent_id\":\"a\",\"capabilities\":{}}}", deep("[", "]")).into_bytes(),
            format!("{{\"agent_id\":\"a\",\"sequence\":{}}}", "9".repeat(200_000)).into_bytes(),
        ],
        Target::Mcp => vec![
            deep("[", "]").into_bytes(),
            deep("{\"params\":", "}").into_bytes(),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"tools/list\"}}", "9".repeat(100_000))
                .into_bytes(),
        ],
        Target::Query => {
            vec![b"q=".iter().chain(&b"a+".repeat(20_000)).copied().collect(), b"a&".repeat(20_000)]
        }
        Target::Cursor => vec![b"1-".repeat(20_000)],
        Target::Tag => vec![b"\"a\",".repeat(10_000)],
    }
}

/// The requests that carry these bytes. None when they cannot even be written as one: a socket's fuzzing has those.
fn requests(target: Target, bytes: &[u8]) -> Vec<Request<Body>> {
    let post = |path: &str| request("POST", path).header("content-type", "application/json");
    let get = |path: &str| request(if path.starts_with("/heartbeat") { "HEAD" } else { "GET" }, path);
    // A query of any bytes but those that end it.
    let raw = |bytes: &[u8]| -> String {
        let allowed = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
        bytes
            .iter()
            .map(|byte| if allowed(byte) { (*byte as char).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let made = match target {
        Target::Heartbeat => vec![post("/heartbeat").body(Body::from(bytes.to_vec()))],
        Target::Mcp => ["2026-07-28", "2025-11-25"]
            .into_iter()
            .map(|revision| {
                let post = post("/mcp").header("accept", "application/json, text/event-stream");
                post.header("mcp-protocol-version", revision).body(Body::from(bytes.to_vec()))
            })
            .collect(),
        Target::Query => ROUTES_WITH_QUERY
            .into_iter()
            .map(|route| get(&format!("{route}?{}", raw(bytes))).body(Body::empty()))
            .collect(),
        Target::Cursor => ["/agents", "/capabilities"]
            .into_iter()
            .map(|route| get(&format!("{route}?cursor={}", raw(bytes))).body(Body::empty()))
            .collect(),
        Target::Tag => match HeaderValue::from_bytes(bytes) {
            Ok(tag) => ["/agents", "/capabilities", "/agents/a"]
                .into_iter()
                .map(|route| get(route).header("if-none-match", tag.clone()).body(Body::empty()))
                .collect(),
            Err(_) => Vec::new(),
        },
    };
    made.into_iter().filter_map(Result::ok).collect()
}

/// What was asked comes back only when the answer is wrong, and then it is in the failure.
async fn run(router: &Router, target: Target, bytes: &[u8]) -> Vec<StatusCode> {
    let mut statuses = Vec::new();
    for request in requests(target, bytes) {
        let path = request.uri().to_string();
        let (status, body) = call(router, request).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
        assert!(status.as_u16() < 500, "{target:?} {path}: {status} {shown}");
        statuses.push(status);
    }
    statuses
}

/// With an agent of each kind, so that what is asked for can be found.
fn registry() -> (tokio::runtime::Runtime, Router) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let setup = Setup { store_id: "s".into(), policies: Policies::default(), max_agents: 100 };
    let shared = shared(setup, Saved::default(), 0);
    let router = crate::http::router(Arc::clone(&shared), Endpoint::new(&shared, &[]));
    for body in corpus("heartbeat") {
        runtime.block_on(run(&router, Target::Heartbeat, &body));
    }
    (runtime, router)
}

/// The corpus, and what only this registry can hand out.
fn inputs(runtime: &tokio::runtime::Runtime, router: &Router, target: Target, folder: &str) -> Vec<Vec<u8>> {
    let mut inputs = corpus(folder);
    if let Target::Cursor = target {
        for route in ["/agents", "/capabilities"] {
            let page = request("GET", &format!("{route}?limit=1")).body(Body::empty()).unwrap();
            let (_, page) = runtime.block_on(call(router, page));
            let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
            inputs.push(page["next_cursor"].as_str().unwrap().as_bytes().to_vec());
        }
    }
    inputs
}

#[test]
fn the_corpus_is_answered_and_its_valid_inputs_are_accepted() {
    let (runtime, router) = registry();
    for (target, folder) in TARGETS {
        let statuses: Vec<_> = inputs(&runtime, &router, target, folder)
            .into_iter()
            .chain(large(target))
            .flat_map(|bytes| runtime.block_on(run(&router, target, &bytes)))
            .collect();
        assert!(
            statuses.iter().any(StatusCode::is_client_error) || matches!(target, Target::Tag),
            "{folder}"
        );
        assert!(statuses.iter().any(|status| !status.is_client_error()), "{folder}: {statuses:?}");
    }
}

/// One change to some bytes.
#[derive(Debug, Clone)]
enum Edit {
    Cut(prop::sample::Index, prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    /// Puts the end of another input in the place of this one's.
    Splice(prop::sample::Index, prop::sample::Index, prop::sample::Index),
}

/// Pieces that parsers stumble over.
const PIECES: [&[u8]; 20] = [
    b"\0",
    b"\xff\xfe",
    b"\\ud800",
    b"\\u0000",
    b"1e400",
    b"-0",
    b"18446744073709551616",
    b"9.9e999",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b"%",
    b"%zz",
    b"&",
    b"=",
    b"\xc3\x28",
    b"null",
];

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    let piece = prop_oneof![
        prop::sample::select(PIECES.to_vec()).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop_oneof![
        (at(), at()).prop_map(|(from, to)| Edit::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        (at(), any::<u8>()).prop_map(|(at, with)| Edit::Flip(at, with)),
        (at(), piece).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (at(), at(), at()).prop_map(|(at, other, from)| Edit::Splice(at, other, from)),
    ]
}

fn edited(inputs: &[Vec<u8>], first: prop::sample::Index, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = first.get(inputs).clone();
    for edit in edits {
        let end = bytes.len() + 1;
        match edit {
            Edit::Cut(from, to) => {
                let (from, to) = (from.index(end), to.index(end));
                bytes.drain(from.min(to)..from.max(to));
            }
            Edit::Repeat(from, to) => {
                let (from, to) = (from.index(end), to.index(end));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from.min(to)..from.min(to), piece);
            }
            Edit::Flip(at, with) => {
                if let Some(byte) = bytes.get_mut(at.index(end)) {
                    *byte ^= with;
                }
            }
            Edit::Insert(at, piece) => {
                let at = at.index(end);
                bytes.splice(at..at, piece.iter().copied());
            }
            Edit::Splice(at, other, from) => {
                let other = other.get(inputs);
                bytes.truncate(at.index(end));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
        }
    }
    bytes.truncate(20_000);
    bytes
}

fn fuzz(target: Target, folder: &str, cases: u32) {
    let (runtime, router) = registry();
    let inputs = inputs(&runtime, &router, target, folder);
    let garbled = (any::<prop::sample::Index>(), prop::collection::vec(edit(), 1..6))
        .prop_map(|(first, edits)| edited(&inputs, first, &edits));
    let bytes = prop_oneof![4 => garbled, 1 => prop::collection::vec(any::<u8>(), 0..200)];
    // The variable wins over the number of cases given here.
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    let config = if is_set { ProptestConfig::default() } else { ProptestConfig::with_cases(cases) };
    let mut runner =
        prop::test_runner::TestRunner::new(ProptestConfig { failure_persistence: None, ..config });
    let outcome = runner.run(&bytes, |bytes| {
        runtime.block_on(run(&router, target, &bytes));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn any_heartbeat_is_answered() {
    fuzz(Target::Heartbeat, "heartbeat", 2_000);
}

#[test]
fn any_query_is_answered() {
    fuzz(Target::Query, "query", 300);
}

#[test]
fn any_cursor_is_answered() {
    fuzz(Target::Cursor, "cursor", 500);
}

#[test]
fn any_tag_is_answered() {
    fuzz(Target::Tag, "tag", 500);
}

#[test]
fn any_mcp_body_is_answered() {
    fuzz(Target::Mcp, "mcp", 500);
}

/// The same bytes as the reader of heartbeats itself takes them: what it refuses it says why.
#[test]
fn any_bytes_are_a_heartbeat_or_have_faults() {
    for bytes in corpus("heartbeat").into_iter().chain(large(Target::Heartbeat)) {
        if let Err(faults) = registry_core::intake::heartbeat(&bytes) {
            assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.detail.is_empty()));
        }
    }
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(bytes in prop::collection::vec(any::<u8>(), 0..400))| {
        if let Err(faults) = registry_core::intake::heartbeat(&bytes) {
            prop_assert!(!faults.is_empty());
        }
    });
}

/// A shared state that every case has changed must still hold together.
#[test]
fn what_was_garbled_leaves_a_registry_that_serves() {
    let (runtime, router) = registry();
    for (target, folder) in TARGETS {
        for bytes in corpus(folder) {
            runtime.block_on(run(&router, target, &bytes));
        }
    }
    let beat = request("POST", "/heartbeat").header("content-type", "application/json");
    let beat = beat.body(Body::from("{\"agent_id\":\"after\",\"capabilities\":[]}")).unwrap();
    assert_eq!(runtime.block_on(call(&router, beat)).0, 200);
    let list = request("GET", "/agents?limit=10000").body(Body::empty()).unwrap();
    let (status, body) = runtime.block_on(call(&router, list));
    assert_eq!(status, 200);
    serde_json::from_slice::<serde_json::Value>(&body).unwrap();
}

//! What each dialect says and understands.

mod changes;
mod described;
mod etcd;
mod nacos;
mod real_etcd;
mod real_mcp_mesh;
mod targets;

use std::collections::BTreeMap;

use agent_sim::dialect::{self, Call, Document, Reading, WireAnswer, wallflower};
use reports::history::{AgentSeen, Filter, Outcome, Policy, Reported, Status};

fn document() -> Document {
    Document {
        agent_id: "geo-1".to_owned(),
        agent_type: "gpu-worker".to_owned(),
        status: Some(Reported::Degraded),
        endpoint: "127.64.0.5:9000".parse().unwrap(),
        capabilities: vec![("geo.cap-1".to_owned(), "1.2.0".to_owned())],
        dependencies: vec!["clock.cap-1".to_owned()],
        labels: vec![("zone".to_owned(), "eu".to_owned())],
        document: 42,
        incarnation: Some(3),
        sequence: Some(9),
    }
}

fn renew(status: Option<Reported>, order: Option<(u64, u64)>, wiring_revision: Option<u64>) -> Call {
    Call::Renew { agent_id: "geo-1".to_owned(), status, order, wiring_revision }
}

fn probe(wiring_revision: Option<u64>) -> Call {
    Call::Probe { agent_id: "geo-1".to_owned(), wiring_revision }
}

fn leave() -> Call {
    Call::Leave { agent_id: "geo-1".to_owned() }
}

fn read_one() -> Call {
    Call::Read { agent_id: "geo-1".to_owned() }
}

fn list(filter: Filter) -> Call {
    Call::List { filter, if_none_match: None }
}

fn capability(name: &str) -> Filter {
    Filter { capability: Some(name.to_owned()), ..Filter::default() }
}

fn reading(name: &str, call: &Call, status: u16, body: &str) -> Reading {
    let answer = WireAnswer { status, etag: None, retry_after: None, body: body.as_bytes().to_vec() };
    dialect::by_name(name).unwrap().read(call, &answer)
}

/// Method, path and body of a call's request.
fn request(name: &str, call: &Call) -> Option<(&'static str, String, serde_json::Value)> {
    let request = dialect::by_name(name).unwrap().request(call)?;
    let body = serde_json::from_slice(&request.body).unwrap_or_default();
    Some((request.method, request.path, body))
}

#[test]
fn every_dialect_is_found_by_its_name_and_no_other_is() {
    for name in dialect::NAMES {
        assert_eq!(dialect::by_name(name).unwrap().name(), name);
    }
    assert!(dialect::by_name("Wallflower").is_none());
}

#[test]
fn wallflower_heartbeats_are_those_of_the_contract() {
    let full = serde_json::json!({
        "agent_id": "geo-1", "agent_type": "gpu-worker", "status": "degraded",
        "endpoint": "http://127.64.0.5:9000/mcp",
        "capabilities": [{ "name": "geo.cap-1", "version": "1.2.0" }],
        "dependencies": [{ "capability": "clock.cap-1" }],
        "labels": { "zone": "eu", "wallflower.document": "42" },
        "incarnation": 3, "sequence": 9,
    });
    let register = Call::Register(document());
    assert_eq!(request("wallflower", &register).unwrap(), ("POST", "/heartbeat".to_owned(), full));
    let lean = serde_json::json!({ "agent_id": "geo-1" });
    assert_eq!(request("wallflower", &renew(None, None, None)).unwrap().2, lean);
    let lean = serde_json::json!({
        "agent_id": "geo-1", "status": "healthy", "incarnation": 1, "sequence": 2, "wiring_revision": 8,
    });
    assert_eq!(
        request("wallflower", &renew(Some(Reported::Healthy), Some((1, 2)), Some(8))).unwrap().2,
        lean
    );
}

#[test]
fn wallflower_paths_are_those_of_the_contract() {
    let everything = Filter {
        agent_type: Some("gpu-worker".to_owned()),
        status: vec![Status::Healthy, Status::Expired],
        label: Some(("zone".to_owned(), "e u&x".to_owned())),
        ..capability("a/b")
    };
    let rows = [
        (probe(None), "HEAD", "/heartbeat/geo-1"),
        (probe(Some(5)), "HEAD", "/heartbeat/geo-1?wiring_revision=5"),
        (leave(), "DELETE", "/agents/geo-1"),
        (read_one(), "GET", "/agents/geo-1"),
        (list(Filter::default()), "GET", "/agents?limit=10000"),
        (
            list(everything),
            "GET",
            "/agents?limit=10000&capability=a%2Fb&type=gpu-worker&status=healthy&status=expired&label=zone%3De%20u%26x",
        ),
    ];
    for (call, method, path) in rows {
        let (found_method, found_path, _) = request("wallflower", &call).unwrap();
        assert_eq!((found_method, found_path.as_str()), (method, path));
    }
    let conditional = Call::List { filter: Filter::default(), if_none_match: Some("\"r1\"".to_owned()) };
    let request = dialect::by_name("wallflower").unwrap().request(&conditional).unwrap();
    assert_eq!(request.headers, [("if-none-match", "\"r1\"".to_owned())]);
}

#[test]
fn wallflower_answers_mean_what_the_contract_says() {
    let full = || Call::Register(document());
    let lean = || renew(None, None, None);
    let said = |result: &str| format!("{{\"result\": \"{result}\", \"epoch\": 1, \"revision\": 2}}");
    let problem = "{\"type\": \"/x\", \"title\": \"Invalid\", \"detail\": \"no such field\"}";
    let rows: [(Call, u16, &str, Outcome, Option<&str>); 27] = [
        (full(), 200, &said("registered"), Outcome::Registered, None),
        (full(), 200, &said("renewed"), Outcome::Renewed, None),
        (lean(), 200, &said("updated"), Outcome::Updated, None),
        (lean(), 200, &said("stale"), Outcome::Stale, None),
        (lean(), 200, &said("banana"), Outcome::Failed, Some("unknown result Some(\"banana\")")),
        (full(), 200, "{", Outcome::Failed, Some("unreadable answer with status 200: EOF")),
        (full(), 204, "", Outcome::Failed, Some("unexpected status 204")),
        (full(), 302, "", Outcome::Refused, Some("unexpected status 302")),
        (full(), 304, "", Outcome::Refused, Some("unexpected status 304")),
        (full(), 400, problem, Outcome::Refused, Some("400: no such field")),
        (full(), 413, "{\"title\": \"Too large\"}", Outcome::Refused, Some("413: Too large")),
        (full(), 507, "", Outcome::Unavailable, Some("507: ")),
        (lean(), 404, "", Outcome::Unknown, None),
        (lean(), 409, problem, Outcome::Conflict, None),
        (lean(), 410, problem, Outcome::Unknown, None),
        (lean(), 503, "busy", Outcome::Unavailable, Some("503: busy")),
        (probe(None), 200, "", Outcome::Renewed, None),
        (probe(None), 202, "", Outcome::Renewed, None),
        (probe(None), 410, "", Outcome::Unknown, None),
        (leave(), 204, "", Outcome::Left, None),
        (leave(), 404, "", Outcome::Unknown, None),
        (leave(), 200, "", Outcome::Failed, Some("unexpected status 200")),
        (list(Filter::default()), 304, "", Outcome::Unchanged, None),
        (list(Filter::default()), 410, problem, Outcome::Refused, Some("410: no such field")),
        (list(Filter::default()), 200, "{\"agents\": null}", Outcome::Failed, Some("unreadable answer")),
        (read_one(), 404, "", Outcome::Unknown, None),
        (read_one(), 500, "", Outcome::Unavailable, Some("500: ")),
    ];
    for (call, status, body, outcome, note) in rows {
        let found = reading("wallflower", &call, status, body);
        assert_eq!(found.outcome, outcome, "{call:?} {status} {body}");
        match note {
            None => assert_eq!(found.note, None, "{call:?} {status} {body}"),
            Some(note) => assert!(found.note.as_ref().unwrap().starts_with(note), "{found:?}"),
        }
    }
}

#[test]
fn only_a_head_tells_of_changed_wiring_without_showing_it() {
    let body = "{\"result\": \"renewed\", \"wiring_revision\": 7, \"wiring\": [{\"capability\": \"x\"}]}";
    let shown = reading("wallflower", &renew(None, None, Some(1)), 200, body);
    assert_eq!((shown.wiring_revision, shown.wiring_changed), (Some(7), false));
    for name in ["wallflower", "mcp-mesh"] {
        assert!(reading(name, &probe(Some(1)), 202, "").wiring_changed, "{name}");
        assert!(!reading(name, &probe(Some(1)), 200, "").wiring_changed, "{name}");
    }
    assert!(reading("mcp-mesh", &renew(None, None, None), 202, "").wiring_changed, "its renewal is a HEAD");
}

#[test]
fn wallflower_views_show_status_epoch_and_document() {
    let entry = "{\"agent_id\": \"geo-1\", \"status\": \"degraded\", \"epoch\": 4, \"revision\": 3,
                  \"labels\": {\"wallflower.document\": \"42\", \"zone\": \"eu\"}, \"capabilities\": []}";
    let shown =
        AgentSeen { id: "geo-1".to_owned(), status: Status::Degraded, epoch: Some(4), document: Some(42) };
    let single = reading("wallflower", &read_one(), 200, entry).seen.unwrap();
    assert_eq!((single.revision, single.agents), (None, Some(vec![shown.clone()])));
    let stranger = "{\"agent_id\": \"x\", \"status\": \"expired\"}";
    let body = format!("{{\"revision\": 17, \"next_cursor\": null, \"agents\": [{entry}, {stranger}]}}");
    let found = reading("wallflower", &list(Filter::default()), 200, &body);
    assert_eq!(found.next_page, None);
    let stranger = AgentSeen { id: "x".to_owned(), status: Status::Expired, epoch: None, document: None };
    let seen = found.seen.unwrap();
    assert_eq!((seen.revision, seen.agents), (Some(17), Some(vec![shown, stranger])));
}

#[test]
fn wallflower_policies_are_read_with_their_bound() {
    let body = br#"{"policies": {"default": {"heartbeat_interval_ms": 5000, "degraded_after_ms": 10000,
        "expires_after_ms": 20000, "evict_after_ms": 60000}}, "transition_bound_ms": 50, "limits": {}}"#;
    let policy = Policy {
        heartbeat_interval_ms: 5_000,
        degraded_after_ms: Some(10_000),
        expires_after_ms: 20_000,
        evict_after_ms: Some(60_000),
    };
    let expected = (BTreeMap::from([("default".to_owned(), policy)]), 50);
    assert_eq!(wallflower::read_policies(body).unwrap(), expected);
    for (body, words) in [
        ("{}", "policies"),
        ("{\"policies\": {}, \"transition_bound_ms\": 1}", "no policy `default`"),
        ("<html>", "expected value"),
    ] {
        let error = wallflower::read_policies(body.as_bytes()).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

/// All requests of a provocation whose every answer is this one.
fn provocation(name: &str, agent: &Document, answer: &WireAnswer) -> Vec<dialect::WireRequest> {
    let dialect = dialect::by_name(name).unwrap();
    let mut answers = Vec::new();
    let mut requests = Vec::new();
    while let Some(request) = dialect.provoke(agent, &answers) {
        requests.push(request);
        answers.push(answer.clone());
        assert!(answers.len() < 1_000, "a provocation ends");
    }
    requests
}

#[test]
fn a_provocation_uses_an_id_of_its_own_and_cleans_up_after_itself() {
    let agent = Document { agent_id: "a".repeat(63), ..document() };
    let answer = WireAnswer { status: 404, etag: None, retry_after: None, body: Vec::new() };
    for name in ["wallflower", "mcp-mesh"] {
        let requests = provocation(name, &agent, &answer);
        let heartbeat: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
        let id = heartbeat["agent_id"].as_str().unwrap();
        assert_eq!((id.len(), id), (63, format!("{}-hook", "a".repeat(58)).as_str()), "{name}");
        let last = requests.last().unwrap();
        assert_eq!((last.method, last.path.as_str()), ("DELETE", format!("/agents/{id}").as_str()), "{name}");
    }
    for name in dialect::NAMES {
        let dialect = dialect::by_name(name).unwrap();
        let own = dialect.request(&Call::Leave { agent_id: agent.agent_id.clone() }).unwrap();
        let hook = Call::Leave { agent_id: format!("{}-hook", "a".repeat(58)) };
        let requests = provocation(name, &agent, &answer);
        assert_eq!(requests.last(), dialect.request(&hook).as_ref(), "{name}");
        assert!(requests.iter().all(|request| !request.path.contains(&agent.agent_id)), "{name}");
        assert!(!requests.contains(&own), "{name}");
    }
}

#[test]
fn a_wallflower_provocation_calls_every_route_of_the_contract() {
    let answer = WireAnswer { status: 200, etag: None, retry_after: None, body: Vec::new() };
    let requests = provocation("wallflower", &document(), &answer);
    let routes = [
        "POST /heartbeat",
        "HEAD /heartbeat/geo-1-hook",
        "DELETE /agents/geo-1-hook",
        "GET /agents?",
        "GET /agents/geo-1-hook",
        "GET /agents/geo-1-hook/health",
        "GET /capabilities",
        "GET /events",
        "GET /policies",
        "GET /health",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /",
        "POST /mcp",
        "GET /proxy/127.64.0.5:9000/mcp",
        "POST /jobs",
    ];
    for route in routes {
        let called =
            requests.iter().any(|request| format!("{} {}", request.method, request.path).starts_with(route));
        assert!(called, "{route}");
    }
}

#[test]
fn mcp_mesh_speaks_as_its_agents_do() {
    let (method, path, body) = request("mcp-mesh", &Call::Register(document())).unwrap();
    assert_eq!((method, path.as_str()), ("POST", "/heartbeat"));
    assert_eq!(body["http_host"], "127.64.0.5");
    assert_eq!(body["http_port"], 9000);
    assert_eq!(body["tools"][0]["capability"], "geo.cap-1");
    assert_eq!(body["tools"][0]["dependencies"][0]["capability"], "clock.cap-1");
    let consumer = Document { capabilities: Vec::new(), ..document() };
    let (_, _, body) = request("mcp-mesh", &Call::Register(consumer)).unwrap();
    assert_eq!(body["tools"][0]["dependencies"][0]["capability"], "clock.cap-1", "a consumer has a tool too");
    for call in [renew(Some(Reported::Healthy), Some((1, 2)), Some(3)), probe(Some(3))] {
        let (method, path, _) = request("mcp-mesh", &call).unwrap();
        assert_eq!((method, path.as_str()), ("HEAD", "/heartbeat/geo-1"));
    }
    assert_eq!(request("mcp-mesh", &read_one()), None);
    let by_type = Filter { agent_type: Some("x".to_owned()), ..Filter::default() };
    let by_label = Filter { label: Some(("k".to_owned(), "v".to_owned())), ..Filter::default() };
    assert_eq!(request("mcp-mesh", &list(by_type)), None);
    assert_eq!(request("mcp-mesh", &list(by_label)), None);
}

#[test]
fn mcp_mesh_answers_are_read_by_their_bodies() {
    let full = || Call::Register(document());
    let said =
        |status: &str, message: &str| format!("{{\"status\": \"{status}\", \"message\": \"{message}\"}}");
    let rows: [(Call, u16, &str, Outcome, Option<&str>); 13] = [
        (full(), 200, &said("success", "Agent registered via heartbeat"), Outcome::Registered, None),
        (full(), 200, &said("success", "Agent updated via heartbeat"), Outcome::Renewed, None),
        (full(), 200, &said("error", "validation failed"), Outcome::Refused, Some("validation failed")),
        (full(), 200, &said("maybe", ""), Outcome::Failed, Some("unknown status \"maybe\"")),
        (full(), 200, "", Outcome::Failed, Some("unreadable answer")),
        (
            full(),
            400,
            "{\"error\": \"agent_id is required\"}",
            Outcome::Refused,
            Some("400: agent_id is required"),
        ),
        (full(), 410, "", Outcome::Refused, Some("410: ")),
        (renew(None, None, None), 200, "", Outcome::Renewed, None),
        (renew(None, None, None), 202, "", Outcome::Renewed, None),
        (renew(None, None, None), 410, "", Outcome::Unknown, None),
        (probe(None), 503, "", Outcome::Unavailable, Some("503: ")),
        (leave(), 204, "", Outcome::Left, None),
        (list(Filter::default()), 200, "{\"agents\": null}", Outcome::Shown, None),
    ];
    for (call, status, body, outcome, note) in rows {
        let found = reading("mcp-mesh", &call, status, body);
        assert_eq!(found.outcome, outcome, "{call:?} {status} {body}");
        match note {
            None => assert_eq!(found.note, None, "{call:?} {status} {body}"),
            Some(note) => assert!(found.note.as_ref().unwrap().starts_with(note), "{found:?}"),
        }
    }
}

#[test]
fn mcp_mesh_lists_are_filtered_here() {
    let entry = |id: &str, status: &str, capability: &str| {
        serde_json::json!({ "id": id, "status": status, "description": "wallflower document 7",
                            "capabilities": [{ "name": capability }] })
    };
    let agents = [entry("a", "healthy", "x"), entry("b", "unhealthy", "x"), entry("c", "healthy", "y")];
    let stranger = serde_json::json!({ "id": "d", "status": "healthy", "capabilities": null });
    let body = serde_json::json!({ "agents": [agents[0], agents[1], agents[2], stranger] }).to_string();
    let expired = Filter { status: vec![Status::Expired], ..Filter::default() };
    let all = Filter { status: vec![Status::Healthy, Status::Expired], ..capability("x") };
    for (filter, ids) in [
        (Filter::default(), "a c d"),
        (capability("x"), "a"),
        (capability("none"), ""),
        (expired, "b"),
        (all, "a b"),
    ] {
        let seen = reading("mcp-mesh", &list(filter.clone()), 200, &body).seen.unwrap().agents.unwrap();
        let found: Vec<&str> = seen.iter().map(|agent| agent.id.as_str()).collect();
        assert_eq!(found.join(" "), ids, "{filter:?}");
        for agent in &seen {
            assert_eq!(agent.document, (agent.id != "d").then_some(7));
            assert_eq!(agent.status, if agent.id == "b" { Status::Expired } else { Status::Healthy });
        }
    }
    let unknown = "{\"agents\": [{\"id\": \"a\", \"status\": \"banana\"}]}";
    assert_eq!(reading("mcp-mesh", &list(Filter::default()), 200, unknown).outcome, Outcome::Failed);
}

//! What a description says and understands: that of mcp-mesh, which must agree with the dialect in Rust.

use std::sync::Arc;

use agent_sim::dialect::{self, Call, Dialect, Document, WireAnswer, described::Described};
use reports::history::{Filter, Outcome, Status};

use super::{capability, document, leave, list, probe, read_one, renew};

pub(super) const MCP_MESH: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/peers/dialects/mcp-mesh.toml");

fn parsed(text: &str) -> Described {
    Described::new(scenarios::description::parse("d.toml", text).unwrap_or_else(|error| panic!("{error:?}")))
}

fn answer(status: u16, body: &str) -> WireAnswer {
    WireAnswer { status, etag: None, retry_after: None, body: body.as_bytes().to_vec() }
}

fn both() -> (Arc<dyn Dialect>, Arc<dyn Dialect>) {
    (dialect::open(MCP_MESH).unwrap(), dialect::by_name("mcp-mesh").unwrap())
}

#[test]
fn the_description_of_mcp_mesh_asks_what_the_dialect_asks() {
    let (described, ours) = both();
    assert_eq!(described.name(), "mcp-mesh-described");
    assert_eq!(described.abilities(), ours.abilities());
    let labelled = Filter { label: Some(("k".to_owned(), "v".to_owned())), ..Filter::default() };
    let of_type = Filter { agent_type: Some("x".to_owned()), ..Filter::default() };
    let dead = Filter { status: vec![Status::Expired], ..Filter::default() };
    for call in [
        renew(None, Some((1, 2)), Some(3)),
        leave(),
        read_one(),
        list(Filter::default()),
        list(capability("x")),
        list(labelled),
        list(of_type),
        list(dead),
    ] {
        assert_eq!(described.request(&call), ours.request(&call), "{call:?}");
    }
    assert_eq!(described.request(&probe(None)), None, "its renewal is the leanest already");
    let body = |dialect: &Arc<dyn Dialect>| -> serde_json::Value {
        serde_json::from_slice(&dialect.request(&Call::Register(document())).unwrap().body).unwrap()
    };
    let (mut said, mut wanted) = (body(&described), body(&ours));
    for tools in [&mut said, &mut wanted] {
        tools["tools"][0]["function_name"].take();
    }
    assert_eq!(said, wanted);
}

#[test]
fn the_description_of_mcp_mesh_understands_what_the_dialect_understands() {
    let (described, ours) = both();
    let full = || Call::Register(document());
    let said =
        |status: &str, message: &str| format!("{{\"status\": \"{status}\", \"message\": \"{message}\"}}");
    let entry = |id: &str, status: &str| {
        serde_json::json!({ "id": id, "status": status, "description": "wallflower document 7",
                            "capabilities": [{ "name": "x" }] })
    };
    let agents = |status: &str| serde_json::json!({ "agents": [entry("a", "healthy"), entry("b", status)] });
    let rows: [(Call, u16, String); 14] = [
        (full(), 200, said("success", "Agent registered via heartbeat")),
        (full(), 200, said("success", "Agent updated via heartbeat")),
        (full(), 200, said("error", "validation failed")),
        (full(), 200, String::new()),
        (full(), 400, "{}".to_owned()),
        (full(), 503, "busy".to_owned()),
        (renew(None, None, None), 200, String::new()),
        (renew(None, None, None), 202, String::new()),
        (renew(None, None, None), 410, String::new()),
        (leave(), 204, String::new()),
        (list(Filter::default()), 200, "{\"agents\": null}".to_owned()),
        (list(Filter::default()), 200, agents("unhealthy").to_string()),
        (list(capability("x")), 200, agents("healthy").to_string()),
        (list(Filter::default()), 200, agents("banana").to_string()),
    ];
    for (call, status, body) in rows {
        let answer = answer(status, &body);
        let (found, wanted) = (described.read(&call, &answer), ours.read(&call, &answer));
        assert_eq!((found.outcome, found.seen), (wanted.outcome, wanted.seen), "{call:?} {status} {body}");
        assert_eq!(found.note.is_some(), wanted.note.is_some(), "{call:?} {status} {body}");
    }
}

#[test]
fn placeholders_are_filled_in_where_they_stand_and_escaped_in_paths() {
    let described = parsed(
        r#"
        name = "d"
        [register]
        method = "PUT"
        path = "/r/{type}?a={agent_id}&c={capabilities}"
        headers = { X-Agent = "{agent_id}.{incarnation}" }
        body = '''{ "n": "{document as number}", "t": "{document}", "s": "{status}", "e": "{endpoint}",
                    "all": [{ "c": "{capability}", "v": "{capability_version}", "of": ["{agent_id}"] }],
                    "deps": ["{dependency}"], "kept": [1, true, null, "x"] }'''
        [list]
        method = "GET"
        path = "/l"
        agents = ""
        "#,
    );
    let document = Document {
        agent_type: "a/b c".to_owned(),
        capabilities: vec![("x".to_owned(), "1".to_owned()), ("y".to_owned(), "2".to_owned())],
        dependencies: vec!["p".to_owned(), "q".to_owned()],
        ..document()
    };
    let request = described.request(&Call::Register(document)).unwrap();
    assert_eq!((request.method, request.path.as_str()), ("PUT", "/r/a%2Fb%20c?a=geo-1&c=x%2Cy"));
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(headers, [("x-agent", "geo-1.3"), ("content-type", "application/json")]);
    let expected = serde_json::json!({
        "n": 42, "t": "42", "s": "degraded", "e": "http://127.64.0.5:9000/mcp",
        "all": [{ "c": "x", "v": "1", "of": ["geo-1"] }, { "c": "y", "v": "2", "of": ["geo-1"] }],
        "deps": ["p", "q"], "kept": [1, true, null, "x"],
    });
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&request.body).unwrap(), expected);
    for call in [renew(None, None, None), leave(), read_one()] {
        assert_eq!(described.request(&call), None, "{call:?}");
    }
}

#[test]
fn answers_mean_what_the_description_says_of_them() {
    let described = parsed(
        r#"
        name = "d"
        [register]
        method = "POST"
        path = "/r"
        [renew]
        method = "POST"
        path = "/b/{agent_id}"
        answers = { 200 = "renewed", 4xx = "unknown", 429 = "unavailable" }
        when = [{ pointer = "/result/TTL", absent = true, means = "unknown" }]
        [list]
        method = "GET"
        path = "/l"
        agents = "/by_id"
        status = "/up"
        statuses = { true = "healthy", false = "gone" }
        type = "/kind"
        [read]
        method = "GET"
        path = "/l/{agent_id}"
        "#,
    );
    let beat = || renew(None, None, None);
    let rows = [
        (Call::Register(document()), 201, "", Outcome::Registered),
        (Call::Register(document()), 409, "", Outcome::Conflict),
        (beat(), 200, "{\"result\": {\"TTL\": \"5\"}}", Outcome::Renewed),
        (beat(), 200, "{\"result\": {\"TTL\": null}}", Outcome::Unknown),
        (beat(), 200, "<html>", Outcome::Failed),
        (beat(), 418, "", Outcome::Unknown),
        (beat(), 429, "", Outcome::Unavailable),
        (beat(), 100, "", Outcome::Failed),
        (read_one(), 404, "", Outcome::Unknown),
        (read_one(), 200, "{\"up\": false}", Outcome::Unknown),
        (read_one(), 200, "{\"up\": true}", Outcome::Shown),
        (list(Filter::default()), 404, "", Outcome::Refused),
        (list(Filter::default()), 200, "{\"by_id\": 7}", Outcome::Failed),
    ];
    for (call, status, body, outcome) in rows {
        assert_eq!(described.read(&call, &answer(status, body)).outcome, outcome, "{call:?} {status} {body}");
    }
    let body = r#"{"by_id": {"a": {"up": true, "kind": "x"}, "b": {"up": false}, "c": {"up": true}}}"#;
    let of_type = Filter { agent_type: Some("x".to_owned()), ..Filter::default() };
    for (filter, ids) in [(Filter::default(), "a c"), (of_type, "a")] {
        let seen = described.read(&list(filter), &answer(200, body)).seen.unwrap().agents.unwrap();
        let found: Vec<&str> = seen.iter().map(|agent| agent.id.as_str()).collect();
        assert_eq!(found.join(" "), ids);
    }
}

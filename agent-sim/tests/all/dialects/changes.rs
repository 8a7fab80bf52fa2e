//! What changed since an earlier answer, at once or when there is something.

use std::time::Duration;

use agent_sim::dialect::{self, Call, Reading, WireAnswer};
use reports::history::{AgentSeen, Operation, Outcome, Seen, Status};

use super::{capability, reading, request};

fn changes(wait: Option<Duration>) -> Call {
    Call::Changes { filter: capability("a/b"), since: 7, store_id: "0a1b".to_owned(), wait }
}

fn agent(id: &str) -> AgentSeen {
    AgentSeen { id: id.to_owned(), status: Status::Healthy, epoch: Some(1), document: None }
}

#[test]
fn a_delta_is_asked_for_with_its_store_and_a_wait_only_for_a_long_poll() {
    let wait = Duration::from_millis(20_000);
    let rows = [
        (changes(None), "/agents?since=7&store_id=0a1b&capability=a%2Fb", Operation::List, Duration::ZERO),
        (
            changes(Some(wait)),
            "/agents?since=7&store_id=0a1b&capability=a%2Fb&wait_ms=20000",
            Operation::Watch,
            Duration::from_millis(21_250),
        ),
    ];
    for (call, path, operation, held_for) in rows {
        let (method, found, _) = request("wallflower", &call).unwrap();
        assert_eq!((method, found.as_str()), ("GET", path));
        assert_eq!((call.operation(), call.held_for()), (operation, held_for));
        let sent = call.sent().unwrap();
        assert_eq!((sent.since, sent.filter, sent.if_none_match), (Some(7), Some(capability("a/b")), None));
        assert!(dialect::by_name("mcp-mesh").unwrap().request(&call).is_none());
    }
}

#[test]
fn an_answer_tells_who_is_there_now_who_is_not_and_from_which_revision_to_go_on() {
    let delta = "{\"store_id\": \"0a1b\", \"since\": 7, \"revision\": 9, \"removed\": [\"b\"], \"changed\": \
        [{\"agent_id\": \"a\", \"status\": \"healthy\", \"epoch\": 1}]}";
    let whole = "{\"store_id\": \"0a1b\", \"revision\": 9, \"next_cursor\": null, \"agents\": \
        [{\"agent_id\": \"a\", \"status\": \"healthy\", \"epoch\": 1}]}";
    let seen = |removed: &[&str], full| Seen {
        revision: Some(9),
        agents: Some(vec![agent("a")]),
        removed: removed.iter().map(|id| (*id).to_owned()).collect(),
        full,
        ..Seen::default()
    };
    for (body, expected) in [(delta, seen(&["b"], false)), (whole, seen(&[], true))] {
        let reading = reading("wallflower", &changes(None), 200, body);
        assert_eq!((reading.outcome, reading.seen), (Outcome::Shown, Some(expected)));
        assert_eq!(reading.store_id.as_deref(), Some("0a1b"));
    }
    for (status, outcome) in [
        (410, Outcome::Unknown),
        (400, Outcome::Refused),
        (429, Outcome::Refused),
        (503, Outcome::Unavailable),
    ] {
        assert_eq!(reading("wallflower", &changes(None), status, "{}").outcome, outcome);
    }
    assert_eq!(reading("wallflower", &changes(None), 200, "{}").outcome, Outcome::Failed);
}

/// The answer of a tool, as MCP wraps it.
fn over_mcp(call: &Call, status: u16, body: &str) -> Reading {
    let answer = WireAnswer { status, etag: None, retry_after: None, body: body.as_bytes().to_vec() };
    dialect::by_name("wallflower").unwrap().over_mcp().unwrap().read(call, &answer)
}

#[test]
fn tools_are_called_with_all_that_the_revision_wants_and_only_for_what_they_do() {
    let dialect = dialect::by_name("wallflower").unwrap().over_mcp().unwrap();
    let beat = dialect.request(&super::renew(None, Some((1, 2)), Some(8))).unwrap();
    assert_eq!((beat.method, beat.path.as_str()), ("POST", "/mcp"));
    let headers: Vec<_> = beat.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let expected = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "agent_heartbeat"),
    ];
    assert_eq!(headers, expected);
    let body: serde_json::Value = serde_json::from_slice(&beat.body).unwrap();
    let arguments =
        serde_json::json!({ "agent_id": "geo-1", "incarnation": 1, "sequence": 2, "wiring_revision": 8 });
    assert_eq!(body["params"]["arguments"], arguments);
    assert_eq!(body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    for call in [super::probe(None), super::leave(), changes(None)] {
        assert!(dialect.request(&call).is_none(), "{call:?}");
    }
    let named = |call: &Call| {
        let request = dialect.request(call).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        (body["params"]["name"].as_str().unwrap().to_owned(), body["params"]["arguments"].clone())
    };
    let wanted = capability("a/b");
    let expired = reports::history::Filter { status: vec![Status::Expired], ..wanted.clone() };
    let (name, arguments) = named(&super::list(wanted));
    assert_eq!(name, "get_capability_providers");
    assert_eq!(arguments, serde_json::json!({ "capability": "a/b", "limit": 10_000 }));
    let (name, arguments) = named(&super::list(expired));
    assert_eq!(name, "list_available_agents");
    assert_eq!(arguments["status"], serde_json::json!(["expired"]));
}

#[test]
fn results_of_tools_mean_what_http_would_have_said() {
    let lean = || super::renew(None, None, None);
    let said = |structured: &str| {
        format!("{{\"result\": {{\"structuredContent\": {structured}, \"content\": []}}}}")
    };
    let wrong = |status: u16| {
        let problem = serde_json::json!({ "status": status, "detail": "so it is" }).to_string();
        serde_json::json!({ "result": { "isError": true, "content": [{ "type": "text", "text": problem }] } })
            .to_string()
    };
    let refused = "{\"error\": {\"code\": -32601, \"message\": \"no such method\"}}";
    let rows: [(Call, u16, &str, Outcome, Option<&str>); 12] = [
        (lean(), 200, &said("{\"result\": \"renewed\", \"epoch\": 1}"), Outcome::Renewed, None),
        (lean(), 200, &said("{\"result\": \"stale\"}"), Outcome::Stale, None),
        (super::list(capability("a")), 200, &said("{\"revision\": 3, \"agents\": []}"), Outcome::Shown, None),
        (
            super::read_one(),
            200,
            &said("{\"agent_id\": \"geo-1\", \"status\": \"healthy\"}"),
            Outcome::Shown,
            None,
        ),
        (super::read_one(), 200, &wrong(404), Outcome::Unknown, None),
        (lean(), 200, &wrong(410), Outcome::Unknown, None),
        (lean(), 200, &wrong(409), Outcome::Conflict, None),
        (lean(), 200, &wrong(503), Outcome::Unavailable, Some("503: so it is")),
        (lean(), 200, &wrong(400), Outcome::Refused, Some("400: so it is")),
        // A refusal of MCP itself tells of no agent.
        (lean(), 404, refused, Outcome::Refused, Some("404: -32601 no such method")),
        (lean(), 500, "broken", Outcome::Unavailable, Some("500: broken")),
        (lean(), 200, "{}", Outcome::Failed, Some("no result of a tool")),
    ];
    for (call, status, body, outcome, note) in rows {
        let reading = over_mcp(&call, status, body);
        assert_eq!(reading.outcome, outcome, "{call:?} {body}");
        let found = reading.note.unwrap_or_default();
        assert!(found.starts_with(note.unwrap_or_default()) && found.is_empty() == note.is_none(), "{found}");
    }
    let more = said("{\"revision\": 3, \"next_cursor\": \"c1\", \"agents\": []}");
    let next = over_mcp(&super::list(capability("a")), 200, &more).next_page.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&next.body).unwrap();
    assert_eq!(body["params"]["arguments"]["cursor"], "c1");
}

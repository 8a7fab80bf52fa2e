//! Exchanges of the MCP interface: PASSIVE-5 and MCP-1 to MCP-4, rule by rule.

use reports::history::{Answer, Body, Exchange, ExchangeOutcome};
use serde_json::{Value, json};

use super::*;

mod recommended;

type Headers = &'static [(&'static str, &'static str)];

/// An answer, before it is kept.
type Told = (u16, Headers, Value);

/// A rule, a step, an answer that keeps the rule and one that breaks it.
type Row<A> = (&'static str, &'static str, A, A);

const JSON: Headers = &[("content-type", "application/json")];
const STREAM: Headers = &[("content-type", "text/event-stream")];

fn kept(text: String) -> Body {
    Body { length: text.len() as u64, text, sha256: None }
}

impl Story {
    fn exchange(
        mut self,
        (requirement, case, step): (&str, &str, &str),
        (method, target, sent): (&str, &str, Value),
        (status, headers, body): (u16, Headers, String),
    ) -> Self {
        let at_us = 1_000 * (self.lines.len() as u64 + 1);
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(own).collect();
        self.lines.push(Line::Exchange(Box::new(Exchange {
            requirement: requirement.to_owned(),
            case: case.to_owned(),
            step: step.to_owned(),
            sent_us: at_us,
            done_us: at_us + 500,
            method: method.to_owned(),
            target: target.to_owned(),
            request_headers: Vec::new(),
            request_body: (!sent.is_null()).then(|| kept(sent.to_string())),
            outcome: ExchangeOutcome::Answered(Answer { status, headers, body: kept(body) }),
            note: None,
        })));
        self
    }

    /// A message to `/mcp` and its answer.
    fn asks(self, requirement: &str, step: &str, sent: Value, answer: Told) -> Self {
        let (status, headers, body) = answer;
        self.exchange(
            (requirement, "bait", step),
            ("POST", "/mcp", sent),
            (status, headers, body.to_string()),
        )
    }
}

fn request(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": {} })
}

fn result(mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    json!({ "jsonrpc": "2.0", "id": 7, "result": result })
}

fn error(code: i64) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": code, "message": "no" } })
}

#[track_caller]
fn breaks(story: &Story, requirement: &str, rule: &str) {
    story.fails_only(&[requirement]);
    let row = story.row(requirement);
    assert!(row.detail.contains(&format!("{rule} broken")), "{rule}: {}", row.detail);
    assert!(row.timeline.iter().any(|line| line.contains("curl")), "{:?}", row.timeline);
}

#[test]
fn what_a_server_sends_unasked_breaks_the_rule_of_its_name() {
    let list = result(json!({ "tools": [] }));
    let rows: [Row<Told>; 8] = [
        ("PULL-001", "list", (200, JSON, list.clone()), (200, JSON, request("sampling/createMessage"))),
        (
            "PULL-004",
            "list",
            (200, JSON, list.clone()),
            (200, &[("content-type", "application/json"), ("mcp-session-id", "1")], list.clone()),
        ),
        ("PULL-005", "list", (200, JSON, list.clone()), (200, STREAM, list.clone())),
        (
            "PULL-006",
            "discover",
            (200, JSON, result(json!({ "capabilities": { "tools": {} } }))),
            (200, JSON, result(json!({ "capabilities": { "tools": { "listChanged": true } } }))),
        ),
        (
            "PULL-006",
            "legacy initialize",
            (200, JSON, result(json!({ "capabilities": { "tools": {} } }))),
            (200, JSON, result(json!({ "capabilities": { "tools": {}, "logging": {} } }))),
        ),
        ("PULL-007", "listen", (404, JSON, error(-32_601)), (200, JSON, result(json!({})))),
        ("PULL-008", "push method", (404, JSON, error(-32_601)), (200, JSON, result(json!({})))),
        (
            "PULL-009",
            "call agent_heartbeat",
            (200, JSON, result(json!({}))),
            (200, JSON, json!({ "id": 7, "result": { "resultType": "input_required" } })),
        ),
    ];
    for (rule, step, good, bad) in rows {
        let story = |answer| Story::new().asks("MCP-3", step, request("x"), answer);
        story(good).fails_only(&[]);
        breaks(&story(bad), "MCP-3", rule);
    }
}

#[test]
fn notifications_streams_and_state_break_their_rules() {
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {} });
    let note = Story::new().exchange(
        ("PASSIVE-5", "bait", "list"),
        ("POST", "/mcp", Value::Null),
        (200, STREAM, format!("data: {progress}\n\n")),
    );
    breaks(&note, "PASSIVE-5", "PULL-010");
    for (step, method, rule) in [("get", "GET", "PULL-002"), ("delete", "DELETE", "PULL-003")] {
        let story =
            |answer| Story::new().exchange(("MCP-3", "bait", step), (method, "/mcp", Value::Null), answer);
        story((405, &[("allow", "POST")], String::new())).fails_only(&[]);
        breaks(&story((200, STREAM, String::new())), "MCP-3", rule);
        breaks(&story((405, &[], String::new())), "MCP-3", rule);
    }
    let two = |second: Value| {
        let first = (200, JSON, result(json!({ "tools": [{ "name": "a" }] })));
        let story = Story::new().asks("MCP-3", "list", request("tools/list"), first);
        story.asks("MCP-3", "list on a fresh connection", request("tools/list"), (200, JSON, second))
    };
    two(result(json!({ "tools": [{ "name": "a" }] }))).fails_only(&[]);
    let first = (200, JSON, result(json!({ "tools": [] })));
    let refused = Story::new().asks("MCP-3", "list", request("tools/list"), first).asks(
        "MCP-3",
        "list on a fresh connection",
        request("tools/list"),
        (400, JSON, error(-32_600)),
    );
    breaks(&refused, "MCP-3", "PULL-011");
    breaks(&two(result(json!({ "tools": [{ "name": "b" }] }))), "MCP-3", "PULL-012");
}

#[test]
fn an_endpoint_that_a_tool_declared_and_somebody_calls_breaks_pull_014() {
    let story = || {
        let answer = (200, JSON, result(json!({})));
        Story::new().asks("MCP-3", "call agent_heartbeat", request("tools/call"), answer)
    };
    story().fails_only(&[]);
    let called = story().touched("probe MCP-3", 5_000);
    let row = called.row("MCP-3");
    assert!(row.detail.contains("PULL-014 broken"), "{}", row.detail);
}

#[test]
fn bytes_over_an_idle_connection_break_pull_013_once_an_agent_expired_meanwhile() {
    let silence = |status: u16, note: &str| {
        let gone = (status, JSON, "{}".to_owned());
        let mut story = Story::new()
            .exchange(("MCP-3", "bait", "the agent has expired"), ("GET", "/agents/a", Value::Null), gone)
            .exchange(("MCP-3", "bait", "overhear"), ("-", "/mcp", Value::Null), (0, &[], String::new()));
        if let Some(Line::Exchange(exchange)) = story.lines.last_mut() {
            exchange.note = Some(note.to_owned());
        }
        story
    };
    silence(404, "0 bytes: ").fails_only(&[]);
    silence(200, "5 bytes: hello").fails_only(&[]);
    breaks(&silence(404, "5 bytes: hello"), "MCP-3", "PULL-013");
}

#[test]
fn what_the_revision_demands_breaks_the_rule_of_its_name() {
    let lasting = result(json!({ "tools": [], "ttlMs": 1, "cacheScope": "public" }));
    let refused = |code: i64, data: Value| {
        let mut error = error(code);
        error["error"]["data"] = data;
        error
    };
    let versions = json!({ "supported": ["2026-07-28"], "requested": "2099-01-01" });
    let greeted = |version: &str| json!({ "protocolVersion": version, "capabilities": {} });
    let rows: [Row<(u16, Value)>; 15] = [
        (
            "MCP-101",
            "discover",
            (
                200,
                result(json!({
                    "supportedVersions": ["2026-07-28"], "capabilities": {}, "ttlMs": 1, "cacheScope": "public",
                })),
            ),
            (404, error(-32_601)),
        ),
        ("MCP-102", "without protocolVersion", (400, error(-32_602)), (200, lasting.clone())),
        ("MCP-102", "without clientInfo", (200, lasting.clone()), (400, error(-32_602))),
        (
            "MCP-103",
            "future version",
            (400, refused(-32_022, versions)),
            (400, refused(-32_022, json!({ "supported": ["2026-07-28"] }))),
        ),
        ("MCP-104", "header against body", (400, error(-32_020)), (200, lasting.clone())),
        ("MCP-105", "unknown method", (404, error(-32_601)), (200, error(-32_601))),
        ("MCP-106", "foreign origin", (403, error(-32_600)), (200, lasting.clone())),
        ("MCP-107", "foreign host", (403, error(-32_600)), (200, lasting.clone())),
        ("MCP-108", "answer of a client", (400, error(-32_600)), (202, Value::Null)),
        ("MCP-109", "list", (200, lasting.clone()), (200, result(json!({ "tools": [] })))),
        ("MCP-111", "bad arguments", (200, result(json!({ "isError": true }))), (200, result(json!({})))),
        ("MCP-111", "unknown tool", (200, error(-32_602)), (200, result(json!({ "isError": true })))),
        ("MCP-112", "undeclared", (404, error(-32_601)), (200, result(json!({ "prompts": [] })))),
        (
            "MCP-116",
            "legacy initialize",
            (200, result(greeted("2025-11-25"))),
            (200, result(greeted("2024-11-05"))),
        ),
        ("MCP-115", "undeclared", (404, error(-32_601)), (404, error(-32_042))),
    ];
    for (rule, step, good, bad) in rows {
        let story = |(status, body)| Story::new().asks("MCP-4", step, request("x"), (status, JSON, body));
        story(good).fails_only(&[]);
        let bad = story(bad);
        assert_eq!(bad.failures(), ["MCP-4"], "{rule} by {step}");
        // An undefined code is a wrong code too, and the first of two is told.
        let told = if rule == "MCP-115" { "MCP-112" } else { rule };
        breaks(&bad, "MCP-4", told);
    }
}

#[test]
fn rules_that_no_answer_decides_leave_their_requirement_undecided() {
    let list = (200, JSON, result(json!({ "tools": [] })));
    let row = Story::new().asks("MCP-3", "list", request("tools/list"), list).row("MCP-3");
    assert_eq!(row.verdict, RequirementVerdict::Undecided);
    assert!(row.detail.contains("PULL-007") && !row.detail.contains("PULL-001"), "{}", row.detail);
}

/// Tools with their schemas, and a call of one of them.
fn tools(structured: &Value, text: &str) -> Story {
    tools_of("MCP-1", structured, text, |name| name != "agent_heartbeat")
}

/// The same, asked for this requirement, with what each tool says of whether it only reads.
fn tools_of(requirement: &str, structured: &Value, text: &str, reads_only: fn(&str) -> bool) -> Story {
    let names = [
        "agent_heartbeat",
        "list_available_agents",
        "get_capability_providers",
        "get_agent_health_status",
        "get_registry_metrics",
        "export_prometheus_metrics",
    ];
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let tool = |name: &str| {
        let annotations = json!({ "readOnlyHint": reads_only(name) });
        json!({ "name": name, "inputSchema": schema, "outputSchema": schema, "annotations": annotations })
    };
    let tools: Vec<Value> = names.map(tool).to_vec();
    let listed = result(json!({ "tools": tools, "ttlMs": 1, "cacheScope": "public" }));
    let called = json!({ "structuredContent": structured, "content": [{ "type": "text", "text": text }] });
    let mut call = request("tools/call");
    call["params"]["name"] = json!("get_registry_metrics");
    Story::new().asks(requirement, "list", request("tools/list"), (200, JSON, listed)).asks(
        requirement,
        "call get_registry_metrics",
        call,
        (200, JSON, result(called)),
    )
}

#[test]
fn a_result_that_is_not_as_its_schema_or_its_text_says_fails_mcp_1() {
    tools(&json!({ "n": 1 }), r#"{"n":1}"#).fails_only(&[]);
    let wrong = tools(&json!({ "n": "1" }), r#"{"n":"1"}"#);
    wrong.fails_only(&["MCP-1"]);
    assert!(wrong.row("MCP-1").detail.contains("not as its schema says"), "{}", wrong.row("MCP-1").detail);
    tools(&json!({ "n": 1 }), r#"{"n":2}"#).fails_only(&["MCP-1"]);
    let lost = Story::new().asks(
        "MCP-1",
        "list",
        request("tools/list"),
        (200, JSON, result(json!({ "tools": [] }))),
    );
    lost.fails_only(&["MCP-1"]);
}

#[test]
fn results_and_annotations_of_tools_break_the_rule_of_their_name() {
    let right = json!({ "n": 1 });
    let truthful: fn(&str) -> bool = |name| name != "agent_heartbeat";
    tools_of("MCP-4", &right, r#"{"n":1}"#, truthful).fails_only(&[]);
    breaks(&tools_of("MCP-4", &json!({ "n": "1" }), r#"{"n":"1"}"#, truthful), "MCP-4", "MCP-110");
    breaks(&tools_of("MCP-4", &right, r#"{"n":2}"#, truthful), "MCP-4", "MCP-110");
    breaks(&tools_of("MCP-4", &right, r#"{"n":1}"#, |_| true), "MCP-4", "MCP-114");
    breaks(&tools_of("MCP-4", &right, r#"{"n":1}"#, |_| false), "MCP-4", "MCP-114");
}

#[test]
fn a_tool_that_differs_from_http_at_one_revision_fails_mcp_2_and_at_two_decides_nothing() {
    let story = |after: u64, by_tool: &str| {
        let look = |revision: u64| (200, JSON, json!({ "revision": revision }).to_string());
        let shown = json!({ "structuredContent": { "agents": [by_tool] } });
        Story::new()
            .exchange(("MCP-2", "list.1", "before"), ("GET", "/health", Value::Null), look(5))
            .exchange(
                ("MCP-2", "list.1", "http"),
                ("GET", "/agents", Value::Null),
                (200, JSON, json!({ "agents": ["a"] }).to_string()),
            )
            .exchange(
                ("MCP-2", "list.1", "tool"),
                ("POST", "/mcp", request("tools/call")),
                (200, JSON, result(shown).to_string()),
            )
            .exchange(("MCP-2", "list.1", "after"), ("GET", "/health", Value::Null), look(after))
    };
    story(5, "a").fails_only(&[]);
    story(5, "b").fails_only(&["MCP-2"]);
    story(6, "b").fails_only(&[]);
    assert_eq!(story(5, "a").row("MCP-2").decided, 1);
    assert_eq!(story(6, "b").row("MCP-2").decided, 0);
}

//! PULL-015 and MCP-113 are only recommended: who does not keep them passes, and the row says what is not kept.

use super::*;

fn of(requirement: &'static str, step: &'static str) -> (&'static str, &'static str, &'static str) {
    (requirement, "bait", step)
}

/// All that decides the rules of the profile, all kept; a tool has these arguments.
fn pull_only(arguments: &Value) -> Story {
    let schema = json!({ "type": "object", "properties": arguments });
    let tools = result(json!({ "tools": [{ "name": "report", "inputSchema": schema }] }));
    let silent = |method: &'static str| (method, "/mcp", Value::Null);
    let not_allowed = || (405, &[("allow", "POST")] as Headers, String::new());
    let mut story = Story::new()
        .exchange(of("MCP-3", "get"), silent("GET"), not_allowed())
        .exchange(of("MCP-3", "delete"), silent("DELETE"), not_allowed())
        .exchange(
            of("MCP-3", "the agent has expired"),
            ("GET", "/agents/a", Value::Null),
            (404, JSON, "{}".to_owned()),
        )
        .exchange(of("MCP-3", "overhear"), silent("-"), (0, &[], String::new()));
    if let Some(Line::Exchange(exchange)) = story.lines.last_mut() {
        exchange.note = Some("0 bytes: ".to_owned());
    }
    let answers = [
        ("discover", 200, result(json!({ "capabilities": { "tools": {} } }))),
        ("listen", 404, error(-32_601)),
        ("push method", 404, error(-32_601)),
        ("call agent_heartbeat", 200, result(json!({}))),
        ("list", 200, tools.clone()),
        ("list after calls", 200, tools.clone()),
        ("list on a fresh connection", 200, tools),
    ];
    for (step, status, body) in answers {
        story = story.asks("MCP-3", step, request("x"), (status, JSON, body));
    }
    story
}

#[track_caller]
fn passes(story: &Story, requirement: &str) -> String {
    story.fails_only(&[]);
    let row = story.row(requirement);
    assert_eq!(row.verdict, RequirementVerdict::Pass, "{}", row.detail);
    row.detail
}

#[test]
fn an_argument_that_looks_like_a_callback_and_does_not_say_that_nobody_calls_it_is_told() {
    let described = |words: &str| json!({ "callback_url": { "type": "string", "description": words } });
    for kept in ["Kept and shown, never called.", "An inert text."] {
        let detail = passes(&pull_only(&described(kept)), "MCP-3");
        assert!(!detail.contains("PULL-015 (recommended)"), "{detail}");
    }
    let other = json!({ "count": { "type": "integer", "description": "How many." } });
    let detail = passes(&pull_only(&other), "MCP-3");
    assert!(!detail.contains("(recommended)"), "{detail}");

    let detail = passes(&pull_only(&described("Where results are sent.")), "MCP-3");
    let told = "PULL-015 (recommended) is not kept: the argument `callback_url` of \"report\" does not say that nobody \
                calls it";
    assert!(detail.contains(told), "{detail}");
    assert_eq!(detail.matches("(recommended)").count(), 1, "{detail}");
}

/// All that decides what the revision demands, all kept; results have this `_meta`.
fn demanded(meta: &Value) -> Story {
    let schema = json!({ "type": "object" });
    let tool = |name: &str, reads_only: bool| {
        json!({
            "name": name, "inputSchema": schema, "outputSchema": schema,
            "annotations": { "readOnlyHint": reads_only },
        })
    };
    let tools = json!([tool("agent_heartbeat", false), tool("get_registry_metrics", true)]);
    let lasting = |members: Value| {
        let mut members = members;
        (members["ttlMs"], members["cacheScope"]) = (json!(1), json!("public"));
        members["_meta"] = meta.clone();
        result(members)
    };
    let mut future = error(-32_022);
    future["error"]["data"] = json!({ "supported": ["2026-07-28"], "requested": "2099-01-01" });
    let greeting = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    let called = json!({ "structuredContent": {}, "content": [{ "type": "text", "text": "{}" }] });
    let discovered = json!({ "supportedVersions": ["2026-07-28"], "capabilities": {} });
    let answers = [
        ("discover", 200, lasting(discovered)),
        ("list", 200, lasting(json!({ "tools": tools }))),
        ("without protocolVersion", 400, error(-32_602)),
        ("without clientCapabilities", 400, error(-32_602)),
        ("without clientInfo", 200, result(json!({ "tools": tools }))),
        ("future version", 400, future),
        ("header against body", 400, error(-32_020)),
        ("unknown method", 404, error(-32_601)),
        ("foreign origin", 403, error(-32_600)),
        ("foreign host", 403, error(-32_600)),
        ("answer of a client", 400, error(-32_600)),
        ("unknown tool", 200, error(-32_602)),
        ("bad arguments", 200, result(json!({ "isError": true }))),
        ("undeclared", 404, error(-32_601)),
        ("legacy initialize", 200, result(greeting)),
        ("legacy list", 200, result(json!({ "tools": tools }))),
    ];
    let mut story = Story::new();
    for (step, status, body) in answers {
        story = story.asks("MCP-4", step, request("x"), (status, JSON, body));
    }
    let mut call = request("tools/call");
    call["params"]["name"] = json!("get_registry_metrics");
    story = story.asks("MCP-4", "call get_registry_metrics", call, (200, JSON, result(called)));
    let notification = ("POST", "/mcp", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    story = story.exchange(of("MCP-4", "notification"), notification, (202, &[], String::new()));
    for step in ["revision before", "revision after"] {
        let looked = (200, JSON, json!({ "revision": 5 }).to_string());
        story = story.exchange(of("MCP-4", step), ("GET", "/health", Value::Null), looked);
    }
    story
}

#[test]
fn a_result_that_does_not_name_the_server_is_told() {
    let named = json!({ "io.modelcontextprotocol/serverInfo": { "name": "a registry", "version": "1" } });
    let detail = passes(&demanded(&named), "MCP-4");
    assert!(!detail.contains("(recommended)"), "{detail}");

    for unnamed in [Value::Null, json!({ "io.modelcontextprotocol/serverInfo": {} })] {
        let detail = passes(&demanded(&unnamed), "MCP-4");
        for step in ["discover", "list"] {
            let told =
                format!("MCP-113 (recommended) is not kept: the result of `{step}` does not tell serverInfo");
            assert!(detail.contains(&told), "{detail}");
        }
    }
}

//! What each route is for, takes and answers.

use registry_core::document::{CapabilityName, LabelKey};
use serde_json::{Value, json};

use super::parts::{
    Answer, agent_id, compressible, described, empty, invalid_query, json_answer, limit, no_such_agent,
    of_lists, of_type, operation, page_or_delta, problem, problem_to_retry, query, reference, repeated, shed,
    store_unavailable, tagged_only, with_tag, without_body,
};
use crate::http::LABEL_TESTS;
use crate::schemas;

/// Method, path, operation.
pub(super) fn all() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("get", "/", file("showPage", "A page for people", "text/html")),
        ("get", "/page.css", file("getPageStyle", "How the page looks", "text/css")),
        ("get", "/page.js", file("getPageScript", "What keeps the page current", "text/javascript")),
        ("post", "/heartbeat", heartbeat()),
        ("head", "/heartbeat/{agent_id}", probe()),
        ("get", "/agents", agents()),
        ("get", "/agents/{agent_id}", agent()),
        ("delete", "/agents/{agent_id}", deregister()),
        ("get", "/agents/{agent_id}/health", agent_health()),
        ("get", "/capabilities", capabilities()),
        ("get", "/events", events()),
        (
            "get",
            "/policies",
            plain("getPolicies", "Timeouts by agent type, and the limits", &reference("Policies")),
        ),
        ("get", "/health", plain("getHealth", "How the registry fares", &reference("Health"))),
        ("get", "/livez", plain("isAlive", "Whether it is alive", &alive())),
        ("get", "/readyz", plain("isReady", "Whether it is ready", &alive())),
        ("get", "/metrics", metrics()),
        ("get", "/openapi.json", openapi()),
        ("post", "/mcp", mcp()),
    ]
}

fn answers<const PAIR: usize>(pairs: [Answer; PAIR], more: Vec<Answer>) -> Vec<Answer> {
    pairs.into_iter().chain(more).collect()
}

/// A route without parameters that answers JSON.
fn plain(id: &str, summary: &str, schema: &Value) -> Value {
    operation(id, summary, &[], vec![json_answer(schema, "So it is"), invalid_query()])
}

fn alive() -> Value {
    schemas::whole(json!({ "status": { "const": "ok" } })).into()
}

fn file(id: &str, summary: &str, content_type: &str) -> Value {
    let answer = of_type(content_type, &json!({ "type": "string" }), "The file");
    operation(id, summary, &tagged_only(), answers(with_tag(answer), vec![invalid_query()]))
}

fn heartbeat() -> Value {
    let answers = vec![
        json_answer(&reference("HeartbeatAnswer"), "Accepted, or `stale`: too late to count"),
        problem(
            400,
            &["invalid-heartbeat", "unreadable-body", "invalid-query"],
            "`errors` names all that is wrong. Nothing changed",
        ),
        problem(408, &["body-timeout"], "The body came too slowly. Nothing changed"),
        problem(409, &["lower-incarnation"], "A later process of this agent is registered. Nothing changed"),
        problem(410, &["unknown-agent"], "It holds no lease: send a full heartbeat. Nothing changed"),
        problem(413, &["too-large"], "The body is too large. Nothing changed"),
        problem(415, &["not-json"], "The body is not declared as `application/json`. Nothing changed"),
        store_unavailable(),
        problem(
            507,
            &["registry-full"],
            "There is no room for another agent; renewals go on. Nothing changed",
        ),
    ];
    let examples = json!({
        "register": { "summary": "A full heartbeat registers or replaces the document", "value": {
            "agent_id": "planner-1", "endpoint": "http://10.0.0.4:9000/mcp", "labels": { "zone": "eu" },
            "capabilities": [{ "name": "plan.trip", "version": "1.4.0", "tags": ["fast"] }],
            "dependencies": [{ "capability": "geo.lookup", "version": ">=1.2, <2" }],
        } },
        "renew": { "summary": "A lean one renews the lease", "value": { "agent_id": "planner-1", "status": "healthy" } },
    });
    let mut heartbeat = operation("sendHeartbeat", "Register, renew or update an agent", &[], answers);
    heartbeat["requestBody"] = json!({
        "required": true,
        "content": { "application/json": { "schema": reference("Heartbeat"), "examples": examples } },
    });
    described(
        heartbeat,
        "With `capabilities` (an empty array counts) the heartbeat is full: it declares the whole agent, and registers \
         it when it is not known. Without, it is lean: it renews the lease and may change `status` only.",
    )
}

fn probe() -> Value {
    let known =
        query("wiring_revision", "The last one that this agent has seen", &schemas::unsigned("A revision"));
    let refusals = [
        invalid_query(),
        problem(410, &["unknown-agent"], "It holds no lease: send a full heartbeat"),
        store_unavailable(),
    ];
    let mut answers = vec![
        empty(200, "Renewed, and the wiring is the one that was named"),
        empty(202, "Renewed, and there is another wiring: fetch it with a POST"),
    ];
    answers.extend(refusals.map(without_body));
    operation("renewLease", "The leanest renewal", &[agent_id(), known], answers)
}

fn list_answers(page: &str, delta: &str) -> Vec<Answer> {
    let more = vec![
        invalid_query(),
        problem(
            410,
            &["cursor-expired", "resync"],
            "The cursor or the revision is too old: read the whole list again",
        ),
        problem_to_retry(
            429,
            &["too-many-waiters", "overloaded"],
            "As many calls as may wait are waiting already, or too many ask for lists",
        ),
    ];
    answers(page_or_delta(page, delta), more)
}

fn agents() -> Value {
    let key = schemas::label_key();
    let test = json!({
        "type": "string", "minLength": 1, "examples": ["zone=eu", "zone!=eu", "zone", "!zone"],
        "description": format!("A key has at most {} characters", LabelKey::LONGEST),
        "pattern": format!("^(!{key}|{key}(!?=.*)?)$"),
    });
    let mut parameters = vec![
        query("capability", "The name of a capability that it provides", &json!({ "type": "string" })),
        query("type", "The agent's type", &json!({ "type": "string" })),
        repeated(
            "label",
            "All of these hold; agents without the label pass `k!=v`",
            &test,
            Some(LABEL_TESTS),
        ),
    ];
    parameters.extend(of_lists());
    described(
        operation(
            "listAgents",
            "The agents for which all filters hold",
            &parameters,
            list_answers("AgentList", "AgentDelta"),
        ),
        "By id, or best first under `q`. `version` goes with `capability` only. The pages of one chain of cursors show \
         one revision.",
    )
}

fn agent() -> Value {
    let answer = json_answer(&reference("Agent"), "The agent");
    let mut parameters = vec![agent_id()];
    parameters.extend(tagged_only());
    operation(
        "getAgent",
        "One agent",
        &parameters,
        answers(with_tag(answer), vec![invalid_query(), no_such_agent(), shed()]),
    )
}

fn deregister() -> Value {
    let answers =
        vec![empty(204, "It is gone from every view"), invalid_query(), no_such_agent(), store_unavailable()];
    operation("deregisterAgent", "Take an agent out", &[agent_id()], answers)
}

fn agent_health() -> Value {
    let answers = vec![
        json_answer(&reference("AgentHealth"), "Its silence and its deadlines"),
        invalid_query(),
        no_such_agent(),
        shed(),
    ];
    operation("getAgentHealth", "One agent's silence and deadlines", &[agent_id()], answers)
}

fn capabilities() -> Value {
    let name = json!({ "type": "string", "examples": ["geo.lookup"] });
    let begins =
        format!("What its name begins with; a name has at most {} characters", CapabilityName::LONGEST);
    let mut parameters =
        vec![query("name", "Its name", &name), query("prefix", &begins, &json!({ "type": "string" }))];
    parameters.extend(of_lists());
    let answers = list_answers("CapabilityList", "CapabilityDelta");
    operation("listCapabilities", "Who provides what", &parameters, answers)
}

fn events() -> Value {
    let parameters = [
        query("after", "The number of the last event that was seen", &schemas::unsigned("A number, or 0")),
        limit(),
        query("agent_id", "Events of this agent only", &json!({ "type": "string" })),
        query("kind", "Events of this kind only", &schemas::one_of(&schemas::kinds())),
    ];
    let answers =
        vec![json_answer(&reference("Events"), "The next events, in order"), invalid_query(), shed()];
    operation("listEvents", "What happened", &parameters, answers)
}

fn metrics() -> Value {
    let answers = vec![
        of_type("text/plain", &json!({ "type": "string" }), "The text exposition of Prometheus"),
        invalid_query(),
    ];
    operation("getMetrics", "What Prometheus reads", &[], answers)
}

fn openapi() -> Value {
    let document = json!({ "type": "object", "required": ["openapi", "info", "paths"] });
    let answer = json_answer(&document, "OpenAPI 3.1");
    operation(
        "getOpenApi",
        "This document",
        &tagged_only(),
        answers(compressible(answer), vec![invalid_query()]),
    )
}

fn mcp() -> Value {
    let message = json!({
        "type": "object", "required": ["jsonrpc"], "properties": { "jsonrpc": { "const": "2.0" } },
    });
    let refused = [
        (400, "It is no request of the protocol"),
        (403, "The `Origin` or `Host` is foreign"),
        (404, "There is no such method"),
        (406, "`Accept` does not name what the protocol demands"),
        (408, "The body came too slowly"),
        (413, "The body is too large"),
        (415, "The body is not declared as `application/json`"),
    ];
    let mut answers = vec![json_answer(&message, "The answer"), empty(202, "A notification was taken")];
    answers.extend(refused.map(|(status, description)| {
        let content = json!({ "application/json": { "schema": message } });
        (status, json!({ "description": description, "content": content }))
    }));
    let version = json!({
        "name": "MCP-Protocol-Version", "in": "header", "schema": { "type": "string" },
        "description": "The revision that the client speaks",
    });
    let mut operation =
        operation("callMcp", "The Model Context Protocol, by the profile `pull-only/1`", &[version], answers);
    operation["requestBody"] =
        json!({ "required": true, "content": { "application/json": { "schema": message } } });
    described(
        operation,
        "Streamable HTTP without sessions; every answer is one JSON object. See docs/mcp.md.",
    )
}

//! The OpenAPI 3.1 document that `GET /openapi.json` answers: every route, what it takes and everything it answers.
//! Bounds and enumerations come from the code that enforces them; tests hold routes, statuses, headers and bodies to
//! the document.
//!
//! - `operations`: what each route is for, takes and answers
//! - `parts`: parameters, answers and headers that several routes have

mod operations;
mod parts;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::{auth, schemas};

const DESCRIPTION: &str = "A registry that agents call and that calls nobody. Durations are integers in milliseconds and \
    end in `_ms`. Members that a reader does not know are to be ignored. Query parameters that a route does not know get \
    400, since a mistyped filter must not return everything. Errors are RFC 9457 problem documents that name all that is \
    wrong. GET routes answer HEAD as well; any other method gets 405 with `Allow`, any other route 404. Request headers \
    beyond 64 KiB get 431.";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_string());

/// The document as it is served.
pub fn document() -> &'static str {
    &DOCUMENT
}

fn build() -> Value {
    let mut paths = Map::new();
    for (method, path, mut operation) in operations::all() {
        let mut more = vec![parts::given_up()];
        match auth::needs_token(method, path) {
            true if path == "/mcp" => more.push(parts::unauthorized()),
            true => more.extend([parts::unauthorized(), parts::forbidden()]),
            // Whoever has a token need not send it here.
            false => operation["security"] = json!([]),
        }
        for (status, answer) in more {
            let answer = if method == "head" { parts::without_body((status, answer)).1 } else { answer };
            operation["responses"][status.to_string()] = answer;
        }
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = operation;
    }
    let policy = parts::reference("Policy");
    let mut full_or_lean = schemas::heartbeat();
    let needs_capabilities =
        registry_core::intake::FULL_ONLY.map(|name| (name.to_owned(), json!(["capabilities"])));
    full_or_lean.insert("dependentRequired".into(), Map::from_iter(needs_capabilities).into());
    let schemas = json!({
        "Heartbeat": full_or_lean,
        "HeartbeatAnswer": schemas::heartbeat_answer(),
        "Agent": schemas::agent(),
        "AgentList": schemas::list("agents", &parts::reference("Agent")),
        "AgentDelta": schemas::delta(&parts::reference("Agent"), "Ids of agents that left the list"),
        "Policy": schemas::policy(),
        "AgentHealth": schemas::health(&policy),
        "Capability": schemas::capability(),
        "CapabilityList": schemas::list("capabilities", &parts::reference("Capability")),
        "CapabilityDelta": schemas::delta(&parts::reference("Capability"), "Names of capabilities that left the list"),
        "Events": schemas::events(),
        "Policies": schemas::policies(&policy),
        "Health": schemas::registry_health(),
        "Problem": schemas::problem(),
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Wallflower, a pull-based agent registry",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas, "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
        // A registry without tokens asks for none.
        "security": [{}, { "token": [] }],
    })
}

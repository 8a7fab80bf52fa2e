//! MCP-101 to MCP-116: what revision 2026-07-28 demands of a server of tools.

use reports::history::Exchange;
use serde_json::Value;

use super::super::model::{body, revision, step, steps};
use super::super::{Findings, Known, Talk};
use super::rules::{Rules, answered, error, is_legacy, posts, result, sent};
use super::tools::{as_schema_says, called, text_says_the_same, tool};

const ALL: &[&str] = &[
    "MCP-101", "MCP-102", "MCP-103", "MCP-104", "MCP-105", "MCP-106", "MCP-107", "MCP-108", "MCP-109",
    "MCP-110", "MCP-111", "MCP-112", "MCP-113", "MCP-114", "MCP-115", "MCP-116",
];

/// Steps, and the error that each must be answered with.
const REFUSED: &[(&str, &str, (u16, i64))] = &[
    ("MCP-102", "without protocolVersion", (400, -32_602)),
    ("MCP-102", "without clientCapabilities", (400, -32_602)),
    ("MCP-103", "future version", (400, -32_022)),
    ("MCP-104", "header against body", (400, -32_020)),
    ("MCP-105", "unknown method", (404, -32_601)),
    ("MCP-112", "undeclared", (404, -32_601)),
];

pub(in crate::judge::probe) fn mcp_4(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let mut rules = Rules::new(findings, ALL);
    for (rule, name, expected) in REFUSED {
        for exchange in steps(talk, name) {
            rules.hold(rule, exchange, error(exchange) == *expected, || {
                format!("{} instead of {} with the error {}", answered(exchange), expected.0, expected.1)
            });
        }
    }
    discovery(&mut rules, talk);
    details(&mut rules, talk);
    borders(&mut rules, talk);
    tools(&mut rules, talk);
    annotations(&mut rules, talk);
    for exchange in posts(talk).filter(|exchange| !is_legacy(exchange)) {
        codes(&mut rules, exchange);
    }
    legacy(&mut rules, talk);
    rules.finish();
}

fn discovery(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    for exchange in steps(talk, "discover") {
        let result = result(exchange);
        let versions =
            result["supportedVersions"].as_array().is_some_and(|all| all.contains(&"2026-07-28".into()));
        rules.hold("MCP-101", exchange, versions && result["capabilities"].is_object(), || {
            format!(
                "{}: no supportedVersions with 2026-07-28, or no capabilities: {result}",
                answered(exchange)
            )
        });
    }
    for exchange in [step(talk, "discover"), step(talk, "list")].into_iter().flatten() {
        let result = result(exchange);
        let scope = ["public", "private"].iter().any(|scope| result["cacheScope"] == *scope);
        rules.hold("MCP-109", exchange, result["ttlMs"].is_u64() && scope, || {
            let (ttl, scope) = (&result["ttlMs"], &result["cacheScope"]);
            format!("the result of `{}` has ttlMs {ttl} and cacheScope {scope}", exchange.step)
        });
        let named = result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string();
        rules.should("MCP-113", exchange, named, || {
            format!("the result of `{}` does not tell serverInfo", exchange.step)
        });
    }
}

/// What an answer must hold beside its code.
fn details(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    for exchange in steps(talk, "without clientInfo") {
        rules.hold("MCP-102", exchange, result(exchange)["tools"].is_array(), || {
            format!("{}, though nobody has to say who asks", answered(exchange))
        });
    }
    for exchange in steps(talk, "future version") {
        let data = body(exchange)["error"]["data"].take();
        let told = data["supported"].is_array() && data["requested"] == "2099-01-01";
        rules.hold("MCP-103", exchange, told, || {
            format!("the error does not tell what is supported and what was requested: {data}")
        });
    }
    for exchange in steps(talk, "unknown method") {
        rules.hold("MCP-105", exchange, body(exchange)["id"] == sent(exchange)["id"], || {
            format!("the id {} came back as {}", sent(exchange)["id"], body(exchange)["id"])
        });
    }
    for exchange in steps(talk, "notification") {
        let empty = exchange.answer().is_some_and(|answer| answer.body.length == 0);
        rules.hold("MCP-108", exchange, exchange.status() == Some(202) && empty, || {
            format!("{} instead of 202 without a body", answered(exchange))
        });
    }
    for exchange in steps(talk, "answer of a client") {
        rules.hold("MCP-108", exchange, matches!(exchange.status(), Some(400..=499)), || {
            format!("{}, though nobody had asked the client", answered(exchange))
        });
    }
}

fn borders(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    for (rule, name, header) in [("MCP-106", "foreign origin", "origin"), ("MCP-107", "foreign host", "host")]
    {
        for exchange in steps(talk, name) {
            rules.hold(rule, exchange, exchange.status() == Some(403), || {
                let value = exchange.sent_header(header).unwrap_or_default();
                format!("`{header}: {value}` was answered {:?} instead of 403", exchange.status())
            });
        }
    }
    for exchange in steps(talk, "list") {
        rules.hold("MCP-106", exchange, exchange.status() == Some(200), || {
            format!("{} without an Origin", answered(exchange))
        });
    }
}

fn tools(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    let list = step(talk, "list").map(result).unwrap_or_default();
    // A tool that is not listed is MCP-1's.
    let listed = |exchange: &Exchange| tool(&list, &called(exchange)).is_some();
    let calls = talk.iter().filter(|exchange| exchange.step.starts_with("call ") && listed(exchange));
    for exchange in calls {
        let checked = as_schema_says(exchange, &list).and_then(|()| text_says_the_same(exchange));
        rules.hold("MCP-110", exchange, checked.is_ok(), || checked.clone().err().unwrap_or_default());
    }
    for exchange in steps(talk, "unknown tool") {
        rules.hold("MCP-111", exchange, error(exchange).1 == -32_602, || {
            format!("{} instead of the error -32602", answered(exchange))
        });
    }
    for exchange in steps(talk, "bad arguments") {
        rules.hold("MCP-111", exchange, result(exchange)["isError"] == true, || {
            format!("{} instead of a result with `isError`", answered(exchange))
        });
    }
}

fn annotations(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    let Some(exchange) = step(talk, "list") else { return };
    for tool in result(exchange)["tools"].as_array().into_iter().flatten() {
        let name = tool["name"].as_str().unwrap_or_default();
        let form = (1..=128).contains(&name.len())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
        rules.hold("MCP-114", exchange, form, || format!("`{name}` is no name of a tool"));
        let annotations = &tool["annotations"];
        let truthful = match name {
            "agent_heartbeat" => annotations["readOnlyHint"] != true,
            "list_available_agents"
            | "get_capability_providers"
            | "get_agent_health_status"
            | "get_registry_metrics"
            | "export_prometheus_metrics" => annotations["readOnlyHint"] == true,
            _ => true,
        };
        rules.hold("MCP-114", exchange, truthful, || {
            format!("the annotations of {name} do not say truly whether it only reads: {annotations}")
        });
    }
    let (before, after) = (steps(talk, "revision before"), steps(talk, "revision after"));
    let still = before
        .iter()
        .zip(&after)
        .any(|(before, after)| revision(before).is_some() && revision(before) == revision(after));
    if let Some(last) = after.last() {
        rules.hold("MCP-114", last, still, || {
            format!("tools that only read were followed by another revision {} times", after.len())
        });
    }
}

fn codes(rules: &mut Rules<'_>, exchange: &Exchange) {
    let (_, code) = error(exchange);
    let undefined = (-32_099..=-32_020).contains(&code) && !(-32_022..=-32_020).contains(&code);
    rules.hold("MCP-115", exchange, !undefined && ![-32_002, -32_042].contains(&code), || {
        format!("{}, a code that the revision does not define", answered(exchange))
    });
}

fn legacy(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    for exchange in steps(talk, "legacy initialize") {
        let result = result(exchange);
        let greeted = result["protocolVersion"] == "2025-11-25" && result["capabilities"].is_object();
        rules.hold("MCP-116", exchange, greeted, || {
            format!("{}, not in the words of 2025-11-25: {result}", answered(exchange))
        });
    }
    for exchange in steps(talk, "legacy list") {
        let listed: Value = result(exchange)["tools"].take();
        rules.hold("MCP-116", exchange, listed.is_array(), || {
            format!("{}, without tools", answered(exchange))
        });
    }
}

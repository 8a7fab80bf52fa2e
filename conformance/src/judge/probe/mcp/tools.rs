//! MCP-1 and MCP-2: the six tools, and HTTP beside them.

use reports::history::Exchange;
use serde_json::Value;

use super::super::model::{body, revision, step};
use super::super::{Findings, Known, Talk};
use super::rules::{answered, result, sent};

const SIX: &[&str] = &[
    "agent_heartbeat",
    "list_available_agents",
    "get_capability_providers",
    "get_agent_health_status",
    "get_registry_metrics",
    "export_prometheus_metrics",
];

/// What a view of one agent's health shows differently each time.
const MOVING: &[&str] = &["silence_ms", "degraded_in_ms", "expires_in_ms", "evicted_in_ms"];

pub(in crate::judge::probe) fn mcp_1(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let Some(list) = step(talk, "list") else { return };
    if list.answer().is_none() {
        return findings.sample();
    }
    let listed = result(list);
    for name in SIX {
        findings.decide(list, described(&listed, name));
    }
    for exchange in talk.iter().filter(|exchange| exchange.step.starts_with("call ")) {
        if exchange.answer().is_none() {
            findings.sample();
        } else {
            let known = tool(&listed, &called(exchange)).is_some();
            // A tool that is not listed was held against the list already.
            let checked = if known { as_schema_says(exchange, &listed) } else { Ok(()) };
            findings.decide(exchange, checked.and_then(|()| text_says_the_same(exchange)));
        }
    }
}

pub(super) fn tool<'a>(listed: &'a Value, name: &str) -> Option<&'a Value> {
    listed["tools"].as_array()?.iter().find(|tool| tool["name"] == name)
}

pub(super) fn called(exchange: &Exchange) -> String {
    sent(exchange)["params"]["name"].as_str().unwrap_or_default().to_owned()
}

fn described(listed: &Value, name: &str) -> Result<(), String> {
    let tool = tool(listed, name).ok_or_else(|| format!("There is no tool `{name}`."))?;
    for member in ["inputSchema", "outputSchema"] {
        let schema = &tool[member];
        if !schema.is_object() {
            return Err(format!("The tool `{name}` has no {member}."));
        }
        if let Err(error) = jsonschema::validator_for(schema) {
            return Err(format!("The {member} of `{name}` is no JSON Schema: {error}."));
        }
    }
    Ok(())
}

/// The structured result of a successful call is what the tool's output schema says.
pub(super) fn as_schema_says(exchange: &Exchange, listed: &Value) -> Result<(), String> {
    let (name, result) = (called(exchange), result(exchange));
    let structured = &result["structuredContent"];
    if result["isError"] == true || !structured.is_object() {
        return Err(format!("{} without a structured result: {result}", answered(exchange)));
    }
    let schema = tool(listed, &name).map_or(&Value::Null, |tool| &tool["outputSchema"]);
    let validator = jsonschema::validator_for(schema)
        .map_err(|error| format!("`{name}` has no schema to hold it to: {error}"))?;
    validator.validate(structured).map_err(|error| {
        format!(
            "the structured result of `{name}` is not as its schema says, at `{}`: {error}",
            error.instance_path()
        )
    })
}

/// A text block of the result is the structured result.
pub(super) fn text_says_the_same(exchange: &Exchange) -> Result<(), String> {
    let result = result(exchange);
    let blocks = result["content"].as_array().cloned().unwrap_or_default();
    let texts = blocks.iter().filter_map(|block| block["text"].as_str());
    let same = texts
        .filter_map(|text| serde_json::from_str::<Value>(text).ok())
        .any(|text| text == result["structuredContent"]);
    if same {
        Ok(())
    } else {
        Err(format!("the text of `{}` does not say what its structured result says", exchange.step))
    }
}

pub(in crate::judge::probe) fn mcp_2(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let around = [step(talk, "before"), step(talk, "after")];
    let [Some(before), Some(after)] = around else { return };
    let (Some(http), Some(tool)) = (step(talk, "http"), step(talk, "tool")) else { return };
    if revision(before).is_none() || revision(before) != revision(after) {
        return findings.sample();
    }
    if http.status() != Some(200) {
        return findings.sample();
    }
    let kind = http.case.split('.').next().unwrap_or_default();
    let (by_http, by_tool) =
        (told(kind, http, body(http)), told(kind, tool, result(tool)["structuredContent"].take()));
    let result = if by_http == by_tool {
        Ok(())
    } else {
        Err(format!(
            "At revision {:?} the tool {} says {by_tool}, but {} {} says {by_http}.",
            revision(before),
            called(tool),
            http.method,
            http.target
        ))
    };
    findings.decide(tool, result);
}

/// What must be the same in both.
fn told(kind: &str, exchange: &Exchange, mut shown: Value) -> Value {
    match kind {
        "health" => {
            for member in MOVING {
                shown[*member] = Value::Null;
            }
            shown
        }
        "figures" => {
            let members = ["store_id", "revision", "agents"];
            members.iter().map(|member| ((*member).to_owned(), shown[*member].take())).collect()
        }
        // Figures move with every call, the names of metrics do not.
        "exposition" => {
            let text = shown["text"].as_str().or_else(|| exchange.text()).unwrap_or_default();
            text.lines().filter(|line| line.starts_with("# TYPE")).collect()
        }
        _ => shown,
    }
}

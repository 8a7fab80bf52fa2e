//! Parameters, answers and headers that several routes have.

use registry_core::intake::{TAGS, VERSION_BYTES};
use registry_core::search::QUERY_BYTES;
use serde_json::{Map, Value, json};

use crate::http::{DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_WAIT_MS};
use crate::schemas;

const JSON: &str = "application/json";

/// A status, and what an answer of it holds.
pub(super) type Answer = (u16, Value);

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A route's operation. The first line of its answers is the one that is hoped for.
pub(super) fn operation(id: &str, summary: &str, parameters: &[Value], answers: Vec<Answer>) -> Value {
    let answers: Map<String, Value> =
        answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
    let mut operation = json!({ "operationId": id, "summary": summary, "responses": answers });
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    operation
}

pub(super) fn described(mut operation: Value, description: &str) -> Value {
    operation["description"] = description.into();
    operation
}

pub(super) fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

/// A parameter that may be given several times.
pub(super) fn repeated(name: &str, description: &str, items: &Value, most: Option<usize>) -> Value {
    let mut schema = json!({ "type": "array", "items": items });
    if let Some(most) = most {
        schema["maxItems"] = json!(most);
    }
    let mut parameter = query(name, description, &schema);
    parameter["style"] = "form".into();
    parameter["explode"] = true.into();
    parameter
}

pub(super) fn agent_id() -> Value {
    json!({ "name": "agent_id", "in": "path", "required": true, "schema": schemas::id("Which agent") })
}

fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match", "in": "header", "schema": { "type": "string" },
        "description": "The `ETag` of an answer: 304 if it would be the same again",
    })
}

pub(super) fn limit() -> Value {
    let schema =
        json!({ "type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT });
    query("limit", "The most entries of an answer", &schema)
}

/// What both lists have: filters, pages, deltas, waiting, tags.
pub(super) fn of_lists() -> Vec<Value> {
    let words = json!({ "type": "string", "minLength": 1, "maxLength": QUERY_BYTES });
    let requirement =
        json!({ "type": "string", "maxLength": VERSION_BYTES, "examples": ["^1.2", ">=1.2, <2"] });
    let wait = json!({ "type": "integer", "minimum": 0, "maximum": LONGEST_WAIT_MS });
    let waits = "With `since` or `If-None-Match`: hold the answer until it tells something new, at most so long and up \
        to 1/16 more";
    let since = "Answer what changed since this revision of a list. Goes with `store_id`, not with `limit` or `cursor`";
    vec![
        query("version", "A SemVer requirement on the capability", &requirement),
        repeated("tag", "All of these on the capability", &json!({ "type": "string" }), Some(TAGS)),
        repeated("status", "Any of these; healthy and degraded if none is given", &schemas::status(), None),
        query("q", "Words to search for, typing errors allowed; best first", &words),
        limit(),
        query("cursor", "`next_cursor` of the page before", &json!({ "type": "string" })),
        query("since", since, &schemas::unsigned("A revision")),
        query("store_id", "The one that `since` belongs to", &json!({ "type": "string" })),
        query("wait_ms", waits, &wait),
        if_none_match(),
    ]
}

/// Those of a route that has nothing but a tag.
pub(super) fn tagged_only() -> Vec<Value> {
    vec![if_none_match()]
}

/// A header that every answer of this kind has.
fn always(schema: &Value) -> Value {
    json!({ "required": true, "schema": schema })
}

fn cached(answer: &mut Value) {
    answer["headers"]["ETag"] = always(&json!({ "type": "string", "pattern": "^\"[^\"]+\"$" }));
    answer["headers"]["Cache-Control"] = always(&json!({ "const": "no-cache" }));
}

fn varied(answer: &mut Value) {
    answer["headers"]["Vary"] = always(&json!({ "const": "accept-encoding" }));
}

pub(super) fn empty(status: u16, description: &str) -> Answer {
    (status, json!({ "description": description }))
}

pub(super) fn of_type(content_type: &str, schema: &Value, description: &str) -> Answer {
    (200, json!({ "description": description, "content": { content_type: { "schema": schema } } }))
}

pub(super) fn json_answer(schema: &Value, description: &str) -> Answer {
    of_type(JSON, schema, description)
}

/// An answer with a strong tag, and the 304 that goes with it.
pub(super) fn with_tag((status, mut answer): Answer) -> [Answer; 2] {
    cached(&mut answer);
    let (not_modified, mut unchanged) = empty(304, "Nothing changed");
    cached(&mut unchanged);
    [(status, answer), (not_modified, unchanged)]
}

/// A tagged answer that may come compressed.
pub(super) fn compressible(answer: Answer) -> [Answer; 2] {
    with_tag(answer).map(|(status, mut answer)| {
        varied(&mut answer);
        if status == 200 {
            answer["headers"]["Content-Encoding"] = json!({ "schema": { "enum": ["gzip", "zstd"] } });
        }
        (status, answer)
    })
}

/// A page or a delta; a delta has no tag.
pub(super) fn page_or_delta(page: &str, delta: &str) -> [Answer; 2] {
    let either = json!({ "oneOf": [reference(page), reference(delta)] });
    compressible(json_answer(&either, "The list; with `since` what changed in it")).map(
        |(status, mut answer)| {
            if status == 200 {
                for header in ["ETag", "Cache-Control"] {
                    answer["headers"][header]["required"] = false.into();
                }
            }
            (status, answer)
        },
    )
}

/// A problem document of one of these kinds.
pub(super) fn problem(status: u16, kinds: &[&str], description: &str) -> Answer {
    let kinds: Vec<_> = kinds.iter().map(|kind| format!("/problems/{kind}")).collect();
    let mut schema = reference("Problem");
    schema["properties"] = json!({ "type": { "enum": kinds }, "status": { "const": status } });
    let content = json!({ "application/problem+json": { "schema": schema } });
    (status, json!({ "description": description, "content": content }))
}

/// A problem that passes: the answer says when to come back.
pub(super) fn problem_to_retry(status: u16, kinds: &[&str], description: &str) -> Answer {
    let (status, mut answer) = problem(status, kinds, description);
    answer["headers"]["Retry-After"] = always(&json!({ "type": "integer", "minimum": 1 }));
    (status, answer)
}

pub(super) fn invalid_query() -> Answer {
    problem(400, &["invalid-query"], "Query parameters that are unknown or wrong; `errors` names all of them")
}

pub(super) fn no_such_agent() -> Answer {
    problem(404, &["not-found"], "There is no such agent")
}

pub(super) fn store_unavailable() -> Answer {
    problem_to_retry(
        503,
        &["store-unavailable"],
        "The store does not take changes at present; repeat the call",
    )
}

pub(super) fn shed() -> Answer {
    problem_to_retry(429, &["overloaded"], "Too many ask for lists; heartbeats are never told so")
}

/// What every route may answer.
pub(super) fn given_up() -> Answer {
    problem(500, &["answer-timeout", "internal"], "The answer could not be made, or not in time")
}

/// What every route may answer that asks for a token, where the registry has any.
pub(super) fn unauthorized() -> Answer {
    let (status, mut answer) =
        problem(401, &["unauthorized"], "No token, or one that is not known. Nothing changed");
    answer["headers"]["WWW-Authenticate"] = always(&json!({ "type": "string", "pattern": "^Bearer" }));
    (status, answer)
}

pub(super) fn forbidden() -> Answer {
    problem(403, &["forbidden"], "The token is for other routes, or for other agents. Nothing changed")
}

/// The answers to a HEAD have no body, the same headers all the same.
pub(super) fn without_body((status, mut answer): Answer) -> Answer {
    if let Some(members) = answer.as_object_mut() {
        members.remove("content");
    }
    (status, answer)
}

//! Every route of a registry's OpenAPI document, or of the contract.

use agent_sim::dialect::{WireAnswer, WireRequest, escaped};
use serde_json::Value;

/// A document has fewer routes than this; a faulty one must not go on for ever.
pub(super) const MOST: usize = 200;

/// Those of the contract, for a registry that serves no document.
const CONTRACT: &[(&str, &str)] = &[
    ("POST", "/heartbeat"),
    ("HEAD", "/heartbeat/{agent_id}"),
    ("GET", "/agents"),
    ("GET", "/agents/{agent_id}"),
    ("GET", "/agents/{agent_id}/health"),
    ("GET", "/capabilities"),
    ("GET", "/events"),
    ("GET", "/policies"),
    ("GET", "/health"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("POST", "/mcp"),
    ("DELETE", "/agents/{agent_id}"),
];

const METHODS: &[&str] = &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// A request for each route, those that take something away last. What stands in braces becomes the agent's id; what
/// takes a body gets the agent's.
pub(super) fn all(
    document: Option<&WireAnswer>,
    contract: bool,
    agent_id: &str,
    body: &[u8],
) -> Vec<WireRequest> {
    let document = document.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
    let mut routes: Vec<(&str, String)> = Vec::new();
    for (path, operations) in document.iter().filter_map(|document| document["paths"].as_object()).flatten() {
        let known = |method: &&&str| operations.get(method.to_ascii_lowercase()).is_some();
        routes.extend(METHODS.iter().filter(known).map(|method| (*method, path.clone())));
    }
    if routes.is_empty() && contract {
        routes.extend(CONTRACT.iter().map(|(method, path)| (*method, (*path).to_owned())));
    }
    routes.sort_by_key(|(method, _)| METHODS.iter().position(|known| known == method));
    routes.truncate(MOST);
    filled_in(routes.into_iter(), agent_id, body)
}

/// A request for each route.
pub(super) fn filled_in<'m>(
    routes: impl Iterator<Item = (&'m str, String)>,
    agent_id: &str,
    body: &[u8],
) -> Vec<WireRequest> {
    routes
        .map(|(method, path)| {
            let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or("GET");
            let mut request = WireRequest::bare(method, filled(&path, agent_id));
            if ["POST", "PUT", "PATCH"].contains(&method) {
                request.headers.push(("content-type", "application/json".to_owned()));
                request.body = body.to_vec();
            }
            request
        })
        .collect()
}

fn filled(path: &str, agent_id: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        text.push_str(&escaped(agent_id));
        rest = after.split_once('}').map_or("", |(_, behind)| behind);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_the_routes_and_the_contract_stands_in_for_it() {
        let text = r#"{"paths":{"/a/{id}/b":{"delete":{},"get":{},"parameters":[]},"/c":{"post":{}}}}"#;
        let answer =
            WireAnswer { status: 200, etag: None, retry_after: None, body: text.as_bytes().to_vec() };
        let told = |requests: Vec<WireRequest>| -> Vec<String> {
            requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect()
        };
        assert_eq!(told(all(Some(&answer), true, "x", b"{}")), ["GET /a/x/b", "POST /c", "DELETE /a/x/b"]);
        assert_eq!(all(None, true, "x", b"{}").len(), CONTRACT.len());
        assert!(all(None, false, "x", b"{}").is_empty());
    }
}

//! Every answer that these tests get is held against the OpenAPI document, and every route of the program against its
//! paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Answer, Registry};

/// The document, such that a member that it does not name is a fault: readers may meet new members, these tests may
/// not.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::from_str(registry::openapi::document()).unwrap();
    close(&mut document);
    document
});
static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

fn close(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            let is_whole = members.get("properties").is_some_and(Value::is_object)
                && members.contains_key("type")
                && !members.contains_key("$ref");
            if is_whole && members["properties"].get("jsonrpc").is_none() {
                members.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Holds an answer against the document: its status is one of the operation's, its headers and its body are as
/// described. A route or a method that the document lacks must get what the router says of such, or what a registry
/// with tokens says before it.
pub(crate) fn check(method: &str, path: &str, answer: &Answer) {
    let about = format!("{method} {path}: {answer:?}");
    let Some((route, item)) = find(path) else {
        assert!([404, 401].contains(&answer.status), "the document has no such path. {about}");
        return;
    };
    let method = method.to_ascii_lowercase();
    // HEAD is GET without the body.
    let documented = if method == "head" && item.get("head").is_none() { "get" } else { &method };
    let Some(operation) = item.get(documented) else {
        assert!([405, 401, 403].contains(&answer.status), "the document has no such method. {about}");
        return;
    };
    let status = answer.status.to_string();
    let described = operation["responses"].get(&status);
    let described = described.unwrap_or_else(|| panic!("the document has no such status. {about}"));
    check_headers(described, answer, &about);
    let Some(content) = described.get("content").and_then(Value::as_object) else {
        assert_eq!(answer.body, "", "the document has no body. {about}");
        return;
    };
    let content_type = answer.header("content-type").split(';').next().unwrap();
    let media = content.get(content_type);
    let media = media.unwrap_or_else(|| panic!("the document has no such content type. {about}"));
    // A body that is not sent as text was read by whoever decodes it.
    if method == "head" || answer.headers.contains_key("content-encoding") {
        return;
    }
    let is_json = content_type.ends_with("json");
    let body = if is_json { answer.json() } else { json!(answer.body) };
    let key = format!("{documented} {route} {status} {content_type}");
    let validator = validator(&key, &media["schema"]);
    let faults: Vec<_> =
        validator.iter_errors(&body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{about}");
}

fn check_headers(described: &Value, answer: &Answer, about: &str) {
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        let Some(text) = answer.headers.get(&name) else {
            assert_ne!(header["required"], json!(true), "{name} is missing. {about}");
            continue;
        };
        let number = text.parse::<u64>().ok().filter(|_| header["schema"]["type"] == "integer");
        let value = number.map_or_else(|| json!(text), |number| json!(number));
        assert!(jsonschema::is_valid(&header["schema"], &value), "{name} is {text:?}. {about}");
    }
    for name in ["etag", "retry-after", "vary", "content-encoding"] {
        let known = described["headers"].as_object().into_iter().flatten();
        let is_known = known.into_iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        assert!(is_known || !answer.headers.contains_key(name), "the document has no {name}. {about}");
    }
}

fn find(path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next().unwrap();
    let paths = DOCUMENT["paths"].as_object().unwrap().iter().map(|(route, item)| (route.as_str(), item));
    let fits = |route: &str| {
        let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
        route.len() == path.len()
            && route
                .iter()
                .zip(&path)
                .all(|(one, other)| (one.starts_with('{') && !other.is_empty()) || one == other)
    };
    paths.into_iter().find(|(route, _)| fits(route))
}

fn validator(key: &str, schema: &Value) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let mut schema = schema.clone();
        schema["components"] = DOCUMENT["components"].clone();
        Arc::new(jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{key}: {error}")))
    };
    Arc::clone(validators.entry(key.to_owned()).or_insert_with(build))
}

fn operations() -> BTreeSet<(String, String)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
    });
    operations.collect()
}

fn routes_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for after in text.split(".route(").skip(1) {
                let after = after.trim_start().strip_prefix('"');
                let route = after.unwrap_or_else(|| panic!("{}: a route is no literal", path.display()));
                found.insert(route.split('"').next().unwrap().to_owned());
            }
        }
    }
}

#[tokio::test]
async fn the_document_has_every_route_and_every_method_and_no_other() {
    let mut routes = BTreeSet::new();
    routes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut routes);
    let paths: BTreeSet<_> = operations().into_iter().map(|(path, _)| path).collect();
    assert!(routes.len() >= 15, "{routes:?}");
    assert_eq!(paths, routes, "the document's paths are the routes of the program");

    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for path in &paths {
        let called = path.replace("{agent_id}", "nobody");
        for method in METHODS {
            let is_documented = operations().contains(&(path.clone(), method.to_owned()))
                || (method == "head" && operations().contains(&(path.clone(), "get".to_owned())));
            // What it answers is checked by the call itself.
            let answer = registry.call(&method.to_ascii_uppercase(), &called, &[], b"").await;
            assert_eq!(answer.status == 405, !is_documented, "{method} {path}: {answer:?}");
            let is_fallback = answer.body.contains("there is no such route");
            assert!(!is_fallback, "{method} {path}: {answer:?}");
        }
    }
    // Metrics name a request by its route: those that were met are those that are documented.
    let metrics = registry.get("/metrics").await.body;
    let labels = metrics.lines().filter_map(|line| line.strip_prefix("registry_requests_total{"));
    let labels = labels.map(|line| line.split("route=\"").nth(1).unwrap().split('"').next().unwrap());
    let met: BTreeSet<_> = labels.map(str::to_owned).collect();
    assert_eq!(met, paths);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn the_document_is_served_once_rendered_under_a_strong_tag() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let answer = registry.get("/openapi.json").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, registry::openapi::document()));
    assert_eq!(answer.header("content-type"), "application/json");
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with('"'), "{tag} is strong");
    for known in [tag.clone(), format!("W/{tag}"), "*".to_owned()] {
        let again = registry.call("GET", "/openapi.json", &[("if-none-match", &known)], b"").await;
        assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
    }
    assert_eq!(registry.get("/openapi.json?version=3").await.pointers(), ["/version"]);
    registry.stop().await.unwrap();
}

#[test]
fn every_name_in_the_document_leads_somewhere_and_every_operation_has_its_own() {
    let ids: Vec<_> = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
    // A validator is built of each component: one that is no JSON Schema, or refers to nothing, fails here.
    let components = DOCUMENT["components"]["schemas"].as_object().unwrap();
    for name in components.keys() {
        validator(name, &json!({ "$ref": format!("#/components/schemas/{name}") }));
    }
    let text = registry::openapi::document();
    for name in components.keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "nothing refers to {name}");
    }
}

#[test]
fn the_document_tells_a_full_heartbeat_from_a_lean_one() {
    let heartbeat = validator("heartbeat", &json!({ "$ref": "#/components/schemas/Heartbeat" }));
    let media = &DOCUMENT["paths"]["/heartbeat"]["post"]["requestBody"]["content"]["application/json"];
    for (name, example) in media["examples"].as_object().unwrap() {
        assert!(heartbeat.is_valid(&example["value"]), "{name}");
    }
    assert!(heartbeat.is_valid(&json!({ "agent_id": "a", "status": "degraded", "sequence": u64::MAX })));
    for name in ["agent_type", "endpoint", "dependencies", "labels", "metadata"] {
        let value = match name {
            "dependencies" => json!([]),
            "labels" | "metadata" => json!({}),
            _ => json!("a"),
        };
        let full = json!({ "agent_id": "a", "capabilities": [], name: value });
        assert!(heartbeat.is_valid(&full), "{full}");
        assert!(!heartbeat.is_valid(&json!({ "agent_id": "a", name: value })), "{name} without capabilities");
    }
}

/// A validator that accepts everything would hold nothing.
#[test]
fn the_check_finds_what_is_wrong_with_an_answer() {
    let answer = |status: u16, headers: &[(&str, &str)], body: Value| Answer {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_string(),
    };
    let typed = ("content-type", "application/json");
    let tagged = [typed, ("etag", "\"a\""), ("cache-control", "no-cache"), ("vary", "accept-encoding")];
    let list = json!({ "store_id": "s", "revision": 1, "next_cursor": null, "agents": [] });
    check("GET", "/agents", &answer(200, &tagged, list.clone()));
    let mut longer = list.clone();
    longer["more"] = json!(1);
    let mut shorter = list.clone();
    shorter.as_object_mut().unwrap().remove("revision");
    let mut mistyped = list.clone();
    mistyped["revision"] = json!("1");
    let wrong = [
        ("a member too many", "/agents", answer(200, &tagged, longer)),
        ("a member too few", "/agents", answer(200, &tagged, shorter)),
        ("a member of another type", "/agents", answer(200, &tagged, mistyped)),
        ("an unknown status", "/agents", answer(201, &tagged, list.clone())),
        ("an unknown content type", "/agents", answer(200, &[("content-type", "text/html")], list.clone())),
        ("a missing header", "/agents", answer(200, &[typed], list.clone())),
        ("an undocumented header", "/health", answer(200, &tagged, json!({}))),
        ("an unknown path", "/agent", answer(200, &tagged, list)),
    ];
    for (what, path, answer) in wrong {
        let checked = std::panic::catch_unwind(|| check("GET", path, &answer));
        assert!(checked.is_err(), "{what} was not found");
    }
}

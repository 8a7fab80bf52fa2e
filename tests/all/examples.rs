//! Runs `docs/http.md`: each command with the real `curl`, in a shell, against the built program, and compares what it
//! prints, member by member and in this order. The page has the examples of the contract's section 4.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use crate::program::Served;
use crate::serve::ask;

const PAGE: &str = include_str!("../../docs/http.md");
/// Where the page says that the registry is, and the store that it says it has.
const ADDRESS: &str = "127.0.0.1:8000";
const STORE_ID: &str = "6f1d2c3b4a5968778695a4b3c2d1e0f0";
/// What differs from run to run, or follows from the policy: the test's is patient, so that a slow machine does not
/// degrade anybody while the page is read.
const VARYING: [&str; 13] = [
    "store_id",
    "registered_at",
    "at",
    "silence_ms",
    "degraded_in_ms",
    "expires_in_ms",
    "evicted_in_ms",
    "heartbeat_interval_ms",
    "degraded_after_ms",
    "expires_after_ms",
    "evict_after_ms",
    "uptime_ms",
    "passivity",
];

#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) command: String,
    pub(crate) expected: String,
}

/// A command begins with `$ ` and goes on after a backslash and while a quote is open; what follows it is what it prints.
pub(crate) fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_inside = line == "```console";
            continue;
        }
        if !is_inside {
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            examples.push(Example { command: command.to_owned(), expected: String::new() });
            continue;
        }
        let example = examples.last_mut().expect("a command comes first");
        let is_open = example.command.ends_with('\\') || example.command.matches('\'').count() % 2 == 1;
        let text = if is_open { &mut example.command } else { &mut example.expected };
        text.push('\n');
        text.push_str(line);
    }
    examples
}

pub(crate) fn shell(command: &str, folder: &Path) -> String {
    let output = Command::new("sh").arg("-c").arg(command).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{command}\n{output:?}\n(the test needs sh, curl and grep)");
    String::from_utf8(output.stdout).unwrap()
}

fn without_varying(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                *member = if VARYING.contains(&name.as_str()) {
                    Value::Bool(!member.is_null())
                } else {
                    without_varying(member.take())
                };
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_varying(item.take());
            }
        }
        _ => {}
    }
    value
}

/// The names of all members of a JSON text, as they are written one after the other.
fn members(text: &str) -> Vec<String> {
    let mut members = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let mut strings = serde_json::Deserializer::from_str(&rest[start..]).into_iter::<String>();
        let string = strings.next().unwrap().unwrap();
        rest = &rest[start + strings.byte_offset()..];
        if rest.trim_start().starts_with(':') {
            members.push(string);
        }
    }
    members
}

fn route(path: &str, url: &str) -> Value {
    serde_json::from_str(&ask(url, &format!("GET {path}"), "").1).unwrap()
}

#[test]
fn the_page_on_http_says_what_is() {
    let folder = tempdir().unwrap();
    let served = Served::start(folder.path(), &["--policy", "default=1h,2h,3h,4h"]);
    let address = served.url.strip_prefix("http://").unwrap();
    let store_id = route("/health", &served.url)["store_id"].as_str().unwrap().to_owned();
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let examples = examples(PAGE);
    assert_eq!(examples.len(), PAGE.matches("\n$ ").count());
    assert!(examples.len() >= 30, "{}", examples.len());
    for Example { command, expected } in examples {
        let expected = expected.replace("\"version\": \"0.1.0\"", &version);
        let actual = command.replace(ADDRESS, address).replace(STORE_ID, &store_id);
        let printed = shell(&actual, folder.path());
        match serde_json::from_str::<Value>(&expected) {
            Ok(wanted @ Value::Object(_)) => {
                let found = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{command}\n{printed}"));
                assert_eq!(without_varying(found), without_varying(wanted), "{command}");
                assert_eq!(members(&printed), members(&expected), "{command}: the members in their order");
            }
            _ => assert_eq!(printed.trim(), expected.trim(), "{command}"),
        }
    }
    let document = route("/openapi.json", &served.url);
    for path in document["paths"].as_object().unwrap().keys() {
        let path = path.replace("{agent_id}", "geo-3").replace("/heartbeat/geo-3", "/heartbeat/planner-1");
        // docs/mcp.md shows the tools.
        if path != "/mcp" {
            assert!(PAGE.contains(&format!("http://{ADDRESS}{path}")), "the page shows {path}");
        }
    }
}

#[test]
fn members_are_read_in_their_order() {
    assert_eq!(members(r#"{"b": "a\":\"", "a" : [{"c": 1}, "d"]}"#), ["b", "a", "c"]);
}

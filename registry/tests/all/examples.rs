//! Runs `docs/http.md`: each command with the real `curl`, in a shell, and compares what it prints.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::Registry;

const PAGE: &str = include_str!("../../../docs/http.md");
/// Where the page says that the registry is, and the store that it says it has.
const ADDRESS: &str = "127.0.0.1:8000";
const STORE_ID: &str = "6f1d2c3b4a5968778695a4b3c2d1e0f0";
/// What differs from run to run, or follows from the policy: the test's is patient, so that a slow machine does not
/// degrade anybody while the page is read.
const VARYING: [&str; 11] = [
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
];

#[derive(Debug)]
struct Example {
    command: String,
    expected: String,
}

/// A command begins with `$ ` and goes on while a quote is open; what follows it is what it prints.
fn examples(page: &str) -> Vec<Example> {
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
        let is_open = example.command.matches('\'').count() % 2 == 1;
        let text = if is_open { &mut example.command } else { &mut example.expected };
        text.push('\n');
        text.push_str(line);
    }
    examples
}

fn run(command: &str, folder: &Path) -> String {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_on_http_says_what_is() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["default=1h,2h,3h,4h"]).await;
    let health = registry.get("/health").await.json();
    let store_id = health["store_id"].as_str().unwrap().to_owned();
    let examples = examples(PAGE);
    assert_eq!(examples.len(), PAGE.matches("\n$ ").count());
    assert!(examples.len() >= 30, "{}", examples.len());
    for Example { command, expected } in examples {
        let actual = command.replace(ADDRESS, &registry.address.to_string()).replace(STORE_ID, &store_id);
        let scratch = folder.path().to_owned();
        let printed = tokio::task::spawn_blocking(move || run(&actual, &scratch)).await.unwrap();
        match serde_json::from_str::<Value>(&expected) {
            Ok(expected @ Value::Object(_)) => {
                let printed =
                    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{command}\n{printed}"));
                assert_eq!(without_varying(printed), without_varying(expected), "{command}");
            }
            _ => assert_eq!(printed.trim(), expected.trim(), "{command}"),
        }
    }
    for route in [
        "/heartbeat",
        "/agents",
        "/agents/geo-3",
        "/agents/geo-3/health",
        "/capabilities",
        "/events",
        "/policies",
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
    ] {
        assert!(PAGE.contains(&format!("http://{ADDRESS}{route}")), "the page shows {route}");
    }
    registry.stop().await.unwrap();
}

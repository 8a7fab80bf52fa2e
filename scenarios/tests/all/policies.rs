//! Files of policies.

use std::time::Duration;

use scenarios::model::Policy;

use crate::rendered;

fn load(name: &str, text: &str) -> Result<(Policy, Duration), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    match scenarios::load_policies(&path) {
        Ok((policies, bound)) => Ok((policies["default"], bound)),
        Err(error) => Err(rendered(&error)),
    }
}

const TOML: &str =
    "transition_bound = \"1s\"\n[policies.default]\nheartbeat_interval = \"1s\"\nexpires_after = \"2s\"\n";
const JSON: &str = r#"{"policies": {"default": {"heartbeat_interval_ms": 1000, "degraded_after_ms": null, "expires_after_ms": 2000}},
 "transition_bound_ms": 1000, "limits": {"max_agents": 5}}"#;

#[test]
fn toml_and_json_say_the_same() {
    let expected = Policy {
        heartbeat_interval: Duration::from_secs(1),
        degraded_after: None,
        expires_after: Duration::from_secs(2),
        evict_after: None,
    };
    assert_eq!(load("p.toml", TOML).unwrap(), (expected, Duration::from_secs(1)));
    assert_eq!(load("p.json", JSON).unwrap(), (expected, Duration::from_secs(1)));
}

#[test]
fn faults_are_shown_in_place() {
    for (name, text, words) in [
        ("p.toml", TOML.replace("2s", "1s"), &["p.toml:4", "`expires_after` (1s)", "raise"][..]),
        ("p.toml", TOML.replace("transition_bound", "transition_bond"), &["did you mean `transition_bound`"]),
        ("p.toml", String::new(), &["no `transition_bound`", "no `policies`"]),
        ("p.json", JSON.replace("2000", "900"), &["expires_after_ms", "(900ms)", "(1s)"]),
        ("p.json", JSON.replace("1000,", "true,"), &["p.json:1", "invalid type: boolean"]),
        ("p.json", JSON.replace("default", "gpu"), &["no policy `default`"]),
        ("p.json", String::new(), &["GET /policies", "EOF"]),
    ] {
        let shown = load(name, &text).unwrap_err();
        for word in words {
            assert!(shown.contains(word), "no {word:?} in\n{shown}");
        }
    }
}

//! scenario.schema.json, which editors check files by: it and the reader know the same keys, words and defaults.

use std::collections::BTreeSet;

use proptest::prelude::*;
use scenarios::model::Scenario;
use serde_json::Value;

use crate::{GOOD, rendered};

/// The schema as it is shipped.
pub(crate) fn schema() -> Value {
    serde_json::from_str(include_str!("../../scenario.schema.json")).unwrap()
}

/// The sections of a file, each with its part of the schema.
pub(crate) fn each_section(schema: &Value) -> [(&'static str, &Value); 7] {
    let definition = |name: &str| &schema["$defs"][name];
    [
        ("root", schema),
        ("target", definition("target")),
        ("policy", definition("policy")),
        ("fleet", definition("fleet")),
        ("phase", definition("phase")),
        ("fault", definition("fault")),
        ("threshold", definition("threshold")),
    ]
}

/// Where each section of the good file takes a further key.
const PLACES: [(&str, &str); 7] = [
    ("root", "name = \"good\"\n"),
    ("target", "kind = \"reference\"\n"),
    ("policy", "evict_after = \"20s\"\n"),
    ("fleet", "agents = 100\n"),
    ("phase", "kind = \"ramp\"\n"),
    ("fault", "at = \"2s\"\n"),
    ("threshold", "limit = \"100ms\"\n"),
];

fn complaint(text: &str) -> String {
    rendered(&scenarios::parse("bad.toml", text, &[]).unwrap_err()).replace("\n  │", "")
}

/// The words in back quotes behind `intro`.
fn listed(text: &str, intro: &str) -> BTreeSet<String> {
    let list = text.split(intro).nth(1).unwrap_or_else(|| panic!("no {intro:?} in {text}"));
    let list: String = list.split("\n\n").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    list.split(", ")
        .map(|word| word.trim_matches(|c: char| c == '`' || c.is_whitespace()).to_owned())
        .collect()
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

fn faults(validator: &jsonschema::Validator, text: &str) -> Vec<String> {
    let value = as_json(text);
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_reader_and_the_schema_know_the_same_keys() {
    let schema = schema();
    for ((section, properties), (_, place)) in each_section(&schema).into_iter().zip(PLACES) {
        let shown = complaint(&crate::spoiled(place, &format!("{place}zzzzzzzzzzzzzzz = 1\n")));
        let ours: BTreeSet<String> = properties["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(listed(&shown, "known here:"), ours, "{section}");
        assert_eq!(properties["additionalProperties"], false, "{section}");
    }
}

#[test]
fn the_reader_and_the_schema_know_the_same_words() {
    let schema = schema();
    let words = |section: &str, key: &str| -> BTreeSet<String> {
        let words = schema["$defs"][section]["properties"][key]["enum"].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let kind = complaint(&crate::spoiled("\"reference\"", "\"zzzzzzzzzzzzz\""));
    assert_eq!(listed(&kind, "known:"), words("target", "kind"));
    let dialect = complaint(&crate::spoiled("\"reference\"\n", "\"reference\"\ndialect = \"zzzzzzzzzzz\"\n"));
    assert_eq!(listed(&dialect, "known:"), words("target", "dialect"));
    let phase = complaint(&crate::spoiled("\"ramp\"\nduration", "\"zzzzzzzzzzzzz\"\nduration"));
    assert_eq!(listed(&phase, "known:"), words("phase", "kind"));
    let fault = complaint(&crate::spoiled("\"retry-storm\"", "\"zzzzzzzzzzzzz\""));
    assert_eq!(listed(&fault, "known:"), words("fault", "kind"));
    let network = "kind = \"partition\"\nshare = 0.1\nlasting = \"3s\"\nnetwork = \"zzzzzzzzzz\"";
    assert_eq!(listed(&complaint(&crate::with_fault(network)), "known:"), words("fault", "network"));
    for key in ["popularity", "connections", "protocol", "discovery"] {
        let text = format!("agents = 100\npoll = \"1s\"\n{key} = \"zzzzzzzzzzzzz\"\n");
        assert_eq!(
            listed(&complaint(&crate::spoiled("agents = 100\n", &text)), "known:"),
            words("fleet", key)
        );
    }
    let profile = complaint(&format!("profile = \"zzzzzzzzzzzzz\"\n{GOOD}"));
    let words: BTreeSet<String> = schema["properties"]["profile"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed(&profile, "known:"), words);
}

#[test]
fn stating_a_default_changes_nothing() {
    let schema = schema();
    let prefixes = [
        ("root", ""),
        ("target", "target."),
        ("fleet", "fleets.workers."),
        ("phase", "phases.rise."),
        ("fault", "faults.storm."),
        ("threshold", "thresholds.0."),
    ];
    let mut stated = 0;
    for (section, properties) in each_section(&schema) {
        let Some((_, prefix)) = prefixes.iter().find(|(name, _)| *name == section) else { continue };
        for (key, property) in properties["properties"].as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            // These belong to a command, and the good file has other requirements.
            let of_command = ["environment", "ready_path", "ready_timeout"].contains(&key.as_str());
            let text = match (of_command, key.as_str()) {
                (true, _) => GOOD.replace("kind = \"reference\"", "kind = \"command\"\ncommand = [\"x\"]"),
                (_, "requirements") => GOOD.replace("requirements = [\"PASSIVE-1\", \"TIME-2\"]\n", ""),
                (_, "zipf_exponent") => {
                    GOOD.replace("agents = 100\n", "agents = 100\npopularity = \"zipf\"\n")
                }
                (_, "wait") => {
                    GOOD.replace("agents = 100\n", "agents = 100\npoll = \"1s\"\ndiscovery = \"long-poll\"\n")
                }
                (_, "over") if section == "fault" => crate::with_fault("kind = \"crash\"\nshare = 0.1"),
                (_, "graceful") => crate::with_fault("kind = \"churn\"\nper_minute = 0.1\nlasting = \"3s\""),
                (_, "network") => crate::with_fault("kind = \"partition\"\nshare = 0.1\nlasting = \"3s\""),
                (_, "times") => crate::with_fault("kind = \"kill\""),
                (_, "at") => GOOD.replace("at = \"2s\"\n", ""),
                (_, "capability_pool") => GOOD.replace("capability_pool = 10\n", ""),
                (_, "description") => GOOD.replace("description = \"A good one.\"\n", ""),
                _ => GOOD.to_owned(),
            };
            let read = |set: &[String]| {
                let scenario = scenarios::parse("good.toml", &text, set);
                let scenario = scenario.unwrap_or_else(|error| panic!("{key}: {}", rendered(&error)));
                Scenario { text: String::new(), ..scenario }
            };
            assert_eq!(read(&[format!("{prefix}{key}={default}")]), read(&[]), "{section}, {key}");
            stated += 1;
        }
    }
    assert!(stated > 10, "only {stated} defaults");
}

#[test]
fn shipped_files_name_the_schema_and_keep_to_it() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let validator = validator();
    for name in scenarios::SHIPPED {
        let text = std::fs::read_to_string(root.join(name)).unwrap();
        let named = text.lines().next().unwrap().strip_prefix("#:schema ").expect("a first line `#:schema `");
        let path = root.join(name).parent().unwrap().join(named);
        assert_eq!(path.canonicalize().unwrap(), root.join("scenarios/scenario.schema.json"), "{name}");
        assert_eq!(faults(&validator, &text), Vec::<String>::new(), "{name}");
    }
    assert_eq!(faults(&validator, GOOD), Vec::<String>::new());
    assert_eq!(
        faults(&validator, "extends = \"other.toml\"\n[[fleets]]\nname = \"x\"\n"),
        Vec::<String>::new()
    );
}

#[test]
fn the_schema_refuses_what_an_editor_can_see() {
    let validator = validator();
    for (good, bad) in [
        ("agents = 100", "agnets = 100"),
        ("agents = 100", "agents = 0"),
        ("agents = 100\n", ""),
        ("duration = \"5s\"", "duration = \"5 secs\""),
        ("duration = \"5s\"", "duration = 5"),
        ("kind = \"ramp\"", "kind = \"slope\""),
        ("\"heartbeat.response.p99\"", "\"heartbeat.response.p98\""),
        ("limit = \"100ms\"", "limit = \"100\""),
        ("\"TIME-2\"", "\"TIME-02\""),
        ("share = 0.3", "share = 1.3"),
        ("name = \"good\"\n", ""),
        ("name = \"workers\"", "name = \"Workers\""),
        ("kind = \"reference\"", "kind = \"reference\"\nurl = \"127.0.0.1:8000\""),
    ] {
        let text = crate::spoiled(good, bad);
        assert!(!faults(&validator, &text).is_empty(), "{bad:?} in place of {good:?}");
        assert!(scenarios::parse("bad.toml", &text, &[]).is_err(), "{bad:?} in place of {good:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// An editor must not mark what runs.
    #[test]
    fn what_the_reader_takes_the_schema_takes_too(
        duration in "[ ]?[0-9]{1,3}(us|ms|s|m|h|d| s)([ ]?[0-9]{0,2}(ms|s))?",
        limit in "[ ]?[0-9.+e]{1,4}[ ]?%",
        name in "[a-z0-9-]{1,70}",
    ) {
        let spoil = |good: &str, bad: String| crate::spoiled(good, &bad);
        let validator = validator();
        for text in [
            spoil("duration = \"5s\"", format!("duration = \"{duration}\"")),
            spoil(
                "metric = \"heartbeat.response.p99\"\nlimit = \"100ms\"",
                format!("metric = \"all.errors\"\nlimit = \"{limit}\""),
            ),
            spoil("name = \"workers\"", format!("name = \"{name}\"")),
            spoil("name = \"good\"", format!("name = \"{name}\"")),
        ] {
            if scenarios::parse("x.toml", &text, &[]).is_ok() {
                prop_assert_eq!(faults(&validator, &text), Vec::<String>::new());
            }
        }
    }
}

//! `--set`.

use std::time::Duration;

use scenarios::model::{Limit, Scenario};

use crate::{GOOD, rendered};

fn with(assignments: &[&str]) -> Result<Scenario, scenarios::ScenarioError> {
    let set: Vec<String> = assignments.iter().map(|&assignment| assignment.to_owned()).collect();
    scenarios::parse("good.toml", GOOD, &set)
}

#[test]
fn entries_of_lists_are_reached_by_name_and_by_number() {
    assert_eq!(with(&["fleets.workers.agents=50"]).unwrap().fleets[0].agents, 50);
    assert_eq!(with(&["fleets.0.agents=51"]).unwrap().fleets[0].agents, 51);
    let scenario = with(&["phases.fall.duration=7s", "phases.2.duration=8s"]).unwrap();
    assert_eq!(scenario.phases[1].duration, Duration::from_secs(7));
    assert_eq!(scenario.phases[2].duration, Duration::from_secs(8));
    let limit = with(&["thresholds.0.limit=1us"]).unwrap().thresholds[0].limit;
    assert_eq!(limit, Limit::Duration(Duration::from_micros(1)));
    assert_eq!(with(&["requirements.1=VIEW-2"]).unwrap().requirements, ["PASSIVE-1", "VIEW-2"]);
}

#[test]
fn known_keys_that_the_file_leaves_out_can_be_set() {
    let scenario =
        with(&["seed=7", "max_in_flight=64", "fleets.workers.poll=2s", "phases.rise.over=1s"]).unwrap();
    assert_eq!((scenario.seed, scenario.max_in_flight), (7, 64));
    assert_eq!(scenario.fleets[0].poll, Some(Duration::from_secs(2)));
}

#[test]
fn values_are_toml_or_else_text() {
    let scenario = with(&["target.policies.default.expires_after=\"6s\"", "name=other"]).unwrap();
    assert_eq!(scenario.target.policies["default"].expires_after, Duration::from_secs(6));
    assert_eq!(scenario.name, "other");
}

#[test]
fn the_text_kept_is_the_one_that_was_run() {
    let scenario = with(&["seed=7", "fleets.workers.agents=50"]).unwrap();
    assert!(scenario.text.contains("seed = 7") && scenario.text.contains("agents = 50"), "{}", scenario.text);
    assert_eq!(scenarios::parse("again", &scenario.text, &[]).unwrap(), scenario);
}

#[test]
fn a_path_that_leads_nowhere_is_named_with_what_there_is() {
    for (assignment, words) in [
        ("fleets.nobody.agents=5", &["`fleets`", "`nobody`", "`workers`"][..]),
        ("fleets.7.agents=5", &["`7`", "`workers`"]),
        ("fleets.workers.agnets=5", &["`agnets`", "did you mean `agents`"]),
        ("sed=5", &["`sed`", "did you mean `seed`"]),
        ("target.policies.gpu.expires_after=5s", &["`gpu`", "`default`"]),
        ("phases.fall.share.x=1", &["phases.fall.share", "nothing can be set"]),
        ("fleets.workers=5", &["`workers`"]),
        ("requirements.9=TIME-1", &["`9`"]),
        ("seed", &["no `=`", "key=value"]),
        ("=5", &["no key"]),
        ("a b=5", &["no key"]),
    ] {
        let shown = rendered(&with(&[assignment]).unwrap_err());
        assert!(shown.contains(&format!("--set {assignment}")), "{shown}");
        assert!(shown.contains("help: "), "{shown}");
        for word in words {
            assert!(shown.contains(word), "{assignment}: no {word:?} in\n{shown}");
        }
    }
}

#[test]
fn a_value_that_is_wrong_is_shown_in_the_edited_text() {
    let shown = rendered(&with(&["phases.ramp.duration=5"]).unwrap_err());
    assert!(shown.contains("good.toml (after --set):21:12") && shown.contains("duration = 5"), "{shown}");
}

#[test]
fn a_file_that_is_no_toml_shows_its_own_fault_and_not_that_of_the_override() {
    let error = scenarios::parse("bad.toml", "name = ", &["seed=1".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("not TOML"), "{error}");
}

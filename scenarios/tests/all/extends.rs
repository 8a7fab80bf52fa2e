//! `extends`: a file that says only what differs.

use std::path::Path;
use std::time::Duration;

use scenarios::model::TargetKind;

use crate::{GOOD, good, rendered};

/// A folder with `base.toml`, which is the good file, and the given ones.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("base.toml", GOOD)].iter().chain(files) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn shown(folder: &Path, set: &[&str]) -> String {
    let set: Vec<String> = set.iter().map(|&assignment| assignment.to_owned()).collect();
    let error = scenarios::load(&folder.join("child.toml"), &set).unwrap_err();
    // Colours and the folder's name are no part of what is judged.
    rendered(&error).replace(&format!("{}/", folder.display()), "")
}

fn refusal(child: &str) -> String {
    shown(folder(&[("child.toml", child)]).path(), &[])
}

#[test]
fn an_empty_child_is_its_base() {
    let folder = folder(&[("child.toml", "extends = \"base.toml\"\n")]);
    let scenario = scenarios::load(&folder.path().join("child.toml"), &[]).unwrap();
    assert_eq!(scenarios::model::Scenario { text: GOOD.to_owned(), ..scenario }, good());
}

#[test]
fn entries_of_one_name_are_overridden_key_by_key_and_others_are_added() {
    let child = r#"extends = "base.toml"
name = "child"
requirements = ["TIME-1"]
[target.policies.default]
evict_after = "30s"
[target.policies.fast]
heartbeat_interval = "500ms"
degraded_after = "1s"
expires_after = "2s"
evict_after = "4s"
[[fleets]]
name = "workers"
heartbeat = "900ms"
[[fleets]]
name = "gateways"
agents = 5
type = "fast"
[[phases]]
name = "fall"
share = 0.5
[[phases]]
name = "after"
kind = "hold"
duration = "7s"
[[thresholds]]
phase = "fall"
metric = "heartbeat.response.p99"
limit = "70ms"
[[thresholds]]
phase = "after"
metric = "all.errors"
limit = "0%"
"#;
    let folder = folder(&[("child.toml", child)]);
    let scenario = scenarios::load(&folder.path().join("child.toml"), &["fleets.workers.poll=3s".to_owned()])
        .unwrap_or_else(|error| panic!("{}", rendered(&error)));
    assert_eq!((scenario.name.as_str(), scenario.description.as_str()), ("child", "A good one."));
    assert_eq!(scenario.requirements, ["TIME-1"]);
    let default = scenario.target.policies["default"];
    assert_eq!(
        (default.expires_after, default.evict_after),
        (Duration::from_secs(5), Some(Duration::from_secs(30)))
    );
    let fleets: Vec<_> = scenario.fleets.iter().map(|fleet| (fleet.name.as_str(), fleet.agents)).collect();
    assert_eq!(fleets, [("workers", 100), ("gateways", 5)]);
    assert_eq!(scenario.fleets[0].heartbeat, Duration::from_millis(900));
    assert_eq!(scenario.fleets[0].poll, Some(Duration::from_secs(3)));
    let phases: Vec<_> = scenario.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(phases, ["ramp", "fall", "rise", "after"]);
    let limits: Vec<_> = scenario.thresholds.iter().map(|threshold| threshold.limit.to_string()).collect();
    assert_eq!(limits, ["70ms", "0%"]);
    // The text kept stands alone.
    assert!(!scenario.text.contains("extends"), "{}", scenario.text);
    assert_eq!(scenarios::parse("alone.toml", &scenario.text, &[]).unwrap(), scenario);
}

#[test]
fn paths_count_from_the_file_that_names_them() {
    let folder = folder(&[]);
    std::fs::create_dir(folder.path().join("below")).unwrap();
    let place = |name: &str| folder.path().join("below").join(name);
    std::fs::write(place("middle.toml"), "extends = \"../base.toml\"\nseed = 5\n").unwrap();
    std::fs::write(place("child.toml"), "extends = \"middle.toml\"\nname = \"child\"\n").unwrap();
    let scenario = scenarios::load(&place("child.toml"), &[]).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.seed, scenario.fleets.len()), ("child", 5, 1));
}

#[test]
fn a_target_of_another_kind_leaves_behind_what_only_the_old_kind_has() {
    let command = GOOD.replace(
        "kind = \"reference\"",
        "kind = \"command\"\ncommand = [\"registry\"]\nready_path = \"/ready\"",
    );
    let child = "extends = \"command.toml\"\n[target]\nkind = \"url\"\nurl = \"http://127.0.0.1:8000\"\n";
    let folder = folder(&[("command.toml", &command), ("child.toml", child)]);
    let scenario = scenarios::load(&folder.path().join("child.toml"), &[]).unwrap();
    assert_eq!(scenario.target.kind, TargetKind::Url("http://127.0.0.1:8000".to_owned()));
    assert_eq!(scenario.target.policies.len(), 1);
}

#[test]
fn each_fault_is_shown_in_the_file_that_says_it() {
    let child = "extends = \"spoiled.toml\"\n\n[[fleets]]\nname = \"workers\"\njitter = 7\n";
    let spoiled = GOOD.replace("duration = \"5s\"", "duration = 5");
    let folder = folder(&[("spoiled.toml", &spoiled), ("child.toml", child)]);
    let shown = shown(folder.path(), &[]);
    assert!(shown.contains("the first of 2 faults"), "{shown}");
    assert!(shown.contains("child.toml:5:10") && shown.contains("jitter = 7"), "{shown}");
    assert!(shown.contains("spoiled.toml:21:12") && shown.contains("duration = 5"), "{shown}");
}

#[test]
fn a_second_place_in_another_file_is_told_in_words() {
    let shown = refusal("extends = \"base.toml\"\n[target.policies.default]\nexpires_after = \"2s\"\n");
    assert!(shown.contains("child.toml:3:17"), "{shown}");
    assert!(shown.contains("because of this degraded_after: base.toml:9"), "{shown}");
}

#[test]
fn what_an_override_spoils_is_shown_in_the_text_after_it_and_the_rest_in_its_file() {
    let child = "extends = \"base.toml\"\nseed = -1\n";
    let folder = folder(&[("child.toml", child)]);
    let shown = shown(folder.path(), &["phases.ramp.duration=5"]);
    assert!(shown.contains("child.toml:2:8") && shown.contains("seed = -1"), "{shown}");
    assert!(shown.contains("child.toml (after --set):") && shown.contains("duration = 5"), "{shown}");
}

#[test]
fn inline_tables_and_lists_are_overridden_like_others() {
    let policy = "{ heartbeat_interval = \"1s\", degraded_after = \"2s\", expires_after = \"5s\", evict_after = \"9s\" }";
    let inline = format!(
        "name = \"inline\"\ntarget = {{ policies = {{ default = {policy} }} }}\n\
         fleets = [{{ name = \"workers\", agents = 100 }}]\n\
         phases = [{{ name = \"ramp\", kind = \"ramp\", duration = \"5s\" }}]\n"
    );
    let tables = "extends = \"inline.toml\"\n[target]\ntransition_bound = \"70ms\"\n\
                  [target.policies.default]\nevict_after = \"8s\"\n[[fleets]]\nname = \"workers\"\nagents = 7\n\
                  [[phases]]\nname = \"hold\"\nkind = \"hold\"\nduration = \"3s\"\n";
    let lists = "extends = \"base.toml\"\nfleets = [{ name = \"workers\", agents = 7 }]\n\
                 target.policies.default.evict_after = \"8s\"\n";
    let folder = folder(&[("inline.toml", &inline), ("child.toml", tables), ("lists.toml", lists)]);
    for name in ["child.toml", "lists.toml"] {
        let scenario = scenarios::load(&folder.path().join(name), &[])
            .unwrap_or_else(|error| panic!("{name}: {}", rendered(&error)));
        assert_eq!((scenario.fleets.len(), scenario.fleets[0].agents), (1, 7), "{name}");
        let evict_after = scenario.target.policies["default"].evict_after;
        assert_eq!(evict_after, Some(Duration::from_secs(8)), "{name}");
        assert_eq!(scenarios::parse("alone.toml", &scenario.text, &[]).unwrap(), scenario, "{name}");
    }
    let spoiled = lists.replace("agents = 7", "agents = 0");
    std::fs::write(folder.path().join("child.toml"), spoiled).unwrap();
    let shown = shown(folder.path(), &[]);
    assert!(shown.contains("child.toml:2:40"), "{shown}");
}

#[test]
fn twins_in_the_child_are_still_twins() {
    let entry = "[[fleets]]\nname = \"gateways\"\nagents = 5\n";
    let shown = refusal(&format!("extends = \"base.toml\"\n{entry}{entry}"));
    assert!(shown.contains("two of kind fleet are called `gateways`"), "{shown}");
    assert!(shown.contains("child.toml:6:8"), "{shown}");
}

#[test]
fn circles_long_chains_and_files_that_are_not_there_are_named() {
    let shown = refusal("extends = \"child.toml\"\n");
    assert!(shown.contains("child.toml:1:11") && shown.contains("extend each other"), "{shown}");

    let circle =
        folder(&[("child.toml", "extends = \"other.toml\"\n"), ("other.toml", "extends = \"child.toml\"\n")]);
    let shown = self::shown(circle.path(), &[]);
    assert!(shown.contains("other.toml:1:11") && shown.contains("extend each other"), "{shown}");

    let shown = refusal("extends = \"basis.toml\"\n");
    assert!(shown.contains("child.toml:1:11") && shown.contains("no file `basis.toml`"), "{shown}");

    let shown = refusal("extends = 5\n");
    assert!(shown.contains("child.toml:1:11") && shown.contains("the number 5"), "{shown}");

    let chain = folder(&[("child.toml", "extends = \"1.toml\"\n")]);
    for number in 1..9 {
        let text = format!("extends = \"{}.toml\"\n", number + 1);
        std::fs::write(chain.path().join(format!("{number}.toml")), text).unwrap();
    }
    let shown = self::shown(chain.path(), &[]);
    assert!(shown.contains("7.toml:1:11") && shown.contains("at most 8 files"), "{shown}");
}

#[test]
fn a_base_that_is_no_toml_shows_its_own_fault() {
    let folder = folder(&[
        ("child.toml", "extends = \"spoiled.toml\"\n"),
        ("spoiled.toml", "name = \"x\"\nseed = \n"),
    ]);
    let shown = shown(folder.path(), &[]);
    assert!(shown.contains("spoiled.toml:2") && shown.contains("not TOML"), "{shown}");
}

#[test]
fn extends_cannot_be_set_from_outside() {
    let error = scenarios::parse("good.toml", GOOD, &["extends=base.toml".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("cannot be set from outside"), "{error}");
}

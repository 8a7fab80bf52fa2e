//! What is refused, and that the error names file, line, what was found and what to do.

use crate::{GOOD, refusal, rendered, spoiled};

#[test]
fn a_mistyped_key_is_shown_with_file_line_caret_and_remedy() {
    let shown = rendered(&refusal(&spoiled("agents = 100", "agnets = 100")));
    let expected = r#"scenario::invalid

  × `fleets` number 0 has no key `agnets`
    ╭─[bad.toml:15:1]
 14 │ name = "workers"
 15 │ agnets = 100
    · ───┬──
    ·    ╰── not a known key
 16 │ capability_pool = 10
    ╰────
  help: did you mean `agents`? known here: `name`, `agents`, `type`, `heartbeat`, `poll`, `jitter`, `capability_pool`, `capabilities_per_agent`,
        `dependencies_per_agent`, `popularity`, `zipf_exponent`, `connections`, `protocol`, `discovery`, `wait`
"#;
    assert_eq!(shown.trim_end(), expected.trim_end(), "\n{shown}");
}

/// What replaces what in the good file; the line of the caret; words that message and remedy must hold.
type Row = (&'static str, &'static str, u32, &'static [&'static str]);

const ROWS: &[Row] = &[
    // Syntax.
    ("[target]\n", "[target\n", 5, &["not TOML"]),
    // Durations.
    ("duration = \"5s\"", "duration = \"5 secs\"", 21, &["5 secs", "write \"5s\""]),
    ("duration = \"5s\"", "duration = \"5\"", 21, &["no duration", "\"5s\" for seconds", "\"5ms\""]),
    ("duration = \"5s\"", "duration = 5", 21, &["5 without a unit", "\"5s\" for seconds"]),
    ("duration = \"5s\"", "duration = \"5 parsecs\"", 21, &["5 parsecs", "us, ms, s, m, h"]),
    ("duration = \"5s\"", "duration = \"-5s\"", 21, &["no duration"]),
    ("duration = \"5s\"", "duration = \"1.5s\"", 21, &["no duration"]),
    ("duration = \"5s\"", "duration = \"99999999999999999999s\"", 21, &["no duration"]),
    ("duration = \"5s\"", "duration = \"0s\"", 21, &["is 0", "above 0"]),
    ("duration = \"5s\"", "duration = \"25h\"", 21, &["longer than a day", "24h"]),
    // Types and ranges.
    ("agents = 100", "agents = \"many\"", 15, &["the text \"many\"", "whole number"]),
    ("agents = 100", "agents = 0", 15, &["fleet is empty"]),
    ("agents = 100", "agents = -1", 15, &["out of range", "1 to 1000000"]),
    ("agents = 100", "agents = 1000001", 15, &["out of range", "1 to 1000000"]),
    ("share = 0.3", "share = 1.5", 26, &["`share` is 1.5", "0 to 1"]),
    ("share = 0.3", "share = nan", 26, &["out of range"]),
    ("agents = 100", "agents = 100\njitter = 0.6", 16, &["`jitter` is 0.6", "0 to 0.5"]),
    (
        "capability_pool = 10",
        "capability_pool = 10\ncapabilities_per_agent = 11",
        17,
        &["0 to 10", "capability_pool"],
    ),
    ("[[fleets]]", "[fleets]", 13, &["not a list of tables", "[[fleets]]"]),
    // Policies.
    (
        "degraded_after = \"2500ms\"",
        "degraded_after = \"5s\"",
        10,
        &["`expires_after` (5s)", "`degraded_after` (5s)", "raise"],
    ),
    (
        "heartbeat_interval = \"1s\"",
        "heartbeat_interval = \"3s\"",
        9,
        &["`degraded_after` (2500ms)", "(3s)", "must hold"],
    ),
    ("evict_after = \"20s\"", "evict_after = \"4s\"", 11, &["`evict_after` (4s)", "`expires_after` (5s)"]),
    ("evict_after = \"20s\"\n", "", 7, &["no `evict_after`"]),
    ("[target.policies.default]", "[target.policies.gpu]", 7, &["no `default`"]),
    // Words.
    ("kind = \"reference\"", "kind = \"referense\"", 6, &["`referense`", "did you mean `reference`"]),
    ("kind = \"reference\"", "dialect = \"klingon\"", 6, &["`klingon`", "`wallflower`, `mcp-mesh`"]),
    ("kind = \"reference\"", "kind = \"url\"", 5, &["no `url`", "http://127.0.0.1:8000"]),
    ("kind = \"reference\"", "kind = \"url\"\nurl = \"ftp://x\"", 7, &["no address"]),
    ("kind = \"reference\"", "kind = \"command\"\ncommand = []", 7, &["names no program"]),
    ("kind = \"reference\"", "url = \"http://127.0.0.1:1\"", 6, &["no meaning", "kind = \"url\""]),
    ("name = \"workers\"", "name = \"Workers\"", 14, &["no name", "lower-case"]),
    ("agents = 100", "agents = 100\ntype = \"gpu\"", 16, &["type `gpu`", "[target.policies.gpu]"]),
    // Phases.
    ("kind = \"recover\"", "kind = \"reover\"", 32, &["did you mean `recover`"]),
    ("name = \"rise\"", "name = \"fall\"", 31, &["called `fall`", "the first"]),
    ("over = \"1s\"", "over = \"11s\"", 27, &["(11s)", "(10s)", "at most \"10s\""]),
    ("kind = \"crash\"\nshare = 0.3\nover = \"1s\"", "kind = \"hold\"", 30, &["recovery without a crash"]),
    ("kind = \"recover\"", "kind = \"hold\"\nshare = 0.5", 33, &["`share` has no meaning"]),
    ("kind = \"recover\"", "kind = \"ramp\"", 32, &["second ramp"]),
    ("kind = \"ramp\"", "kind = \"hold\"", 18, &["no phase is a ramp"]),
    // Thresholds and requirements.
    ("phase = \"fall\"", "phase = \"fal\"", 36, &["no phase is called `fal`", "did you mean `fall`"]),
    ("heartbeat.response.p99", "hartbeat.response.p99", 37, &["did you mean `heartbeat`"]),
    ("heartbeat.response.p99", "heartbeat.response.p98", 37, &["`p98`", "`p999`"]),
    ("heartbeat.response.p99", "heartbeat.response", 37, &["percentiles"]),
    ("heartbeat.response.p99", "heartbeat.errors.p99", 37, &["`p99`"]),
    ("heartbeat.response.p99", "heartbeat.errors", 38, &["\"100ms\"", "\"0.1%\""]),
    ("limit = \"100ms\"", "limit = \"0.1%\"", 38, &["metric is a duration"]),
    ("\"TIME-2\"", "\"TIME2\"", 3, &["`TIME2`", "such as `TIME-2`"]),
    ("\"TIME-2\"", "\"TIMES-2\"", 3, &["did you mean `TIME`"]),
    ("\"TIME-2\"", "\"PASSIVE-1\"", 3, &["called `PASSIVE-1`"]),
];

#[test]
fn each_fault_has_its_line_and_its_remedy() {
    for (old, new, line, words) in ROWS {
        let shown = rendered(&refusal(&spoiled(old, new)));
        assert!(shown.contains(&format!("[bad.toml:{line}:")), "{new:?} at line {line}:\n{shown}");
        assert!(shown.contains("help: "), "{new:?} has no remedy:\n{shown}");
        for word in *words {
            assert!(shown.contains(word), "{new:?}: no {word:?} in\n{shown}");
        }
    }
}

#[test]
fn only_what_is_wrong_is_reported() {
    // Rows whose single mistake makes a second one true.
    let two = ["dialect = \"klingon\"", "[target.policies.gpu]", "name = \"fall\""];
    for (old, new, ..) in ROWS.iter().filter(|row| !two.contains(&row.1)) {
        let error = refusal(&spoiled(old, new));
        assert_eq!(error.messages().len(), 1, "{new:?}: {:#?}", error.messages());
    }
}

#[test]
fn all_faults_of_a_file_are_named_at_once_in_its_order() {
    let text = GOOD
        .replace("agents = 100", "agents = 0")
        .replace("expires_after = \"5s\"", "expires_after = \"2s\"")
        .replace("phase = \"fall\"", "phase = \"full\"");
    let messages = refusal(&text).messages();
    assert_eq!(messages.len(), 3, "{messages:#?}");
    for (message, word) in messages.iter().zip(["impossible", "empty", "no phase"]) {
        assert!(message.contains(word), "{messages:#?}");
    }
}

#[test]
fn an_empty_file_lacks_everything_that_is_required() {
    let shown = rendered(&refusal(""));
    for word in ["no `name`", "no `target`", "no fleet", "no phase"] {
        assert!(shown.contains(word), "no {word:?} in\n{shown}");
    }
}

#[test]
fn a_crash_stands_after_the_ramp() {
    let early = "[[phases]]\nname = \"early\"\nkind = \"crash\"\nshare = 1\nduration = \"1s\"\n\n[[phases]]\nname = \"ramp\"";
    let shown = rendered(&refusal(&spoiled("[[phases]]\nname = \"ramp\"", early)));
    assert!(shown.contains("a crash before the ramp") && shown.contains("[bad.toml:20:"), "{shown}");
}

#[test]
fn agents_of_all_fleets_together_are_bounded() {
    let more = "[[fleets]]\nname = \"more\"\nagents = 999_999\n\n[[phases]]\nname = \"ramp\"";
    let shown = rendered(&refusal(&spoiled("[[phases]]\nname = \"ramp\"", more)));
    assert!(shown.contains("1000099 agents"), "{shown}");
}

#[test]
fn a_missing_file_names_the_shipped_ones() {
    let error = scenarios::load(std::path::Path::new("scenarios/quikstart.toml"), &[]).unwrap_err();
    let shown = rendered(&error);
    assert!(shown.contains("no file `scenarios/quikstart.toml`"), "{shown}");
    assert!(shown.contains("did you mean `scenarios/quickstart.toml`?"), "{shown}");
    assert!(shown.contains("scenarios/ci.toml"), "{shown}");
}

#[test]
fn a_folder_a_huge_file_and_bytes_that_are_no_text_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &std::path::Path| scenarios::load(path, &[]).unwrap_err().to_string();
    assert!(message(folder.path()).contains("it is a folder"));
    let path = folder.path().join("x.toml");
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert!(message(&path).contains("2097152 bytes"));
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(message(&path).contains("UTF-8"), "{}", message(&path));
}

proptest::proptest! {
    #[test]
    fn no_text_at_all_makes_the_reader_panic(at in 0..GOOD.len(), noise in "[\\PC\n\"\\[\\]=.0-9a-z]{0,12}") {
        let _ = scenarios::parse("x.toml", &noise, &[]);
        let _ = scenarios::parse("x.toml", &format!("{}{noise}{}", &GOOD[..at], &GOOD[at..]), &[]);
        let _ = scenarios::parse("x.toml", GOOD, &[noise]);
    }
}

//! `[[faults]]`: what goes wrong on purpose.

use std::time::Duration;

use scenarios::model::{BadNetwork, FaultKind, Scenario};

use crate::{GOOD, refusal, rendered, spoiled, with_fault};

fn read(text: &str) -> Scenario {
    scenarios::parse("x.toml", text, &[]).unwrap_or_else(|error| panic!("{}", rendered(&error)))
}

fn kind(keys: &str) -> FaultKind {
    read(&with_fault(keys)).faults[0].kind
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[test]
fn each_kind_is_read_with_its_keys_and_defaults() {
    let table = [
        (
            "kind = \"crash\"\nshare = 0.3",
            FaultKind::Crash { share: 0.3, over: Duration::ZERO, back_after: None },
        ),
        (
            "kind = \"leave\"\nshare = 1\nover = \"1s\"\nback_after = \"2s\"",
            FaultKind::Leave { share: 1.0, over: seconds(1), back_after: Some(seconds(2)) },
        ),
        (
            "kind = \"churn\"\nper_minute = 0.5\nlasting = \"3s\"",
            FaultKind::Churn { per_minute: 0.5, lasting: seconds(3), down: Duration::ZERO, graceful: true },
        ),
        (
            "kind = \"deploy\"\nbatches = 2\nevery = \"1s\"\ndown = \"1s\"\ngraceful = false",
            FaultKind::Deploy { batches: 2, every: seconds(1), down: seconds(1), graceful: false },
        ),
        ("kind = \"herd\"\ndown = \"2s\"", FaultKind::Herd { down: seconds(2) }),
        (
            "kind = \"partition\"\nshare = 0.5\nlasting = \"4s\"",
            FaultKind::Partition { share: 0.5, lasting: seconds(4), network: BadNetwork::Cut },
        ),
        (
            "kind = \"partition\"\nshare = 0.5\nlasting = \"4s\"\nnetwork = \"delay\"\nby = \"1s\"",
            FaultKind::Partition {
                share: 0.5,
                lasting: seconds(4),
                network: BadNetwork::Delay { by: seconds(1) },
            },
        ),
        (
            "kind = \"partition\"\nshare = 0.5\nlasting = \"4s\"\nnetwork = \"trickle\"\nbytes_per_second = 9",
            FaultKind::Partition {
                share: 0.5,
                lasting: seconds(4),
                network: BadNetwork::Trickle { bytes_per_second: 9 },
            },
        ),
        ("kind = \"kill\"", FaultKind::Kill { down: seconds(1), times: 1, every: Duration::ZERO }),
        (
            "kind = \"kill\"\ntimes = 3\nevery = \"2s\"",
            FaultKind::Kill { down: seconds(1), times: 3, every: seconds(2) },
        ),
        (
            "kind = \"pause\"\nlasting = \"1s\"\ntimes = 2\nevery = \"3s\"",
            FaultKind::Pause { lasting: seconds(1), times: 2, every: seconds(3) },
        ),
        (
            "kind = \"slow-readers\"\nconnections = 5\nbytes_per_second = 10\nlasting = \"1s\"",
            FaultKind::SlowReaders { connections: 5, bytes_per_second: 10, lasting: seconds(1) },
        ),
        (
            "kind = \"retry-storm\"\nshare = 0.2\nlasting = \"3s\"\nretries = 2",
            FaultKind::RetryStorm { share: 0.2, lasting: seconds(3), retries: 2 },
        ),
    ];
    for (keys, expected) in table {
        assert_eq!(kind(keys), expected, "{keys}");
    }
    let fault = &read(GOOD).faults[0];
    assert_eq!((fault.name.as_str(), fault.phase.as_str(), fault.at), ("storm", "rise", seconds(2)));
}

/// Keys in place of those of the retry storm, the line of the caret, words that message and remedy must hold.
const ROWS: &[(&str, u32, &[&str])] = &[
    ("kind = \"crush\"\nshare = 0.3", 44, &["`crush`", "did you mean `crash`"]),
    ("kind = \"crash\"", 40, &["no `share`", "share = 0.3"]),
    ("kind = \"crash\"\nshare = 1.3", 45, &["0 to 1"]),
    (
        "kind = \"crash\"\nshare = 0.3\nretries = 3",
        46,
        &["fault of kind `crash`", "belongs to `retry-storm`"],
    ),
    (
        "kind = \"herd\"\ndown = \"1s\"\nlasting = \"1s\"",
        46,
        &["`lasting` has no meaning", "`churn`, `partition`"],
    ),
    ("kind = \"herd\"\ndown = \"9s\"", 40, &["lasts until 26s", "ends after 25s"]),
    ("kind = \"kill\"\ndown = \"1s\"\ntimes = 3", 40, &["no `every`"]),
    (
        "kind = \"kill\"\ndown = \"2s\"\ntimes = 3\nevery = \"2s\"",
        47,
        &["`every` 2s", "`down` 2s", "more than \"2s\""],
    ),
    ("kind = \"kill\"\ntimes = 0", 45, &["1 to 1000"]),
    (
        "kind = \"deploy\"\nbatches = 2\nevery = \"1s\"\ndown = \"2s\"",
        46,
        &["the next begins", "at least \"2s\""],
    ),
    ("kind = \"deploy\"\nbatches = 2\nevery = \"1s\"\ndown = \"1s\"\ngraceful = 1", 48, &["true or false"]),
    ("kind = \"partition\"\nshare = 1\nlasting = \"1s\"\nby = \"1s\"", 47, &["network = \"delay\""]),
    ("kind = \"partition\"\nshare = 1\nlasting = \"1s\"\nnetwork = \"delay\"", 40, &["no `by`"]),
    (
        "kind = \"partition\"\nshare = 1\nlasting = \"1s\"\nnetwork = \"wet\"",
        47,
        &["`cut`, `delay`, `trickle`"],
    ),
    (
        "kind = \"churn\"\nper_minute = 10\nlasting = \"1s\"\ndown = \"6s\"",
        47,
        &["replaced again", "less than 6s"],
    ),
    ("kind = \"slow-readers\"\nconnections = 0\nbytes_per_second = 1\nlasting = \"1s\"", 45, &["1 to 10000"]),
    ("kind = \"herd\"\ndown = \"99999999999999999999h\"", 45, &["no duration"]),
];

#[test]
fn each_wrong_key_has_its_line_and_its_remedy_and_is_the_only_fault() {
    for (keys, line, words) in ROWS {
        let error = refusal(&with_fault(keys));
        let shown = rendered(&error);
        assert!(shown.contains(&format!("[bad.toml:{line}:")), "{keys}: line {line}\n{shown}");
        assert!(shown.contains("help: "), "{keys}: no remedy\n{shown}");
        for word in *words {
            assert!(shown.contains(word), "{keys}: no {word:?} in\n{shown}");
        }
        assert_eq!(error.messages().len(), 1, "{keys}: {:#?}", error.messages());
    }
}

#[test]
fn a_fault_strikes_within_a_phase_that_there_is() {
    let shown = rendered(&refusal(&spoiled("phase = \"rise\"", "phase = \"rice\"")));
    assert!(shown.contains("[bad.toml:42:") && shown.contains("did you mean `rise`"), "{shown}");
    let shown = rendered(&refusal(&spoiled("at = \"2s\"", "at = \"10s\"")));
    assert!(shown.contains("[bad.toml:43:") && shown.contains("less than \"10s\""), "{shown}");
}

#[test]
fn a_process_that_is_not_the_harness_s_cannot_be_struck() {
    let url = "kind = \"url\"\nurl = \"http://127.0.0.1:1\"";
    for keys in ["kind = \"kill\"", "kind = \"pause\"\nlasting = \"1s\""] {
        let shown = rendered(&refusal(&with_fault(keys).replace("kind = \"reference\"", url)));
        assert!(shown.contains("[bad.toml:45:8]") && shown.contains("registry at a URL"), "{shown}");
    }
    read(&with_fault("kind = \"herd\"\ndown = \"1s\"").replace("kind = \"reference\"", url));
}

/// The good file with a fault of each of two kinds in its last phase, which begins after 15 s; the crash phase before
/// lasts from 5 s on.
fn two(first: &str, at: &str, second: &str) -> String {
    format!(
        "{}\n[[faults]]\nname = \"second\"\nphase = \"rise\"\nat = \"{at}\"\n{second}\n",
        with_fault(first)
    )
}

#[test]
fn faults_of_one_sort_do_not_overlap() {
    let herd = "kind = \"herd\"\ndown = \"2s\"";
    let crash = "kind = \"crash\"\nshare = 0.1";
    let kill = "kind = \"kill\"\ntimes = 2\nevery = \"2s\"";
    let pause = "kind = \"pause\"\nlasting = \"1s\"";
    let cut = "kind = \"partition\"\nshare = 0.1\nlasting = \"2s\"";
    let retry = "kind = \"retry-storm\"\nshare = 0.1\nlasting = \"2s\"\nretries = 1";
    let slow = "kind = \"slow-readers\"\nconnections = 1\nbytes_per_second = 1\nlasting = \"2s\"";
    // The first one begins after 2 s.
    let table = [
        (herd, "3s", crash, Some("which agents live")),
        (herd, "4s", crash, None),
        (crash, "2s", crash, Some("which agents live")),
        (crash, "3s", herd, None),
        (kill, "4s", pause, Some("away already")),
        (kill, "5s", pause, None),
        (cut, "3s", cut, Some("two networks")),
        (retry, "3s", retry, Some("repeats itself")),
        (slow, "2s", slow, None),
        (cut, "2s", herd, None),
    ];
    for (first, at, second, reason) in table {
        let text = two(first, at, second);
        match reason {
            None => drop(read(&text)),
            Some(reason) => {
                let shown = rendered(&refusal(&text));
                assert!(shown.contains("`second` begins before `storm` is over"), "{shown}");
                assert!(shown.contains(reason) && shown.contains("help: "), "{shown}");
            }
        }
    }
}

#[test]
fn a_fault_of_agents_does_not_strike_within_a_wave_of_a_phase() {
    let early =
        GOOD.replace("at = \"2s\"\nkind = \"retry-storm\"\nshare = 0.2\nlasting = \"3s\"\nretries = 2", "");
    for (phase, wave) in [("fall", "is a crash"), ("rise", "is a recover")] {
        let text = early
            .replace("phase = \"rise\"", &format!("phase = \"{phase}\"\nkind = \"herd\"\ndown = \"1s\""));
        let shown = rendered(&refusal(&text));
        assert!(shown.contains(wave), "{shown}");
    }
}

#[test]
fn those_that_a_fault_ended_for_good_can_be_brought_back_by_a_phase() {
    let hold = "kind = \"hold\"\n";
    let base = GOOD.replace("kind = \"crash\"\nshare = 0.3\nover = \"1s\"\n", hold);
    let ended = base.replace("phase = \"rise\"\nat", "phase = \"fall\"\nat");
    let keys = "kind = \"retry-storm\"\nshare = 0.2\nlasting = \"3s\"\nretries = 2";
    read(&ended.replace(keys, "kind = \"crash\"\nshare = 0.2"));
    let back = ended.replace(keys, "kind = \"crash\"\nshare = 0.2\nback_after = \"1s\"");
    let messages = refusal(&back).messages();
    assert!(messages[0].contains("recovery without a crash"), "{messages:?}");
}

#[test]
fn faults_go_by_name_in_extends_and_set() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("base.toml"), GOOD).unwrap();
    let child = folder.path().join("child.toml");
    let faults = |text: &str, set: &[&str]| {
        std::fs::write(&child, format!("extends = \"base.toml\"\n{text}")).unwrap();
        let set: Vec<String> = set.iter().map(|&one| one.to_owned()).collect();
        scenarios::load(&child, &set).unwrap_or_else(|error| panic!("{}", rendered(&error))).faults
    };
    let storm = |retries, share| FaultKind::RetryStorm { share, lasting: seconds(3), retries };
    let changed = faults("[[faults]]\nname = \"storm\"\nretries = 7\n", &["faults.storm.share=0.5"]);
    assert_eq!((changed.len(), changed[0].kind), (1, storm(7, 0.5)));
    // Of another kind, it keeps only when it strikes.
    let other = faults("[[faults]]\nname = \"storm\"\nkind = \"herd\"\ndown = \"1s\"\n", &[]);
    assert_eq!((other[0].at, other[0].kind), (seconds(2), FaultKind::Herd { down: seconds(1) }));
    let added = faults("[[faults]]\nname = \"more\"\nphase = \"rise\"\nkind = \"kill\"\n", &[]);
    assert_eq!(added.iter().map(|fault| fault.name.as_str()).collect::<Vec<_>>(), ["storm", "more"]);
}

//! Thresholds: metrics, limits, windows and graces; and how fleets behave.

use std::time::Duration;

use scenarios::model::{Connections, Discovery, Figure, Popularity, Protocol};

use crate::{GOOD, refusal, rendered, spoiled};

const METRIC: &str = "metric = \"heartbeat.response.p99\"\nlimit = \"100ms\"";

fn with(keys: &str) -> String {
    spoiled(METRIC, keys)
}

#[test]
fn each_metric_prints_as_it_is_written_with_a_limit_of_its_kind() {
    let table = [
        ("freshness.crashed_to_expired.p99", "\"2s\"", "2s"),
        ("recovery.first_success", "\"500ms\"", "500ms"),
        ("recovery.live", "\"5s\"", "5s"),
        ("recovery.peak_registrations", "500", "500"),
        ("registry.memory_slope", "\"1.5MiB/min\"", "1.5MiB/min"),
        ("arrivals.peak_over_mean", "1.5", "1.5"),
        ("leave.errors", "\"0.1%\"", "0.1%"),
    ];
    for (metric, limit, shown) in table {
        let text = with(&format!("metric = \"{metric}\"\nlimit = {limit}"));
        let scenario =
            scenarios::parse("x.toml", &text, &[]).unwrap_or_else(|error| panic!("{}", rendered(&error)));
        let threshold = &scenario.thresholds[0];
        assert_eq!(
            (threshold.metric.to_string().as_str(), threshold.limit.to_string().as_str()),
            (metric, shown)
        );
    }
}

#[test]
fn a_window_and_a_grace_are_read() {
    let text = with(&format!("{METRIC}\nwindow = \"5s\"\ngrace = \"2s\""));
    let threshold = scenarios::parse("x.toml", &text, &[]).unwrap().thresholds.remove(0);
    assert_eq!((threshold.window, threshold.grace), (Some(Duration::from_secs(5)), Duration::from_secs(2)));
}

#[test]
fn a_limit_may_give_way_to_the_hosts_own_floor() {
    let read = |keys: &str| scenarios::parse("x.toml", &with(keys), &[]);
    let threshold = read(&format!("{METRIC}\nfloor_times = 4")).unwrap().thresholds.remove(0);
    assert_eq!(threshold.floor_times, Some(4));
    for (keys, words) in [
        (format!("{METRIC}\nfloor_times = 0"), "1 to 100"),
        (format!("{METRIC}\nfloor_times = 4\nwindow = \"5s\""), "remove either"),
        ("metric = \"leave.errors\"\nlimit = \"1%\"\nfloor_times = 4".to_owned(), "the floor is a duration"),
    ] {
        let shown = rendered(&read(&keys).unwrap_err());
        assert!(shown.contains(words), "{keys}: no {words:?} in\n{shown}");
    }
}

#[test]
fn freshness_needs_no_phase_and_stands_with_the_last() {
    let text = GOOD.replace(
        &format!("phase = \"fall\"\n{METRIC}"),
        "metric = \"freshness.change_to_seen.max\"\nlimit = \"1s\"",
    );
    let threshold = scenarios::parse("x.toml", &text, &[]).unwrap().thresholds.remove(0);
    assert_eq!(threshold.phase, "rise");
    assert!(matches!(threshold.metric.figure, Figure::Freshness { what: "change_to_seen", .. }));
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let table: &[(&str, u32, &[&str])] = &[
        ("metric = \"freshness.crashed.p99\"\nlimit = \"1s\"", 37, &["`crashed`", "`crashed_to_gone`"]),
        ("metric = \"freshness.crashed_to_gone\"\nlimit = \"1s\"", 37, &["percentile"]),
        ("metric = \"recovery.life\"\nlimit = \"1s\"", 37, &["did you mean `live`"]),
        ("metric = \"recovery.live.p99\"\nlimit = \"1s\"", 37, &["nothing may follow"]),
        ("metric = \"registry.memory\"\nlimit = \"1s\"", 37, &["`memory_slope`"]),
        ("metric = \"arrivals.peak_over_mean\"\nlimit = \"2\"", 38, &["a number", "such as 3"]),
        ("metric = \"registry.memory_slope\"\nlimit = \"1MB\"", 38, &["1MiB/min"]),
        ("metric = \"recovery.live\"\nlimit = 5", 38, &["\"5s\" for seconds"]),
        (
            "metric = \"recovery.live\"\nlimit = \"5s\"\nwindow = \"1s\"",
            39,
            &["no meaning for `recovery.live`", "each fault"],
        ),
        ("metric = \"all.errors\"\nlimit = \"0%\"\ngrace = \"10s\"", 39, &["leaves nothing of `fall` (10s)"]),
        (
            "metric = \"all.errors\"\nlimit = \"0%\"\ngrace = \"6s\"\nwindow = \"5s\"",
            40,
            &["`window` (5s)", "at most \"4s\""],
        ),
        ("metric = \"all.errors\"\nlimit = \"0%\"\nwindow = \"0s\"", 39, &["above 0"]),
    ];
    for (keys, line, words) in table {
        let error = refusal(&with(keys));
        let shown = rendered(&error);
        assert!(shown.contains(&format!("[bad.toml:{line}:")), "{keys}: line {line}\n{shown}");
        for word in *words {
            assert!(shown.contains(word), "{keys}: no {word:?} in\n{shown}");
        }
        assert_eq!(error.messages().len(), 1, "{keys}: {:#?}", error.messages());
    }
}

#[test]
fn a_recovery_needs_something_to_recover_from() {
    let limit = "metric = \"recovery.live\"\nlimit = \"5s\"";
    for (phase, is_good) in [("ramp", false), ("fall", true), ("rise", true)] {
        let text =
            GOOD.replace(&format!("phase = \"fall\"\n{METRIC}"), &format!("phase = \"{phase}\"\n{limit}"));
        match scenarios::parse("bad.toml", &text, &[]) {
            Ok(_) => assert!(is_good, "{phase}"),
            Err(error) => {
                let shown = rendered(&error);
                assert!(!is_good && shown.contains("nothing strikes in `ramp`"), "{shown}");
            }
        }
    }
}

#[test]
fn a_fleet_behaves_as_it_says() {
    let fleet = |keys: &str| {
        let text = spoiled("agents = 100\n", &format!("agents = 100\n{keys}\n"));
        scenarios::parse("x.toml", &text, &[])
            .unwrap_or_else(|error| panic!("{}", rendered(&error)))
            .fleets
            .remove(0)
    };
    let plain = fleet("");
    assert_eq!(
        (plain.popularity, plain.connections, plain.protocol, plain.discovery),
        (Popularity::Uniform, Connections::Shared, Protocol::Http, Discovery::Conditional)
    );
    let other = fleet(
        "popularity = \"zipf\"\nconnections = \"own\"\nprotocol = \"mcp\"\npoll = \"1s\"\ndiscovery = \"long-poll\"",
    );
    assert_eq!(
        (other.popularity, other.connections, other.protocol, other.discovery),
        (
            Popularity::Zipf { exponent: 1.1 },
            Connections::Own,
            Protocol::Mcp,
            Discovery::LongPoll { wait: Duration::from_secs(20) }
        )
    );
    assert_eq!(fleet("poll = \"1s\"\ndiscovery = \"delta\"").discovery, Discovery::Delta);
    assert_eq!(fleet("poll = \"1s\"\ndiscovery = \"list\"").discovery, Discovery::List);
}

#[test]
fn a_fleet_does_not_ask_for_what_has_no_meaning() {
    let mesh =
        "kind = \"url\"\nurl = \"http://127.0.0.1:1\"\ndialect = \"mcp-mesh\"\ntransition_bound = \"1s\"";
    let table: &[(&str, &str, &str)] = &[
        ("zipf_exponent = 1.1", "kind = \"reference\"", "popularity = \"zipf\""),
        ("popularity = \"zipf\"\nzipf_exponent = 0", "kind = \"reference\"", "above 0"),
        ("popularity = \"zipf\"\nzipf_exponent = 5", "kind = \"reference\"", "at most 4"),
        ("wait = \"5s\"", "kind = \"reference\"", "discovery = \"long-poll\""),
        ("discovery = \"delta\"", "kind = \"reference\"", "without `poll` never asks"),
        (
            "poll = \"1s\"\ndiscovery = \"long-poll\"\nwait = \"61s\"",
            "kind = \"reference\"",
            "at most \"60s\"",
        ),
        ("protocol = \"mcp\"", mesh, "`mcp-mesh` has no `mcp`"),
        ("poll = \"1s\"\ndiscovery = \"delta\"", mesh, "`mcp-mesh` has no `delta`"),
        ("poll = \"1s\"\ndiscovery = \"long-poll\"", mesh, "`mcp-mesh` has no `long-poll`"),
    ];
    for (keys, target, words) in table {
        let text = spoiled("agents = 100\n", &format!("agents = 100\n{keys}\n"));
        let error = refusal(&text.replace("kind = \"reference\"", target));
        let shown = rendered(&error);
        assert!(shown.contains(words) && shown.contains("help: "), "{keys}: no {words:?} in\n{shown}");
        assert_eq!(error.messages().len(), 1, "{keys}: {:#?}", error.messages());
    }
}

#[test]
fn a_run_says_how_it_is_spread_and_what_is_judged() {
    let text = format!("source_addresses = 4\nworkers = 2\nprofile = \"core\"\n{GOOD}");
    let scenario = scenarios::parse("x.toml", &text, &[]).unwrap();
    assert_eq!(
        (scenario.source_addresses, scenario.workers, scenario.profile.as_deref()),
        (4, 2, Some("core"))
    );
    for (bad, words) in [
        ("source_addresses = 251", "0 to 250"),
        ("workers = 65", "0 to 64"),
        ("profile = \"kore\"", "did you mean `core`"),
    ] {
        let shown = rendered(&refusal(&format!("{bad}\n{GOOD}")));
        assert!(shown.contains(words), "{shown}");
    }
}

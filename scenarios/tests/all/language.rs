//! What a good file means.

use std::time::Duration;

use scenarios::model::{Figure, Limit, Metric, Percentile, PhaseKind, TargetKind, Which};

use crate::{GOOD, good, spoiled};

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = good();
    assert_eq!((scenario.seed, scenario.max_in_flight), (1, 512));
    assert_eq!(scenario.call_timeout, Duration::from_secs(2));
    assert_eq!(
        (scenario.target.kind, scenario.target.dialect.as_str()),
        (TargetKind::Reference, "wallflower")
    );
    assert_eq!(scenario.target.transition_bound, Duration::from_millis(50));
    let fleet = &scenario.fleets[0];
    assert_eq!((fleet.agent_type.as_str(), fleet.poll, fleet.jitter), ("default", None, 0.0));
    assert_eq!(fleet.heartbeat, Duration::from_secs(1), "that of the policy");
    assert_eq!((fleet.capabilities_per_agent, fleet.dependencies_per_agent), (1, 0));
    assert_eq!(scenario.phases[2].kind, PhaseKind::Recover { over: Duration::ZERO });
    assert_eq!(scenario.text, GOOD);
}

#[test]
fn what_is_stated_is_read() {
    let scenario = good();
    assert_eq!(scenario.phases[1].kind, PhaseKind::Crash { share: 0.3, over: Duration::from_secs(1) });
    let policy = scenario.target.policies["default"];
    assert_eq!(policy.degraded_after, Some(Duration::from_millis(2500)));
    assert_eq!(policy.evict_after, Some(Duration::from_secs(20)));
    let figure = Figure::Duration { which: Which::Response, percentile: Percentile::P99 };
    assert_eq!(scenario.thresholds[0].metric, Metric { operation: "heartbeat", figure });
    assert_eq!(scenario.thresholds[0].limit, Limit::Duration(Duration::from_millis(100)));
}

#[test]
fn durations_are_whole_numbers_with_units() {
    for (text, micros) in [
        ("1us", 1),
        ("250ms", 250_000),
        ("5s", 5_000_000),
        ("1m30s", 90_000_000),
        ("1m 30s", 90_000_000),
        ("2h", 7_200_000_000_u64),
    ] {
        let file = spoiled("duration = \"5s\"", &format!("duration = \"{text}\""));
        let scenario = scenarios::parse("x.toml", &file, &[]).unwrap();
        assert_eq!(scenario.phases[0].duration, Duration::from_micros(micros), "{text}");
    }
}

#[test]
fn metrics_and_limits_print_as_they_are_written() {
    for (metric, limit) in [
        ("renew.service.p999", "250ms"),
        ("list.errors", "0.1%"),
        ("all.misses", "0%"),
        ("probe.lag.max", "1us"),
    ] {
        let file = spoiled("heartbeat.response.p99", metric).replace("\"100ms\"", &format!("\"{limit}\""));
        let threshold = scenarios::parse("x.toml", &file, &[]).unwrap().thresholds.remove(0);
        assert_eq!(
            (threshold.metric.to_string(), threshold.limit.to_string()),
            (metric.into(), limit.into())
        );
    }
}

#[test]
fn a_registry_that_runs_already_is_asked_for_its_policies() {
    let policies = GOOD.find("[target.policies.default]").unwrap()..GOOD.find("[[fleets]]").unwrap();
    let without = GOOD.replace(&GOOD[policies], "");
    let url = "kind = \"url\"\nurl = \"http://127.0.0.1:8000/\"";
    let text = without.replace("kind = \"reference\"", url);
    let message = scenarios::parse("x.toml", &text, &[]).unwrap_err().to_string();
    assert!(message.contains("no `heartbeat`"), "no policy to take it from: {message}");
    let text = text.replace("agents = 100", "agents = 100\nheartbeat = \"2s\"");
    let scenario = scenarios::parse("x.toml", &text, &[]).unwrap();
    assert_eq!(scenario.target.kind, TargetKind::Url("http://127.0.0.1:8000".to_owned()));
    assert!(scenario.target.policies.is_empty());
    let other = text.replace("kind = \"url\"", "kind = \"url\"\ndialect = \"mcp-mesh\"");
    let messages = scenarios::parse("x.toml", &other, &[]).unwrap_err().messages();
    assert!(messages.iter().any(|message| message.contains("no `policies`")), "{messages:?}");
}

#[test]
fn a_command_is_read_with_its_environment() {
    let text = spoiled(
        "kind = \"reference\"",
        "kind = \"command\"\ncommand = [\"peer\", \"{dir}\"]\nenvironment = { PORT = \"{port}\" }\nready_timeout = \"3s\"",
    );
    let scenario = scenarios::parse("x.toml", &text, &[]).unwrap();
    let TargetKind::Command(command) = scenario.target.kind else { panic!("{:?}", scenario.target.kind) };
    assert_eq!(command.command, ["peer", "{dir}"]);
    assert_eq!(command.environment["PORT"], "{port}");
    assert_eq!((command.ready_path.as_str(), command.ready_timeout), ("/health", Duration::from_secs(3)));
}

//! Registry and load together on the two cores, unpinned, as shipped scenarios run them.

use std::path::Path;

use serde_json::Value;

use super::loadtest::{Run, reasons, says_nothing};
use crate::bench::Bench;
use crate::figures::{Round, Sample};
use crate::row::{Goal, Line, Row, State};
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 2] = [
    Line {
        id: "together-shared",
        what: "100,000 agents every 5 s on shared connections (fleet-100k), heartbeat p99, beside 4 times the floor",
        unit: "ms",
        goal: Goal::at_most(20.0),
    },
    Line {
        id: "together-own",
        what: "19,000 own connections, heartbeat and poll every 5 s (fleet-19k), p99, beside 4 times the floor",
        unit: "ms",
        goal: Goal::at_most(10.0),
    },
];

const SCENARIOS: [&str; 2] = ["scenarios/fleet-100k.toml", "scenarios/fleet-19k.toml"];
const METRIC: &str = "heartbeat.response.p99";
/// As both scenarios have it.
const FLOOR_TIMES: f64 = 4.0;

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    for (line, scenario) in LINES.iter().zip(SCENARIOS).filter(|(line, _)| bench.wants(line)) {
        if !Path::new(scenario).exists() {
            rows.push(Row::not_measured(
                *line,
                format!("there is no {scenario} here; run it from the root of the repository"),
            ));
            continue;
        }
        let out = bench.folder(line.id)?;
        let report = Run::start(bench, &bench.cores.both(), Path::new(scenario), &out)?.report().await?;
        rows.push(row(line, &report));
    }
    Ok(())
}

fn row(line: &Line, report: &Value) -> Row {
    if let Some(reason) = says_nothing(report) {
        return Row::not_measured(*line, reason);
    }
    let thresholds = report["thresholds"].as_array().into_iter().flatten();
    let Some(judged) = thresholds.into_iter().find(|threshold| threshold["metric"] == METRIC) else {
        return Row::not_measured(*line, format!("its report has no threshold {METRIC}"));
    };
    let Some(ms) = judged["value"].as_str().and_then(milliseconds) else {
        return Row::not_measured(*line, format!("its report has the value {}", judged["value"]));
    };
    let floor_us = report["generator"]["timer_floor_us"]["p999"].as_f64().unwrap_or_default();
    let sample = |value| Sample { value, ..Sample::default() };
    let round = Round::of(sample(ms), Some(sample(FLOOR_TIMES * floor_us / 1_000.0)), 1);
    let mut row = Row::measured(*line, vec![round]);
    // The run's own verdict counts: it judges answers, errors and misses too, and the floor of the same phase.
    let passed = report["verdict"] == "pass";
    row.state = if passed { State::Met } else { State::Missed };
    let limit = judged["limit"].as_str().unwrap_or_default();
    let words = if passed { "PASS".to_owned() } else { format!("FAIL: {}", reasons(report)) };
    row.noting(format!("{words}; judged by {limit}"))
}

/// A threshold's value, as reports write it: `12.3ms`, `850us`, `1.2s`.
fn milliseconds(text: &str) -> Option<f64> {
    let at = text.find(|sign: char| sign.is_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let times = match unit.trim() {
        "us" | "µs" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        _ => return None,
    };
    number.trim().parse::<f64>().ok().map(|number| number * times)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(verdict: &str, value: &str) -> Value {
        json!({
            "verdict": verdict, "reasons": ["because"], "generator": { "timer_floor_us": { "p999": 3000 } },
            "thresholds": [{ "metric": METRIC, "value": value, "limit": "10ms" }],
        })
    }

    #[test]
    fn a_run_that_passed_meets_its_goal_and_one_that_failed_misses_it() {
        let passed = row(&LINES[1], &report("pass", "11ms"));
        assert_eq!((passed.state.clone(), passed.ours.unwrap().median), (State::Met, 11.0));
        assert_eq!(passed.yardstick.unwrap().median, 12.0);
        assert_eq!(row(&LINES[1], &report("fail", "9ms")).state, State::Missed);
    }

    #[test]
    fn an_invalid_run_measures_nothing() {
        let row = row(&LINES[1], &report("invalid", "9ms"));
        assert!(matches!(row.state, State::NotMeasured(reason) if reason.contains("because")));
    }

    #[test]
    fn durations_are_read_in_any_unit() {
        assert_eq!(milliseconds("12.5ms"), Some(12.5));
        assert_eq!(milliseconds("500us"), Some(0.5));
        assert_eq!(milliseconds("1.5 s"), Some(1_500.0));
        assert_eq!(milliseconds("5%"), None);
        assert_eq!(milliseconds(""), None);
    }
}

//! The load generator alone, against a responder that does nothing: what a heartbeat costs it, what an agent weighs,
//! how late it is at half of what it can do.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::loadtest::{Run, phase, reasons, says_nothing};
use crate::bench::Bench;
use crate::clock;
use crate::figures::{Round, Sample};
use crate::machine::{family, memory_bytes};
use crate::row::{Goal, Line, Row, State};
use crate::server::Server;
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 4] = [
    Line {
        id: "generator",
        what: "heartbeats that the generator makes, answers checked",
        unit: "/CPU s",
        goal: Goal::at_least(35_000.0),
    },
    Line {
        id: "generator-memory",
        what: "its memory for an agent on shared connections, 100,000 less 1,000",
        unit: "KiB",
        goal: Goal::at_most(2.0),
    },
    Line {
        id: "generator-memory-own",
        what: "its memory for an agent on a connection of its own, 19,000 less 1,000",
        unit: "KiB",
        goal: Goal::at_most(2.0),
    },
    Line {
        id: "generator-lag",
        what: "its lag p99 at half of the rate that one core bears, beside the p99 of a bare sleep of 1 ms",
        unit: "ms",
        goal: Goal::at_most(2.0),
    },
];

const MANY: usize = 100_000;
const MANY_OWN: usize = 19_000;
const FEW: usize = 1_000;
/// 25,000 calls a second: near what one core bears, and not beyond.
const PERIOD_MS: u64 = 4_000;
const OWN_PERIOD_MS: u64 = 5_000;
const RAMP_SECONDS: u64 = 12;
const HOLD_SECONDS: u64 = 12;
/// The hold's first and last seconds are not judged: the ramp's calls end in them, and the run.
const EDGE_SECONDS: u64 = 2;

/// What a run was like.
struct Ran {
    report: Value,
    /// Most memory in the hold, all its processes together; 0 if it was not weighed.
    pss_bytes: f64,
}

/// What a run does.
struct Load {
    name: &'static str,
    agents: usize,
    period_ms: u64,
    is_own: bool,
    /// Reading how much it holds stops it for milliseconds, on its own core: not where it is to be on time.
    is_weighed: bool,
}

impl Load {
    fn weighed(name: &'static str, agents: usize, period_ms: u64, is_own: bool) -> Self {
        Self { name, agents, period_ms, is_own, is_weighed: true }
    }
}

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let folder = bench.folder("generator")?;
    let null = bench.yardstick(&["null"], &folder).await?;
    let wants = |place: usize| LINES.get(place).is_some_and(|line| bench.wants(line));
    if wants(0) || wants(1) || wants(3) {
        let full = run(bench, &null, &Load::weighed("full", MANY, PERIOD_MS, false)).await?;
        let rate =
            per_cpu_second(&full.report).ok_or("the report does not tell calls and CPU of the hold")?;
        rows.push(row(0, Round::absolute(rate), &full.report));
        if wants(1) {
            let small = run(bench, &null, &Load::weighed("few", FEW, PERIOD_MS, false)).await?;
            rows.push(row(1, weight(&full, &small, MANY - FEW), &full.report));
        }
        if wants(3) {
            let period_ms = (MANY as f64 / (rate / 2.0) * 1_000.0) as u64;
            let half = Load { is_weighed: false, ..Load::weighed("half", MANY, period_ms, false) };
            let half = run(bench, &null, &half).await?;
            let lag = lag_ms(&half.report).ok_or("the report does not tell the lag of the hold")?;
            let floor =
                half.report["generator"]["timer_floor_us"]["p99"].as_f64().unwrap_or_default() / 1_000.0;
            let sample = |value| Sample { value, ..Sample::default() };
            rows.push(row(3, Round::of(sample(lag), Some(sample(floor)), 1), &half.report));
        }
    }
    if wants(2) {
        let many = run(bench, &null, &Load::weighed("own", MANY_OWN, OWN_PERIOD_MS, true)).await?;
        let few = run(bench, &null, &Load::weighed("own-few", FEW, OWN_PERIOD_MS, true)).await?;
        let held = many.report["generator"]["connections_held"].as_u64().unwrap_or_default();
        if held < MANY_OWN as u64 {
            return Err(
                format!("only {held} connections were held of {MANY_OWN}; see `wallflower doctor`").into()
            );
        }
        rows.push(row(2, weight(&many, &few, MANY_OWN - FEW), &many.report));
    }
    Ok(())
}

fn row(place: usize, round: Round, report: &Value) -> Row {
    let mut row = Row::measured(LINES[place], vec![round]);
    // The figures stay for the eye, but a run that says nothing meets no goal and misses none.
    if let Some(reason) = says_nothing(report) {
        row.state = State::NotMeasured(reason);
    } else if report["verdict"] != "pass" {
        row.note = format!("the run's verdict: {}: {}", report["verdict"], reasons(report));
    }
    row
}

fn weight(many: &Ran, few: &Ran, agents: usize) -> Round {
    Round::absolute((many.pss_bytes - few.pss_bytes) / agents as f64 / 1_024.0)
}

/// Runs it on the client's core, and looks at its memory from outside: the report's peak has the judging in it, too.
async fn run(bench: &Bench, null: &Server, load: &Load) -> Result<Ran, Trouble> {
    let name = load.name;
    let file = scenario(bench, null, load)?;
    let out = bench.folder(&format!("generator/{name}"))?;
    let began = clock::now();
    let run = Run::start(bench, &bench.cores.client.to_string(), &file, &out)?;
    let mut pss_bytes = 0.0_f64;
    let sampled = RAMP_SECONDS + EDGE_SECONDS..RAMP_SECONDS + HOLD_SECONDS - EDGE_SECONDS;
    for second in sampled.filter(|_| load.is_weighed) {
        tokio::time::sleep_until((began + Duration::from_secs(second)).into()).await;
        let members = family(run.process);
        let sum: f64 =
            members.iter().filter_map(|member| memory_bytes(*member).ok()).map(|(_, pss)| pss).sum();
        pss_bytes = pss_bytes.max(sum);
    }
    let report = run.report().await?;
    let failed = phase(&report, "hold")
        .and_then(|hold| hold["calls"].as_object())
        // The harness' own reading of lists is refused by this responder, which has no agents to show.
        .map(|calls| {
            let agents = calls.iter().filter(|(name, _)| name.as_str() != "observe");
            agents.filter_map(|(_, stats)| stats["errors"].as_u64()).sum::<u64>()
        });
    match failed {
        Some(0) => Ok(Ran { report, pss_bytes }),
        Some(failed) => Err(format!("{failed} calls of the generator's run `{name}` failed").into()),
        None => {
            Err(format!("the report of the generator's run `{name}` has no hold: {}", reasons(&report))
                .into())
        }
    }
}

fn scenario(bench: &Bench, null: &Server, load: &Load) -> Result<PathBuf, Trouble> {
    let &Load { name, agents, period_ms, is_own, .. } = load;
    let connections = if is_own { "own" } else { "shared" };
    let text = format!(
        r#"name = "bench-{name}"
seed = 1
max_in_flight = 1024

[target]
kind = "url"
url = "http://{address}"

[target.policies.default]
heartbeat_interval = "5s"
degraded_after = "10m"
expires_after = "20m"
evict_after = "60m"

[[fleets]]
name = "workers"
agents = {agents}
heartbeat = "{period_ms}ms"
jitter = 0.1
capability_pool = 1000
connections = "{connections}"

[[phases]]
name = "ramp"
kind = "ramp"
duration = "{RAMP_SECONDS}s"

[[phases]]
name = "hold"
kind = "hold"
duration = "{HOLD_SECONDS}s"
"#,
        address = null.address,
    );
    let file = bench.folder("generator")?.join(format!("{name}.toml"));
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Calls for each second of the generator's CPU, in the hold without its edges.
fn per_cpu_second(report: &Value) -> Option<f64> {
    let hold = phase(report, "hold")?;
    let first = hold["start_ms"].as_u64()? / 1_000 + EDGE_SECONDS;
    let last = hold["end_ms"].as_u64()? / 1_000 - EDGE_SECONDS;
    let judged = report["intervals"]
        .as_array()?
        .iter()
        .filter(|interval| interval["second"].as_u64().is_some_and(|second| (first..last).contains(&second)));
    let (sent, cores) = judged.fold((0.0, 0.0), |(sent, cores), interval| {
        (
            sent + interval["sent"].as_f64().unwrap_or_default(),
            cores + interval["generator_cores"].as_f64().unwrap_or_default(),
        )
    });
    (cores > 0.0).then(|| sent / cores)
}

/// The worst of the operations that were called often enough.
fn lag_ms(report: &Value) -> Option<f64> {
    const OFTEN: u64 = 1_000;
    let calls = phase(report, "hold")?["calls"].as_object()?;
    let often = calls.values().filter(|stats| stats["count"].as_u64().is_some_and(|count| count >= OFTEN));
    often.filter_map(|stats| stats["lag_us"]["p99"].as_f64()).reduce(f64::max).map(|us| us / 1_000.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_middle_of_the_hold_counts() {
        let interval = |second, sent: u64, generator_cores: f64| json!({ "second": second, "sent": sent, "generator_cores": generator_cores });
        let report = json!({
            "phases": [{ "name": "hold", "start_ms": 10_000, "end_ms": 16_000 }],
            "intervals": [
                interval(11, 9, 9.0), interval(12, 10_000, 0.5), interval(13, 30_000, 0.5), interval(14, 9, 9.0),
            ],
        });
        assert_eq!(per_cpu_second(&report), Some(40_000.0));
        assert_eq!(per_cpu_second(&json!({})), None);
    }

    #[test]
    fn lag_is_that_of_what_is_called_often() {
        let report = json!({ "phases": [{ "name": "hold", "calls": {
            "renew": { "count": 5_000, "lag_us": { "p99": 1_500 } },
            "observe": { "count": 3, "lag_us": { "p99": 90_000 } },
        }}] });
        assert_eq!(lag_ms(&report), Some(1.5));
    }
}

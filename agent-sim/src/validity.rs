//! Whether a run says anything about the registry, or only that its generator could not keep the plan. The rules are
//! those of MEASURING.md, "Three verdicts, not two"; each cause is a sentence with the value that broke it.

use reports::result::Percentiles;

/// How well the harness kept its plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The shortest period of any heartbeat or poll, microseconds.
    pub shortest_period_us: u64,
    /// Really sent - planned, over all calls, microseconds.
    pub lag_us: Percentiles,
    /// Calls due outside crash phases, without the misses that the registry caused.
    pub due_outside_faults: u64,
    /// Those of them that were sent.
    pub sent_outside_faults: u64,
    /// Calls due in the whole run.
    pub planned: u64,
    /// Misses that the registry did not cause: the call that was in the way had itself been sent late, or never.
    pub own_misses: u64,
    /// Share of the run's wall time that the harness's threads stood runnable without a core.
    pub run_queue_wait_share: f64,
    /// Calls that the bound on calls in flight sent late.
    pub held_back: u64,
    /// That bound.
    pub in_flight_limit: u64,
    /// Calls that failed because the harness had no descriptor left (EMFILE, ENFILE).
    pub descriptor_failures: u64,
    /// Calls that failed because the harness had no port left (EADDRNOTAVAIL).
    pub port_failures: u64,
    /// Connections of their own that agents should have held at one time.
    pub connections_wanted: u64,
    /// The most that they did hold.
    pub connections_held: u64,
    /// History lines that were lost.
    pub lost_lines: u64,
    /// Why the history could not be written, if so.
    pub history_failure: Option<String>,
    /// Whether the tripwire still listened at the end.
    pub tripwire: bool,
    /// Parts of the harness that broke down.
    pub breakdowns: Vec<String>,
}

/// Lag below this never spoils a run, however short the period.
const LEAST_LAG_LIMIT_US: u64 = 10_000;

/// The lag that 99 % of the calls must keep: the larger of 10 ms and 1 % of the shortest period.
pub fn lag_limit_us(shortest_period_us: u64) -> u64 {
    LEAST_LAG_LIMIT_US.max(shortest_period_us / 100)
}

/// Why the run says nothing about the registry; empty when it does. The weightiest cause first.
pub fn causes(evidence: &Evidence) -> Vec<String> {
    let mut causes = evidence.breakdowns.clone();
    limits(evidence, &mut causes);
    plan(evidence, &mut causes);
    records(evidence, &mut causes);
    causes
}

fn limits(evidence: &Evidence, causes: &mut Vec<String>) {
    if evidence.descriptor_failures > 0 {
        causes.push(format!(
            "the harness ran out of file descriptors: {} calls could not be sent (raise `ulimit -n`)",
            evidence.descriptor_failures
        ));
    }
    if evidence.port_failures > 0 {
        causes.push(format!(
            "the harness ran out of local ports: {} calls could not be sent",
            evidence.port_failures
        ));
    }
    if evidence.connections_held < evidence.connections_wanted {
        causes.push(format!(
            "agents held only {} of {} connections of their own at one time (`wallflower doctor` tells of limits)",
            evidence.connections_held, evidence.connections_wanted
        ));
    }
    if share(evidence.held_back, evidence.planned) > 0.01 {
        causes.push(format!(
            "the limit of {} calls in flight was hit: it held back {} of {} calls ({}; at most 1 % may be)",
            evidence.in_flight_limit,
            evidence.held_back,
            evidence.planned,
            percent(share(evidence.held_back, evidence.planned)),
        ));
    }
    if evidence.run_queue_wait_share > 0.05 {
        causes.push(format!(
            "the harness was starved of CPU: its threads stood runnable without a core for {} of the run (at most 5 %)",
            percent(evidence.run_queue_wait_share)
        ));
    }
}

fn plan(evidence: &Evidence, causes: &mut Vec<String>) {
    let limit_us = lag_limit_us(evidence.shortest_period_us);
    if evidence.lag_us.p99 > limit_us {
        causes.push(format!(
            "the harness sent late: 99 % lag {} is above {} (the larger of 10 ms and 1 % of the shortest period)",
            milliseconds(evidence.lag_us.p99),
            milliseconds(limit_us),
        ));
    }
    if evidence.lag_us.max > evidence.shortest_period_us {
        causes.push(format!(
            "the harness sent late: the worst lag {} is above the shortest period of {}",
            milliseconds(evidence.lag_us.max),
            milliseconds(evidence.shortest_period_us),
        ));
    }
    let unsent = evidence.due_outside_faults.saturating_sub(evidence.sent_outside_faults);
    if share(unsent, evidence.due_outside_faults) > 0.01 {
        causes.push(format!(
            "the harness sent only {} of {} calls due outside crash phases ({}; at least 99 % must be)",
            evidence.sent_outside_faults,
            evidence.due_outside_faults,
            percent(share(evidence.sent_outside_faults, evidence.due_outside_faults)),
        ));
    }
    if share(evidence.own_misses, evidence.planned) > 0.001 {
        causes.push(format!(
            "{} of {} calls were missed because the harness was late ({}; at most 0.1 %)",
            evidence.own_misses,
            evidence.planned,
            percent(share(evidence.own_misses, evidence.planned)),
        ));
    }
}

fn records(evidence: &Evidence, causes: &mut Vec<String>) {
    if let Some(failure) = &evidence.history_failure {
        causes.push(format!("the history could not be written: {failure}"));
    }
    if evidence.lost_lines > 0 {
        causes.push(format!(
            "the history writer fell behind and lost {} lines: nothing can be proven from the rest",
            evidence.lost_lines
        ));
    }
    if !evidence.tripwire {
        causes.push("the listeners behind the agents' addresses no longer answered at the end".to_owned());
    }
}

/// A part of a whole; 0 of nothing.
#[allow(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[allow(clippy::cast_precision_loss, reason = "runs are far shorter than 2^53 us")]
fn milliseconds(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1_000.0)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Evidence {
        Evidence {
            shortest_period_us: 5_000_000,
            lag_us: Percentiles { p50: 100, p90: 200, p99: 50_000, p999: 60_000, max: 5_000_000 },
            due_outside_faults: 1_000,
            sent_outside_faults: 990,
            planned: 1_000,
            own_misses: 1,
            run_queue_wait_share: 0.05,
            held_back: 10,
            in_flight_limit: 256,
            descriptor_failures: 0,
            port_failures: 0,
            connections_wanted: 20,
            connections_held: 20,
            lost_lines: 0,
            history_failure: None,
            tripwire: true,
            breakdowns: Vec::new(),
        }
    }

    #[test]
    fn a_run_exactly_at_every_limit_is_valid() {
        assert_eq!(causes(&sound()), Vec::<String>::new());
    }

    #[test]
    fn a_run_in_which_nothing_was_due_is_valid() {
        let nothing = Evidence {
            due_outside_faults: 0,
            sent_outside_faults: 0,
            planned: 0,
            own_misses: 0,
            held_back: 0,
            ..sound()
        };
        assert_eq!(causes(&nothing), Vec::<String>::new());
    }

    #[test]
    fn each_limit_passed_by_a_little_is_one_cause_that_names_its_value() {
        let lag = |p99, max| Percentiles { p99, max, ..sound().lag_us };
        let table: [(Evidence, &str); 14] = [
            (Evidence { lag_us: lag(50_001, 60_000), ..sound() }, "99 % lag 50.0 ms is above 50.0 ms"),
            (Evidence { lag_us: lag(0, 5_000_001), ..sound() }, "worst lag 5000.0 ms"),
            (
                Evidence { shortest_period_us: 100_000, lag_us: lag(10_001, 10_001), ..sound() },
                "99 % lag 10.0 ms is above 10.0 ms",
            ),
            (Evidence { sent_outside_faults: 989, ..sound() }, "sent only 989 of 1000"),
            (Evidence { own_misses: 2, ..sound() }, "2 of 1000 calls were missed"),
            (Evidence { run_queue_wait_share: 0.0501, ..sound() }, "5.01 % of the run"),
            (Evidence { held_back: 11, ..sound() }, "held back 11 of 1000 calls"),
            (Evidence { descriptor_failures: 1, ..sound() }, "file descriptors: 1 calls"),
            (Evidence { port_failures: 3, ..sound() }, "local ports: 3 calls"),
            (Evidence { connections_held: 19, ..sound() }, "held only 19 of 20 connections"),
            (Evidence { lost_lines: 4, ..sound() }, "lost 4 lines"),
            (Evidence { history_failure: Some("disk full".to_owned()), ..sound() }, "disk full"),
            (Evidence { tripwire: false, ..sound() }, "no longer answered"),
            (Evidence { breakdowns: vec!["a call task broke down".to_owned()], ..sound() }, "a call task"),
        ];
        for (evidence, expected) in table {
            let found = causes(&evidence);
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found[0].contains(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_short_period_is_judged_by_ten_milliseconds_and_a_long_one_by_its_hundredth() {
        assert_eq!(
            (lag_limit_us(100_000), lag_limit_us(1_000_000), lag_limit_us(30_000_000)),
            (10_000, 10_000, 300_000)
        );
    }
}

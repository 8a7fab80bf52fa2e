//! `intervals.csv`: one row a second, for spreadsheets and notebooks. Units are in the names of the columns.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::result::{Interval, RunReport};

type Figure = fn(&Interval) -> String;

/// The columns that every run has, in their order.
const COLUMNS: [(&str, Figure); 24] = [
    ("second", |it| it.second.to_string()),
    ("agents", |it| it.agents.to_string()),
    ("planned_calls", |it| it.planned.to_string()),
    ("sent_calls", |it| it.sent.to_string()),
    ("errors", |it| it.errors.to_string()),
    ("misses", |it| it.misses.to_string()),
    ("response_p50_us", |it| it.response_us.p50.to_string()),
    ("response_p90_us", |it| it.response_us.p90.to_string()),
    ("response_p99_us", |it| it.response_us.p99.to_string()),
    ("response_p999_us", |it| it.response_us.p999.to_string()),
    ("response_max_us", |it| it.response_us.max.to_string()),
    ("lag_p99_us", |it| it.lag_p99_us.to_string()),
    ("in_flight_calls", |it| it.in_flight.to_string()),
    ("peak_calls_in_100ms", |it| it.peak_100ms.to_string()),
    ("polls", |it| it.polls.to_string()),
    ("polls_unchanged", |it| it.polls_unchanged.to_string()),
    ("freshness_max_us", |it| it.freshness_max_us.to_string()),
    ("registry_cpu_cores", |it| it.target_cores.to_string()),
    ("registry_pss_bytes", |it| it.target_pss_bytes.to_string()),
    ("registry_descriptors", |it| it.target_fds.to_string()),
    ("harness_cpu_cores", |it| it.generator_cores.to_string()),
    ("harness_descriptors", |it| it.generator_fds.to_string()),
    ("harness_run_queue_wait_seconds", |it| it.generator_wait.to_string()),
    ("error_kinds", |it| it.errors_by_kind.len().to_string()),
];

/// Most columns of one sort that a run adds: operations, kinds of errors.
const MAX_MORE: usize = 50;

/// Writes the header and a row for each second. After the columns of all runs come `<operation>_response_p99_us` and
/// `errors_<kind>`, as far as the run has them.
///
/// # Errors
/// What `out` says.
pub fn write(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let names = |of: fn(&Interval) -> Vec<&String>| -> Vec<&String> {
        let all: BTreeSet<&String> = report.intervals.iter().flat_map(of).collect();
        all.into_iter().take(MAX_MORE).collect()
    };
    let operations = names(|it| it.response_p99_us.keys().collect());
    let kinds = names(|it| it.errors_by_kind.keys().collect());
    let mut rows = csv::Writer::from_writer(out);
    let common = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    let by_operation = operations.iter().map(|name| format!("{name}_response_p99_us"));
    let by_kind = kinds.iter().map(|name| format!("errors_{name}"));
    rows.write_record(common.chain(by_operation).chain(by_kind))?;
    for second in &report.intervals {
        let common = COLUMNS.iter().map(|(_, figure)| figure(second));
        // No call of an operation is no time, no error of a kind is none.
        let times = operations.iter().map(|name| second.response_p99_us.get(*name));
        let errors = kinds.iter().map(|name| second.errors_by_kind.get(*name).copied().unwrap_or_default());
        let times = times.map(|us| us.map(u64::to_string).unwrap_or_default());
        rows.write_record(common.chain(times).chain(errors.map(|count| count.to_string())))?;
    }
    rows.flush()
}

//! A comparison of two sides of several runs each.

use reports::compare::{Comparison, Runs, compare};
use reports::result::RunReport;

use crate::sample;

/// Five runs beside five whose lists took longer.
pub(crate) fn before_and_after() -> Comparison {
    let (base, other) = (runs(1.0), runs(1.4));
    compare(Runs { name: "before", reports: &base }, Runs { name: "after", reports: &other })
}

/// Five runs whose lists take so many times as long, each a little longer than the one before.
fn runs(times: f64) -> Vec<RunReport> {
    let run = |number: u32| {
        let mut report = sample::passed();
        report.started_at = format!("2026-01-02T03:0{number}:05Z");
        for phase in &mut report.phases {
            for (operation, stats) in &mut phase.calls {
                let times = if operation == "list" { times } else { 1.0 };
                let factor = times * (1.0 + f64::from(number) / 100.0);
                stats.response_us.p50 = scaled(stats.response_us.p50, factor);
                stats.response_us.p99 = scaled(stats.response_us.p99, factor);
            }
        }
        report
    };
    (0..5).map(run).collect()
}

fn scaled(micros: u64, factor: f64) -> u64 {
    (micros as f64 * factor).round() as u64
}

//! Progress while a run goes on: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};

use agent_sim::load::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

/// Between two plain lines.
const LINE_EVERY_MS: u64 = 5_000;

/// Shows a load test's progress until its sender is gone.
pub(crate) async fn show_load(mut progress: watch::Receiver<Progress>, quiet: bool) {
    if quiet {
        return;
    }
    let terminal = std::io::stderr().is_terminal();
    let bar = ProgressBar::with_draw_target(
        Some(1),
        if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
    );
    if let Ok(style) = ProgressStyle::with_template("{prefix:>10} {wide_bar} {elapsed}  {msg}") {
        bar.set_style(style);
    }
    let mut last_line_ms = None;
    while progress.changed().await.is_ok() {
        let now = progress.borrow_and_update().clone();
        bar.set_length(now.total_ms);
        bar.set_position(now.elapsed_ms.min(now.total_ms));
        bar.set_prefix(now.phase.clone());
        bar.set_message(figures(&now));
        let due = last_line_ms.is_none_or(|last: u64| now.elapsed_ms >= last + LINE_EVERY_MS);
        if !terminal && due {
            last_line_ms = Some(now.elapsed_ms);
            let seconds = now.elapsed_ms / 1_000;
            let _ = writeln!(
                std::io::stderr().lock(),
                "{seconds:>4} s of {} s  {:<10} {}",
                now.total_ms / 1_000,
                now.phase,
                figures(&now)
            );
        }
    }
    bar.finish_and_clear();
}

fn figures(now: &Progress) -> String {
    format!(
        "{} agents, {:.0} of {:.0} calls/s, p50 {:.1} ms, p99 {:.1} ms, lag p99 {:.1} ms, registry {:.2} cores {} MiB, {} errors",
        now.agents,
        now.achieved_per_second,
        now.offered_per_second,
        milliseconds(now.p50_us),
        milliseconds(now.p99_us),
        milliseconds(now.lag_p99_us),
        now.target_cores,
        now.target_pss_bytes >> 20,
        now.errors
    )
}

#[allow(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1_000.0
}

/// Shows a conformance run's stages until their sender is gone.
pub(crate) async fn show_stages(mut stage: watch::Receiver<String>, quiet: bool) {
    while stage.changed().await.is_ok() {
        let text = stage.borrow_and_update().clone();
        if !quiet {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

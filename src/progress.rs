//! What is shown on standard error while a run goes on: the live view on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};

use agent_sim::clock::Clock;
use agent_sim::load::Progress;
use clap::ValueEnum;
use reports::words::{bytes, count, micros, one_line};
use tokio::sync::watch;

use crate::live;
use crate::run::{Failure, USAGE};

/// Between two plain lines.
const LINE_EVERY_MS: u64 = 5_000;

/// What the user wants to see of a load test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// The live view where standard error is a terminal that can show it, plain lines elsewhere.
    #[default]
    Auto,
    /// The live view, or an error where there is no terminal for it.
    Live,
    /// A line every five seconds and in each new phase.
    Plain,
    /// Nothing.
    None,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The live view.
    Live,
    /// Plain lines.
    Plain,
    /// Nothing.
    Silent,
}

/// What is to be shown on this terminal, if it is one.
///
/// # Errors
/// When the live view is wanted where it cannot be.
pub(crate) fn way(show: Show) -> Result<Way, Failure> {
    match (show, why_not_live()) {
        (Show::None, _) => Ok(Way::Silent),
        (Show::Plain, _) | (Show::Auto, Some(_)) => Ok(Way::Plain),
        (Show::Auto | Show::Live, None) => Ok(Way::Live),
        (Show::Live, Some(cause)) => {
            let words =
                format!("--progress live cannot be: {cause}; take `--progress plain`, or leave it out");
            Err(Failure::new(USAGE, words))
        }
    }
}

/// What there is against the live view.
fn why_not_live() -> Option<&'static str> {
    let stderr = std::io::stderr();
    let is_dumb = std::env::var_os("TERM").is_none_or(|name| name.is_empty() || name == "dumb");
    // Whoever is not in the foreground is stopped for changing the terminal's mode.
    let in_foreground =
        || rustix::termios::tcgetpgrp(&stderr).is_ok_and(|group| group == rustix::process::getpgrp());
    match () {
        () if !stderr.is_terminal() => Some("standard error is no terminal"),
        () if is_dumb => Some("the terminal cannot move its cursor (TERM is empty or `dumb`)"),
        () if !in_foreground() => Some("the program runs in the background of its terminal"),
        () => None,
    }
}

/// Shows a load test's progress until its sender is gone. Whoever watches may `end` the run.
pub(crate) async fn show_load(progress: watch::Receiver<Progress>, way: Way, end: watch::Sender<bool>) {
    match way {
        Way::Silent => {}
        Way::Plain => show_lines(progress).await,
        Way::Live => {
            // A terminal may take its time; a thread of the view's own waits for it, so that nothing else has to.
            let view = progress.clone();
            let shown = tokio::task::spawn_blocking(move || live::show(view, &end)).await;
            if matches!(shown, Ok(Err(_))) {
                show_lines(progress).await;
            }
        }
    }
}

async fn show_lines(mut progress: watch::Receiver<Progress>) {
    let mut last: Option<(u64, usize)> = None;
    while progress.changed().await.is_ok() {
        let now = progress.borrow_and_update().clone();
        let is_due = last.is_none_or(|(ms, phase)| {
            now.elapsed_ms >= ms.saturating_add(LINE_EVERY_MS) || phase != now.phase_index
        });
        if is_due {
            last = Some((now.elapsed_ms, now.phase_index));
            let _ = writeln!(std::io::stderr().lock(), "{}", line(&now));
        }
    }
}

/// A run in a line, the same columns every time.
fn line(now: &Progress) -> String {
    format!(
        "{:>5} s of {} s  {:<10} {} agents, {} of {} calls/s, p50 {}, p99 {}, lag p99 {}, registry {:.2} cores {}, {} errors",
        now.elapsed_ms / 1_000,
        now.total_ms / 1_000,
        one_line(&now.phase),
        count(now.agents),
        count(now.achieved_per_second),
        count(now.offered_per_second),
        micros(now.p50_us),
        micros(now.p99_us),
        micros(now.lag_p99_us),
        now.target_cores,
        bytes(now.target_pss_bytes),
        count(now.errors)
    )
}

/// Shows a conformance run's stages until their sender is gone, each with the time since the first.
pub(crate) async fn show_stages(mut stage: watch::Receiver<String>, quiet: bool) {
    let clock = Clock::start();
    while stage.changed().await.is_ok() {
        let text = stage.borrow_and_update().clone();
        if !quiet {
            let seconds = clock.now_us() / 1_000_000;
            let _ = writeln!(std::io::stderr().lock(), "{seconds:>5} s  {}", one_line(&text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_tells_the_run_without_a_byte_that_steers_a_terminal() {
        let mut now = live::tests::snapshot(2).progress;
        assert_eq!(
            line(&now),
            "   12 s of 40 s  hold       998 agents, 1,998 of 2,013 calls/s, p50 1.20 ms, p99 9.87 ms, lag p99 1.08 ms, \
             registry 0.53 cores 41.2 MB, 124 errors"
        );
        now.phase = "a\x1b[31m\nb".to_owned();
        assert!(line(&now).chars().all(|c| !c.is_control()), "{:?}", line(&now));
    }
}

//! Runs that belong together: several of one scenario, those held against a baseline, a search, a comparison.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The part of `wallflower loadtest` that goes beyond one run.
#[derive(Debug, Args)]
pub(crate) struct Series {
    /// Hold the run against this one, or against the several runs in this folder: FAIL where it is worse.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) baseline: Option<PathBuf>,
    /// How much worse than the baseline is allowed: beyond it, and beyond what chance explains, the run fails.
    #[arg(long, value_name = "PER CENT", default_value = "10%", value_parser = allowed, requires = "baseline")]
    pub(crate) max_regression: f64,
    /// Make so many runs, one after the other, each in a folder of its own.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repeat: u32,
    /// Make more and more of the scenario until something breaks: the agents of all fleets, or the rate of their calls.
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with_all = ["repeat", "baseline"])]
    pub(crate) find_capacity: Option<Quantity>,
    /// How close what holds and what breaks must lie.
    #[arg(long, value_name = "PER CENT", default_value = "5%", value_parser = resolution, requires = "find_capacity")]
    pub(crate) resolution: f64,
    /// Most runs that --find-capacity makes.
    #[arg(long, value_name = "NUMBER", default_value_t = 12, requires = "find_capacity",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) max_steps: u32,
}

/// What `--find-capacity` makes more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Quantity {
    /// The agents of all fleets.
    Agents,
    /// Heartbeats and polls per second, by shorter periods.
    Rate,
}

impl Quantity {
    /// The word on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Rate => "rate",
        }
    }
}

fn allowed(text: &str) -> Result<f64, String> {
    per_cent(text, 0.0, 1_000.0)
}

fn resolution(text: &str) -> Result<f64, String> {
    per_cent(text, 0.1, 50.0)
}

/// `10%` as 0.1.
fn per_cent(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number / 100.0),
        _ => Err(format!("write a share such as 10%, from {least}% to {most}%")),
    }
}

/// Below the help of `wallflower compare`.
pub(crate) const COMPARE_HELP: &str = "Each folder is the output of one load test, or holds the outputs of several. \
                                       The first is A; each other one is compared with it.\n\
                                       Exit codes: 0 compared, whatever came out, 4 runs that cannot be compared.";

/// `wallflower compare`.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The folders, A first.
    #[arg(required = true, num_args = 2..=20, value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the same JSON to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write a page to a file: what got worse first, with a picture of each interval.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

//! A run made in parts, on several machines.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::{Args, Subcommand};

/// Most shards of one run.
const MOST_SHARDS: u32 = 1_000;

/// The part of `wallflower loadtest` by which a run is a part of one.
#[derive(Debug, Args)]
pub(crate) struct PartOfRun {
    /// Be one of several generators: make the calls of every N-th agent. Needs a registry that runs already.
    #[arg(long, value_name = "K/N", conflicts_with_all = ["repeat", "baseline", "find_capacity"])]
    pub(crate) shard: Option<Shard>,
    /// When the plan begins, the same for all shards: 2026-11-23T12:00:00Z, at most an hour ahead [default: when ready].
    #[arg(long, value_name = "INSTANT", requires = "shard", value_parser = instant)]
    pub(crate) start_at: Option<SystemTime>,
}

/// Which part, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) of: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) && of <= MOST_SHARDS => Ok(Self { number, of }),
            _ => {
                Err(format!("write which shard, from 1, and how many there are: 2/3 (at most {MOST_SHARDS})"))
            }
        }
    }
}

fn instant(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text).map_err(|_| "write an instant in UTC: 2026-11-23T12:00:00Z".to_owned())
}

/// The sub-commands of `wallflower report`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Make one run of its shards: everything is counted anew, as if one generator had made all calls.
    #[command(after_help = super::EXIT_CODES)]
    Merge(ReportMerge),
}

/// `wallflower report merge`.
#[derive(Debug, Args)]
pub(crate) struct ReportMerge {
    /// The folders of all shards, in any order.
    #[arg(required = true, value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// Where the report goes [default: reports/runs/<name>-merged-<UTC time>].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_has_a_number_of_those_that_there_are() {
        assert_eq!("2/3".parse(), Ok(Shard { number: 2, of: 3 }));
        for wrong in ["0/3", "4/3", "1/0", "1", "a/b", "1/1001", "-1/2", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}

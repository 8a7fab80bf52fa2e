//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::lines;
use crate::row::Line;
use crate::yardsticks::Yardstick;

/// Measures every speed goal beside a yardstick in the same run, and prints a table.
#[derive(Debug, Parser)]
#[command(name = "bench", disable_version_flag = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
    /// Only these lines, by name or by what their names begin with: `--only lean,head`, `--only peers`.
    #[arg(long, value_name = "LINES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// How often both sides are measured, by turns.
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rounds: u16,
    /// `lean` and `head` alone, in 3 rounds; exit code 1 where one is below half of its goal, 3 where all rounds were noisy.
    #[arg(long, conflicts_with_all = ["only", "rounds"])]
    pub(crate) quick: bool,
    /// Put the table into README.md.
    #[arg(long)]
    pub(crate) readme: bool,
    /// Let agents come and go for so long (`60m`), and tell by how much the registry grows.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) churn: Option<Duration>,
    /// Time a release build from nothing.
    #[arg(long)]
    pub(crate) build: bool,
    /// The program that is measured [default: the one beside this one].
    #[arg(long, value_name = "FILE")]
    pub(crate) wallflower: Option<PathBuf>,
    /// Where the raw data go [default: reports/bench/<UTC time>].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Where databases lie meanwhile: on a disk, not in memory [default: the folder of the measured program].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) scratch: Option<PathBuf>,
    /// Print the lines' names, and measure nothing.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// Serve as a yardstick; started by the bench itself.
    #[command(subcommand, hide = true)]
    Yardstick(Yardstick),
}

impl Arguments {
    /// The lines that are asked for; which word names none.
    pub(crate) fn wanted(&self) -> Result<Vec<&'static str>, String> {
        if self.quick {
            return Ok(vec!["lean", "head"]);
        }
        let mut wanted = Vec::new();
        for word in &self.only {
            let named: Vec<&str> = lines::all().map(|line| line.id).filter(|id| is_meant(word, id)).collect();
            if named.is_empty() {
                let known: Vec<&str> = lines::all().map(|line: &Line| line.id).collect();
                return Err(format!("no line is called {word:?}; there are {}", known.join(", ")));
            }
            wanted.extend(named);
        }
        if self.only.is_empty() {
            wanted.extend(lines::all().map(|line| line.id));
        }
        Ok(wanted)
    }
}

/// `scale` means all of `scale-...`.
fn is_meant(word: &str, id: &str) -> bool {
    id.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(arguments: &[&str]) -> Result<Vec<&'static str>, String> {
        Arguments::try_parse_from([&["bench"], arguments].concat()).unwrap().wanted()
    }

    #[test]
    fn lines_are_asked_for_by_name_or_by_what_names_begin_with() {
        assert_eq!(wanted(&["--only", "lean,head"]).unwrap(), ["lean", "head"]);
        assert_eq!(wanted(&["--only", "peers"]).unwrap(), ["peers-mcp-mesh", "peers-etcd", "peers-nacos"]);
        assert_eq!(wanted(&[]).unwrap().len(), lines::all().count());
        assert_eq!(wanted(&["--quick"]).unwrap(), ["lean", "head"]);
    }

    #[test]
    fn an_unknown_line_is_refused_with_those_that_are_known() {
        let refused = wanted(&["--only", "lea"]).unwrap_err();
        assert!(refused.contains("\"lea\"") && refused.contains("not-modified"), "{refused}");
        assert!(Arguments::try_parse_from(["bench", "--rounds", "0"]).is_err());
        assert!(Arguments::try_parse_from(["bench", "--quick", "--rounds", "9"]).is_err());
    }
}

//! What is wrong with the settings, where, and what to do.

use std::fmt;
use std::path::PathBuf;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: {detail}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        detail: String,
    },
    /// Some settings are wrong.
    #[error("{}", lines(.problems))]
    Invalid {
        /// All of them.
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// One setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was set.
    pub place: Place,
    /// Which one, as in the file: `policies.default.heartbeat_interval`.
    pub setting: String,
    /// What was found and why it is wrong.
    pub detail: String,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, setting, detail, allowed } = self;
        write!(formatter, "{place}: {setting} {detail}; allowed: {allowed}")
    }
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nobody set it.
    Default,
    /// The command line or the environment.
    Override {
        /// The flag without its dashes; the variable is called after it.
        flag: String,
    },
    /// The file, with line and column from 1.
    File {
        /// Which one.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Override { flag } => {
                let variable = flag.replace('-', "_").to_uppercase();
                write!(formatter, "--{flag} (or WALLFLOWER_{variable})")
            }
            Self::File { path, line, column } => write!(formatter, "{}:{line}:{column}", path.display()),
        }
    }
}

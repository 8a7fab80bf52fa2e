//! What the conformance suite is told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `wallflower conformance`.
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// A registry that runs already, or a TOML file that says what it is and how it is started (docs/conformance.md);
    /// without it the reference is started.
    #[arg(long, value_name = "URL|FILE")]
    pub(crate) target: Option<String>,
    /// How to speak to it: wallflower, mcp-mesh, etcd, nacos, or a TOML file that describes it [default: wallflower].
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<String>,
    /// Its timeouts, where it does not tell them itself: TOML or JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) policies: Option<PathBuf>,
    /// Which requirements.
    #[arg(long, value_enum, default_value_t = Profile::All)]
    pub(crate) profile: Profile,
    /// One requirement only. Repeatable.
    #[arg(long, value_name = "ID")]
    pub(crate) only: Vec<String>,
    /// Requirements that it is known to break, a TOML file: they fail no run, until they hold.
    #[arg(long, value_name = "FILE")]
    pub(crate) expected: Option<PathBuf>,
    /// Let strace tell who called whom, beside what the kernel counts (PASSIVE-2 to 4), in a second provocation.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Step the wall clock of this whole machine by an hour and back for TIME-8, in place of a library in the registry's
    /// process, which a statically linked one does not see. For machines of your own; needs the right to set the clock.
    #[arg(long)]
    pub(crate) step_system_clock: bool,
    /// Print the catalogue and do nothing else.
    #[arg(long)]
    pub(crate) list: bool,
    /// The seed of the schedules [default: 1].
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// A failed.json that a run has left: what failed is run first, by the same seed; only if it passes all else is.
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
    /// Where the report goes [default: reports/runs/conformance-<UTC time>].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print the closing lines only.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// `wallflower conformance-page`.
#[derive(Debug, Args)]
pub(crate) struct ConformancePage {
    /// A target file for each registry [default: those in conformance/targets].
    #[arg(value_name = "FILE")]
    pub(crate) targets: Vec<PathBuf>,
    /// Where the page is written.
    #[arg(long, value_name = "FILE", default_value = "docs/peers-conformance.md")]
    pub(crate) page: PathBuf,
    /// The seed of the schedules [default: 1].
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where each run's report goes [default: reports/runs/conformance-page-<UTC time>].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print nothing but where the page is.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The groups of requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Any liveness registry.
    Core,
    /// The whole wire contract.
    Contract,
    /// Kill and restart.
    Durable,
    /// The MCP interface.
    Mcp,
    /// All of them.
    All,
}

//! The command line. Gates and other people's scripts rely on these names.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::progress::Show;
use clap::{Args, Parser, Subcommand, ValueEnum};

mod conformance;
mod series;
mod shards;

pub(crate) use conformance::{Conformance, ConformancePage};
pub(crate) use series::{Compare, Quantity, Series};
pub(crate) use shards::{PartOfRun, ReportCommand, ReportMerge};

/// The registry that never makes the first call, and the harness that proves it.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The hidden sub-command by which a conformance run puts a registry into a network namespace.
pub(crate) const ROOM: &str = "registry-room";

/// The hidden sub-command by which a conformance run sets the machine's clock.
pub(crate) const CLOCK_KEEPER: &str = "clock-keeper";

const EXIT_CODES: &str = "Exit codes: 0 pass, 1 a threshold broken, 2 a requirement broken, 3 invalid or undecided, \
                          4 usage or scenario error, 130 interrupted (the report is written all the same).";

const PEERS_EXIT_CODES: &str = "Exit codes: 0 every run is valid (what is broken stands in the table), 3 a run was invalid or did \
                                not start, 4 usage or scenario error, 130 interrupted.";

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the reference registry.
    Serve(Serve),
    /// Run a scenario against a registry and report what it bears.
    #[command(after_help = EXIT_CODES)]
    Loadtest(Loadtest),
    /// Make the calls of some agents for a load test that started this process.
    #[command(hide = true)]
    LoadtestWorker,
    /// Be the first process of a network namespace for a conformance run that started this process.
    #[command(name = ROOM, hide = true)]
    RegistryRoom {
        /// Whatever the harness tells it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Set the machine's clock for a conformance run that started this process, and in the end right.
    #[command(name = CLOCK_KEEPER, hide = true)]
    ClockKeeper,
    /// Say what differs between load tests, and whether chance explains it.
    #[command(after_help = series::COMPARE_HELP)]
    Compare(Compare),
    /// Run one scenario on every registry that is found here, and print one table.
    #[command(after_help = PEERS_EXIT_CODES)]
    Peers(Peers),
    /// Look at scenario files before anything runs.
    #[command(subcommand)]
    Scenario(Scenario),
    /// Say whether this machine is fit for load tests, and what to do about it.
    Doctor(Doctor),
    /// Prove or refute the requirements on a registry.
    #[command(after_help = EXIT_CODES)]
    Conformance(Conformance),
    /// Judge every registry that is found here by profile core, and write one page of it.
    #[command(after_help = PEERS_EXIT_CODES)]
    ConformancePage(ConformancePage),
    /// Judge a saved history again.
    #[command(after_help = EXIT_CODES)]
    Judge(Judge),
    /// Make the files of a run again from its data: report.html, intervals.csv, junit.xml and summary.md. Or make one run
    /// of its shards.
    Report(Report),
    /// Copy the registry's database while it runs.
    Backup(Backup),
    /// Look at a configuration file.
    #[command(subcommand)]
    Config(Config),
    /// List the agents of a running registry.
    Agents(Agents),
    /// Make a bearer token.
    #[command(subcommand)]
    Token(Token),
    /// Tell what happened in a running registry.
    Events(Events),
}

/// `wallflower serve`. A flag beats the environment, which beats the file, which beats the default.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Settings and policies, a TOML file.
    #[arg(long, value_name = "FILE", env = "WALLFLOWER_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8000].
    #[arg(long, value_name = "ADDRESS", env = "WALLFLOWER_LISTEN")]
    pub(crate) listen: Option<String>,
    /// The SQLite file [default: sqlite://registry.db].
    #[arg(long, value_name = "URL", env = "WALLFLOWER_DATABASE")]
    pub(crate) database: Option<String>,
    /// `text` or `json` [default: text].
    #[arg(long, value_name = "FORMAT", env = "WALLFLOWER_LOG_FORMAT")]
    pub(crate) log_format: Option<String>,
    /// One line in the log for each request.
    #[arg(long, value_name = "BOOLEAN", env = "WALLFLOWER_ACCESS_LOG", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) access_log: Option<String>,
    /// Most agents held; a registration beyond gets 507 [default: 1000000].
    #[arg(long, value_name = "NUMBER", env = "WALLFLOWER_MAX_AGENTS")]
    pub(crate) max_agents: Option<String>,
    /// Names besides the loopback ones that /mcp answers to, separated by commas.
    #[arg(long, value_name = "NAMES", env = "WALLFLOWER_ALLOWED_HOSTS")]
    pub(crate) allowed_hosts: Option<String>,
    /// Most connections open at once; those beyond wait [default: 16384].
    #[arg(long, value_name = "NUMBER", env = "WALLFLOWER_MAX_CONNECTIONS")]
    pub(crate) max_connections: Option<String>,
    /// Timeouts of a type: TYPE=HEARTBEAT,DEGRADED,EXPIRES,EVICT, as in `default=5s,10s,20s,60s`. Repeatable.
    #[arg(long, value_name = "POLICY", env = "WALLFLOWER_POLICY", value_delimiter = ';')]
    pub(crate) policy: Vec<String>,
    /// Listen on an address that is not loopback without both TLS and tokens.
    #[arg(long, value_name = "BOOLEAN", env = "WALLFLOWER_INSECURE", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) insecure: Option<String>,
    /// The certificate of the server and those that signed it, PEM: the listener then speaks TLS.
    #[arg(long, value_name = "FILE", env = "WALLFLOWER_TLS_CERTIFICATE")]
    pub(crate) tls_certificate: Option<String>,
    /// The private key of the certificate, PEM.
    #[arg(long, value_name = "FILE", env = "WALLFLOWER_TLS_KEY")]
    pub(crate) tls_key: Option<String>,
    /// Bearer tokens, a TOML file: every request then needs one.
    #[arg(long, value_name = "FILE", env = "WALLFLOWER_TOKENS")]
    pub(crate) tokens: Option<String>,
    /// Let the kernel hold the process to calling nobody: `off`, `try` or `require` [default: try].
    #[arg(long, value_name = "MODE", env = "WALLFLOWER_SEAL")]
    pub(crate) seal: Option<String>,
    /// Stop when standard input closes: a registry that a harness started must not outlive it.
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

/// `wallflower loadtest`.
#[derive(Debug, Args)]
pub(crate) struct Loadtest {
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// A registry that runs already, instead of the scenario's.
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    /// How to speak to it: wallflower, mcp-mesh, etcd, nacos, or a TOML file that describes it.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<String>,
    /// The seed of the plan, instead of the scenario's.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Change the scenario: `--set fleets.workers.agents=50`. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Where the report goes [default: reports/runs/<name>-<UTC time>].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Send a `traceparent` with each call; see docs/scenarios.md on which.
    #[arg(long)]
    pub(crate) traceparent: bool,
    /// Where Prometheus reads the generator's own figures while the run goes on (docs/metrics.md) [default: nowhere].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// What is shown while the run goes on.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) progress: Show,
    /// Print the closing lines only: `--progress none`.
    #[arg(long, conflicts_with = "progress")]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) series: Series,
    #[command(flatten)]
    pub(crate) part: PartOfRun,
}

/// `wallflower peers`.
#[derive(Debug, Args)]
pub(crate) struct Peers {
    /// A scenario file for each registry [default: those in scenarios/peers].
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<PathBuf>,
    /// Change every scenario: `--set fleets.workers.agents=1000`. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Where the table and each run's report go [default: reports/runs/peers-<UTC time>].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print the table only.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// `wallflower scenario`.
#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Say all that is wrong with scenario files; exit code 4 if anything is.
    Check(ScenarioCheck),
    /// Print what a scenario would ask of the registry and of this machine; nothing is started.
    Plan(ScenarioPlan),
}

/// `wallflower scenario check`.
#[derive(Debug, Args)]
pub(crate) struct ScenarioCheck {
    /// The scenario files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// One JSON object a line and file.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wallflower scenario plan`.
#[derive(Debug, Args)]
pub(crate) struct ScenarioPlan {
    /// The scenario file.
    pub(crate) file: PathBuf,
    /// Change the scenario: `--set fleets.workers.agents=50`. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The seed of the plan, instead of the scenario's.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Leave out the estimate of CPU, which takes half a second of calls on this machine.
    #[arg(long)]
    pub(crate) no_cpu: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wallflower doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wallflower judge`.
#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// A history that a run has left.
    pub(crate) history: PathBuf,
    /// Judge by these timeouts instead of the history's own: TOML or JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) policies: Option<PathBuf>,
}

/// `wallflower report`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Report {
    /// The folder of the run, with its report.json.
    #[arg(required = true)]
    pub(crate) folder: Option<PathBuf>,
    /// What to do instead.
    #[command(subcommand)]
    pub(crate) command: Option<ReportCommand>,
}

/// `wallflower backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where the copy goes; it must not be there yet.
    pub(crate) file: PathBuf,
    /// Where the registry's database is named.
    #[arg(long, value_name = "FILE", env = "WALLFLOWER_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The SQLite file [default: sqlite://registry.db].
    #[arg(long, value_name = "URL", env = "WALLFLOWER_DATABASE")]
    pub(crate) database: Option<String>,
}

/// `wallflower config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say what is wrong with a configuration file, or what it sets.
    Check {
        /// The TOML file.
        file: PathBuf,
    },
}

/// A registry that somebody asks.
#[derive(Debug, Args)]
pub(crate) struct AskedRegistry {
    /// The registry.
    #[arg(long, value_name = "URL", env = "WALLFLOWER_URL", default_value = "http://127.0.0.1:8000")]
    pub(crate) url: String,
    /// A bearer token, in a file [default: that of the variable WALLFLOWER_TOKEN, if any].
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// `wallflower agents`. The filters are those of `GET /agents`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Agents {
    #[command(flatten)]
    pub(crate) registry: AskedRegistry,
    /// Print the entries as the registry gives them, one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) agent_type: Option<String>,
    /// healthy, degraded or expired; without it healthy and degraded. Repeatable.
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Vec<String>,
    /// That offer this capability.
    #[arg(long, value_name = "NAME")]
    pub(crate) capability: Option<String>,
    /// k=v, k!=v, k or !k. Repeatable.
    #[arg(long, value_name = "TEST")]
    pub(crate) label: Vec<String>,
    /// That offer the capability in a version that meets this: `>=1.2, <2`.
    #[arg(long = "version", value_name = "REQUIREMENT")]
    pub(crate) requirement: Option<String>,
    /// Whose capability has this tag. Repeatable.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// That this search finds, best first.
    #[arg(long, value_name = "WORDS")]
    pub(crate) q: Option<String>,
    /// No more than this many.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) limit: Option<usize>,
}

/// `wallflower events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) registry: AskedRegistry,
    /// Go on with what happens, until ctrl-c.
    #[arg(long)]
    pub(crate) follow: bool,
    /// About this agent.
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    /// Of this kind. Repeatable.
    #[arg(long, value_parser = ["registered", "updated", "degraded", "recovered", "expired", "evicted", "deregistered"])]
    pub(crate) kind: Vec<String>,
    /// With a higher number than this.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<u64>,
    /// Print the events as the registry gives them, one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wallflower token`.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Print a new token (standard output), and the entry for the registry's file of tokens (standard error).
    New {
        /// Who it is for; stands in messages.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What it is for. Repeatable.
        #[arg(long, value_enum, value_name = "SCOPE", required = true)]
        scope: Vec<TokenScope>,
        /// With the scope agent: only for agents whose id begins with this.
        #[arg(long, value_name = "PREFIX", default_value = "")]
        prefix: String,
    },
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenScope {
    /// Heartbeats, and deregistering the same agents.
    Agent,
    /// Every view.
    Read,
    /// Everything.
    Admin,
}

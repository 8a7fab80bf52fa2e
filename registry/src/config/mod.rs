//! Settings: a flag wins over an environment variable, that over the file, that over the default.
//!
//! - `file`: the TOML file, with the place of each value
//! - `value`: reads single values and says what is allowed
//! - `error`: what is wrong, where, and what to do

mod error;
mod file;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use registry_core::document::AgentType;
use registry_core::policy::Policy;

pub use registry_core::policy::Policies;

pub use error::{ConfigError, Place, Problem};
use file::{File, RawPolicy};
use value::Found;

use crate::connections::Limits;
use crate::seal::SealMode;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything that can be set, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The SQLite file.
    pub database: PathBuf,
    /// How logs are written.
    pub log_format: LogFormat,
    /// Whether every request leaves a line in the log.
    pub access_log: bool,
    /// The most agents that are held; registrations beyond it get 507.
    pub max_agents: usize,
    /// The names besides the loopback ones that `/mcp` answers to: a page that rebinds a foreign name gets nothing.
    pub allowed_hosts: Vec<String>,
    /// The most connections that are open at once; those beyond it wait.
    pub max_connections: usize,
    /// Whether an address other than loopback may be listened on although nothing protects it.
    pub insecure: bool,
    /// How firmly the process is held to calling nobody. It cannot be undone and holds for the whole process: whoever
    /// serves beside other work sets it to `off`.
    pub seal: SealMode,
    /// The timeouts of each agent type.
    pub policies: Policies,
    /// How long peers may take, and how much lists may have. Nothing sets them but tests.
    pub limits: Limits,
}

/// What was said on the command line or in the environment, as it was typed. A flag has already won over the variable
/// of the same name; messages name both.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`, `WALLFLOWER_LISTEN`.
    pub listen: Option<String>,
    /// `--database`, `WALLFLOWER_DATABASE`.
    pub database: Option<String>,
    /// `--log-format`, `WALLFLOWER_LOG_FORMAT`.
    pub log_format: Option<String>,
    /// `--access-log`, `WALLFLOWER_ACCESS_LOG`: `true` or `false`.
    pub access_log: Option<String>,
    /// `--max-agents`, `WALLFLOWER_MAX_AGENTS`.
    pub max_agents: Option<String>,
    /// `--allowed-hosts`, `WALLFLOWER_ALLOWED_HOSTS`, separated by commas.
    pub allowed_hosts: Option<String>,
    /// `--max-connections`, `WALLFLOWER_MAX_CONNECTIONS`.
    pub max_connections: Option<String>,
    /// `--insecure`, `WALLFLOWER_INSECURE`: `true` or `false`.
    pub insecure: Option<String>,
    /// `--seal`, `WALLFLOWER_SEAL`: `off`, `try` or `require`.
    pub seal: Option<String>,
    /// `--policy TYPE=H,D,X,Q`, repeatable; `WALLFLOWER_POLICY`, separated by `;`.
    pub policies: Vec<String>,
}

impl Settings {
    /// Reads the file, if there is one, and puts everything together. The error names all that is wrong.
    pub fn load(config: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let file = match config {
            Some(path) => file::read(path, &mut problems)?,
            None => File::default(),
        };
        let settings = merge(file, overrides, &mut problems);
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(ConfigError::Invalid { problems }),
        }
    }
}

fn merge(file: File, overrides: &Overrides, problems: &mut Vec<Problem>) -> Option<Settings> {
    let listen = pick(&overrides.listen, "listen", file.listen);
    let listen_place = listen.as_ref().map_or(Place::Default, |found| found.place.clone());
    let listen = value::parsed(listen, DEFAULT_LISTEN, value::address, problems);
    let database = pick(&overrides.database, "database", file.database);
    let database = value::parsed(database, PathBuf::from("registry.db"), value::database, problems);
    let log_format = pick(&overrides.log_format, "log_format", file.log_format);
    let log_format = value::parsed(log_format, LogFormat::default(), value::log_format, problems);
    let access_log = pick(&overrides.access_log, "access_log", file.access_log);
    let access_log = value::parsed(access_log, false, value::flag, problems);
    let max_agents = pick(&overrides.max_agents, "max_agents", file.max_agents);
    let max_agents = value::parsed(max_agents, 1_000_000, |text| value::count(text, 10_000_000), problems);
    let allowed_hosts = pick(&overrides.allowed_hosts, "allowed_hosts", file.allowed_hosts);
    let allowed_hosts = value::parsed(allowed_hosts, Vec::new(), value::hosts, problems);
    let max_connections = pick(&overrides.max_connections, "max_connections", file.max_connections);
    let max_connections =
        value::parsed(max_connections, 16_384, |text| value::count(text, 1_000_000), problems);
    let insecure = pick(&overrides.insecure, "insecure", file.insecure);
    let insecure = value::parsed(insecure, false, value::flag, problems);
    let seal = pick(&overrides.seal, "seal", file.seal);
    let seal = value::parsed(seal, SealMode::default(), value::seal, problems);
    let policies = policies(file.policies, &overrides.policies, problems);

    if let (Some(listen), Some(false)) = (listen, insecure)
        && !listen.ip().is_loopback()
    {
        problems.push(Problem {
            place: listen_place,
            setting: "listen".into(),
            detail: format!(
                "is {listen}, which others can reach, and neither TLS nor tokens protect it (they are not built yet)"
            ),
            allowed: "a loopback address such as 127.0.0.1:8000, or --insecure as well".into(),
        });
    }
    Some(Settings {
        listen: listen?,
        database: database?,
        log_format: log_format?,
        access_log: access_log?,
        max_agents: max_agents?,
        allowed_hosts: allowed_hosts?,
        max_connections: max_connections?,
        insecure: insecure?,
        seal: seal?,
        policies: policies?,
        limits: Limits::default(),
    })
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8000);

fn pick(override_: &Option<String>, setting: &'static str, file: Option<Found>) -> Option<Found> {
    let typed = override_.as_ref().map(|text| Found {
        setting: setting.to_owned(),
        text: text.clone(),
        place: Place::Override { flag: setting.replace('_', "-") },
    });
    typed.or(file)
}

/// A timeout that a `[policies.TYPE]` leaves out is that of `[policies.default]`.
fn policies(file: Vec<RawPolicy>, typed: &[String], problems: &mut Vec<Problem>) -> Option<Policies> {
    let count_before = problems.len();
    let mut raw: BTreeMap<AgentType, RawPolicy> = BTreeMap::new();
    for policy in file.into_iter().chain(typed.iter().filter_map(|text| value::typed_policy(text, problems)))
    {
        raw.insert(policy.agent_type.clone(), policy);
    }
    let default_type = AgentType::default();
    let default = match raw.remove(&default_type) {
        Some(policy) => value::policy(&policy, &Policy::DEFAULT, problems),
        None => Some(Policy::DEFAULT),
    };
    // Reported already if it is wrong; the others are then checked against the built-in one.
    let fallback = default.unwrap_or(Policy::DEFAULT);
    let mut by_type = BTreeMap::from([(default_type, fallback)]);
    for (agent_type, policy) in raw {
        if let Some(policy) = value::policy(&policy, &fallback, problems) {
            by_type.insert(agent_type, policy);
        }
    }
    (problems.len() == count_before).then(|| Policies::new(by_type))
}

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
pub(crate) use file::Walk;
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

/// The certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and after it those that signed it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
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
    /// With them the listener speaks TLS.
    pub tls: Option<TlsFiles>,
    /// With this file every request needs a token of it.
    pub tokens: Option<PathBuf>,
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
    /// `--tls-certificate`, `WALLFLOWER_TLS_CERTIFICATE`.
    pub tls_certificate: Option<String>,
    /// `--tls-key`, `WALLFLOWER_TLS_KEY`.
    pub tls_key: Option<String>,
    /// `--tokens`, `WALLFLOWER_TOKENS`.
    pub tokens: Option<String>,
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
    let tls_certificate = pick(&overrides.tls_certificate, "tls_certificate", file.tls_certificate);
    let tls = tls(tls_certificate, pick(&overrides.tls_key, "tls_key", file.tls_key), problems);
    let tokens = pick(&overrides.tokens, "tokens", file.tokens);
    let tokens = value::parsed(tokens, None, value::path, problems);
    let policies = policies(file.policies, &overrides.policies, problems);

    let is_protected = !matches!((&tls, &tokens), (Some(None), _) | (_, Some(None)));
    if let (Some(listen), Some(false)) = (listen, insecure)
        && !listen.ip().is_loopback()
        && !is_protected
    {
        problems.push(Problem {
            place: listen_place,
            setting: "listen".into(),
            detail: format!("is {listen}, which others can reach, and TLS and tokens do not both protect it"),
            allowed:
                "a loopback address such as 127.0.0.1:8000; tls_certificate, tls_key and tokens as well; \
                or --insecure where something else protects it"
                    .into(),
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
        tls: tls?,
        tokens: tokens?,
        policies: policies?,
        limits: Limits::default(),
    })
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8000);

/// Both or neither.
fn tls(
    certificate: Option<Found>,
    key: Option<Found>,
    problems: &mut Vec<Problem>,
) -> Option<Option<TlsFiles>> {
    let lone = match (&certificate, &key) {
        (Some(found), None) => Some((found, "tls_key")),
        (None, Some(found)) => Some((found, "tls_certificate")),
        _ => None,
    };
    if let Some((found, missing)) = lone {
        problems.push(Problem {
            place: found.place.clone(),
            setting: found.setting.clone(),
            detail: format!("is set without {missing}"),
            allowed: "both or neither".to_owned(),
        });
        return None;
    }
    let certificate = value::parsed(certificate, None, value::path, problems);
    let key = value::parsed(key, None, value::path, problems);
    Some(certificate?.zip(key?).map(|(certificate, key)| TlsFiles { certificate, key }))
}

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

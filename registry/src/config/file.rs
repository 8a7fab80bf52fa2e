//! The TOML file, with the place of each value. It is walked by hand: serde's messages know neither the place of an
//! unknown key nor the nearest known one.

use std::ops::Range;
use std::path::{Path, PathBuf};

use registry_core::document::AgentType;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Place, Problem};
use super::value::Found;

const SETTINGS: [&str; 13] = [
    "listen",
    "database",
    "log_format",
    "access_log",
    "max_agents",
    "allowed_hosts",
    "max_connections",
    "insecure",
    "seal",
    "tls_certificate",
    "tls_key",
    "tokens",
    "policies",
];
const TIMEOUTS: [&str; 4] = ["heartbeat_interval", "degraded_after", "expires_after", "evict_after"];
/// From this similarity on (Jaro-Winkler, 0 to 1) a known key is taken for what was meant.
const SIMILAR: f64 = 0.8;

/// What the file says, unchecked.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) listen: Option<Found>,
    pub(super) database: Option<Found>,
    pub(super) log_format: Option<Found>,
    pub(super) access_log: Option<Found>,
    pub(super) max_agents: Option<Found>,
    pub(super) allowed_hosts: Option<Found>,
    pub(super) max_connections: Option<Found>,
    pub(super) insecure: Option<Found>,
    pub(super) seal: Option<Found>,
    pub(super) tls_certificate: Option<Found>,
    pub(super) tls_key: Option<Found>,
    pub(super) tokens: Option<Found>,
    pub(super) policies: Vec<RawPolicy>,
}

/// A policy, unchecked; what is left out is that of `default`.
#[derive(Debug)]
pub(super) struct RawPolicy {
    pub(super) agent_type: AgentType,
    pub(super) place: Place,
    /// In the order of [`TIMEOUTS`].
    pub(super) timeouts: [Option<Found>; 4],
}

pub(super) fn read(path: &Path, problems: &mut Vec<Problem>) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let mut walk = Walk::new(path, &text, problems);
    let table = walk.parse()?;
    Ok(walk.file(table.get_ref()))
}

/// A walk through a TOML file that knows the place of everything, and collects what is wrong.
pub(crate) struct Walk<'a> {
    path: PathBuf,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(path: &Path, text: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        Self { path: path.to_owned(), text, problems }
    }

    pub(crate) fn parse(&self) -> Result<Spanned<DeTable<'a>>, ConfigError> {
        DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            place: self.place(error.span().unwrap_or_default()),
            detail: error.message().to_owned(),
        })
    }

    fn file(&mut self, table: &DeTable<'_>) -> File {
        let mut file = File::default();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let slot = match name {
                "listen" => &mut file.listen,
                "database" => &mut file.database,
                "log_format" => &mut file.log_format,
                "access_log" => &mut file.access_log,
                "max_agents" => &mut file.max_agents,
                "allowed_hosts" => &mut file.allowed_hosts,
                "max_connections" => &mut file.max_connections,
                "insecure" => &mut file.insecure,
                "seal" => &mut file.seal,
                "tls_certificate" => &mut file.tls_certificate,
                "tls_key" => &mut file.tls_key,
                "tokens" => &mut file.tokens,
                "policies" => {
                    file.policies = self.policies(value);
                    continue;
                }
                _ => {
                    self.unknown(key.span(), name, name, &SETTINGS);
                    continue;
                }
            };
            *slot = self.scalar(name, value);
        }
        file
    }

    fn policies(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<RawPolicy> {
        let Some(table) = value.get_ref().as_table() else {
            self.not_a(value, "policies", "a table for each agent type: [policies.default]");
            return Vec::new();
        };
        let mut policies = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match AgentType::parse(name) {
                Ok(agent_type) => policies.extend(self.policy(agent_type, key.span(), value)),
                Err(detail) => {
                    self.problem(key.span(), format!("policies.{name:?}"), detail, "an agent type")
                }
            }
        }
        policies
    }

    fn policy(
        &mut self,
        agent_type: AgentType,
        span: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<RawPolicy> {
        let prefix = format!("policies.{agent_type}");
        let Some(table) = value.get_ref().as_table() else {
            self.not_a(value, &prefix, &format!("a table of {}", TIMEOUTS.join(", ")));
            return None;
        };
        let mut timeouts = [const { None }; 4];
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let setting = format!("{prefix}.{name}");
            let known = TIMEOUTS.iter().zip(&mut timeouts).find(|(timeout, _)| **timeout == name);
            match known {
                Some((_, slot)) => *slot = self.scalar(&setting, value),
                None => self.unknown(key.span(), name, &setting, &TIMEOUTS),
            }
        }
        Some(RawPolicy { agent_type, place: self.place(span), timeouts })
    }

    fn scalar(&mut self, setting: &str, value: &Spanned<DeValue<'_>>) -> Option<Found> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(truth) => truth.to_string(),
            _ => {
                self.not_a(value, setting, "a single value");
                return None;
            }
        };
        Some(Found { setting: setting.to_owned(), text, place: self.place(value.span()) })
    }

    pub(crate) fn unknown(&mut self, span: Range<usize>, name: &str, setting: &str, known: &[&str]) {
        let scored = known.iter().map(|other| (strsim::jaro_winkler(name, other), other));
        let nearest = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
        let detail = match nearest {
            Some((similarity, nearest)) if similarity >= SIMILAR => {
                format!("is no known key; did you mean {nearest}?")
            }
            _ => "is no known key".to_owned(),
        };
        self.problem(span, setting.to_owned(), detail, &known.join(", "));
    }

    pub(crate) fn not_a(&mut self, value: &Spanned<DeValue<'_>>, setting: &str, allowed: &str) {
        let detail = format!("is of the kind {}", value.get_ref().type_str());
        self.problem(value.span(), setting.to_owned(), detail, allowed);
    }

    pub(crate) fn problem(&mut self, span: Range<usize>, setting: String, detail: String, allowed: &str) {
        let place = self.place(span);
        self.problems.push(Problem { place, setting, detail, allowed: allowed.to_owned() });
    }

    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::File { path: self.path.clone(), line, column }
    }
}

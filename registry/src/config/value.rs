//! Reads single values and says what is allowed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use registry_core::document::AgentType;
use registry_core::policy::{Policy, PolicyFault};

use super::LogFormat;
use super::error::{Place, Problem};
use super::file::RawPolicy;
use crate::seal::SealMode;

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) setting: String,
    pub(super) text: String,
    pub(super) place: Place,
}

impl Found {
    fn problem(&self, allowed: &str) -> Problem {
        Problem {
            place: self.place.clone(),
            setting: self.setting.clone(),
            detail: format!("is {:?}", self.text),
            allowed: allowed.to_owned(),
        }
    }
}

/// The value, the default where nobody set it, or `None` with a problem. `parse` gives what is allowed as its error.
pub(super) fn parsed<T>(
    found: Option<Found>,
    default: T,
    parse: impl FnOnce(&str) -> Result<T, String>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let Some(found) = found else { return Some(default) };
    parse(&found.text).map_err(|allowed| problems.push(found.problem(&allowed))).ok()
}

/// Names are not resolved: the registry asks nobody anything.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    match localhost {
        Some(port) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        None => text.parse().map_err(|_| {
            "an IP address with a port, such as 127.0.0.1:8000 or [::1]:8000 (port 0 takes a free one)"
                .to_owned()
        }),
    }
}

/// `sqlite://PATH`, `sqlite:PATH` or just the path.
pub(super) fn database(text: &str) -> Result<PathBuf, String> {
    let allowed = || "sqlite://PATH of a file, such as sqlite://registry.db".to_owned();
    let path = match text.split_once("://") {
        Some(("sqlite", path)) => path,
        Some(_) => return Err(format!("{} (no other kind of database is built yet)", allowed())),
        None => text.strip_prefix("sqlite:").unwrap_or(text),
    };
    if path.is_empty() || path.contains(":memory:") || path.contains('?') {
        return Err(allowed());
    }
    Ok(PathBuf::from(path))
}

/// A file that is read when it is needed.
pub(super) fn path(text: &str) -> Result<Option<PathBuf>, String> {
    if text.is_empty() { Err("the path of a file".to_owned()) } else { Ok(Some(PathBuf::from(text))) }
}

/// Names as they stand in the header `Host`, with a port or without, separated by commas.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, String> {
    let is_host = |name: &&str| {
        name.parse::<axum::http::uri::Authority>()
            .is_ok_and(|host| !host.host().is_empty() && !name.contains('@'))
    };
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    if names.iter().all(is_host) {
        Ok(names.into_iter().map(ToOwned::to_owned).collect())
    } else {
        Err("host names separated by commas, such as registry.example,10.0.0.7:8000".to_owned())
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("\"text\" or \"json\"".to_owned()),
    }
}

/// `off`, `try` or `require`.
pub(super) fn seal(text: &str) -> Result<SealMode, String> {
    text.parse().map_err(|_| "off, try or require".to_owned())
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true or false".to_owned())
}

pub(super) fn count(text: &str, most: usize) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("a whole number from 1 to {most}")),
    }
}

/// Reads `TYPE=H,D,X,Q`.
pub(super) fn typed_policy(text: &str, problems: &mut Vec<Problem>) -> Option<RawPolicy> {
    let place = Place::Override { flag: "policy".to_owned() };
    let whole = Found { setting: "policy".to_owned(), text: text.to_owned(), place: place.clone() };
    let allowed = "TYPE=H,D,X,Q, such as gpu-worker=5s,10s,20s,60s";
    let parts = text.split_once('=').and_then(|(name, timeouts)| {
        let agent_type = AgentType::parse(name.trim()).ok()?;
        let timeouts: [&str; 4] = timeouts.split(',').map(str::trim).collect::<Vec<_>>().try_into().ok()?;
        Some((agent_type, timeouts))
    });
    let Some((agent_type, timeouts)) = parts else {
        problems.push(whole.problem(allowed));
        return None;
    };
    let names = ["heartbeat_interval", "degraded_after", "expires_after", "evict_after"];
    let mut named = names.into_iter().zip(timeouts).map(|(name, text)| Found {
        setting: format!("policies.{agent_type}.{name}"),
        text: text.to_owned(),
        place: place.clone(),
    });
    let timeouts = [named.next(), named.next(), named.next(), named.next()];
    Some(RawPolicy { agent_type, place, timeouts })
}

/// A policy whose missing timeouts are those of `fallback`.
pub(super) fn policy(raw: &RawPolicy, fallback: &Policy, problems: &mut Vec<Problem>) -> Option<Policy> {
    let fallbacks = [
        fallback.heartbeat_interval_ms(),
        fallback.degraded_after_ms(),
        fallback.expires_after_ms(),
        fallback.evict_after_ms(),
    ];
    let mut ms = [None; 4];
    for ((ms, found), fallback) in ms.iter_mut().zip(&raw.timeouts).zip(fallbacks) {
        *ms = parsed(found.clone(), fallback, duration_ms, problems);
    }
    let [h, d, x, q] = ms;
    Policy::new(h?, d?, x?, q?).map_err(|fault| problems.push(policy_problem(raw, &fault))).ok()
}

fn duration_ms(text: &str) -> Result<u64, String> {
    let allowed = || "a duration in whole milliseconds with its unit, such as 250ms, 5s or 2m".to_owned();
    let duration = humantime::parse_duration(text).map_err(|_| allowed())?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(allowed());
    }
    u64::try_from(duration.as_millis()).map_err(|_| allowed())
}

fn policy_problem(raw: &RawPolicy, fault: &PolicyFault) -> Problem {
    let culprit = raw.timeouts.iter().flatten().find(|found| found.setting.ends_with(fault.name()));
    let setting = format!("policies.{}.{}", raw.agent_type, fault.name());
    let place = culprit.map_or(&raw.place, |found| &found.place).clone();
    let time = |ms| humantime::format_duration(std::time::Duration::from_millis(ms)).to_string();
    match *fault {
        PolicyFault::OutOfBounds { found_ms, .. } => Problem {
            place,
            setting,
            detail: format!("is {}", time(found_ms)),
            allowed: "10ms to 30days".to_owned(),
        },
        PolicyFault::NotInOrder { shorter, shorter_ms, longer_ms, .. } => Problem {
            place,
            setting,
            detail: format!(
                "is {}, which is not more than {shorter} ({})",
                time(longer_ms),
                time(shorter_ms)
            ),
            allowed: "heartbeat_interval < degraded_after < expires_after < evict_after".to_owned(),
        },
    }
}

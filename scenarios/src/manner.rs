//! How a fleet behaves: popularity, connections, protocol, discovery.

use std::time::Duration;

use crate::error::{Fault, Faults};
use crate::model::{Connections, Discovery, Popularity, Protocol};
use crate::section::{Section, Value};
use crate::values;

/// The one dialect that has MCP tools, deltas and answers held back.
const CONTRACT_DIALECT: &str = "wallflower";
/// As steep as the popularity of words and web pages.
const DEFAULT_ZIPF_EXPONENT: f64 = 1.1;
const MAX_ZIPF_EXPONENT: f64 = 4.0;
const DEFAULT_WAIT: Duration = Duration::from_secs(20);
/// Longest that the contract lets an answer be held back (CONTRACT.md 4.1).
const MAX_WAIT: Duration = Duration::from_secs(60);

pub(crate) fn read_popularity(section: &Section<'_>, faults: &mut Faults) -> Option<Popularity> {
    let word = section.choice("popularity", &["uniform", "zipf"], faults);
    if word == Some("uniform") {
        section.refuse_key(
            "zipf_exponent",
            "`zipf_exponent` has no meaning for a popularity that is uniform",
            "remove it, or set `popularity = \"zipf\"`",
            faults,
        );
        return Some(Popularity::Uniform);
    }
    let exponent = section.or("zipf_exponent", DEFAULT_ZIPF_EXPONENT, read_exponent, faults);
    word.zip(exponent).map(|(_, exponent)| Popularity::Zipf { exponent })
}

fn read_exponent(key: &str, value: &Value<'_>) -> Result<f64, Fault> {
    let exponent = values::share(key, value, MAX_ZIPF_EXPONENT).unwrap_or_default();
    if exponent > 0.0 {
        return Ok(exponent);
    }
    Err(Fault::at(value.span(), format!("`{key}` is out of range"), "out of range")
        .help(format!("a number above 0, at most {MAX_ZIPF_EXPONENT}, such as {key} = 1.1")))
}

pub(crate) fn read_connections(section: &Section<'_>, faults: &mut Faults) -> Option<Connections> {
    section.choice("connections", &["shared", "own"], faults).map(|word| match word {
        "own" => Connections::Own,
        _ => Connections::Shared,
    })
}

pub(crate) fn read_protocol(
    section: &Section<'_>,
    dialect: Option<&str>,
    faults: &mut Faults,
) -> Option<Protocol> {
    let word = section.choice("protocol", &["http", "mcp"], faults)?;
    if word == "http" {
        return Some(Protocol::Http);
    }
    refuse_dialect(section, "protocol", word, dialect, faults);
    Some(Protocol::Mcp)
}

pub(crate) fn read_discovery(
    section: &Section<'_>,
    dialect: Option<&str>,
    faults: &mut Faults,
) -> Option<Discovery> {
    let word = match section.value("discovery") {
        Some(_) => section.choice("discovery", &["list", "conditional", "delta", "long-poll"], faults)?,
        None => "conditional",
    };
    if word != "long-poll" {
        section.refuse_key(
            "wait",
            &format!("`wait` has no meaning for discovery by `{word}`"),
            "remove it, or set `discovery = \"long-poll\"`",
            faults,
        );
    }
    let asks = section.value("poll").is_some() || word == "conditional";
    if let Some(value) = section.value("discovery").filter(|_| !asks) {
        faults.push(
            Fault::at(value.span(), "a fleet without `poll` never asks", "has no meaning here")
                .help("add `poll = \"2s\"`, or remove `discovery`"),
        );
    }
    match word {
        "list" => Some(Discovery::List),
        "conditional" => Some(Discovery::Conditional),
        "delta" => {
            refuse_dialect(section, "discovery", word, dialect, faults);
            Some(Discovery::Delta)
        }
        _ => {
            refuse_dialect(section, "discovery", word, dialect, faults);
            let wait = section.or("wait", DEFAULT_WAIT, read_wait, faults)?;
            Some(Discovery::LongPoll { wait })
        }
    }
}

fn read_wait(key: &str, value: &Value<'_>) -> Result<Duration, Fault> {
    let wait = values::positive_duration(key, value)?;
    if wait <= MAX_WAIT {
        return Ok(wait);
    }
    Err(Fault::at(value.span(), format!("`{key}` is longer than any registry holds an answer"), "too long")
        .help("at most \"60s\""))
}

/// Reports a word that the target's dialect has no calls for.
fn refuse_dialect(section: &Section<'_>, key: &str, word: &str, dialect: Option<&str>, faults: &mut Faults) {
    // The target's own fault is enough.
    let Some(dialect) = dialect.filter(|dialect| *dialect != CONTRACT_DIALECT) else { return };
    let Some(value) = section.value(key) else { return };
    let remedy = match key {
        "protocol" => "remove it: agents speak plain HTTP then",
        _ => "write `discovery = \"list\"` or `\"conditional\"`",
    };
    faults.push(
        Fault::at(value.span(), format!("the dialect `{dialect}` has no `{word}`"), "not with it")
            .help(format!("{remedy}; only `{CONTRACT_DIALECT}` has it")),
    );
}

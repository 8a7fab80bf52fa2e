//! Single values: words, names, numbers, durations, shares.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::error::Fault;
use crate::section::{Value, described};

/// The units of a duration, as a hint.
pub(crate) const UNITS: &str =
    "a whole number with one of the units us, ms, s, m, h, such as \"250ms\" or \"1m30s\"";

/// What is wanted where something else stands.
const TEXT: &str = "a text in quotes";
const NUMBER: &str = "a whole number";
const SHARE: &str = "a number";

fn wrong_type(key: &str, value: &Value<'_>, wanted: &str) -> Fault {
    Fault::at(
        value.span(),
        format!("`{key}` is {}, not {wanted}", described(value.get_ref())),
        &format!("{wanted} is expected here"),
    )
    .help(match wanted {
        TEXT => format!("such as {key} = \"...\""),
        NUMBER => format!("without quotes, such as {key} = 10"),
        SHARE => format!("without quotes, such as {key} = 0.3"),
        _ => format!("such as {key} = [\"...\", \"...\"]"),
    })
}

/// Any text.
pub(crate) fn text(key: &str, value: &Value<'_>) -> Result<String, Fault> {
    borrowed(key, value).map(str::to_owned)
}

fn borrowed<'v>(key: &str, value: &'v Value<'_>) -> Result<&'v str, Fault> {
    value.get_ref().as_str().ok_or_else(|| wrong_type(key, value, TEXT))
}

/// One of the words in `known`.
pub(crate) fn one_of(key: &str, value: &Value<'_>, known: &[&'static str]) -> Result<&'static str, Fault> {
    let word = borrowed(key, value)?;
    known.iter().find(|&&known| known == word).copied().ok_or_else(|| {
        Fault::at(value.span(), format!("there is no {key} `{word}`"), "not known")
            .help(suggestion(word, known, "known"))
    })
}

/// A name that becomes part of ids and file names: 1 to `longest` of `a-z 0-9 -`, first a letter or digit.
pub(crate) fn name(key: &str, value: &Value<'_>, longest: usize) -> Result<String, Fault> {
    let name = borrowed(key, value)?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > longest || name.starts_with('-') || !name.chars().all(legal) {
        return Err(Fault::at(value.span(), format!("`{key}` \"{name}\" is no name"), "not allowed").help(
            format!("1 to {longest} lower-case letters, digits and `-`, the first a letter or digit"),
        ));
    }
    Ok(name.to_owned())
}

/// An agent type, as CONTRACT.md 4.1 writes them.
pub(crate) fn is_agent_type(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(legal)
}

/// A whole number in `range`.
pub(crate) fn whole(key: &str, value: &Value<'_>, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    let DeValue::Integer(number) = value.get_ref() else {
        return Err(wrong_type(key, value, NUMBER));
    };
    match u64::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(Fault::at(
            value.span(),
            format!("`{key}` is {}, out of range", number.as_str()),
            "out of range",
        )
        .help(format!("a whole number from {} to {}", range.start(), range.end()))),
    }
}

/// As [`whole`], for ranges that fit.
pub(crate) fn small(key: &str, value: &Value<'_>, range: RangeInclusive<u32>) -> Result<u32, Fault> {
    let range = u64::from(*range.start())..=u64::from(*range.end());
    whole(key, value, range).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

/// A share from 0 to `most`, a bare number.
pub(crate) fn share(key: &str, value: &Value<'_>, most: f64) -> Result<f64, Fault> {
    let number = match value.get_ref() {
        DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
        DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
        _ => return Err(wrong_type(key, value, SHARE)),
    };
    let number = number.unwrap_or(f64::NAN);
    if (0.0..=most).contains(&number) {
        return Ok(number);
    }
    Err(Fault::at(value.span(), format!("`{key}` is {number}, out of range"), "out of range")
        .help(format!("a share from 0 to {most}, such as {}", most * 0.3)))
}

/// `true` or `false`.
pub(crate) fn truth(key: &str, value: &Value<'_>) -> Result<bool, Fault> {
    match value.get_ref() {
        DeValue::Boolean(truth) => Ok(*truth),
        found => Err(Fault::at(
            value.span(),
            format!("`{key}` is {}, not true or false", described(found)),
            "true or false is expected here",
        )
        .help(format!("without quotes, such as {key} = true"))),
    }
}

/// A duration above 0.
pub(crate) fn positive_duration(key: &str, value: &Value<'_>) -> Result<Duration, Fault> {
    let duration = duration(key, value)?;
    if duration.is_zero() {
        return Err(Fault::at(value.span(), format!("`{key}` is 0"), "must be above 0").help(UNITS));
    }
    Ok(duration)
}

/// A duration; 0 is one.
pub(crate) fn duration(key: &str, value: &Value<'_>) -> Result<Duration, Fault> {
    match value.get_ref() {
        DeValue::String(text) => parse_duration(text).map_err(|remedy| {
            Fault::at(value.span(), format!("`{key}` is \"{text}\", which is no duration"), "no duration")
                .help(remedy)
        }),
        DeValue::Integer(number) => {
            Err(Fault::at(value.span(), format!("`{key}` is {} without a unit", number.as_str()), "no unit")
                .help(format!("write \"{0}s\" for seconds, \"{0}ms\" for milliseconds", number.as_str())))
        }
        _ => Err(wrong_type(key, value, "a duration in quotes").help(UNITS)),
    }
}

/// Reads `250ms`, `5s`, `1m30s`; else says what to write instead.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    if is_duration(text) {
        return humantime::parse_duration(text).map_err(|_| UNITS.to_owned());
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("add the unit: \"{text}s\" for seconds, \"{text}ms\" for milliseconds"));
    }
    // What humantime alone understands ("5 secs", "2 hours") is refused, so that every file looks the same.
    Err(match humantime::parse_duration(text) {
        Ok(meant) => format!("write \"{}\"", short_duration(meant)),
        Err(_) => format!("write {UNITS}"),
    })
}

/// Whether the text is pairs of a number and a unit of ours.
fn is_duration(text: &str) -> bool {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let after_number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let unit_length = after_number.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after_number.len());
        let (unit, next) = after_number.split_at(unit_length);
        if after_number.len() == rest.len() || !["us", "ms", "s", "m", "h"].contains(&unit) {
            return false;
        }
        rest = next.trim_start();
    }
    !text.trim().is_empty()
}

/// A duration as files write it, in the largest unit that needs no fraction.
pub(crate) fn short_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0s".to_owned(),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// An address that begins with `http://` and names a host.
pub(crate) fn url(key: &str, value: &Value<'_>) -> Result<String, Fault> {
    let url = borrowed(key, value)?;
    let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', '?', '#']).next());
    let printable = url.chars().all(|c| c.is_ascii_graphic());
    match host {
        Some(host) if !host.is_empty() && printable => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(Fault::at(value.span(), format!("`{key}` is \"{url}\", which is no address"), "no address")
            .help("an address such as \"http://127.0.0.1:8000\"")),
    }
}

/// A path that begins with `/`.
pub(crate) fn path(key: &str, value: &Value<'_>) -> Result<String, Fault> {
    let path = borrowed(key, value)?;
    if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(path.to_owned());
    }
    Err(Fault::at(value.span(), format!("`{key}` is \"{path}\", which is no path"), "no path")
        .help("a path such as \"/health\""))
}

/// A list of texts, each with its place.
pub(crate) fn texts<'a>(key: &str, value: &'a Value<'a>) -> Result<Vec<(String, &'a Value<'a>)>, Fault> {
    let list = value.get_ref().as_array().ok_or_else(|| wrong_type(key, value, "a list of texts"))?;
    list.iter().map(|entry| text(key, entry).map(|text| (text, entry))).collect()
}

/// The families of requirements.
const FAMILIES: [&str; 8] = ["PASSIVE", "TIME", "RACE", "DURABLE", "VIEW", "INPUT", "GUARD", "MCP"];

/// Whether the text has the form of a requirement's id; else what to write instead.
pub(crate) fn check_requirement(text: &str) -> Result<(), String> {
    let form = "an id is a family and a number, such as `TIME-2`";
    let Some((family, number)) = text.split_once('-') else {
        return Err(format!("{form}; {}", suggestion(text, &FAMILIES, "families")));
    };
    if !FAMILIES.contains(&family) {
        return Err(format!("{form}; {}", suggestion(&family.to_uppercase(), &FAMILIES, "families")));
    }
    let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    if number.is_empty() || number.len() > 3 || !digits { Err(form.to_owned()) } else { Ok(()) }
}

/// The word of `known` that a mistyped one is nearest to, if it is near.
pub(crate) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase());
    let best = known.map(|known| (distance(known), known)).min()?;
    (best.0 * 5 <= 2 * best.1.len().max(word.len())).then_some(best.1)
}

/// "did you mean `a`? known: `a`, `b`".
pub(crate) fn suggestion(word: &str, known: &[&str], called: &str) -> String {
    let list = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {called}: {list}"),
        None => format!("{called}: {list}"),
    }
}

//! From text to a scenario, or to every fault of the file at once.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::DeTable;

use crate::error::{Fault, Faults, ScenarioError};
use crate::extend::{EXTENDS, Layer};
use crate::fleets::{read_fleets, refuse_twin};
use crate::inject::read_faults;
use crate::model::Scenario;
use crate::origin::Origins;
use crate::phases::read_phases;
use crate::section::{Section, Value};
use crate::target::read_target;
use crate::thresholds;
use crate::values;

pub(crate) const ROOT_KEYS: [&str; 15] = [
    EXTENDS,
    "name",
    "description",
    "seed",
    "requirements",
    "call_timeout",
    "max_in_flight",
    "source_addresses",
    "workers",
    "profile",
    "target",
    "fleets",
    "phases",
    "faults",
    "thresholds",
];

/// Whether a requirement of this id can be decided where only those of a profile are judged; else the remedy. The
/// catalogue is another crate's.
pub type Decides<'a> = &'a dyn Fn(&str, Option<&str>) -> Result<(), String>;

/// The profiles, as `wallflower conformance` names them; without one all of them are judged.
const PROFILES: [&str; 4] = ["core", "contract", "durable", "mcp"];
/// Addresses 127.0.0.1 and on.
const MAX_SOURCE_ADDRESSES: u32 = 250;
const MAX_WORKERS: u32 = 64;

/// Longest description: one sentence.
const MAX_DESCRIPTION: usize = 500;

/// Reads a scenario from its final text, which was made of `layers` if there are several.
pub(crate) fn read_scenario(
    file: &str,
    text: &str,
    layers: &[Layer],
    decides: Decides<'_>,
) -> Result<Scenario, ScenarioError> {
    let read = |root: &mut Section<'_>, faults: &mut Faults| read_root(root, text, decides, faults);
    attempt(text, read).map_err(|faults| {
        let origins = (layers.len() > 1).then(|| Origins::new(text, layers));
        faults.into_error_of(file, text, origins.as_ref())
    })
}

/// Parses TOML and hands its root over; all faults of syntax or of `read` become one error.
pub(crate) fn with_table<T>(
    file: &str,
    text: &str,
    read: impl FnOnce(&mut Section<'_>, &mut Faults) -> Option<T>,
) -> Result<T, ScenarioError> {
    attempt(text, read).map_err(|faults| faults.into_error(file, text))
}

/// The error of a file that is not TOML.
pub(crate) fn not_toml(file: &str, text: &str) -> ScenarioError {
    let faults = attempt(text, |_, _| Some(())).err().unwrap_or_default();
    faults.into_error(file, text)
}

fn attempt<T>(
    text: &str,
    read: impl FnOnce(&mut Section<'_>, &mut Faults) -> Option<T>,
) -> Result<T, Faults> {
    let mut faults = Faults::default();
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        faults
            .push(Fault::at(span, format!("this is not TOML: {}", error.message()), "here").help(
                "texts stand in quotes, tables begin with `[name]`, entries of a list with `[[name]]`",
            ));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    // What is missing at the root is missing at the file's beginning.
    let mut root = Section::new("the file", 0..0, table.get_ref());
    match read(&mut root, &mut faults) {
        Some(read) if faults.is_empty() => Ok(read),
        _ => Err(faults),
    }
}

fn read_root(
    root: &mut Section<'_>,
    text: &str,
    decides: Decides<'_>,
    faults: &mut Faults,
) -> Option<Scenario> {
    root.refuse_unknown_keys(&ROOT_KEYS, faults);
    // Files have been joined before; only `--set` can bring the key here.
    root.refuse_key(EXTENDS, "`extends` cannot be set from outside", "write it into the file", faults);
    let name =
        root.required("name", "name = \"my-scenario\"", |key, value| values::name(key, value, 63), faults);
    let description = root.or("description", String::new(), read_description, faults);
    let seed =
        root.or("seed", 1, |key, value| values::whole(key, value, 0..=i64::MAX.unsigned_abs()), faults);
    let call_timeout = root.or("call_timeout", Duration::from_secs(2), values::positive_duration, faults);
    let max_in_flight =
        root.or("max_in_flight", 512, |key, value| values::small(key, value, 1..=65_536), faults);
    let of = |most: u32| move |key: &str, value: &Value<'_>| values::small(key, value, 0..=most);
    let source_addresses = root.or("source_addresses", 0, of(MAX_SOURCE_ADDRESSES), faults);
    let workers = root.or("workers", 0, of(MAX_WORKERS), faults);
    let profile = root.optional("profile", |key, value| values::one_of(key, value, &PROFILES), faults);
    let requirements = read_requirements(root, profile, decides, faults);
    let sound = faults.count();
    let target = match root.value("target") {
        Some(value) => faults
            .keep(Section::from_value("`[target]`", value))
            .and_then(|mut section| read_target(&mut section, faults)),
        None => {
            root.refuse_missing("target", "[target]", faults);
            None
        }
    };
    let sound_target = target.as_ref().filter(|_| faults.count() == sound);
    let fleets = read_fleets(root, sound_target, faults);
    let before_phases = faults.count();
    let phases = read_phases(root, faults);
    let kind = sound_target.map(|target| &target.kind);
    // Instants in a run whose phases have faults are not known.
    let timeline = (faults.count() == before_phases).then_some(phases.as_slice());
    let injected = read_faults(root, timeline, kind, faults);
    let is_whole = faults.count() == before_phases;
    let context = thresholds::Context { phases: &phases, faults: &injected, target: kind, is_whole };
    let thresholds = thresholds::read_thresholds(root, &context, faults);
    Some(Scenario {
        name: name?,
        description: description?,
        seed: seed?,
        target: target?,
        fleets,
        phases,
        thresholds,
        requirements,
        call_timeout: call_timeout?,
        max_in_flight: max_in_flight?,
        source_addresses: source_addresses?,
        workers: workers?,
        profile: profile.map(str::to_owned),
        faults: injected,
        text: text.to_owned(),
    })
}

fn read_description(key: &str, value: &Value<'_>) -> Result<String, Fault> {
    let text = values::text(key, value)?;
    if text.len() > MAX_DESCRIPTION || text.chars().any(char::is_control) {
        return Err(Fault::at(
            value.span(),
            format!("`{key}` is not one sentence"),
            "too long or more than a line",
        )
        .help(format!("one line of at most {MAX_DESCRIPTION} bytes; longer notes go into comments")));
    }
    Ok(text)
}

fn read_requirements(
    root: &Section<'_>,
    profile: Option<&str>,
    decides: Decides<'_>,
    faults: &mut Faults,
) -> Vec<String> {
    let Some(list) = root.optional("requirements", values::texts, faults) else { return Vec::new() };
    let mut seen = BTreeMap::new();
    let mut requirements = Vec::new();
    for (id, value) in list {
        if let Err(remedy) = values::check_requirement(&id) {
            faults.push(
                Fault::at(value.span(), format!("`{id}` is no id of a requirement"), "unknown").help(remedy),
            );
        } else if let Err(remedy) = decides(&id, profile) {
            // An id that nothing decides would leave the run undecided for ever: better to say so before it starts.
            faults.push(
                Fault::at(value.span(), format!("`{id}` cannot be decided"), "not checked").help(remedy),
            );
        }
        refuse_twin("requirement", value, &mut seen, faults);
        requirements.push(id);
    }
    requirements
}

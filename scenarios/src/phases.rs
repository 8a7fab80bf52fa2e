//! `[[phases]]`: what happens.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Fault, Faults};
use crate::fleets::refuse_twin;
use crate::model::{Phase, PhaseKind};
use crate::section::{Section, Value};
use crate::values::{self, short_duration};

pub(crate) const PHASE_KEYS: [&str; 5] = ["name", "kind", "duration", "share", "over"];

const KINDS: [&str; 4] = ["ramp", "hold", "crash", "recover"];
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_NAME: usize = 63;

/// Reads all phases.
pub(crate) fn read_phases(root: &Section<'_>, faults: &mut Faults) -> Vec<Phase> {
    let mut sections = root.tables("phases", faults);
    if root.value("phases").is_none_or(|value| value.get_ref().as_array().is_some_and(|a| a.is_empty())) {
        faults.push(
            Fault::anywhere("the scenario has no phase")
                .help("add `[[phases]]` with `name`, `kind` and `duration`, a `ramp` first"),
        );
    }
    let mut names = BTreeMap::new();
    let mut phases = Vec::new();
    let mut total = Duration::ZERO;
    for section in &mut sections {
        if let Some(value) = section.value("name") {
            refuse_twin("phase", value, &mut names, faults);
        }
        let phase = read_phase(section, faults);
        if let (Some(phase), Some(value)) = (&phase, section.value("duration")) {
            let before = total;
            total = total.saturating_add(phase.duration);
            if total > MAX_DURATION && before <= MAX_DURATION {
                faults.push(
                    Fault::at(
                        value.span(),
                        "with this phase the run is longer than a day",
                        "too long in all",
                    )
                    .help("at most 24h over all phases"),
                );
            }
        }
        phases.extend(phase);
    }
    refuse_impossible_order(root, &sections, faults);
    phases
}

fn read_phase(section: &mut Section<'_>, faults: &mut Faults) -> Option<Phase> {
    section.refuse_unknown_keys(&PHASE_KEYS, faults);
    let name =
        section.required("name", "name = \"hold\"", |key, value| values::name(key, value, MAX_NAME), faults);
    let kind =
        section.required("kind", "kind = \"hold\"", |key, value| values::one_of(key, value, &KINDS), faults);
    let duration = section.required("duration", "duration = \"30s\"", values::positive_duration, faults);
    let kind = kind.and_then(|kind| read_kind(section, kind, duration, faults));
    Some(Phase { name: name?, kind: kind?, duration: duration? })
}

fn read_kind(
    section: &Section<'_>,
    kind: &str,
    duration: Option<Duration>,
    faults: &mut Faults,
) -> Option<PhaseKind> {
    if kind != "crash" {
        let reason = format!("`share` has no meaning in a phase of kind `{kind}`");
        section.refuse_key("share", &reason, "only a `crash` has a share", faults);
    }
    if !matches!(kind, "crash" | "recover") {
        let reason = format!("`over` has no meaning in a phase of kind `{kind}`");
        section.refuse_key("over", &reason, "only `crash` and `recover` are spread over a time", faults);
    }
    let over = |faults: &mut Faults| {
        let over = section.or("over", Duration::ZERO, values::duration, faults)?;
        if let (Some(duration), Some(value)) = (duration, section.value("over"))
            && duration < over
        {
            let mut fault = Fault::at(
                value.span(),
                format!(
                    "`over` ({}) is longer than its phase ({})",
                    short_duration(over),
                    short_duration(duration)
                ),
                "longer than the phase",
            );
            if let Some(value) = section.value("duration") {
                fault = fault.and_at(value.span(), "the phase's duration");
            }
            faults.push(fault.help(format!("at most \"{}\"", short_duration(duration))));
        }
        Some(over)
    };
    match kind {
        "ramp" => Some(PhaseKind::Ramp),
        "hold" => Some(PhaseKind::Hold),
        "crash" => {
            let share =
                section.required("share", "share = 0.3", |key, value| values::share(key, value, 1.0), faults);
            let over = over(faults);
            Some(PhaseKind::Crash { share: share?, over: over? })
        }
        _ => Some(PhaseKind::Recover { over: over(faults)? }),
    }
}

/// The names of all phases, those with a fault among them.
pub(crate) fn phase_names<'a>(root: &Section<'a>) -> Vec<&'a str> {
    // Faults of the phases themselves have been reported.
    let sections = root.tables("phases", &mut Faults::default());
    sections.iter().filter_map(|section| section.value("name")?.get_ref().as_str()).collect()
}

/// The name of one of `phases`.
pub(crate) fn read_phase_name(key: &str, value: &Value<'_>, phases: &[&str]) -> Result<String, Fault> {
    let name = values::text(key, value)?;
    if phases.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(Fault::at(value.span(), format!("no phase is called `{name}`"), "unknown phase")
        .help(values::suggestion(&name, phases, "phases")))
}

/// One ramp, and nothing that needs agents before it; a recovery only after a crash.
fn refuse_impossible_order(root: &Section<'_>, sections: &[Section<'_>], faults: &mut Faults) {
    let emptied = phases_left_without_some(root);
    let kinds: Vec<(&str, &Value<'_>, bool)> = sections
        .iter()
        .filter_map(|section| Some((section.value("kind")?, section)))
        .filter_map(|(value, section)| {
            let name = section.value("name").and_then(|value| value.get_ref().as_str());
            Some((value.get_ref().as_str()?, value, name.is_some_and(|name| emptied.contains(&name))))
        })
        .collect();
    // A kind that is missing or unknown might have been meant as any of them; its own fault is enough.
    if kinds.len() < sections.len() || kinds.iter().any(|(kind, ..)| !KINDS.contains(kind)) {
        return;
    }
    if let (None, Some(first)) = (kinds.iter().find(|(kind, ..)| *kind == "ramp"), sections.first()) {
        faults.push(
            Fault::at(first.span.clone(), "no phase is a ramp, so no agent ever starts", "the first phase")
                .help("begin with a phase of kind `ramp`"),
        );
        return;
    }
    let mut ramp: Option<&Value<'_>> = None;
    let mut crashed = false;
    for (kind, value, emptied) in kinds {
        match (kind, ramp) {
            ("ramp", None) => ramp = Some(value),
            ("ramp", Some(first)) => faults.push(
                Fault::at(value.span(), "a second ramp has nobody to start", "the second")
                    .and_at(first.span(), "all agents start in this one")
                    .help("make it a `hold`, or remove it"),
            ),
            ("crash", None) => faults.push(
                Fault::at(value.span(), "a crash before the ramp has nobody to strike", "too early")
                    .help("put a phase of kind `ramp` before it"),
            ),
            ("recover", _) if !crashed => faults.push(
                Fault::at(value.span(), "a recovery without a crash has nobody to bring back", "too early")
                    .help("put a phase of kind `crash` before it, or make it a `hold`"),
            ),
            _ => {}
        }
        crashed = emptied || kind == "crash" || (crashed && kind != "recover");
    }
}

/// The phases with a fault that ends agents and does not bring them back by itself.
fn phases_left_without_some<'a>(root: &Section<'a>) -> Vec<&'a str> {
    let word = |section: &Section<'a>, key: &str| section.value(key)?.get_ref().as_str();
    let ends = |section: &Section<'a>| {
        matches!(word(section, "kind"), Some("crash" | "leave")) && section.value("back_after").is_none()
    };
    let sections = root.tables("faults", &mut Faults::default());
    sections.iter().filter(|section| ends(section)).filter_map(|section| word(section, "phase")).collect()
}

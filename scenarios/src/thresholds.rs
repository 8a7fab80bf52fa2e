//! `[[thresholds]]`: what must hold.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Fault, Faults};
use crate::metric::{self, parse_metric};
use crate::model::{Figure, InjectedFault, Metric, Phase, PhaseKind, TargetKind, Threshold};
use crate::phases::{phase_names, read_phase_name};
use crate::section::{Section, Value};
use crate::values::{self, short_duration};

pub(crate) const THRESHOLD_KEYS: [&str; 6] = ["phase", "metric", "limit", "window", "grace", "floor_times"];

/// What thresholds speak of.
pub(crate) struct Context<'c> {
    pub(crate) phases: &'c [Phase],
    pub(crate) faults: &'c [InjectedFault],
    pub(crate) target: Option<&'c TargetKind>,
    /// Whether all of the above was read, so that something missing there is missing in the file.
    pub(crate) is_whole: bool,
}

/// Reads all thresholds. Phase names are taken from the file, so that a phase with a fault is still known.
pub(crate) fn read_thresholds(
    root: &Section<'_>,
    context: &Context<'_>,
    faults: &mut Faults,
) -> Vec<Threshold> {
    let names = phase_names(root);
    let mut seen = BTreeMap::new();
    let mut thresholds = Vec::new();
    for mut section in root.tables("thresholds", faults) {
        section.refuse_unknown_keys(&THRESHOLD_KEYS, faults);
        let metric = section.required("metric", "metric = \"heartbeat.response.p99\"", read_metric, faults);
        let phase = read_phase(&section, metric, &names, faults);
        let limit = section.required(
            "limit",
            "limit = \"100ms\"",
            |key, value| metric::limit(key, value, metric),
            faults,
        );
        let window = section.optional("window", values::positive_duration, faults);
        let grace = section.or("grace", Duration::ZERO, values::duration, faults);
        let floor_times =
            section.optional("floor_times", |key, value| values::small(key, value, 1..=100), faults);
        let (Some(phase), Some(metric), Some(limit), Some(grace)) = (phase, metric, limit, grace) else {
            continue;
        };
        let twin = seen.insert((phase.clone(), metric.to_string()), section.span.clone());
        if let Some(first) = twin {
            faults.push(
                Fault::at(
                    section.span.clone(),
                    format!("`{metric}` has two limits in `{phase}`"),
                    "the second",
                )
                .and_at(first, "the first")
                .help("keep the stricter one"),
            );
        }
        let threshold = Threshold { phase, metric, limit, window, grace, floor_times };
        refuse_meaningless_keys(&section, metric, faults);
        refuse_too_long(&section, &threshold, context, faults);
        refuse_without_a_value(&section, &threshold, context, faults);
        thresholds.push(threshold);
    }
    thresholds
}

fn read_metric(key: &str, value: &Value<'_>) -> Result<Metric, Fault> {
    let text = values::text(key, value)?;
    parse_metric(&text).map_err(|(reason, remedy)| {
        Fault::at(value.span(), format!("`{text}` is no metric: {reason}"), "unknown metric").help(remedy)
    })
}

/// Freshness is measured over the whole run, so that it stands with the last phase where none is named.
fn read_phase(
    section: &Section<'_>,
    metric: Option<Metric>,
    names: &[&str],
    faults: &mut Faults,
) -> Option<String> {
    let of_run = metric.is_some_and(|metric| matches!(metric.figure, Figure::Freshness { .. }));
    if let (true, None, Some(last)) = (of_run, section.value("phase"), names.last()) {
        return Some((*last).to_owned());
    }
    section.required("phase", "phase = \"hold\"", |key, value| read_phase_name(key, value, names), faults)
}

/// Windows are stretches of calls; what is measured over a fault or the run has no start of a phase either.
fn refuse_meaningless_keys(section: &Section<'_>, metric: Metric, faults: &mut Faults) {
    let floor_times = section.value("floor_times").is_some();
    if floor_times && !matches!(metric.figure, Figure::Duration { .. }) {
        let reason = format!("`floor_times` has no meaning for `{metric}`");
        section.refuse_key("floor_times", &reason, "remove it: the floor is a duration", faults);
    } else if floor_times {
        let reason = "a window has no floor of its own";
        section.refuse_key("window", reason, "remove either `window` or `floor_times`", faults);
    }
    let (window, grace, over) = match metric.figure {
        Figure::Duration { .. } | Figure::Errors | Figure::Misses => (true, true, ""),
        Figure::MemorySlope | Figure::PeakOverMean => (false, true, "the phase as a whole"),
        Figure::Recovery(_) => (false, false, "each fault of the phase as a whole"),
        Figure::Freshness { .. } => (false, false, "the run as a whole"),
    };
    for (key, has_meaning) in [("window", window), ("grace", grace)] {
        if !has_meaning {
            let reason = format!("`{key}` has no meaning for `{metric}`");
            section.refuse_key(key, &reason, &format!("remove it: this is measured over {over}"), faults);
        }
    }
}

/// A window that does not fit into what is judged of its phase would never be judged.
fn refuse_too_long(section: &Section<'_>, threshold: &Threshold, context: &Context<'_>, faults: &mut Faults) {
    let Some(phase) = context.phases.iter().find(|phase| phase.name == threshold.phase) else { return };
    let judged = phase.duration.saturating_sub(threshold.grace);
    let (key, length, most) = match threshold.window {
        _ if judged.is_zero() => ("grace", threshold.grace, phase.duration),
        Some(window) if window > judged => ("window", window, judged),
        _ => return,
    };
    let Some(value) = section.value(key) else { return };
    let (name, length, most) = (&phase.name, short_duration(length), short_duration(most));
    faults.push(match key {
        "grace" => Fault::at(
            value.span(),
            format!("`grace` ({length}) leaves nothing of `{name}` ({most}) to judge"),
            "too long",
        )
        .help(format!("less than \"{most}\"")),
        _ => Fault::at(
            value.span(),
            format!("`window` ({length}) is longer than what is judged of `{name}` ({most})"),
            "too long",
        )
        .help(format!("at most \"{most}\": the phase without its `grace`")),
    });
}

/// What no run could give a value: a recovery where nothing strikes, the memory of a process that is not the harness's.
fn refuse_without_a_value(
    section: &Section<'_>,
    threshold: &Threshold,
    context: &Context<'_>,
    faults: &mut Faults,
) {
    let Some(value) = section.value("metric").filter(|_| context.is_whole) else { return };
    let name = &threshold.phase;
    match threshold.metric.figure {
        Figure::Recovery(_) => {
            let strikes = |phase: &&Phase| {
                matches!(phase.kind, PhaseKind::Crash { .. } | PhaseKind::Recover { .. })
                    || context.faults.iter().any(|fault| fault.phase == phase.name)
            };
            if context.phases.iter().filter(strikes).all(|phase| phase.name != *name) {
                faults.push(
                    Fault::at(
                        value.span(),
                        format!("nothing strikes in `{name}` that could be got over"),
                        "never has a value",
                    )
                    .help("name a phase with an entry of `[[faults]]`, or one of kind `crash` or `recover`"),
                );
            }
        }
        Figure::MemorySlope if matches!(context.target, Some(TargetKind::Url(_))) => faults.push(
            Fault::at(value.span(), "the memory of a registry at a URL cannot be seen", "never has a value")
                .help("leave it out, or let the harness start the registry (`kind = \"command\"`)"),
        ),
        _ => {}
    }
}

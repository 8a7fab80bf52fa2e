//! When faults strike: within their phase, over before the run ends, and apart where both at once would be unclear.

use std::time::Duration;

use crate::error::{Fault, Faults};
use crate::model::{FaultKind, InjectedFault, Phase, PhaseKind};
use crate::section::Section;
use crate::values::short_duration;

/// A fault with the place that it was read from.
pub(crate) struct Placed<'a> {
    pub(crate) fault: InjectedFault,
    pub(crate) section: Section<'a>,
}

/// What only one fault can have in its hands at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Who lives.
    Lives,
    /// The registry's process.
    Process,
    /// Whose calls go where.
    Network,
    /// How often heartbeats are repeated.
    Retries,
    /// Nothing: such faults add up.
    Nothing,
}

impl Hold {
    fn of(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Crash { .. }
            | FaultKind::Leave { .. }
            | FaultKind::Churn { .. }
            | FaultKind::Deploy { .. }
            | FaultKind::Herd { .. } => Self::Lives,
            FaultKind::Kill { .. } | FaultKind::Pause { .. } => Self::Process,
            FaultKind::Partition { .. } => Self::Network,
            FaultKind::RetryStorm { .. } => Self::Retries,
            FaultKind::SlowReaders { .. } => Self::Nothing,
        }
    }

    /// Why two of them at once have no clear meaning.
    fn reason(self) -> &'static str {
        match self {
            Self::Lives => "which agents live would depend on which of them comes first",
            Self::Process => "the registry cannot be stopped or killed while it is away already",
            Self::Network => "an agent in both would have two networks at once",
            Self::Retries => "how often an agent in both repeats itself would be unclear",
            Self::Nothing => "",
        }
    }
}

/// A stretch of the run.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Duration,
    to: Duration,
}

impl Stretch {
    /// Two that begin in one instant overlap, however short they are.
    fn overlaps(self, other: Self) -> bool {
        self.from == other.from || (self.from < other.to && other.from < self.to)
    }
}

/// Reports faults that strike where nothing is, last beyond the end, or overlap with no clear meaning.
pub(crate) fn refuse_impossible_times(placed: &[Placed<'_>], phases: &[Phase], faults: &mut Faults) {
    let end: Duration = phases.iter().map(|phase| phase.duration).sum();
    let mut before: Vec<(&Placed<'_>, Hold, Stretch)> = Vec::new();
    for one in placed {
        let Some((start, phase)) = start_of(phases, &one.fault.phase) else { continue };
        if one.fault.at >= phase.duration {
            refuse_behind(one, phase, faults);
            continue;
        }
        let from = start + one.fault.at;
        let stretch = Stretch { from, to: from.saturating_add(one.fault.kind.length()) };
        if stretch.to > end {
            refuse_beyond(one, stretch, end, faults);
            continue;
        }
        let hold = Hold::of(one.fault.kind);
        if hold == Hold::Lives {
            refuse_within_a_wave(one, stretch, phases, faults);
        }
        if let Some((other, ..)) = before
            .iter()
            .find(|(_, held, taken)| hold != Hold::Nothing && *held == hold && stretch.overlaps(*taken))
        {
            let (name, first) = (&one.fault.name, &other.fault.name);
            faults.push(
                Fault::at(
                    one.section.span.clone(),
                    format!("`{name}` begins before `{first}` is over"),
                    "this one",
                )
                .and_at(other.section.span.clone(), "the other")
                .help(format!("let one follow the other: {}", hold.reason())),
            );
        }
        before.push((one, hold, stretch));
    }
}

/// A phase and when it starts.
fn start_of<'p>(phases: &'p [Phase], name: &str) -> Option<(Duration, &'p Phase)> {
    let index = phases.iter().position(|phase| phase.name == name)?;
    let start = phases.iter().take(index).map(|phase| phase.duration).sum();
    phases.get(index).map(|phase| (start, phase))
}

fn refuse_behind(one: &Placed<'_>, phase: &Phase, faults: &mut Faults) {
    let Some(value) = one.section.value("at") else { return };
    let (at, length) = (short_duration(one.fault.at), short_duration(phase.duration));
    faults.push(
        Fault::at(
            value.span(),
            format!("`at` ({at}) is not within `{}` ({length})", phase.name),
            "after the phase's end",
        )
        .help(format!("less than \"{length}\", counted from the phase's start")),
    );
}

fn refuse_beyond(one: &Placed<'_>, stretch: Stretch, end: Duration, faults: &mut Faults) {
    let (to, end) = (short_duration(stretch.to), short_duration(end));
    faults.push(
        Fault::at(
            one.section.span.clone(),
            format!("`{}` lasts until {to} of the run, which ends after {end}", one.fault.name),
            "lasts too long",
        )
        .help("make it shorter, let it begin earlier, or make its phase or a later one longer"),
    );
}

/// Phases of kind `crash` and `recover` say who lives, too.
fn refuse_within_a_wave(one: &Placed<'_>, stretch: Stretch, phases: &[Phase], faults: &mut Faults) {
    let mut from = Duration::ZERO;
    for phase in phases {
        let over = match phase.kind {
            PhaseKind::Crash { over, .. } | PhaseKind::Recover { over } => Some(over),
            PhaseKind::Ramp | PhaseKind::Hold => None,
        };
        if over.is_some_and(|over| stretch.overlaps(Stretch { from, to: from + over })) {
            faults.push(
                Fault::at(
                    one.section.span.clone(),
                    format!(
                        "`{}` strikes while the phase `{}` itself is a {}",
                        one.fault.name,
                        phase.name,
                        phase.kind.name()
                    ),
                    "this one",
                )
                .help(format!("let one follow the other: {}", Hold::Lives.reason())),
            );
        }
        from += phase.duration;
    }
}

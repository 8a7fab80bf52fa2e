//! `[[faults]]`: what goes wrong on purpose, while it is read.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Fault, Faults};
use crate::fleets::refuse_twin;
use crate::model::{BadNetwork, FaultKind, InjectedFault, Phase, TargetKind};
use crate::overlap::{self, Placed};
use crate::phases::{phase_names, read_phase_name};
use crate::section::{Section, Value};
use crate::values::{self, short_duration};

pub(crate) const FAULT_KEYS: [&str; 19] = [
    "name",
    "phase",
    "kind",
    "at",
    "share",
    "over",
    "back_after",
    "per_minute",
    "lasting",
    "down",
    "graceful",
    "batches",
    "every",
    "network",
    "by",
    "bytes_per_second",
    "times",
    "connections",
    "retries",
];

/// Each kind with the keys that it has beside `name`, `phase`, `kind` and `at`.
const KINDS: [(&str, &[&str]); 10] = [
    ("crash", &["share", "over", "back_after"]),
    ("leave", &["share", "over", "back_after"]),
    ("churn", &["per_minute", "lasting", "down", "graceful"]),
    ("deploy", &["batches", "every", "down", "graceful"]),
    ("herd", &["down"]),
    ("partition", &["share", "lasting", "network", "by", "bytes_per_second"]),
    ("kill", &["down", "times", "every"]),
    ("pause", &["lasting", "times", "every"]),
    ("slow-readers", &["connections", "bytes_per_second", "lasting"]),
    ("retry-storm", &["share", "lasting", "retries"]),
];

const MAX_NAME: usize = 63;
/// Ten times the fleet in a minute.
const MAX_PER_MINUTE: f64 = 10.0;
const MAX_BATCHES: u32 = 10_000;
const MAX_TIMES: u32 = 1_000;
const MAX_CONNECTIONS: u32 = 10_000;
const MAX_RETRIES: u32 = 100;
const MAX_BYTES_PER_SECOND: u32 = 1_000_000_000;

/// Reads all faults. `phases` is `None` where instants are not known, `target` where the registry is not.
pub(crate) fn read_faults(
    root: &Section<'_>,
    phases: Option<&[Phase]>,
    target: Option<&TargetKind>,
    faults: &mut Faults,
) -> Vec<InjectedFault> {
    let phase_names = phase_names(root);
    let mut names = BTreeMap::new();
    let mut placed = Vec::new();
    for mut section in root.tables("faults", faults) {
        section.refuse_unknown_keys(&FAULT_KEYS, faults);
        if let Some(value) = section.value("name") {
            refuse_twin("fault", value, &mut names, faults);
        }
        let name = section.required(
            "name",
            "name = \"strike\"",
            |key, value| values::name(key, value, MAX_NAME),
            faults,
        );
        let phase = section.required(
            "phase",
            "phase = \"hold\"",
            |key, value| read_phase_name(key, value, &phase_names),
            faults,
        );
        let at = section.or("at", Duration::ZERO, values::duration, faults);
        let kind = Reader { section: &section, faults }.kind();
        if let (Some(kind), Some(TargetKind::Url(_)), Some(value)) = (kind, target, section.value("kind"))
            && kind.needs_process()
        {
            let reason =
                format!("the process of a registry at a URL cannot be struck by a `{}`", kind.name());
            faults.push(
                Fault::at(value.span(), reason, "not with it")
                    .help("let the harness start the registry (`kind = \"command\"`), or remove the fault"),
            );
        }
        let (Some(name), Some(phase), Some(at), Some(kind)) = (name, phase, at, kind) else { continue };
        placed.push(Placed { fault: InjectedFault { name, phase, at, kind }, section });
    }
    if let Some(phases) = phases {
        overlap::refuse_impossible_times(&placed, phases, faults);
    }
    placed.into_iter().map(|placed| placed.fault).collect()
}

/// A fault while its keys are read.
struct Reader<'r, 'a> {
    section: &'r Section<'a>,
    faults: &'r mut Faults,
}

impl Reader<'_, '_> {
    fn kind(&mut self) -> Option<FaultKind> {
        let names = KINDS.map(|(name, _)| name);
        let one_of = |key: &str, value: &Value<'_>| values::one_of(key, value, &names);
        let kind = self.section.required("kind", "kind = \"crash\"", one_of, self.faults)?;
        self.refuse_keys_of_others(kind);
        match kind {
            "crash" | "leave" => self.fall(kind),
            "churn" => self.churn(),
            "deploy" => self.deploy(),
            "herd" => Some(FaultKind::Herd { down: self.duration("down", None)? }),
            "partition" => self.partition(),
            "kill" => {
                let down = self.duration("down", Some(Duration::from_secs(1)));
                let (times, every) = self.repeated("down", down)?;
                Some(FaultKind::Kill { down: down?, times, every })
            }
            "pause" => {
                let lasting = self.duration("lasting", None);
                let (times, every) = self.repeated("lasting", lasting)?;
                Some(FaultKind::Pause { lasting: lasting?, times, every })
            }
            "slow-readers" => {
                let connections = self.whole("connections", "connections = 50", 1..=MAX_CONNECTIONS);
                let bytes_per_second = self.bytes_per_second();
                let lasting = self.duration("lasting", None);
                Some(FaultKind::SlowReaders {
                    connections: connections?,
                    bytes_per_second: bytes_per_second?,
                    lasting: lasting?,
                })
            }
            _ => {
                let (share, lasting) =
                    (self.share("share", "share = 0.3", 1.0), self.duration("lasting", None));
                let retries = self.whole("retries", "retries = 3", 1..=MAX_RETRIES);
                Some(FaultKind::RetryStorm { share: share?, lasting: lasting?, retries: retries? })
            }
        }
    }

    /// Reports keys that only other kinds have.
    fn refuse_keys_of_others(&mut self, kind: &str) {
        let own = KINDS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, keys)| *keys);
        for key in FAULT_KEYS.iter().skip(4).filter(|key| !own.contains(key)) {
            let owners: Vec<String> = KINDS
                .iter()
                .filter(|(_, keys)| keys.contains(key))
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let reason = format!("`{key}` has no meaning for a fault of kind `{kind}`");
            let remedy = format!("remove it; it belongs to {}", owners.join(", "));
            self.section.refuse_key(key, &reason, &remedy, self.faults);
        }
    }

    fn fall(&mut self, kind: &str) -> Option<FaultKind> {
        let share = self.share("share", "share = 0.3", 1.0);
        let over = self.section.or("over", Duration::ZERO, values::duration, self.faults);
        let wrong = self.faults.count();
        let back_after = self.section.optional("back_after", values::positive_duration, self.faults);
        if self.faults.count() > wrong {
            return None;
        }
        let (share, over) = (share?, over?);
        Some(match kind {
            "leave" => FaultKind::Leave { share, over, back_after },
            _ => FaultKind::Crash { share, over, back_after },
        })
    }

    fn churn(&mut self) -> Option<FaultKind> {
        let per_minute = self.share("per_minute", "per_minute = 0.1", MAX_PER_MINUTE);
        let lasting = self.duration("lasting", None);
        let down = self.section.or("down", Duration::ZERO, values::duration, self.faults);
        let graceful = self.graceful();
        let (per_minute, lasting, down) = (per_minute?, lasting?, down?);
        // Else an agent would have to be replaced before it is back.
        if let Some(value) = self.section.value("down")
            && down.as_secs_f64() * per_minute >= 60.0
        {
            let turn = Duration::from_secs_f64((60.0 / per_minute).min(86_400.0));
            self.faults.push(
                Fault::at(
                    value.span(),
                    "an agent would be replaced again before it is back",
                    "longer than a turn of the whole fleet",
                )
                .help(format!("less than {}s, in which all agents take their turn", turn.as_secs())),
            );
        }
        Some(FaultKind::Churn { per_minute, lasting, down, graceful: graceful? })
    }

    fn deploy(&mut self) -> Option<FaultKind> {
        let batches = self.whole("batches", "batches = 10", 1..=MAX_BATCHES);
        let every = self.duration("every", None);
        let down = self.duration("down", None);
        let graceful = self.graceful();
        let (batches, every, down) = (batches?, every?, down?);
        if every < down {
            self.refuse_every("down", every, down, "at least");
        }
        Some(FaultKind::Deploy { batches, every, down, graceful: graceful? })
    }

    fn partition(&mut self) -> Option<FaultKind> {
        let share = self.share("share", "share = 0.3", 1.0);
        let lasting = self.duration("lasting", None);
        let network = self.section.choice("network", &["cut", "delay", "trickle"], self.faults)?;
        for (key, owner) in [("by", "delay"), ("bytes_per_second", "trickle")] {
            if network != owner {
                let reason = format!("`{key}` has no meaning for a network of kind `{network}`");
                let remedy = format!("remove it, or set `network = \"{owner}\"`");
                self.section.refuse_key(key, &reason, &remedy, self.faults);
            }
        }
        let network = match network {
            "delay" => BadNetwork::Delay { by: self.duration("by", None)? },
            "trickle" => BadNetwork::Trickle { bytes_per_second: self.bytes_per_second()? },
            _ => BadNetwork::Cut,
        };
        Some(FaultKind::Partition { share: share?, lasting: lasting?, network })
    }

    /// `times` and `every`, where each time lasts for `length`, which stands under `key`.
    fn repeated(&mut self, key: &str, length: Option<Duration>) -> Option<(u32, Duration)> {
        let once = |key: &str, value: &Value<'_>| values::small(key, value, 1..=MAX_TIMES);
        let times = self.section.or("times", 1, once, self.faults)?;
        let every = match (times, self.section.value("every")) {
            // Once is not repeated; nothing is to be said of the distance.
            (1, None) => return Some((1, Duration::ZERO)),
            _ => self.duration("every", None)?,
        };
        let length = length?;
        if times > 1 && every <= length {
            self.refuse_every(key, every, length, "more than");
        }
        Some((times, every))
    }

    fn refuse_every(&mut self, key: &str, every: Duration, length: Duration, bound: &str) {
        let Some(value) = self.section.value("every") else { return };
        let (every, length) = (short_duration(every), short_duration(length));
        let mut fault = Fault::at(
            value.span(),
            format!("the next begins (`every` {every}) before the last is over (`{key}` {length})"),
            "too soon",
        );
        if let Some(value) = self.section.value(key) {
            fault = fault.and_at(value.span(), "as long as this");
        }
        self.faults.push(fault.help(format!("{bound} \"{length}\"")));
    }

    fn graceful(&mut self) -> Option<bool> {
        self.section.or("graceful", true, values::truth, self.faults)
    }

    fn share(&mut self, key: &str, example: &str, most: f64) -> Option<f64> {
        let share = |key: &str, value: &Value<'_>| values::share(key, value, most);
        self.section.required(key, example, share, self.faults)
    }

    fn whole(&mut self, key: &str, example: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let whole = |key: &str, value: &Value<'_>| values::small(key, value, range);
        self.section.required(key, example, whole, self.faults)
    }

    fn bytes_per_second(&mut self) -> Option<u32> {
        self.whole("bytes_per_second", "bytes_per_second = 10_000", 1..=MAX_BYTES_PER_SECOND)
    }

    /// A duration above 0; required where there is no default.
    fn duration(&mut self, key: &str, default: Option<Duration>) -> Option<Duration> {
        match default {
            Some(default) => self.section.or(key, default, values::positive_duration, self.faults),
            None => {
                let example = format!("{key} = \"5s\"");
                self.section.required(key, &example, values::positive_duration, self.faults)
            }
        }
    }
}

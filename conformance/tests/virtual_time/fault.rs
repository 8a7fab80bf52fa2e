//! Faults that are put around the registry, each of which the judge or the model must find.

use std::collections::BTreeMap;

use registry::virtual_time::{Answered, Asked, Disk};
use serde_json::Value;

/// What is wrong with the registry under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// D is a millisecond shorter than published.
    DegradesEarly,
    /// X is a millisecond shorter.
    ExpiresEarly,
    /// X is a millisecond longer.
    ExpiresLate,
    /// Q is a millisecond longer.
    EvictsLate,
    /// A kill takes the agent that was registered last with it.
    LosesAgents,
    /// A restart counts revisions from the start again.
    RevisionsFall,
    /// A delta leaves out one agent.
    DeltasMissAChange,
    /// Whoever has a tag is told that nothing changed.
    TagsAreForEver,
    /// A HEAD is answered and renews nothing.
    ProbesRenewNothing,
    /// Sequences are ignored.
    LatecomersCount,
    /// A restart forgets who was deregistered for good.
    TheDeregisteredComeBack,
    /// Silence is measured by the wall clock.
    TheWallClockCounts,
    /// A pause of the process is everybody's silence.
    PausesCount,
}

impl Fault {
    pub(crate) const ALL: [Self; 13] = [
        Self::DegradesEarly,
        Self::ExpiresEarly,
        Self::ExpiresLate,
        Self::EvictsLate,
        Self::LosesAgents,
        Self::RevisionsFall,
        Self::DeltasMissAChange,
        Self::TagsAreForEver,
        Self::ProbesRenewNothing,
        Self::LatecomersCount,
        Self::TheDeregisteredComeBack,
        Self::TheWallClockCounts,
        Self::PausesCount,
    ];

    /// The timeouts that the registry is told, where the judge is told others.
    pub(crate) fn policies(self, mut policies: BTreeMap<String, [u64; 4]>) -> BTreeMap<String, [u64; 4]> {
        for [h, d, x, q] in policies.values_mut() {
            match self {
                Self::DegradesEarly if *d > *h + 1 => *d -= 1,
                Self::ExpiresEarly if *x > *d + 1 => *x -= 1,
                Self::ExpiresLate if *q > *x + 1 => *x += 1,
                Self::EvictsLate => *q += 1,
                _ => {}
            }
        }
        policies
    }

    /// What reaches the registry instead of what was sent.
    pub(crate) fn asked(self, mut asked: Asked) -> Asked {
        if self == Self::LatecomersCount
            && let Ok(mut body) = serde_json::from_slice::<Value>(&asked.body)
            && let Some(members) = body.as_object_mut()
        {
            members.remove("sequence");
            asked.body = body.to_string().into_bytes();
        }
        if self == Self::ProbesRenewNothing && asked.method == "HEAD" {
            asked.method = "GET".to_owned();
            asked.path = asked.path.replace("/heartbeat/", "/agents/");
        }
        asked
    }

    /// What is answered instead of what the registry answered.
    pub(crate) fn answered(self, asked: &Asked, mut answered: Answered) -> Answered {
        let body = || serde_json::from_slice::<Value>(&answered.body).unwrap_or_default();
        match self {
            Self::ProbesRenewNothing if asked.method == "HEAD" => {
                let lives = body()["status"].as_str().is_some_and(|status| status != "expired");
                Answered { status: if lives { 200 } else { 410 }, body: Vec::new(), ..answered }
            }
            Self::DeltasMissAChange if asked.path.contains("since=") => {
                let mut body = body();
                let missed = |list: &mut Value| list.as_array_mut().is_some_and(|list| list.pop().is_some());
                let _is_missed = missed(&mut body["changed"]) || missed(&mut body["removed"]);
                answered.body = body.to_string().into_bytes();
                answered
            }
            Self::TagsAreForEver => match asked.headers.iter().find(|(name, _)| name == "if-none-match") {
                Some((_, tag)) => {
                    let headers = vec![("etag".to_owned(), tag.clone())];
                    Answered { status: 304, headers, body: Vec::new() }
                }
                None => answered,
            },
            _ => answered,
        }
    }

    /// What a kill leaves behind.
    pub(crate) fn killed(self, disk: &mut Disk, registered_last: Option<&str>) {
        match (self, registered_last) {
            (Self::LosesAgents, Some(agent_id)) => disk.lose(agent_id),
            (Self::RevisionsFall, _) => disk.forget_revisions(),
            (Self::TheDeregisteredComeBack, _) => disk.forget_barred(),
            _ => {}
        }
    }
}

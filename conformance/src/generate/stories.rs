//! What one agent does, as gaps and acts. Gaps are drawn on a grid around D and X (k/6 of the timeout and 1/15 beside it),
//! which shows a fault again far more often than raw milliseconds do.

use proptest::prelude::{Just, any, prop_oneof};
use proptest::strategy::Strategy;
use reports::history::{Abilities, Reported};
use serde::{Deserialize, Serialize};

use super::{Purpose, draw};

/// What a gap is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// D; X where there is no D.
    DegradedAfter,
    /// X.
    ExpiresAfter,
}

/// A share of a timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Of which timeout.
    pub unit: Unit,
    /// How many thousandths of it.
    pub permille: u64,
}

impl Gap {
    /// `sixths`/6 + 1/15 of a timeout, rounded up.
    fn beside(unit: Unit, sixths: u64) -> Self {
        Self { unit, permille: (sixths * 1000).div_ceil(6) + 1000_u64.div_ceil(15) }
    }

    /// In microseconds.
    pub fn us(self, degraded_us: u64, expires_us: u64) -> u64 {
        let timeout = match self.unit {
            Unit::DegradedAfter => degraded_us,
            Unit::ExpiresAfter => expires_us,
        };
        timeout.saturating_mul(self.permille) / 1000
    }
}

/// One call of an agent, or several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A lean heartbeat.
    Renew,
    /// The leanest renewal.
    Probe,
    /// A lean heartbeat that reports a status.
    Report(Reported),
    /// A full heartbeat with the same document.
    Repeat,
    /// A full heartbeat with another document.
    Declare,
    /// So many lean heartbeats in the same instant.
    Race(u32),
    /// Deregistration; the next act registers again.
    Leave,
}

/// What happens after a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the last act.
    pub gap: Gap,
    /// What.
    pub act: Act,
}

/// How an agent lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Renews at this share of D as long as the window lasts.
    Steady {
        /// Per cent of D.
        percent: u64,
    },
    /// Renews k times at once, again and again, at gaps just below D.
    Racer {
        /// How many at once.
        together: u32,
    },
    /// Does this, then falls silent.
    Script(Vec<Step>),
}

/// One agent's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// When it registers, in thousandths of the window's first tenth.
    pub start_permille: u64,
    /// How it lives.
    pub role: Role,
}

/// The parts of `agents` agents, for a registry of these abilities.
pub fn stories(seed: u64, agents: usize, abilities: &Abilities) -> Vec<Story> {
    let steps = proptest::collection::vec(step(abilities.degraded), 0..=6);
    let role = prop_oneof![
        2 => (50_u64..=93).prop_map(|percent| Role::Steady { percent }),
        2 => (2_u32..=5).prop_map(|together| Role::Racer { together }),
        6 => steps.prop_map(Role::Script),
    ];
    let story = (0_u64..1000, role).prop_map(|(start_permille, role)| Story { start_permille, role });
    let mut stories =
        draw(seed, Purpose::Stories, &proptest::collection::vec(story, agents)).unwrap_or_default();
    // Whatever is drawn, each role is there: no seed leaves a requirement without evidence.
    let sure = [Role::Steady { percent: 90 }, Role::Racer { together: 4 }, Role::Script(Vec::new())];
    for (story, role) in stories.iter_mut().zip(sure.into_iter().cycle().take(agents / 4)) {
        story.role = role;
    }
    stories
}

fn step(degraded: bool) -> impl Strategy<Value = Step> {
    let gap = prop_oneof![
        (1_u64..=8).prop_map(|sixths| Gap::beside(Unit::DegradedAfter, sixths)),
        (4_u64..=7).prop_map(|sixths| Gap::beside(Unit::ExpiresAfter, sixths)),
    ];
    let report = any::<bool>().prop_map(move |well| {
        Act::Report(if well || !degraded { Reported::Healthy } else { Reported::Degraded })
    });
    let act = prop_oneof![
        3 => Just(Act::Renew),
        1 => Just(Act::Probe),
        2 => report,
        1 => Just(Act::Repeat),
        2 => Just(Act::Declare),
        2 => (2_u32..=5).prop_map(Act::Race),
        1 => Just(Act::Leave),
    ];
    (gap, act).prop_map(|(gap, act)| Step { gap, act })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Abilities {
        Abilities::ALL
    }

    #[test]
    fn the_same_seed_gives_the_same_stories() {
        assert_eq!(stories(3, 200, &all()), stories(3, 200, &all()));
        assert_ne!(stories(3, 200, &all()), stories(4, 200, &all()));
    }

    #[test]
    fn nobody_reports_degraded_where_there_is_no_such_state() {
        let abilities = Abilities { degraded: false, ..all() };
        let reports_degraded = |story: &Story| match &story.role {
            Role::Script(steps) => steps.iter().any(|step| step.act == Act::Report(Reported::Degraded)),
            _ => false,
        };
        assert!(!stories(3, 300, &abilities).iter().any(reports_degraded));
        assert!(stories(3, 300, &all()).iter().any(reports_degraded));
    }

    #[test]
    fn gaps_lie_beside_the_grid_and_never_on_a_deadline() {
        for sixths in 1..=8 {
            let gap = Gap::beside(Unit::DegradedAfter, sixths).us(600_000, 1_200_000);
            assert!(gap.abs_diff(600_000) >= 40_000, "{gap}");
        }
    }
}

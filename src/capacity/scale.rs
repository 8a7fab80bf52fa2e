//! A scenario made larger or smaller, as assignments of `--set`, so that each step's report holds what was run.

use std::time::Duration;

use scenarios::model::{Fleet, Scenario};

use crate::cli::Quantity;

/// Most agents that a scenario may have over all fleets.
const MOST_AGENTS: u64 = 1_000_000;

/// The shortest period that is asked for.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);

/// The scenario's own rate; levels of rates are thousandths of it.
const OWN_RATE: u64 = 1_000;

/// How a scenario is made larger.
#[derive(Debug)]
pub(super) struct Scale {
    quantity: Quantity,
    fleets: Vec<Fleet>,
    /// The lowest rate at which every heartbeat still comes as often as its policy asks for, as for [`OWN_RATE`].
    slowest: u64,
}

impl Scale {
    pub(super) fn new(quantity: Quantity, scenario: &Scenario) -> Self {
        let policies = &scenario.target.policies;
        let slowest = scenario.fleets.iter().map(|fleet| {
            let policy = policies.get(&fleet.agent_type).or_else(|| policies.get("default"));
            policy.map_or(OWN_RATE, |policy| {
                let [own, asked] = [fleet.heartbeat, policy.heartbeat_interval].map(micros);
                (own.saturating_mul(OWN_RATE).div_ceil(asked.max(1))).clamp(1, OWN_RATE)
            })
        });
        Self { quantity, slowest: slowest.max().unwrap_or(OWN_RATE), fleets: scenario.fleets.clone() }
    }

    /// The scenario's own numbers.
    pub(super) fn start(&self) -> u64 {
        match self.quantity {
            Quantity::Agents => self.agents(),
            Quantity::Rate => OWN_RATE,
        }
    }

    /// The least and the most that can be asked for: an agent a fleet and a million of them; no heartbeat later than its
    /// policy asks for, and no period below a millisecond.
    pub(super) fn bounds(&self) -> (u64, u64) {
        match self.quantity {
            Quantity::Agents => {
                let fleets = u64::try_from(self.fleets.len()).unwrap_or(u64::MAX);
                // Each fleet may be rounded up.
                (fleets, MOST_AGENTS.saturating_sub(fleets))
            }
            Quantity::Rate => {
                let shortest =
                    self.fleets.iter().flat_map(|fleet| [Some(fleet.heartbeat), fleet.poll]).flatten();
                let fastest =
                    shortest.map(|period| micros(period) * OWN_RATE / micros(SHORTEST_PERIOD)).min();
                (self.slowest, fastest.unwrap_or(OWN_RATE).max(OWN_RATE))
            }
        }
    }

    /// A level in the name of a folder.
    pub(super) fn named(&self, level: u64) -> String {
        match self.quantity {
            Quantity::Agents => format!("{level}-agents"),
            Quantity::Rate => format!("rate-{level}-thousandths"),
        }
    }

    /// The assignments that bring the scenario to a level.
    pub(super) fn set(&self, level: u64) -> Vec<String> {
        let of_fleet = |(index, fleet): (usize, &Fleet)| match self.quantity {
            Quantity::Agents => {
                let agents = u128::from(fleet.agents) * u128::from(level);
                let all = u128::from(self.agents().max(1));
                vec![format!("fleets.{index}.agents={}", ((agents + all / 2) / all).max(1))]
            }
            Quantity::Rate => {
                let divided =
                    |period: Duration| (micros(period).saturating_mul(OWN_RATE) / level.max(1)).max(1);
                let mut set = vec![format!("fleets.{index}.heartbeat={}us", divided(fleet.heartbeat))];
                set.extend(fleet.poll.map(|poll| format!("fleets.{index}.poll={}us", divided(poll))));
                set
            }
        };
        self.fleets.iter().enumerate().flat_map(of_fleet).collect()
    }

    fn agents(&self) -> u64 {
        self.fleets.iter().map(|fleet| u64::from(fleet.agents)).sum()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "scaled"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "2500ms"
expires_after = "5s"
evict_after = "20s"
[[fleets]]
name = "many"
agents = 90
heartbeat = "500ms"
poll = "2s"
[[fleets]]
name = "few"
agents = 10
[[phases]]
name = "ramp"
kind = "ramp"
duration = "5s"
"#;

    fn scaled(quantity: Quantity, level: u64) -> (Vec<u32>, Vec<Duration>, Option<Duration>) {
        let scenario = scenarios::parse("scaled.toml", TEXT, &[]).unwrap();
        let set = Scale::new(quantity, &scenario).set(level);
        let scenario = scenarios::parse("scaled.toml", TEXT, &set).unwrap();
        let fleets = &scenario.fleets;
        let policies = &scenario.target.policies;
        assert_eq!(policies["default"].heartbeat_interval, Duration::from_secs(1), "policies stay");
        (
            fleets.iter().map(|fleet| fleet.agents).collect(),
            fleets.iter().map(|fleet| fleet.heartbeat).collect(),
            fleets[0].poll,
        )
    }

    #[test]
    fn agents_are_multiplied_fleet_by_fleet() {
        let (agents, periods, poll) = scaled(Quantity::Agents, 250);
        assert_eq!(agents, [225, 25]);
        assert_eq!((periods[0], poll), (Duration::from_millis(500), Some(Duration::from_secs(2))));
        assert_eq!(scaled(Quantity::Agents, 2).0, [2, 1], "no fleet is empty");
        assert_eq!(scaled(Quantity::Agents, 100).0, [90, 10], "the scenario's own numbers");
    }

    #[test]
    fn rates_divide_the_periods_of_heartbeats_and_polls() {
        let (agents, periods, poll) = scaled(Quantity::Rate, 2_000);
        assert_eq!(agents, [90, 10]);
        assert_eq!(periods, [Duration::from_millis(250), Duration::from_millis(500)]);
        assert_eq!(poll, Some(Duration::from_secs(1)));
    }

    #[test]
    fn no_heartbeat_comes_later_than_its_policy_asks_for() {
        let scenario = scenarios::parse("scaled.toml", TEXT, &[]).unwrap();
        assert_eq!(Scale::new(Quantity::Rate, &scenario).bounds(), (1_000, 500_000));
        assert_eq!(Scale::new(Quantity::Agents, &scenario).bounds(), (2, 999_998));
        let faster = ["fleets.few.heartbeat=250ms".to_owned()];
        let scenario = scenarios::parse("scaled.toml", TEXT, &faster).unwrap();
        assert_eq!(Scale::new(Quantity::Rate, &scenario).bounds(), (500, 250_000));
    }
}

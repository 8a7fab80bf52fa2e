//! What each agent declares, worked out again whenever it is asked for: nothing of it is kept in memory.

use rand_chacha::ChaCha8Rng;
use scenarios::model::Fleet;

use super::Plan;
use super::chance::{Draws, Question, choose, choose_weighted};

/// The version of every simulated capability.
pub const CAPABILITY_VERSION: &str = "1.0.0";

/// An agent and what it declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `<fleet>-000001` and so on.
    pub agent_id: String,
    /// Chooses the policy.
    pub agent_type: String,
    /// Names of its capabilities.
    pub capabilities: Vec<String>,
    /// Names of the capabilities that it depends on.
    pub dependencies: Vec<String>,
    /// Whether it renews by the leanest call there is. Half of the agents without dependencies do; those with
    /// dependencies send lean heartbeats, which bring their wiring back.
    pub probes: bool,
}

impl Plan {
    /// The id of an agent; empty for a number that no agent has.
    pub fn agent_id(&self, agent: u32) -> String {
        self.fleet_of(agent).map_or_else(String::new, |(_, fleet, member)| id(fleet, member))
    }

    /// What an agent declares; `None` for a number that no agent has.
    pub fn identity(&self, agent: u32) -> Option<Identity> {
        let (index, fleet, member) = self.fleet_of(agent)?;
        let draws = Draws { seed: self.seed, fleet: index, agent: member };
        let mut generator = draws.generator(Question::Declaration, 0, 0);
        let names = |chosen: Vec<u32>| chosen.into_iter().map(|number| capability(fleet, number)).collect();
        let capabilities = names(self.choose(index, &mut generator, fleet.capabilities_per_agent));
        let dependencies: Vec<String> =
            names(self.choose(index, &mut generator, fleet.dependencies_per_agent));
        Some(Identity {
            agent_id: id(fleet, member),
            agent_type: fleet.agent_type.clone(),
            capabilities,
            dependencies,
            probes: self.probes(agent),
        })
    }

    /// [`Identity::probes`] by itself.
    pub fn probes(&self, agent: u32) -> bool {
        let Some((index, fleet, member)) = self.fleet_of(agent) else { return false };
        let draws = Draws { seed: self.seed, fleet: index, agent: member };
        let depends = fleet.capability_pool.min(fleet.dependencies_per_agent) > 0;
        !depends && draws.share(Question::Renewal, 0, 0) < 0.5
    }

    /// The capability that an agent's poll asks for, and which of the agent's questions that is: its dependencies
    /// in turn, or, without any, one capability of its fleet. `None` asks for everything.
    pub fn question(&self, agent: u32, poll: u32) -> (usize, Option<String>) {
        let Some((index, fleet, member)) = self.fleet_of(agent) else { return (0, None) };
        let draws = Draws { seed: self.seed, fleet: index, agent: member };
        let mut generator = draws.generator(Question::Declaration, 0, 0);
        let _capabilities = self.choose(index, &mut generator, fleet.capabilities_per_agent);
        let wanted = fleet.dependencies_per_agent.max(1);
        let chosen = self.choose(index, &mut generator, wanted);
        let turn = usize::try_from(poll).unwrap_or(0).checked_rem(chosen.len()).unwrap_or(0);
        (turn, chosen.get(turn).map(|number| capability(fleet, *number)))
    }

    /// So many capabilities of a fleet's pool, by their popularity.
    fn choose(&self, fleet: u32, generator: &mut ChaCha8Rng, count: u32) -> Vec<u32> {
        let members = usize::try_from(fleet).ok().and_then(|index| self.fleets.get(index));
        members.map_or_else(Vec::new, |members| match members.popularity.is_empty() {
            true => choose(generator, members.fleet.capability_pool, count),
            false => choose_weighted(generator, &members.popularity, count),
        })
    }
}

/// Written for every call, so without the machinery of formats.
fn id(fleet: &Fleet, member: u32) -> String {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(u64::from(member) + 1);
    let zeros = "000000".get(digits.len()..).unwrap_or_default();
    [&fleet.name, "-", zeros, digits].concat()
}

fn capability(fleet: &Fleet, number: u32) -> String {
    format!("{}.cap-{}", fleet.name, u64::from(number) + 1)
}

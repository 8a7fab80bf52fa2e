//! Other policies while agents live: each changes over with its next accepted heartbeat.

use crate::agent::{Agent, Phase};
use crate::policy::{Policies, Policy};
use crate::registry::Registry;
use crate::time::Moment;

impl Registry {
    /// Sets other policies. Every agent goes on by the timeouts under which its last heartbeat was accepted, and takes
    /// the new ones with its next accepted heartbeat, whose answer tells them: so nobody expires sooner than the smaller
    /// of the old and the new deadline says. Gives how many agents have a change before them.
    pub fn set_policies(&mut self, moment: Moment, policies: Policies) -> usize {
        self.advance(moment);
        let mut affected = 0;
        for agent in self.agents.agents_mut() {
            let agent_type = &agent.document.agent_type;
            let held = *agent.policy(&self.setup.policies);
            let is_another = held != *policies.of(agent_type);
            agent.former = is_another.then(|| Box::new(held));
            affected += usize::from(is_another && agent.phase != Phase::Gone);
        }
        self.setup.policies = policies;
        affected
    }
}

impl Agent {
    /// The timeouts that this agent is held to.
    pub(crate) fn policy<'a>(&'a self, policies: &'a Policies) -> &'a Policy {
        self.former.as_deref().unwrap_or_else(|| policies.of(&self.document.agent_type))
    }
}

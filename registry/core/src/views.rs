//! Single entries, health, counts.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::agent::{Agent, Phase, Reason, Status};
use crate::document::{AgentId, AgentType, Capability, Dependency, LabelKey, Metadata};
use crate::policy::Policy;
use crate::registry::Registry;
use crate::time::{Moment, Revision};

/// An agent as lists and the single read show it.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    agent_id: &'a AgentId,
    agent_type: &'a AgentType,
    status: Status,
    reason: Reason,
    epoch: u64,
    revision: Revision,
    endpoint: Option<&'a str>,
    capabilities: &'a [Capability],
    dependencies: &'a [Dependency],
    labels: &'a std::collections::BTreeMap<LabelKey, String>,
    #[serde(serialize_with = "object_or_empty")]
    metadata: Option<&'a RawValue>,
    registered_at: String,
}

/// `GET /agents/{agent_id}/health`. What is past already is 0; what is still to come is never 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthView {
    /// Who.
    pub agent_id: AgentId,
    /// What views show.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// How often it has been registered.
    pub epoch: u64,
    /// How long ago the last accepted heartbeat came.
    pub silence_ms: u64,
    /// How long until D.
    pub degraded_in_ms: u64,
    /// How long until X.
    pub expires_in_ms: u64,
    /// How long until Q.
    pub evicted_in_ms: u64,
    /// The timeouts of its type.
    pub policy: Policy,
}

/// How many agents have each status, and since when it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// The revision that they belong to.
    pub revision: Revision,
    /// Healthy agents.
    pub healthy: usize,
    /// Degraded agents.
    pub degraded: usize,
    /// Expired agents that are not evicted yet.
    pub expired: usize,
}

impl Registry {
    /// `GET /agents/{agent_id}`: the entry as JSON and its strong entity tag; `None` when it is gone.
    pub fn read(&mut self, moment: Moment, agent_id: &AgentId) -> Option<(Arc<str>, String)> {
        self.advance_one(moment, agent_id);
        let store_id = &self.setup.store_id;
        let agent = self.agents.get(agent_id)?;
        let entry = entry(agent_id, agent)?;
        Some((entry, format!("\"{store_id}-{}-{agent_id}\"", agent.changed.0)))
    }

    /// `GET /agents/{agent_id}/health`; `None` when it is gone.
    pub fn health(&mut self, moment: Moment, agent_id: &AgentId) -> Option<HealthView> {
        self.advance_one(moment, agent_id);
        let agent = self.agents.get(agent_id)?;
        let policy = *agent.policy(&self.setup.policies);
        let until = |after_ms| agent.last_seen.plus_ms(after_ms).us_since(self.now).div_ceil(1_000);
        Some(HealthView {
            agent_id: agent_id.clone(),
            status: agent.status()?,
            reason: agent.reason(),
            epoch: agent.epoch,
            silence_ms: self.now.us_since(agent.last_seen) / 1_000,
            // After a pause a degraded agent may stand short of D again; it has passed D all the same.
            degraded_in_ms: if agent.phase == Phase::Live { until(policy.degraded_after_ms()) } else { 0 },
            expires_in_ms: until(policy.expires_after_ms()),
            evicted_in_ms: until(policy.evict_after_ms()),
            policy,
        })
    }

    /// How many agents there are.
    pub fn counts(&mut self, moment: Moment) -> Counts {
        self.advance(moment);
        let [healthy, degraded, expired] = self.counts;
        Counts { revision: self.revision, healthy, degraded, expired }
    }
}

/// The agent's entry as JSON, serialised once per visible change; `None` when it is gone.
pub(crate) fn entry(agent_id: &AgentId, agent: &Agent) -> Option<Arc<str>> {
    if let Some(entry) = agent.entry.get() {
        return Some(Arc::clone(entry));
    }
    let document = &agent.document;
    let entry = Entry {
        agent_id,
        agent_type: &document.agent_type,
        status: agent.status()?,
        reason: agent.reason(),
        epoch: agent.epoch,
        revision: agent.changed,
        endpoint: document.endpoint.as_deref(),
        capabilities: &document.capabilities,
        dependencies: &document.dependencies,
        labels: &document.labels,
        metadata: document.metadata.as_ref().map(Metadata::as_raw),
        registered_at: agent.registered_at.to_rfc3339(),
    };
    let entry: Arc<str> = serde_json::to_string(&entry).ok()?.into();
    Some(Arc::clone(agent.entry.get_or_init(|| entry)))
}

fn object_or_empty<S: Serializer>(metadata: &Option<&RawValue>, serializer: S) -> Result<S::Ok, S::Error> {
    match metadata {
        Some(declared) => declared.serialize(serializer),
        None => serializer.collect_map(std::iter::empty::<(&str, &str)>()),
    }
}

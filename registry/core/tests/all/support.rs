//! A registry with a clock of its own.

use std::collections::BTreeMap;

use registry_core::document::{AgentId, AgentType};
use registry_core::heartbeat::{Answer, Decision, Refusal};
use registry_core::listing::{AgentFilter, PageRequest, View};
use registry_core::policy::{Policies, Policy};
use registry_core::saving::Saved;
use registry_core::time::{Instant, Moment, Revision, WallTime};
use registry_core::{Registry, Setup, intake};
use serde_json::{Value, json};

/// H, D, X and Q of the default type, in milliseconds.
pub(crate) const POLICY: [u64; 4] = [50, 100, 200, 600];
pub(crate) const MS: i64 = 1_000;

pub(crate) struct World {
    pub(crate) core: Registry,
    pub(crate) now_us: i64,
}

pub(crate) fn setup(max_agents: usize) -> Setup {
    let policy = |[h, d, x, q]: [u64; 4]| Policy::new(h, d, x, q).unwrap();
    let policies = BTreeMap::from([
        (AgentType::default(), policy(POLICY)),
        (AgentType::parse("slow").unwrap(), policy(POLICY.map(|ms| ms * 10))),
    ]);
    Setup { store_id: "s".into(), policies: Policies::new(policies), max_agents }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::holding(1_000)
    }

    pub(crate) fn holding(max_agents: usize) -> Self {
        Self::from_saved(setup(max_agents), Saved::default(), 0)
    }

    pub(crate) fn from_saved(setup: Setup, saved: Saved, now_us: i64) -> Self {
        Self { core: Registry::restore(setup, saved, moment(now_us)), now_us }
    }

    pub(crate) fn moment(&self) -> Moment {
        moment(self.now_us)
    }

    pub(crate) fn wait_us(&mut self, us: i64) {
        self.now_us += us;
    }

    pub(crate) fn beat(&mut self, body: &Value) -> Result<Answer, Refusal> {
        self.decide(body).outcome
    }

    pub(crate) fn decide(&mut self, body: &Value) -> Decision<Result<Answer, Refusal>> {
        let beat = intake::heartbeat(body.to_string().as_bytes()).unwrap();
        self.core.heartbeat(self.moment(), beat)
    }

    /// The `result` of a heartbeat, or the status code of its refusal.
    pub(crate) fn result(&mut self, body: &Value) -> String {
        match self.beat(body) {
            Ok(answer) => answer.result.as_str().to_owned(),
            Err(Refusal::UnknownAgent) => "410".to_owned(),
            Err(Refusal::LowerIncarnation { .. }) => "409".to_owned(),
            Err(Refusal::Full { .. }) => "507".to_owned(),
        }
    }

    pub(crate) fn leave(&mut self, agent_id: &str) -> bool {
        self.core.deregister(self.moment(), &id(agent_id)).outcome
    }

    /// The entry of an agent, or null when it is gone.
    pub(crate) fn entry(&mut self, agent_id: &str) -> Value {
        let found = self.core.read(self.moment(), &id(agent_id));
        found.map_or(Value::Null, |(entry, _)| serde_json::from_str(&entry).unwrap())
    }

    /// Status and reason as one word, or `gone`.
    pub(crate) fn status(&mut self, agent_id: &str) -> String {
        let entry = self.entry(agent_id);
        match (entry["status"].as_str(), entry["reason"].as_str()) {
            (Some(status), Some("reported")) => status.to_owned(),
            (Some(status), Some(_)) => format!("{status}, missed"),
            _ => "gone".to_owned(),
        }
    }

    pub(crate) fn revision(&mut self) -> Revision {
        self.core.advance(self.moment());
        self.core.revision()
    }

    /// The ids of a whole list.
    pub(crate) fn ids(&mut self, filter: AgentFilter) -> Vec<String> {
        let page = PageRequest { limit: 10_000, cursor: None };
        let list = self.core.list(self.moment(), &View::Agents(filter), &page).unwrap();
        assert_eq!(list.next_cursor, None);
        let entries = list.entries().iter().map(|entry| serde_json::from_str::<Value>(entry).unwrap());
        entries.map(|entry| entry["agent_id"].as_str().unwrap().to_owned()).collect()
    }

    /// What has happened, as `kind reason from>to`.
    pub(crate) fn events(&mut self) -> Vec<String> {
        self.core.advance(self.moment());
        let batch = self.core.take_batch(usize::MAX);
        let told = batch.events.iter().map(|event| {
            let status =
                |status: Option<registry_core::agent::Status>| status.map_or("-", |one| one.as_str());
            let cause = event.cause.map_or("-", |cause| cause.as_str());
            format!("{} {cause} {}>{}", event.kind.as_str(), status(event.from), status(event.to))
        });
        let told = told.collect();
        self.core.batch_committed(&batch);
        told
    }
}

pub(crate) fn moment(now_us: i64) -> Moment {
    Moment { now: Instant::from_us(now_us), wall: WallTime(1_700_000_000_000) }
}

pub(crate) fn id(text: &str) -> AgentId {
    AgentId::parse(text).unwrap()
}

pub(crate) fn full(agent_id: &str) -> Value {
    json!({ "agent_id": agent_id, "capabilities": [] })
}

pub(crate) fn lean(agent_id: &str) -> Value {
    json!({ "agent_id": agent_id })
}

/// The first with the members of the second.
pub(crate) fn with(mut body: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("an object") };
    body.as_object_mut().unwrap().extend(members);
    body
}

//! What a registry is protected by: GUARD-1 (`flood`), GUARD-2 (`tokens`), GUARD-3 (`turnover`). Each has a registry of
//! its own, started like the run's, so that nothing of this comes between the run's agents and their deadlines.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_sim::client::Wire;
use agent_sim::process::{LaunchSpec, RegistryProcess, command_launch, reference_launch};
use reports::history::Policy;
use scenarios::model::{self, TargetKind};

use super::Stages;
use crate::catalogue::{Check, row};
use crate::probe::Prober;

mod flood;
mod tokens;
mod turnover;

/// How to start a registry like the run's.
#[derive(Debug, Clone)]
pub(super) struct Likeness {
    pub(super) kind: TargetKind,
    pub(super) reference_program: PathBuf,
}

/// Timeouts in milliseconds as a start wants them.
fn of_start(policies: &BTreeMap<String, Policy>) -> BTreeMap<String, model::Policy> {
    let policy = |policy: &Policy| model::Policy {
        heartbeat_interval: Duration::from_millis(policy.heartbeat_interval_ms),
        degraded_after: policy.degraded_after_ms.map(Duration::from_millis),
        expires_after: Duration::from_millis(policy.expires_after_ms),
        evict_after: policy.evict_after_ms.map(Duration::from_millis),
    };
    policies.iter().map(|(name, known)| (name.clone(), policy(known))).collect()
}

impl Stages {
    /// Runs those that are selected, of a registry that speaks the contract's own words.
    pub(super) async fn guard(&mut self) {
        if !self.target.dialect.abilities().contract {
            return;
        }
        if self.selection.wants(Check::Guard2) && self.goes_on() {
            self.tokens().await;
        }
        if self.selection.wants(Check::Guard1) && self.goes_on() {
            self.flood().await;
        }
        if self.selection.wants(Check::Guard3) && self.goes_on() {
            self.turnover().await;
        }
    }

    /// Another registry of the same kind. A command keeps the policies that it names. `None` where the registry is
    /// only reached, or another does not start.
    async fn another(
        &mut self,
        policies: &BTreeMap<String, Policy>,
        change: impl FnOnce(&mut LaunchSpec) + Send,
    ) -> Option<RegistryProcess> {
        let mut spec = match &self.likeness.kind {
            TargetKind::Reference => {
                reference_launch(self.likeness.reference_program.clone(), &of_start(policies))
            }
            TargetKind::Command(command) => command_launch(command),
            TargetKind::Url(_) => return None,
        };
        change(&mut spec);
        match RegistryProcess::start(spec, self.recorder.clock).await {
            Ok(process) => Some(process),
            Err(error) => {
                self.invalid.push(format!("a second registry did not start: {error}"));
                None
            }
        }
    }

    /// The policies of a registry that is started for one purpose: these if it takes any, else those of the run.
    fn policies_or_own(&self, wanted: Policy) -> BTreeMap<String, Policy> {
        match self.likeness.kind {
            TargetKind::Reference => BTreeMap::from([("default".to_owned(), wanted)]),
            _ => self.target.policies.clone(),
        }
    }

    /// What records for a requirement.
    pub(super) fn prober(
        &self,
        check: Check,
        wire: Wire,
        policies: Arc<BTreeMap<String, Policy>>,
        process: Option<i32>,
    ) -> Prober {
        let requirement = row(check).map_or("", |row| row.id);
        Prober {
            requirement,
            recorder: Arc::clone(&self.recorder),
            url: wire.url().to_owned(),
            address: wire.url().trim_start_matches("http://").to_owned(),
            wire,
            policies,
            process,
            bound_ms: self.target.transition_bound_ms,
            seed: self.seed,
            endpoint: self.tripwire.assign(self.next_number(), &format!("probe {requirement}")),
        }
    }
}

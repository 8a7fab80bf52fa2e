//! The probes of the contract: side by side where they bear it, the others behind them one by one.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Stages;
use crate::catalogue::row;
use crate::probe::{Company, PROBES, Probe, Prober};

/// How long an answer may take; the long-polls of probes are far shorter.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

impl Stages {
    /// Whether any probe is selected, of a registry that speaks the contract's own words.
    pub(super) fn wants_probes(&self) -> bool {
        let contract = self.target.dialect.abilities().contract;
        contract && PROBES.iter().any(|probe| self.selection.wants(probe.check))
    }

    /// Has all selected conversations.
    pub(super) async fn probes(&mut self) {
        self.say("probing the contract's own words".to_owned());
        let wire = self.target.client.wire(TIMEOUT);
        let policies = Arc::new(self.target.policies.clone());
        let mut beside = JoinSet::new();
        let mut alone = Vec::new();
        for probe in PROBES.iter().filter(|probe| self.selection.wants(probe.check)) {
            let Some(requirement) = row(probe.check).map(|row| row.id) else { continue };
            self.next_number += 1;
            let prober = Prober {
                requirement,
                recorder: Arc::clone(&self.recorder),
                wire: wire.clone(),
                policies: Arc::clone(&policies),
                bound_ms: self.target.transition_bound_ms,
                seed: self.seed,
                endpoint: self.tripwire.assign(self.next_number, &format!("probe {requirement}")),
            };
            match probe {
                Probe { company: Company::Others, run, .. } => drop(beside.spawn(run(prober))),
                Probe { company: Company::Alone, run, .. } => alone.push(run(prober)),
            }
        }
        while beside.join_next().await.is_some() {}
        for probe in alone {
            probe.await;
        }
    }
}

//! The probes of the contract: side by side where they bear it, the others behind them one by one.

use std::sync::Arc;
use std::time::Duration;

use agent_sim::process::RegistryProcess;
use tokio::task::JoinSet;

use super::Stages;
use crate::probe::{Company, PROBES, Probe};

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
        let process = self.target.process.as_ref().map(RegistryProcess::pid);
        let mut beside = JoinSet::new();
        let mut changing = Vec::new();
        let mut alone = Vec::new();
        let selection = self.selection.clone();
        for probe in PROBES.iter().filter(|probe| selection.wants(probe.check)) {
            let prober = self.prober(probe.check, wire.clone(), Arc::clone(&policies), process);
            match probe {
                Probe { company: Company::Others, run, .. } => drop(beside.spawn(run(prober))),
                Probe { company: Company::Changing, run, .. } => changing.push(run(prober)),
                Probe { company: Company::Alone, run, .. } => alone.push(run(prober)),
            }
        }
        while beside.join_next().await.is_some() {}
        for probe in changing {
            beside.spawn(probe);
        }
        while beside.join_next().await.is_some() {}
        for probe in alone {
            probe.await;
        }
    }
}

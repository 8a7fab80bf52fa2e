//! The sockets that a scenario asks for, and over how many addresses and processes they go out.

use std::io::Write;

use agent_sim::load::workers_of;
use agent_sim::plan::Plan;
use agent_sim::plan::share::Share;
use agent_sim::process::own_fd_limit;
use scenarios::model::{Connections, FaultKind, Scenario};
use serde_json::{Value, json};

/// The most connections of one source address: safely within the local ports of a usual machine.
const PER_SOURCE_ADDRESS: u64 = 8_000;

/// Sockets by what they are for.
pub(super) struct Sockets {
    /// Of a pool.
    shared: u64,
    /// One an agent.
    own: u64,
    /// Further ones of the harness: both ends of a bad network, slow readers.
    of_faults: u64,
    pub(super) source_addresses: u64,
    workers: u64,
}

impl Sockets {
    pub(super) fn of(scenario: &Scenario, plan: &Plan) -> Self {
        let own: u64 = scenario
            .fleets
            .iter()
            .filter(|fleet| fleet.connections == Connections::Own)
            .map(|fleet| u64::from(fleet.agents))
            .sum();
        // Each other agent waits for one heartbeat and one poll at most, and the harness reads the list.
        let sharing = u64::from(plan.agents()).saturating_sub(own);
        let shared = u64::from(scenario.max_in_flight).min(2 * sharing + 1);
        let partitioned =
            (0..plan.agents()).filter(|agent| plan.partitioned(*agent).is_some()).count() as u64;
        // A proxy has both ends of each connection in this process; those of agents are counted already.
        let proxied = 2 * partitioned.min(own + shared);
        let slow: u64 = scenario
            .faults
            .iter()
            .map(|fault| match fault.kind {
                FaultKind::SlowReaders { connections, .. } => u64::from(connections),
                _ => 0,
            })
            .sum();
        let connections = own + shared;
        let or = |stated: u32, needed: u64| if stated == 0 { needed.max(1) } else { u64::from(stated) };
        Self {
            shared,
            own,
            of_faults: proxied + slow,
            source_addresses: or(scenario.source_addresses, connections.div_ceil(PER_SOURCE_ADDRESS)),
            workers: u64::from(workers_of(scenario, Share::WHOLE, own_fd_limit())),
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.shared + self.own + self.of_faults
    }

    pub(super) fn show(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Self { shared, own, of_faults, source_addresses, workers } = self;
        writeln!(
            out,
            "sockets      {shared} shared at most, {own} of agents' own, {of_faults} of faults; from \
             {source_addresses} source {}, in {workers} {}",
            if *source_addresses == 1 { "address" } else { "addresses" },
            if *workers == 1 { "process" } else { "processes" },
        )
    }

    pub(super) fn as_json(&self) -> Value {
        json!({
            "shared": self.shared,
            "own": self.own,
            "of_faults": self.of_faults,
            "source_addresses": self.source_addresses,
            "workers": self.workers,
        })
    }
}

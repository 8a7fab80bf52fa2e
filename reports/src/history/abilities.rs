//! What kinds of registries can do.

use serde::{Deserialize, Serialize};

/// What a kind of registry can do. What depends on a missing ability is not applicable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// It shows `degraded`, by silence and as reported.
    pub degraded: bool,
    /// An expired agent leaves every view at Q.
    pub evicts: bool,
    /// Agents of different types have different timeouts.
    pub policies_by_type: bool,
    /// One agent can be read by its id.
    pub single_read: bool,
    /// Lists carry an ETag and answer 304.
    pub conditional_lists: bool,
    /// Answers carry a revision.
    pub revisions: bool,
    /// Answers carry an epoch.
    pub epochs: bool,
    /// Registrations survive SIGKILL.
    pub durable: bool,
    /// After a restart every live agent gets a full new lease.
    pub lease_after_restart: bool,
    /// It keeps the whole contract, word for word, so that probes can speak to it over its wire.
    #[serde(default)]
    pub contract: bool,
}

impl Abilities {
    /// Everything that the contract asks for.
    pub const ALL: Self = Self {
        degraded: true,
        evicts: true,
        policies_by_type: true,
        single_read: true,
        conditional_lists: true,
        revisions: true,
        epochs: true,
        durable: true,
        lease_after_restart: true,
        contract: true,
    };

    /// The names of all of them, as files write them.
    pub const NAMES: [&str; 10] = [
        "degraded",
        "evicts",
        "policies_by_type",
        "single_read",
        "conditional_lists",
        "revisions",
        "epochs",
        "durable",
        "lease_after_restart",
        "contract",
    ];

    /// The same without one of [`Self::NAMES`]; any other name takes nothing away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        let abilities = [
            &mut self.degraded,
            &mut self.evicts,
            &mut self.policies_by_type,
            &mut self.single_read,
            &mut self.conditional_lists,
            &mut self.revisions,
            &mut self.epochs,
            &mut self.durable,
            &mut self.lease_after_restart,
            &mut self.contract,
        ];
        for (known, ability) in Self::NAMES.into_iter().zip(abilities) {
            *ability &= known != name;
        }
        self
    }
}

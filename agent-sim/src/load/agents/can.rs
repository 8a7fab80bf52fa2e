//! Which calls there are.

use reports::history::{Filter, Operation};

use crate::dialect::{Call, Dialect};

/// Which lean calls a kind of registry has; an agent without one sends the next richer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Can {
    pub(super) probe: bool,
    pub(super) renew: bool,
    /// An agent can go with a word.
    pub(super) leave: bool,
    /// It tells what changed.
    pub(super) changes: bool,
}

impl Can {
    pub(super) fn of(dialect: &dyn Dialect) -> Self {
        let has = |call: Call| dialect.request(&call).is_some();
        let id = || "a".to_owned();
        let (filter, since, store_id) = (Filter::default(), 0, id());
        Self {
            probe: has(Call::Probe { agent_id: id(), wiring_revision: None }),
            renew: has(Call::Renew { agent_id: id(), status: None, order: None, wiring_revision: None }),
            leave: has(Call::Leave { agent_id: id() }),
            changes: has(Call::Changes { filter, since, store_id, wait: None }),
        }
    }

    /// The call that brings changed wiring.
    pub(super) fn fetch(self) -> Operation {
        if self.renew { Operation::Renew } else { Operation::Register }
    }
}

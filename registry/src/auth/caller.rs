//! Who asks, and what that one may do.

use std::sync::Arc;

use registry_core::document::AgentId;

use super::tokens::{Scope, Token};

/// Who asks. It travels with the request; a handler that finds none must do nothing.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The registry has no tokens: it is open to whoever reaches it.
    Anyone,
    /// Somebody with a token.
    Bearer(Arc<Token>),
}

/// Why a caller whose token is known was refused. Nothing has changed.
#[derive(Debug, Clone)]
pub(crate) enum Denied {
    /// The token is for other things.
    Scope { token: Arc<str>, needed: Scope },
    /// The token is for other agents.
    ForeignAgent { token: Arc<str>, prefix: Arc<str> },
}

impl Caller {
    /// Whether it has this scope; `admin` has them all.
    pub(crate) fn may(&self, needed: Scope) -> Result<(), Denied> {
        match self {
            Self::Anyone => Ok(()),
            Self::Bearer(token) if token.has(needed) => Ok(()),
            Self::Bearer(token) => Err(Denied::Scope { token: Arc::clone(&token.name), needed }),
        }
    }

    /// Whether it may beat for this agent and deregister it.
    pub(crate) fn may_act_for(&self, agent_id: &AgentId) -> Result<(), Denied> {
        self.may(Scope::Agent)?;
        match self {
            Self::Bearer(token)
                if !token.has(Scope::Admin) && !agent_id.as_str().starts_with(&*token.agent_prefix) =>
            {
                let (token, prefix) = (Arc::clone(&token.name), Arc::clone(&token.agent_prefix));
                Err(Denied::ForeignAgent { token, prefix })
            }
            _ => Ok(()),
        }
    }
}

impl Denied {
    /// What a problem document says of it. A name and a prefix are no secrets, least of all to their bearer.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Scope { token, needed } => {
                format!("the token `{token}` lacks the scope `{}`. Nothing changed.", needed.name())
            }
            Self::ForeignAgent { token, prefix } => {
                format!("the token `{token}` is for agents whose id begins with `{prefix}`. Nothing changed.")
            }
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Scope { .. } => "scope",
            Self::ForeignAgent { .. } => "foreign_agent",
        }
    }
}

//! Makes new tokens. The registry itself never sees one before somebody presents it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::tokens::{self, Scope};

/// How much chance is in a token: as much as in its digest.
const BYTES: usize = 32;
/// Lets people and scanners for leaked secrets tell a token of ours from other words.
const MARK: &str = "wf_";

/// A new token and what goes into the file.
pub struct Minted {
    /// To be handed to its bearer, once.
    pub secret: String,
    /// The entry for the file of tokens, TOML.
    pub entry: String,
}

impl fmt::Debug for Minted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Minted").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// A token of 256 bits from the operating system.
///
/// # Errors
/// When a name or a prefix does not have the form of an agent's id, or the system has no chance to give.
pub fn mint(name: &str, scopes: &[Scope], prefix: &str) -> Result<Minted, String> {
    tokens::check_name(name).map_err(|detail| format!("the name {detail}"))?;
    tokens::check_prefix(prefix).map_err(|detail| format!("the prefix {detail}"))?;
    if !prefix.is_empty() && !scopes.contains(&Scope::Agent) {
        return Err(
            "a prefix goes with the scope agent only: it says whose heartbeats may be sent".to_owned()
        );
    }
    let mut chance = [0; BYTES];
    getrandom::fill(&mut chance).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    let secret = format!("{MARK}{}", super::hex(&chance));
    let digest = super::hex(&Sha256::digest(secret.as_bytes()));
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{}\"", scope.name())).collect();
    let mut entry =
        format!("[[tokens]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = [{}]\n", scopes.join(", "));
    if !prefix.is_empty() {
        entry.push_str(&format!("agent_prefix = \"{prefix}\"\n"));
    }
    Ok(Minted { secret, entry })
}

//! Who may do what: bearer tokens, of which the registry knows the SHA-256 only. Without a file of tokens it is open.
//!
//! - `caller`: who asks, and what that one may do
//! - `gate`: the layer in front of every route
//! - `tokens`: the file
//! - `mint`: makes new tokens

mod caller;
mod gate;
mod mint;
mod tokens;

pub use mint::{Minted, mint};
pub use tokens::{Scope, TokensError};

pub(crate) use self::caller::Caller;
pub(crate) use gate::{DENIED_REASONS, caller, check, denied, needs_token};
pub(crate) use tokens::{Tokens, TokensFile};

/// In lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

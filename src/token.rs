//! `wallflower token new`: a bearer token for its bearer, and its digest for the registry.

use std::io::Write as _;

use registry::auth::{Scope, mint};

use crate::cli::{Token, TokenScope};
use crate::run::{Failure, TROUBLE, USAGE};

/// The token goes to standard output and nowhere else, the entry to standard error: each can be sent where it belongs.
pub(crate) fn token(arguments: &Token) -> Result<u8, Failure> {
    let Token::New { name, scope, prefix } = arguments;
    let scopes: Vec<Scope> = scope.iter().map(|scope| scope.of_the_registry()).collect();
    let minted = mint(name, &scopes, prefix).map_err(|error| Failure::new(USAGE, error))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", minted.secret).and_then(|()| out.flush()).map_err(|error| {
        // An entry without its token is of no use.
        Failure::new(TROUBLE, format!("the token cannot be printed: {error}"))
    })?;
    let _ = write!(std::io::stderr().lock(), "{}", minted.entry);
    Ok(0)
}

impl TokenScope {
    fn of_the_registry(self) -> Scope {
        match self {
            Self::Agent => Scope::Agent,
            Self::Read => Scope::Read,
            Self::Admin => Scope::Admin,
        }
    }
}

//! The file of tokens: who has which scopes. It holds digests only, and so does the registry.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use registry_core::document::AgentId;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{ConfigError, Walk};

const MEMBERS: [&str; 4] = ["name", "sha256", "scopes", "agent_prefix"];
const SCOPES: &str = "a list of \"agent\", \"read\", \"admin\"";

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Beat for agents whose id begins with the token's prefix, and deregister them.
    Agent,
    /// Read every view.
    Read,
    /// Everything.
    Admin,
}

impl Scope {
    /// As it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Agent, Self::Read, Self::Admin].into_iter().find(|scope| scope.name() == name)
    }
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
#[error("the file of tokens: {0}")]
pub struct TokensError(#[from] ConfigError);

/// One entry of the file.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) name: Arc<str>,
    pub(crate) agent_prefix: Arc<str>,
    digest: [u8; 32],
    scopes: Vec<Scope>,
}

impl Token {
    pub(super) fn has(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| *held == scope || *held == Scope::Admin)
    }
}

/// Every entry of the file.
#[derive(Debug)]
pub(crate) struct Tokens(Vec<Arc<Token>>);

impl Tokens {
    /// The entry of a token that somebody presents. How long it takes says nothing of the digests that are held: all
    /// of them are compared, whole.
    pub(super) fn find(&self, secret: &str) -> Option<Arc<Token>> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.digest.ct_eq(&digest)) {
                found = Some(Arc::clone(token));
            }
        }
        found
    }

    pub(super) fn read(path: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Ok(Self::parse(path, &text)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut walk = Walk::new(path, text, &mut problems);
        let table = walk.parse()?;
        let tokens = entries(&mut walk, table.get_ref());
        match problems.is_empty() {
            true => Ok(Self(tokens.into_iter().map(Arc::new).collect())),
            false => Err(ConfigError::Invalid { problems }),
        }
    }
}

fn entries(walk: &mut Walk<'_>, table: &DeTable<'_>) -> Vec<Token> {
    for (key, _) in table.iter().filter(|(key, _)| key.get_ref().as_ref() != "tokens") {
        walk.unknown(key.span(), key.get_ref(), key.get_ref(), &["tokens"]);
    }
    let Some(list) = table.get("tokens") else {
        let detail = "is missing, so that nobody could call".to_owned();
        walk.problem(
            0..0,
            "tokens".into(),
            detail,
            "an entry [[tokens]] for each token (wallflower token new)",
        );
        return Vec::new();
    };
    let Some(entries) = list.get_ref().as_array() else {
        walk.not_a(list, "tokens", "an entry [[tokens]] for each token");
        return Vec::new();
    };
    if entries.is_empty() {
        walk.problem(list.span(), "tokens".into(), "is empty".into(), "at least one entry [[tokens]]");
    }
    let mut tokens: Vec<Token> = Vec::new();
    for value in entries {
        let Some(token) = entry(walk, value) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            let detail = format!("is {:?} a second time", token.name);
            walk.problem(value.span(), "tokens.name".into(), detail, "a name of its own for each token");
        } else if let Some(other) = tokens.iter().find(|other| other.digest == token.digest) {
            let detail = format!("of {:?} is that of {:?} as well", token.name, other.name);
            walk.problem(value.span(), "tokens.sha256".into(), detail, "one entry for each token");
        }
        tokens.push(token);
    }
    tokens
}

fn entry(walk: &mut Walk<'_>, value: &Spanned<DeValue<'_>>) -> Option<Token> {
    let Some(table) = value.get_ref().as_table() else {
        walk.not_a(value, "tokens", &format!("a table of {}", MEMBERS.join(", ")));
        return None;
    };
    for (key, _) in table.iter().filter(|(key, _)| !MEMBERS.contains(&key.get_ref().as_ref())) {
        let name = key.get_ref();
        walk.unknown(key.span(), name, &format!("tokens.{name}"), &MEMBERS);
    }
    let member = |walk: &mut Walk<'_>, name: &str| {
        let found = table.get(name);
        if found.is_none() {
            let setting = format!("tokens.{name}");
            walk.problem(value.span(), setting, "is missing".into(), "name, sha256 and scopes in each entry");
        }
        found
    };
    let (name, digest, scopes) = (member(walk, "name"), member(walk, "sha256"), member(walk, "scopes"));
    let name =
        name.and_then(|value| text(walk, "name", value, |text| check_name(text).map(|()| text.into())));
    // What is no digest may be the token itself: it is not repeated.
    let digest = digest.and_then(|value| match value.get_ref().as_str().and_then(unhex) {
        Some(digest) => Some(digest),
        None => {
            let allowed = "the SHA-256 of the token, 64 hexadecimal digits";
            walk.problem(value.span(), "tokens.sha256".into(), "is no SHA-256".into(), allowed);
            None
        }
    });
    let scopes = scopes.and_then(|value| self::scopes(walk, value));
    let prefix = match table.get("agent_prefix") {
        None => Some(Arc::from("")),
        Some(value) => {
            if scopes.as_ref().is_some_and(|scopes| !scopes.contains(&Scope::Agent)) {
                let detail = "goes with the scope \"agent\" only".to_owned();
                walk.problem(value.span(), "tokens.agent_prefix".into(), detail, "leaving it out");
            }
            text(walk, "agent_prefix", value, |text| check_prefix(text).map(|()| text.into()))
        }
    };
    Some(Token { name: name?, agent_prefix: prefix?, digest: digest?, scopes: scopes? })
}

fn text<T>(
    walk: &mut Walk<'_>,
    name: &str,
    value: &Spanned<DeValue<'_>>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let Some(text) = value.get_ref().as_str() else {
        walk.not_a(value, &format!("tokens.{name}"), "a text");
        return None;
    };
    match parse(text) {
        Ok(parsed) => Some(parsed),
        Err(detail) => {
            walk.problem(value.span(), format!("tokens.{name}"), detail, "what an agent's id may be made of");
            None
        }
    }
}

fn scopes(walk: &mut Walk<'_>, value: &Spanned<DeValue<'_>>) -> Option<Vec<Scope>> {
    let known = |entry: &Spanned<DeValue<'_>>| entry.get_ref().as_str().and_then(Scope::of);
    let list: Option<Vec<Scope>> =
        value.get_ref().as_array().and_then(|entries| entries.iter().map(known).collect());
    let list = list.filter(|list| !list.is_empty());
    if list.is_none() {
        walk.problem(value.span(), "tokens.scopes".into(), "is something else".into(), SCOPES);
    }
    list
}

/// Names stand in messages: they have the form of an agent's id.
pub(super) fn check_name(text: &str) -> Result<(), String> {
    AgentId::parse(text).map(drop)
}

/// The beginning of an agent's id, or nothing, which every id begins with.
pub(super) fn check_prefix(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { check_name(text) }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|letter| letter.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, index) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(index..index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The tokens in force, and the file that they come from.
#[derive(Debug)]
pub(crate) struct TokensFile {
    path: PathBuf,
    current: RwLock<Arc<Tokens>>,
}

impl TokensFile {
    pub(crate) fn open(path: &Path) -> Result<Self, TokensError> {
        let current = RwLock::new(Arc::new(Tokens::read(path)?));
        Ok(Self { path: path.to_owned(), current })
    }

    pub(crate) fn current(&self) -> Arc<Tokens> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again. One that is wrong changes nothing.
    pub(crate) fn reload(&self) {
        match Tokens::read(&self.path) {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.0.len(), "other tokens hold from the next request on");
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
            }
            Err(error) => tracing::error!(%error, "the tokens stay as they were"),
        }
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;

//! Which body each entity tag stood for: whole while 304s may refer to it, then only its hash.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::rc::Rc;

use super::evidence::{Entry, Span};

/// So many agents in bodies are kept for 304s; the bodies not asked for the longest go first.
const KEPT_ENTRIES: usize = 2_000_000;

/// So many tags are known by the hash of their body.
const KEPT_TAGS: usize = 1_000_000;

#[derive(Debug)]
struct Known {
    hash: u64,
    first: Span,
    body: Option<Rc<[Entry]>>,
    /// The last line that named it.
    used: u64,
}

/// Entity tags by filter.
#[derive(Debug, Default)]
pub(super) struct Tags {
    known: HashMap<u64, Known>,
    order: VecDeque<u64>,
    entries: usize,
    uses: u64,
}

/// What a tag was already known for.
pub(super) enum Before {
    /// Nothing, or the same body: this one.
    Same(Rc<[Entry]>),
    /// Another body, first shown then.
    Other(Span),
}

impl Tags {
    /// Notes the body of a tag, and says what it stood for before.
    pub(super) fn remember(&mut self, filter: u32, tag: &str, span: Span, body: &Rc<[Entry]>) -> Before {
        self.uses += 1;
        let key = hashed((filter, tag));
        let hash = hashed(body);
        if let Some(known) = self.known.get_mut(&key) {
            known.used = self.uses;
            if known.hash != hash {
                return Before::Other(known.first);
            }
            if known.body.is_none() {
                self.entries += body.len();
                known.body = Some(Rc::clone(body));
            }
            return Before::Same(known.body.clone().unwrap_or_else(|| Rc::clone(body)));
        }
        self.known.insert(key, Known { hash, first: span, body: Some(Rc::clone(body)), used: self.uses });
        self.order.push_back(key);
        self.entries += body.len();
        self.bound();
        Before::Same(Rc::clone(body))
    }

    /// The body that a 304 stands for.
    pub(super) fn body(&mut self, filter: u32, tag: &str) -> Option<Rc<[Entry]>> {
        self.uses += 1;
        let known = self.known.get_mut(&hashed((filter, tag)))?;
        known.used = self.uses;
        known.body.clone()
    }

    fn bound(&mut self) {
        while self.order.len() > KEPT_TAGS
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget_body(oldest);
            self.known.remove(&oldest);
        }
        if self.entries <= KEPT_ENTRIES {
            return;
        }
        let mut with_body: Vec<(u64, u64)> =
            self.known.iter().filter(|(_, it)| it.body.is_some()).map(|(key, it)| (it.used, *key)).collect();
        with_body.sort_unstable();
        for (_, key) in with_body {
            if self.entries <= KEPT_ENTRIES / 2 {
                break;
            }
            self.forget_body(key);
        }
    }

    fn forget_body(&mut self, key: u64) {
        if let Some(body) = self.known.get_mut(&key).and_then(|known| known.body.take()) {
            self.entries -= body.len();
        }
    }
}

fn hashed(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

//! A dialect for a registry that can do less than its kind: the same words, fewer abilities.

use std::collections::BTreeMap;
use std::sync::Arc;

use reports::history::{Abilities, Policy};

use super::{Call, Dialect, Document, Reading, WireAnswer, WireRequest};

/// See the module.
#[derive(Debug)]
pub struct Lacking {
    inner: Arc<dyn Dialect>,
    abilities: Abilities,
}

impl Lacking {
    /// The dialect without these abilities, by their names.
    pub fn of(inner: Arc<dyn Dialect>, names: &[String]) -> Arc<dyn Dialect> {
        if names.is_empty() {
            return inner;
        }
        let abilities = names.iter().fold(inner.abilities(), |abilities, name| abilities.without(name));
        Arc::new(Self { inner, abilities })
    }
}

impl Dialect for Lacking {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn abilities(&self) -> Abilities {
        self.abilities.clone()
    }

    fn with_policies(&self, policies: &BTreeMap<String, Policy>) -> Result<Option<Arc<dyn Dialect>>, String> {
        let told = self.inner.with_policies(policies)?;
        let wrapped = |inner| Arc::new(Self { inner, abilities: self.abilities.clone() }) as Arc<dyn Dialect>;
        Ok(told.map(wrapped))
    }

    fn request(&self, call: &Call) -> Option<WireRequest> {
        self.inner.request(call)
    }

    fn follow_up(&self, call: &Call, answers: &[WireAnswer]) -> Option<WireRequest> {
        self.inner.follow_up(call, answers)
    }

    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading {
        self.inner.read(call, answer)
    }

    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest> {
        self.inner.provoke(agent, answers)
    }

    fn policies_path(&self) -> Option<&'static str> {
        self.inner.policies_path()
    }

    fn over_mcp(&self) -> Option<Arc<dyn Dialect>> {
        self.inner.over_mcp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::by_name;

    #[test]
    fn each_ability_can_be_taken_away_by_its_name() {
        let all = serde_json::to_value(Abilities::ALL).unwrap();
        for name in Abilities::NAMES {
            let lacking = Lacking::of(by_name("wallflower").unwrap(), &[name.to_owned()]);
            let left = serde_json::to_value(lacking.abilities()).unwrap();
            for (key, value) in left.as_object().unwrap() {
                assert_eq!(*value, *key != name, "{key} without {name}");
            }
        }
        assert_eq!(all.as_object().unwrap().len(), Abilities::NAMES.len(), "one that no file can name");
    }
}

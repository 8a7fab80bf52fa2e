//! Parts of documents that many agents declare alike, each held once: a fleet of one kind offers and needs the same. Of
//! 100,000 agents of three capabilities it halves the memory (`just bench --only memory`).

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use crate::document::{Capability, Dependency, Document, LabelKey};

/// The most parts of one kind that are remembered; more differ too much for sharing to gain anything.
const REMEMBERED: usize = 16_384;

#[derive(Debug, Default)]
pub(crate) struct Common {
    capabilities: Parts<[Capability]>,
    dependencies: Parts<[Dependency]>,
    labels: Parts<BTreeMap<LabelKey, String>>,
}

impl Common {
    /// Puts what other documents hold already in the place of what is equal to it.
    pub(crate) fn share(&mut self, document: &mut Document) {
        self.capabilities.share(&mut document.capabilities);
        self.dependencies.share(&mut document.dependencies);
        self.labels.share(&mut document.labels);
    }
}

#[derive(Debug)]
struct Parts<T: ?Sized> {
    held: HashSet<Arc<T>>,
    /// So many more are passed by before the set is looked through again for what nobody holds any more.
    passed_by: usize,
}

impl<T: ?Sized> Default for Parts<T> {
    fn default() -> Self {
        Self { held: HashSet::new(), passed_by: 0 }
    }
}

impl<T: ?Sized + Eq + Hash> Parts<T> {
    fn share(&mut self, part: &mut Arc<T>) {
        if let Some(held) = self.held.get(&**part) {
            *part = Arc::clone(held);
            return;
        }
        if self.held.len() >= REMEMBERED {
            if self.passed_by > 0 {
                self.passed_by -= 1;
                return;
            }
            self.held.retain(|held| Arc::strong_count(held) > 1);
            self.passed_by = REMEMBERED;
        }
        if self.held.len() < REMEMBERED {
            self.held.insert(Arc::clone(part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_is_held_once_and_what_nobody_holds_is_forgotten() {
        let mut parts: Parts<[usize]> = Parts::default();
        let share = |parts: &mut Parts<[usize]>, numbers: &[usize]| {
            let mut part: Arc<[usize]> = numbers.into();
            parts.share(&mut part);
            part
        };
        let first = share(&mut parts, &[1, 2]);
        assert!(Arc::ptr_eq(&first, &share(&mut parts, &[1, 2])));
        assert!(!Arc::ptr_eq(&first, &share(&mut parts, &[2, 1])));
        for number in 0..4 * REMEMBERED {
            share(&mut parts, &[number]);
            assert!(parts.held.len() <= REMEMBERED);
        }
        assert!(Arc::ptr_eq(&first, &share(&mut parts, &[1, 2])), "somebody holds it");
    }
}

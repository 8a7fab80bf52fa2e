//! TIME-6: each type by its own policy.

use std::collections::BTreeMap;

use reports::history::Policy;

use super::super::Subject;
use super::super::evidence::Span;
use super::super::sighting::{Lane, Sighting};
use super::super::tally::{Case, Tallies, Tally};
use super::super::view::Memory;
use super::{check_early, check_late};
use crate::catalogue::Check;

/// A type needs so many decisive views on either side.
const ENOUGH_EACH_SIDE: u64 = 5;

/// Decisive views and breaches of TIME-1 to TIME-4 by type and by the policy that they are held to.
#[derive(Debug, Default)]
pub(in crate::judge) struct ByType {
    types: BTreeMap<String, Judged>,
}

#[derive(Debug, Default)]
struct Judged {
    policy: Option<Policy>,
    own: Count,
    /// By the name of another type of another policy.
    others: BTreeMap<String, Count>,
    worst: Option<Case>,
}

#[derive(Debug, Default)]
struct Count {
    /// Decisive views of TIME-1 to TIME-4.
    decided: [u64; 4],
    broken: u64,
}

impl ByType {
    /// Holds one agent to its own policy and to each other one.
    pub(in crate::judge) fn take(
        &mut self,
        subject: &Subject<'_>,
        sightings: &[Sighting],
        memory: &mut Memory,
    ) {
        let policies = &subject.evidence.header.policies;
        let Some(own) = policies.get(subject.agent_type).or_else(|| policies.get("default")) else { return };
        if !self.types.contains_key(subject.agent_type) {
            self.types.insert(subject.agent_type.to_owned(), Judged::default());
        }
        let Some(judged) = self.types.get_mut(subject.agent_type) else { return };
        judged.policy = Some(*own);
        // One policy for all leaves nothing to tell apart.
        if policies.values().all(|policy| policy == own) {
            return;
        }
        for (name, policy) in policies.iter().filter(|(_, policy)| *policy != own) {
            let count = judged.others.entry(name.clone()).or_default();
            count.add(&subject.under(policy), sightings, &mut memory.clone());
        }
        if let Some(case) = judged.own.add(subject, sightings, memory)
            && judged.worst.as_ref().is_none_or(|worst| case.by_us > worst.by_us)
        {
            judged.worst = Some(case);
        }
    }

    /// The names of the types that occur.
    pub(in crate::judge) fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// `broken`: which of TIME-1 to TIME-4 are broken at all.
    pub(in crate::judge) fn report(&self, broken: &[&'static str], tally: &mut Tally) {
        let decided: Vec<&Judged> =
            self.types.values().filter(|judged| judged.own.expiry_is_decided()).collect();
        let mut policies: Vec<Policy> = decided.iter().filter_map(|judged| judged.policy).collect();
        policies
            .sort_by_key(|policy| (policy.expires_after_ms, policy.degraded_after_ms, policy.evict_after_ms));
        policies.dedup();
        let degrades = decided.iter().any(|judged| judged.own.decided[0] > 0);
        tally.samples = self.types.len() as u64;
        tally.decided = policies.len() as u64;
        for (name, judged) in self.types.iter().filter(|(_, judged)| judged.own.broken > 0) {
            let explaining = judged.others.iter().find(|(_, count)| count.explains(degrades));
            if let (Some((other, count)), Some(worst)) = (explaining, &judged.worst) {
                tally.break_with(Case {
                    agent: worst.agent.clone(),
                    view: worst.view,
                    wrong: Span { ..worst.wrong },
                    by_us: worst.by_us,
                    sentence: format!(
                        "Type `{name}` breaks its own policy in {} views and keeps that of `{other}` in all {}: {}",
                        judged.own.broken,
                        count.decided.iter().sum::<u64>(),
                        worst.sentence
                    ),
                });
            }
        }
        if tally.broken == 0 && !broken.is_empty() {
            tally.hindrance = Some(format!(
                "{} broken, and no other type's policy explains how, so it cannot be told whether each type is held \
                 to its own",
                broken.join(" and ") + if broken.len() == 1 { " is" } else { " are" }
            ));
        }
        tally.remark = Some(format!("{} types of {} different policies", self.types.len(), policies.len()));
    }
}

impl Count {
    fn expiry_is_decided(&self) -> bool {
        self.decided[1] >= ENOUGH_EACH_SIDE && self.decided[3] >= ENOUGH_EACH_SIDE
    }

    /// Whether this policy is kept wherever it asks for something, and has been asked often enough on every side: a
    /// policy that decides nothing explains nothing.
    fn explains(&self, degrades: bool) -> bool {
        let degradation_is_decided =
            self.decided[0] >= ENOUGH_EACH_SIDE && self.decided[2] >= ENOUGH_EACH_SIDE;
        self.broken == 0 && self.expiry_is_decided() && (degradation_is_decided || !degrades)
    }

    /// Adds an agent's views; gives the worst breach.
    fn add(&mut self, subject: &Subject<'_>, sightings: &[Sighting], memory: &mut Memory) -> Option<Case> {
        let mut tallies = Tallies::default();
        for sighting in sightings.iter().filter(|sighting| !matches!(sighting.lane, Lane::Unchanged(_))) {
            check_early(subject, sighting, memory, &mut tallies);
            check_late(subject, sighting, &mut tallies);
            memory.remember(subject, sighting);
        }
        let mut worst: Option<Case> = None;
        let checks = [Check::Time1, Check::Time2, Check::Time3, Check::Time4];
        for (check, decided) in checks.into_iter().zip(&mut self.decided) {
            let tally = tallies.take(check);
            *decided += tally.decided;
            self.broken += tally.broken;
            if let Some(case) = tally.worst
                && worst.as_ref().is_none_or(|worst| case.by_us > worst.by_us)
            {
                worst = Some(case);
            }
        }
        worst
    }
}

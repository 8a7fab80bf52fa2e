//! A plan that several processes on several machines follow, each for its own agents.

use std::sync::Arc;

use agent_sim::plan::schedule::{Planned, Schedule};
use agent_sim::plan::share::Share;
use agent_sim::plan::{Plan, plan_hash};
use proptest::prelude::*;

use super::{fleet, storm};

fn sorted(mut actions: Vec<Planned>) -> Vec<Planned> {
    actions.sort_by_key(|planned| (planned.instant_us, planned.agent, format!("{:?}", planned.action)));
    actions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_workers_of_all_parts_do_is_what_the_whole_plan_says(
        seed in any::<u64>(),
        agents in 1_u32..40,
        parts in 1_u32..6,
        workers in 1_u32..4,
    ) {
        let scenario = storm(vec![fleet("web", agents), fleet("db", 7)], 0.4);
        let plan = Arc::new(Plan::new(&scenario, seed));
        let whole: Vec<Planned> =
            Schedule::new(Arc::clone(&plan)).filter(|planned| planned.agent.is_some()).collect();
        let mut united = Vec::new();
        for number in 1..=parts {
            let share = Share::of(number, parts).unwrap();
            // What is counted of a plan changes nothing of what is planned.
            let part = Arc::new(Plan::new(&scenario, seed).counting(share));
            for worker in 0..workers {
                let own = share.worker(worker, workers);
                united.extend(
                    Schedule::of_agents(Arc::clone(&part), own),
                );
            }
        }
        prop_assert_eq!(sorted(united), sorted(whole));
    }
}

#[test]
fn every_part_plans_the_same() {
    let scenario = storm(vec![fleet("web", 12)], 0.5);
    assert_eq!(plan_hash(&scenario, 3), plan_hash(&scenario, 3));
    let counted: Vec<u32> = (1..=5)
        .map(|number| Plan::new(&scenario, 3).counting(Share::of(number, 5).unwrap()).counted())
        .collect();
    assert_eq!(counted, [3, 3, 2, 2, 2]);
}

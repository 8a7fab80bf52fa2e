//! What agents declare and ask for.

use agent_sim::plan::Plan;
use scenarios::model::Fleet;

use super::{fleet, storm};

#[test]
fn declarations_come_from_the_pool_of_the_fleet() {
    let fleet = Fleet { dependencies_per_agent: 3, ..fleet("web", 30) };
    let plan = Plan::new(&storm(vec![fleet], 0.0), 1);
    let pool: Vec<String> = (1..=4).map(|number| format!("web.cap-{number}")).collect();
    let mut used = std::collections::BTreeSet::new();
    for agent in 0..30 {
        let identity = plan.identity(agent).unwrap();
        assert_eq!(identity.agent_id, format!("web-{:06}", agent + 1));
        assert_eq!((identity.capabilities.len(), identity.dependencies.len()), (2, 3));
        assert!(identity.capabilities.iter().chain(&identity.dependencies).all(|name| pool.contains(name)));
        assert!(!identity.probes, "an agent with dependencies wants its wiring back");
        used.extend(identity.capabilities);
    }
    assert_eq!(used.len(), 4);
    assert_eq!(plan.identity(30), None);
}

#[test]
fn about_half_of_the_agents_without_dependencies_probe() {
    let plan = Plan::new(&storm(vec![fleet("web", 1_000)], 0.0), 1);
    let probing = (0..1_000).filter(|agent| plan.probes(*agent)).count();
    // Six standard deviations of a fair coin.
    assert!((405..=595).contains(&probing), "{probing}");
}

#[test]
fn an_agent_asks_for_its_dependencies_in_turn() {
    let fleet = Fleet { dependencies_per_agent: 3, ..fleet("web", 3) };
    let plan = Plan::new(&storm(vec![fleet], 0.0), 1);
    let dependencies = plan.identity(2).unwrap().dependencies;
    for poll in 0..7 {
        let turn = poll as usize % 3;
        assert_eq!(plan.question(2, poll), (turn, Some(dependencies[turn].clone())));
    }
}

#[test]
fn an_agent_without_dependencies_asks_for_one_capability_and_without_a_pool_for_everything() {
    let plan = Plan::new(&storm(vec![fleet("web", 3)], 0.0), 1);
    let (turn, asked) = plan.question(1, 5);
    assert_eq!((turn, asked.clone()), (0, plan.question(1, 6).1));
    assert!(asked.is_some_and(|name| name.starts_with("web.cap-")));
    let bare = Fleet { capability_pool: 0, ..fleet("web", 3) };
    assert_eq!(Plan::new(&storm(vec![bare], 0.0), 1).question(1, 5), (0, None));
}

//! Churn for hours leaves nothing behind, in bytes that are allocated. What a server's resident memory shows beyond that is
//! its allocator's (`just bench --only memory --churn 60m`).

use std::collections::BTreeMap;
use std::process::Command;

use peak_alloc::PeakAlloc;
use registry_core::Setup;
use registry_core::document::AgentType;
use registry_core::policy::{Policies, Policy};
use registry_core::saving::Saved;
use serde_json::json;

use crate::support::{MS, World};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const AGENTS: usize = 2_000;
/// How many leave and come back in a second; all of them within the time that changes are kept.
const TURNOVER: usize = 20;
const MINUTE: usize = 60;
/// Then the log of changes has been full for half an hour, and the events have just become as many as are kept.
const FILLED: usize = 45 * MINUTE;
const HOUR_MS: u64 = 3_600_000;

/// Nothing else may allocate meanwhile, so it has a process of its own.
#[test]
fn an_hour_of_churn_leaves_nothing_behind() {
    let alone = ["--exact", "memory::alone", "--ignored", "--nocapture"];
    let ended = Command::new(std::env::current_exe().unwrap()).args(alone).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "the other process of the test above"]
fn alone() {
    let hours = |count: u64| count * HOUR_MS;
    let nobody_expires = Policy::new(HOUR_MS, hours(2), hours(12), hours(24)).unwrap();
    let policies = Policies::new(BTreeMap::from([(AgentType::default(), nobody_expires)]));
    let mut world =
        World::from_saved(Setup { store_id: "s".into(), policies, max_agents: AGENTS }, Saved::default(), 0);
    for number in 0..AGENTS {
        come(&mut world, number);
    }
    let mut held = Vec::new();
    for second in 1..=FILLED + 60 * MINUTE {
        world.wait_us(1_000 * MS);
        let turn = || (second * TURNOVER..(second + 1) * TURNOVER).map(|number| number % AGENTS);
        turn().for_each(|number| assert!(world.leave(&name(number))));
        save(&mut world);
        turn().for_each(|number| come(&mut world, number));
        save(&mut world);
        if second >= FILLED && second % MINUTE == 0 {
            held.push(ALLOCATED.current_usage());
        }
    }
    let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
    println!("from {least} to {most} bytes");
    assert!(*most as f64 <= *least as f64 * 1.01, "{held:?}");
    assert!(*least > AGENTS * 500, "it holds the agents: {held:?}");
}

fn name(number: usize) -> String {
    format!("agent-{number}")
}

fn come(world: &mut World, number: usize) {
    let capability = json!({"name": "geo.lookup", "version": "1.0.0", "tags": ["fast", "eu"]});
    let body = json!({
        "agent_id": name(number),
        "endpoint": "http://10.0.0.3:9000/mcp",
        "capabilities": [capability],
        "dependencies": [{"capability": "nobody.has", "version": ">=1.2, <2"}],
        "metadata": {"build": format!("{number}")},
    });
    assert_eq!(world.result(&body), "registered");
}

fn save(world: &mut World) {
    while world.core.has_unsaved() {
        let batch = world.core.take_batch(usize::MAX);
        world.core.batch_committed(&batch);
    }
}

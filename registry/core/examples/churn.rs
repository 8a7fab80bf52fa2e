//! What the core holds over hours of churn, in bytes that are allocated: 200 agents of 100,000 leave and come back each
//! second, in virtual time. What a server's resident memory shows beyond that is its allocator's.
//! Run with `cargo run --release -p registry-core --example churn`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people")]

use peak_alloc::PeakAlloc;
use registry_core::document::{AgentId, AgentType};
use registry_core::policy::{Policies, Policy};
use registry_core::saving::Saved;
use registry_core::{Instant, Moment, Registry, Setup, WallTime, intake};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const AGENTS: u64 = 100_000;
const TURNOVER: u64 = 200;
const SECONDS: u64 = 3 * 3_600;

fn main() {
    let hour = 3_600_000;
    let policy = Policy::new(hour, 2 * hour, 12 * hour, 24 * hour).unwrap();
    let policies = Policies::new(std::collections::BTreeMap::from([(AgentType::default(), policy)]));
    let setup = Setup { store_id: "s".into(), policies, max_agents: 1_000_000 };
    let mut core = Registry::restore(setup, Saved::default(), moment(0));
    for number in 0..AGENTS {
        come(&mut core, 0, number);
    }
    save(&mut core);
    println!("{:>8} {:>10}", "minutes", "MB");
    for second in 1..=SECONDS {
        core.advance(moment(second));
        for number in second * TURNOVER..(second + 1) * TURNOVER {
            let agent_id = AgentId::parse(&id(number)).unwrap();
            let _ = core.deregister(moment(second), &agent_id);
        }
        save(&mut core);
        for number in second * TURNOVER..(second + 1) * TURNOVER {
            come(&mut core, second, number);
        }
        save(&mut core);
        if second % 300 == 0 {
            println!("{:>8} {:>10.2}", second / 60, ALLOCATOR.current_usage() as f64 / 1e6);
        }
    }
}

fn id(number: u64) -> String {
    format!("agent-{}", number % AGENTS)
}

fn come(core: &mut Registry, second: u64, number: u64) {
    let capability = |name: &str| {
        format!(r#"{{"name":"{name}","version":"1.0.0","tags":["fast","eu"],"description":"looks things up in a table"}}"#)
    };
    let body = format!(
        r#"{{"agent_id":"{}","agent_type":"default","endpoint":"http://10.0.0.3:9000/mcp","capabilities":[{},{},{}],"dependencies":[{{"capability":"nobody.has","version":">=1.2, <2","tags":["eu"]}}],"labels":{{"zone":"a"}},"metadata":{{"build":"20260102"}}}}"#,
        id(number), capability("geo.lookup"), capability("geo.route"), capability("text.index"),
    );
    let beat = intake::heartbeat(body.as_bytes()).unwrap();
    let _ = core.heartbeat(moment(second), beat);
}

fn save(core: &mut Registry) {
    while core.has_unsaved() {
        let batch = core.take_batch(5_000);
        core.batch_committed(&batch);
    }
}

fn moment(second: u64) -> Moment {
    Moment { now: Instant::from_us(second as i64 * 1_000_000), wall: WallTime(1_790_000_000_000 + second * 1_000) }
}

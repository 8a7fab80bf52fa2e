//! How long single calls of the core take, and how that grows: while one runs, its caller holds the registry's lock and
//! every heartbeat waits. The server makes none of those marked with a star when there is much to do: it takes the steps
//! that stand beside them. Run with `cargo run --release -p registry-core --example lock_times`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people that measures time"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use registry_core::agent::{Phase, Status};
use registry_core::changes::Delta;
use registry_core::document::{AgentId, AgentType, Document, Reported};
use registry_core::events::EventFilter;
use registry_core::listing::{AgentFilter, CapabilityFilter, PageRequest, View};
use registry_core::policy::{Policies, Policy};
use registry_core::saving::{Saved, SavedAgent};
use registry_core::{Instant, Moment, Registry, Revision, Setup, WallTime, intake};

/// How often everything is measured.
const RUNS: usize = 5;
const DEGRADED_AFTER_MS: u64 = 10_000;

fn main() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores; the longest call under the lock, and how it grows with the number before it\n");
    println!("{:<66} {:>7} {:>12} {:>7}", "", "number", "longest", "grows");
    compare("* advance: so many leases due at once, in one step", [10_000, 100_000], |agents| {
        let mut core = restored(agents);
        each(|| step(&mut core, usize::MAX))
    });
    compare("advance_some: the same, a thousand at a time", [10_000, 100_000], |agents| {
        let mut core = restored(agents);
        each(|| step(&mut core, 1_000))
    });
    compare("the writer takes a batch of 5,000", [10_000, 100_000], |agents| {
        let mut core = restored(agents);
        core.advance(due());
        each(|| {
            let batch = core.take_batch(5_000);
            core.batch_committed(&batch);
            !batch.saves.is_empty()
        })
    });
    one_capability();
    lists();
}

/// All provide and need the same.
fn one_capability() {
    let sizes = [10_000, 20_000];
    compare("register agents that all provide and need one capability, in all", sizes, |agents| {
        once(|| drop(registered(agents)))
    });
    compare("one more registers", sizes, |agents| {
        let mut core = registered(agents);
        let mut number = agents;
        each(|| {
            number += 1;
            beat(&mut core, number, "1.0.0");
            number < agents + 100
        })
    });
    compare("one that is among the best declares another version", sizes, |agents| {
        let mut core = registered(agents);
        let mut patch = 0;
        each(|| {
            patch += 1;
            beat(&mut core, patch % 2, &format!("2.0.{patch}"));
            patch < 100
        })
    });
    compare("the best leave, one by one, and somebody asks after each", sizes, |agents| {
        let mut core = registered(agents);
        let mut number = 0;
        each(|| {
            core.deregister(moment(0), &id(number));
            number += 1;
            beat(&mut core, agents - number, "1.0.0");
            number < 100
        })
    });
}

fn lists() {
    let agents = [10_000, 100_000];
    let fresh = |agents| {
        let mut core = restored(agents);
        core.advance(due());
        core
    };
    let everyone = || View::Agents(AgentFilter::default());
    let page = PageRequest { limit: 10_000, cursor: None };
    let page = &page;
    compare("* a page of 10,000, its entries not written yet", agents, |agents| {
        let mut core = fresh(agents);
        once(|| drop(black_box(core.list(due(), &everyone(), page))))
    });
    compare("* the same, its entries written", agents, |agents| {
        let mut core = fresh(agents);
        write_all(&mut core);
        once(|| drop(black_box(core.list(due(), &everyone(), page))))
    });
    for (what, view) in [
        ("a list of agents, 500 at a time", everyone()),
        ("a list of capabilities, 500 at a time", View::Capabilities(CapabilityFilter::default())),
    ] {
        compare(what, agents, |agents| {
            let mut core = fresh(agents);
            let mut candidates = core.candidates(due(), &view, page).unwrap();
            each(|| !core.gather_candidates(due(), &mut candidates, 500))
        });
        compare("its page, when all is gathered", agents, |agents| {
            let mut core = fresh(agents);
            let mut candidates = core.candidates(due(), &view, page).unwrap();
            core.gather_candidates(due(), &mut candidates, usize::MAX);
            let found = candidates.search();
            once(|| drop(black_box(core.list_found(found, page))))
        });
        compare("a delta of it, 500 changes at a time", agents, |agents| {
            let mut core = fresh(agents);
            let mut gathering = core.begin_delta(due(), &view, "s", Revision(1)).unwrap();
            each(|| !core.gather(due(), &mut gathering, 500).unwrap())
        });
    }
    compare("* a list that nobody passes", agents, |agents| {
        let mut core = fresh(agents);
        let view = View::Agents(AgentFilter { agent_type: Some("none".into()), ..AgentFilter::default() });
        once(|| drop(black_box(core.list(due(), &view, page))))
    });
    compare("* the providers of one capability, as agents", agents, |agents| {
        let mut core = fresh(agents);
        write_all(&mut core);
        let view = View::Agents(AgentFilter { capability: Some("c".into()), ..AgentFilter::default() });
        once(|| drop(black_box(core.list(due(), &view, page))))
    });
    compare("* one capability by name", agents, |agents| {
        let mut core = fresh(agents);
        once(|| drop(black_box(core.list(due(), &one_name(), page))))
    });
    compare("* a delta of agents over so many changes", agents, |agents| {
        let mut core = fresh(agents);
        once(|| drop(black_box(delta(&mut core, &everyone()))))
    });
    compare("* the same, its entries written", agents, |agents| {
        let mut core = fresh(agents);
        write_all(&mut core);
        once(|| drop(black_box(delta(&mut core, &everyone()))))
    });
    compare("* a delta of capabilities over so many changes", agents, |agents| {
        let mut core = fresh(agents);
        let view = View::Capabilities(CapabilityFilter::default());
        once(|| drop(black_box(delta(&mut core, &view))))
    });
    compare("whether the last 1,000 changes concern somebody", agents, |agents| {
        let core = fresh(agents);
        let view = View::Agents(AgentFilter { agent_type: Some("none".into()), ..AgentFilter::default() });
        once(|| assert!(!core.concerns(&view, Revision(core.revision().0 - 1_000))))
    });
    compare("10,000 events", agents, |agents| {
        let mut core = fresh(agents);
        once(|| drop(black_box(core.events(due(), &EventFilter::default(), 10_000))))
    });
    compare("so many events, none of them asked for", agents, |agents| {
        let mut core = fresh(agents);
        let filter = EventFilter { agent_id: Some("none".into()), ..EventFilter::default() };
        once(|| drop(black_box(core.events(due(), &filter, 10_000))))
    });
}

/// What each call of a run took.
type Calls = Vec<Duration>;

fn compare<const N: usize>(what: &str, numbers: [usize; N], measure: impl Fn(usize) -> Calls) {
    let mut before: Option<Duration> = None;
    for number in numbers {
        // Of each call the quickest of some runs: what else the machine does only adds to it.
        let mut quickest = measure(number);
        for _ in 1..RUNS {
            for (quickest, took) in quickest.iter_mut().zip(measure(number)) {
                *quickest = took.min(*quickest);
            }
        }
        let longest = quickest.into_iter().max().unwrap_or_default();
        let grows = before.map_or_else(String::new, |before| {
            format!("x {:.1}", longest.as_secs_f64() / before.as_secs_f64())
        });
        println!("{what:<66} {number:>7} {:>9.3} ms {grows:>7}", longest.as_secs_f64() * 1_000.0);
        before = Some(longest);
    }
}

fn once(call: impl FnOnce()) -> Calls {
    let start = std::time::Instant::now();
    call();
    vec![start.elapsed()]
}

/// Calls that go on as long as they say so.
fn each(mut call: impl FnMut() -> bool) -> Calls {
    let mut calls = Vec::new();
    let mut goes_on = true;
    while goes_on {
        calls.extend(once(|| goes_on = call()));
    }
    calls
}

fn step(core: &mut Registry, most: usize) -> bool {
    core.advance_some(due(), most)
}

fn delta(core: &mut Registry, view: &View) -> Delta {
    core.delta(due(), view, "s", Revision(1)).unwrap()
}

fn write_all(core: &mut Registry) {
    let page = PageRequest { limit: 1, cursor: None };
    let everyone = View::Agents(AgentFilter::default());
    core.list(due(), &everyone, &page).unwrap();
    // What was written is kept; the list itself is not, once something has changed.
    core.deregister(due(), &id(0));
}

fn one_name() -> View {
    View::Capabilities(CapabilityFilter { name: Some("c".into()), ..CapabilityFilter::default() })
}

fn moment(ms: i64) -> Moment {
    Moment { now: Instant::from_us(ms * 1_000), wall: WallTime(1_700_000_000_000) }
}

/// When every lease of [`restored`] turns degraded.
fn due() -> Moment {
    moment(DEGRADED_AFTER_MS as i64)
}

fn id(number: usize) -> AgentId {
    AgentId::parse(&format!("agent-{number:06}")).unwrap()
}

fn setup() -> Setup {
    let policy = Policy::new(5_000, DEGRADED_AFTER_MS, 20_000, 60_000).unwrap();
    let policies = Policies::new(BTreeMap::from([(AgentType::default(), policy)]));
    Setup { store_id: "s".into(), policies, max_agents: 1_000_000 }
}

fn document(version: &str) -> Document {
    let text = body(0, version);
    intake::heartbeat(text.as_bytes()).unwrap().document.unwrap()
}

fn body(number: usize, version: &str) -> String {
    format!(
        r#"{{"agent_id":"{}","endpoint":"http://10.0.0.1:9000/mcp","labels":{{"region":"eu-west-1","tier":"gold"}},
        "capabilities":[{{"name":"c","version":"{version}","tags":["eu","gpu"],"description":"Looks things up"}}],
        "dependencies":[{{"capability":"c"}}]}}"#,
        id(number)
    )
}

fn restored(agents: usize) -> Registry {
    let agents = (0..agents).map(|number| SavedAgent {
        key: number as u64 + 1,
        agent_id: id(number),
        phase: Phase::Live,
        reported: Reported::Healthy,
        epoch: 1,
        incarnation: 0,
        sequence: None,
        barred: None,
        registered_at: WallTime(0),
        changed: Revision(1),
        wiring_since: Revision(1),
        document: Arc::new(document("1.0.0")),
        document_changed: false,
    });
    let saved = Saved { revision: Revision(1), agents: agents.collect(), ..Saved::default() };
    Registry::restore(setup(), saved, moment(0))
}

fn registered(agents: usize) -> Registry {
    let mut core = Registry::restore(setup(), Saved::default(), moment(0));
    for number in 0..agents {
        beat(&mut core, number, "1.0.0");
    }
    core
}

fn beat(core: &mut Registry, number: usize, version: &str) {
    let beat = intake::heartbeat(body(number, version).as_bytes()).unwrap();
    let answer = core.heartbeat(moment(0), beat).outcome.unwrap();
    assert_eq!(answer.status, Status::Healthy);
}

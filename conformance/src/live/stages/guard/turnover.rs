//! GUARD-3: ids come, are silent and go, and the memory of the registry's process is looked at before and after.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_sim::dialect::WireRequest;
use agent_sim::process::RegistryProcess;
use reports::history::{Hardship, Line, Policy, Turnover};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::ONLY_REACHED;
use super::super::probes::TIMEOUT;
use super::Stages;
use crate::catalogue::Check;
use crate::probe::Prober;

/// Ids of a run that checks other things too: enough to tell what is kept of each from noise.
const IDS: u64 = 20_000;

/// Ids when nothing else was asked for.
const ALL_IDS: u64 = 1_000_000;

/// Of so many ids one is for warming up: buffers, pools and threads are then as large as they get.
const WARM_SHARE: u64 = 4;

/// How long registering may take; fewer ids then decide less.
const LONGEST_US: u64 = 60_000_000;
const LONGEST_OF_ALL_US: u64 = 3_600_000_000;

/// Registrations in flight.
const WORKERS: u64 = 32;

/// So long the contract keeps changes; a run of all ids waits for it.
const KEPT_US: u64 = 600_000_000;

/// Looks at the memory behind the last id, and the time between two.
const LOOKS: u32 = 5;
const LOOK_PERIOD_US: u64 = 500_000;

/// How long the last id may need to go, beyond its policy.
const LONGEST_GOING_US: u64 = 60_000_000;

/// Short lives, so that few are there at one time.
const SHORT: Policy = Policy {
    heartbeat_interval_ms: 500,
    degraded_after_ms: Some(1_000),
    expires_after_ms: 2_000,
    evict_after_ms: Some(3_000),
};

/// Who comes, one after the other.
#[derive(Debug, Default)]
struct Coming {
    next: AtomicU64,
    registered: AtomicU64,
    peak_bytes: AtomicU64,
}

impl Stages {
    pub(super) async fn turnover(&mut self) {
        let policies = self.policies_or_own(SHORT);
        if self.target.process.is_none() {
            return self.leave_out(Check::Guard3, ONLY_REACHED);
        }
        let all = self.selection.only == [Check::Guard3];
        let ids = if all { ALL_IDS } else { IDS };
        self.say(format!("{ids} ids come and go"));
        let Some(process) = self.another(&policies, |_| {}).await else { return };
        match agent_sim::client::Wire::new(&process.url(), TIMEOUT) {
            Ok(wire) => {
                let prober = self.prober(Check::Guard3, wire, policies.into(), None);
                let turnover = come_and_go(&prober, &process, ids, all).await;
                self.recorder.write(&Line::Hardship(Hardship::Turnover(turnover)));
            }
            Err(error) => self.invalid.push(error.to_string()),
        }
        process.stop().await;
    }
}

async fn come_and_go(prober: &Prober, process: &RegistryProcess, ids: u64, all: bool) -> Turnover {
    let clock = prober.recorder.clock;
    let longest_us = if all { LONGEST_OF_ALL_US } else { LONGEST_US };
    let s_us = clock.now_us();
    let mut turnover = Turnover { s_us, wanted_ids: if all { ids } else { 0 }, ..Turnover::default() };
    let coming = Arc::new(Coming::default());
    turnover.warm_ids = come(prober, process, &coming, ids / WARM_SHARE, s_us + longest_us / 2).await;
    let warm_gone = until_gone(prober).await;
    turnover.before_bytes = least(prober, process).await;
    let began_us = clock.now_us();
    turnover.ids = come(prober, process, &coming, ids, began_us + longest_us).await;
    let ended_us = clock.now_us();
    turnover.gone = until_gone(prober).await && warm_gone;
    turnover.recent_ids = turnover.ids;
    if all {
        prober.recorder.sleep_until(ended_us + KEPT_US).await;
        // What is too old may be thrown away only when something new comes.
        turnover.recent_ids = come(prober, process, &coming, 100, clock.now_us() + LONGEST_US).await;
        turnover.gone &= until_gone(prober).await;
    }
    turnover.after_bytes = least(prober, process).await;
    turnover.peak_bytes = coming.peak_bytes.load(Ordering::Relaxed);
    turnover.e_us = clock.now_us();
    turnover
}

/// Registers so many new ids; gives how many were accepted by that time.
async fn come(
    prober: &Prober,
    process: &RegistryProcess,
    coming: &Arc<Coming>,
    ids: u64,
    until_us: u64,
) -> u64 {
    let before = coming.registered.load(Ordering::Relaxed);
    let last = coming.next.load(Ordering::Relaxed) + ids;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (prober, coming) = (prober.clone(), Arc::clone(coming));
        workers.spawn(async move {
            let clock = prober.recorder.clock;
            loop {
                let number = coming.next.fetch_add(1, Ordering::Relaxed);
                if number >= last || clock.now_us() >= until_us || prober.recorder.stopped() {
                    break;
                }
                let request = WireRequest::json("/heartbeat", &document(&prober, number));
                match prober.wire.send(&request).await {
                    Ok(answer) if answer.status == 200 => {
                        coming.registered.fetch_add(1, Ordering::Relaxed);
                    }
                    // A registry that has no room or a slow store for a moment.
                    _ => drop(prober.recorder.sleep_until(clock.now_us() + 50_000).await),
                }
            }
        });
    }
    while !workers.is_empty() {
        tokio::select! {
            _ = workers.join_next() => {}
            () = prober.recorder.clock.sleep_until_us(prober.recorder.clock.now_us() + LOOK_PERIOD_US) => {
                coming.peak_bytes.fetch_max(process.cost().pss_bytes, Ordering::Relaxed);
            }
        }
    }
    coming.registered.load(Ordering::Relaxed) - before
}

fn document(prober: &Prober, number: u64) -> Value {
    json!({
        "agent_id": prober.id("gone", &format!("{number:07}")),
        "agent_type": prober.brisk().0,
        "endpoint": format!("http://{}/{number}", prober.endpoint),
        "capabilities": [{ "name": "suite.gone", "version": "1.0.0", "tags": ["short"] }],
        "labels": { "suite.case": "guard-3" },
        "metadata": { "number": number },
    })
}

/// Waits until a list of all statuses is empty; whether it was.
async fn until_gone(prober: &Prober) -> bool {
    let clock = prober.recorder.clock;
    let policy = prober.brisk().1;
    let last_ms = policy.evict_after_ms.unwrap_or(policy.expires_after_ms);
    let until_us = clock.now_us() + last_ms * 1000 + LONGEST_GOING_US;
    let path = "/agents?limit=1&status=healthy&status=degraded&status=expired&label=suite.case%3Dguard-3";
    while clock.now_us() < until_us {
        if let Ok(answer) = prober.wire.send(&WireRequest::bare("GET", path)).await
            && let Ok(body) = serde_json::from_slice::<Value>(&answer.body)
            && body["agents"].as_array().is_some_and(Vec::is_empty)
        {
            return true;
        }
        if !prober.recorder.sleep_until(clock.now_us() + LOOK_PERIOD_US / 2).await {
            break;
        }
    }
    false
}

/// The least that the process holds over a few looks: what is given back late is given back.
async fn least(prober: &Prober, process: &RegistryProcess) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..LOOKS {
        least = least.min(process.cost().pss_bytes);
        if !prober.recorder.sleep_until(prober.recorder.clock.now_us() + LOOK_PERIOD_US).await {
            break;
        }
    }
    least
}

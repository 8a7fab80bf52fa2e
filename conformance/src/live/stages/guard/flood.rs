//! GUARD-1: lists at five times what the registry can answer, and heartbeats beside them.
//!
//! The lists are searches, each for other words: dear for the registry, of which each is another one, and cheap for the
//! harness, since the answers are short. So the harness can ask for five times as many as there are answers, although
//! both share one machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_sim::client::Wire;
use agent_sim::dialect::{WireRequest, escaped};
use reports::history::{Flood, Hardship, Line, Policy};
use scenarios::model::TargetKind;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::probes::TIMEOUT;
use super::Stages;
use crate::catalogue::Check;
use crate::probe::Prober;

/// Agents in the lists, and how many of them send heartbeats.
const LISTED: u32 = 300;
const BEATING: u32 = 20;

/// Registrations in flight.
const WORKERS: u32 = 16;

/// How often each sends one.
const BEAT_PERIOD_US: u64 = 100_000;

/// How long they do so alone, how long the capacity is measured, how long the flood lasts.
const CALM_US: u64 = 1_500_000;
const MEASURED_US: u64 = 2_000_000;
const FLOOD_US: u64 = 4_000_000;

/// Lists in flight while the capacity is measured, and in the flood at the most.
const BUSY: usize = 8;
const CONNECTIONS: usize = 256;

/// What the flood is times the capacity, and the most lists that it asks for.
const TIMES: u64 = 5;
const MOST_LISTS: u64 = 200_000;

/// How often it is looked which lists have fallen due.
const TICK_US: u64 = 2_000;

/// Nobody expires during the whole of it.
const PATIENT: Policy = Policy {
    heartbeat_interval_ms: 20_000,
    degraded_after_ms: Some(120_000),
    expires_after_ms: 240_000,
    evict_after_ms: Some(480_000),
};

/// What came of the lists.
#[derive(Debug, Default)]
struct Counts {
    shown: AtomicU64,
    refused: AtomicU64,
    refused_without_time: AtomicU64,
    other: AtomicU64,
    unanswered: AtomicU64,
    in_flight: AtomicU64,
    connections: AtomicU64,
}

impl Stages {
    pub(super) async fn flood(&mut self) {
        if matches!(self.likeness.kind, TargetKind::Url(_)) && self.selection.only.is_empty() {
            let told = "a registry that is only reached may serve others, who would feel five times its capacity: ask for it \
                        with --only GUARD-1";
            return self.leave_out(Check::Guard1, told);
        }
        self.say("lists at five times its capacity".to_owned());
        let policies = self.policies_or_own(PATIENT);
        let process = match self.likeness.kind {
            TargetKind::Url(_) => None,
            _ => match self.another(&policies, |_| {}).await {
                Some(process) => Some(process),
                None => return,
            },
        };
        let wires = match &process {
            Some(process) => {
                let url = process.url();
                Wire::new(&url, TIMEOUT).and_then(|wire| Ok((wire, Wire::new(&url, TIMEOUT)?)))
            }
            None => Ok((self.target.client.wire(TIMEOUT), self.target.client.wire(TIMEOUT))),
        };
        match wires {
            Ok((beats, lists)) => {
                let prober = self.prober(Check::Guard1, beats, policies.into(), None);
                self.flood_it(prober, lists).await;
            }
            Err(error) => self.invalid.push(error.to_string()),
        }
        if let Some(process) = process {
            process.stop().await;
        }
    }

    async fn flood_it(&self, prober: Prober, lists: Wire) {
        populate(&prober).await;
        let clock = self.recorder.clock;
        let calm = beat(&prober, "calm", CALM_US);
        calm.join_all().await;
        let capacity_per_s = self.capacity(&lists).await;
        let due_per_s = (capacity_per_s * TIMES).min(MOST_LISTS * 1_000_000 / FLOOD_US);
        let counts = Arc::new(Counts::default());
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let mut asking = JoinSet::new();
        let mut flood = Flood { s_us: clock.now_us(), capacity_per_s, ..Flood::default() };
        let beating = beat(&prober, "flood", FLOOD_US);
        let until_us = flood.s_us + FLOOD_US;
        loop {
            let now = clock.now_us().min(until_us);
            let due = (now - flood.s_us).saturating_mul(due_per_s) / 1_000_000;
            for number in flood.due..due {
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    flood.held_back += 1;
                    continue;
                };
                let (lists, counts) = (lists.clone(), Arc::clone(&counts));
                asking.spawn(async move {
                    ask(&lists, number, &counts).await;
                    drop(slot);
                });
            }
            flood.due = flood.due.max(due);
            while asking.try_join_next().is_some() {}
            if now == until_us || !self.recorder.sleep_until(clock.now_us() + TICK_US).await {
                break;
            }
        }
        flood.e_us = clock.now_us().min(until_us);
        flood.worst_lag_us = beating.join_all().await.into_iter().max().unwrap_or_default();
        while asking.join_next().await.is_some() {}
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        flood.shown = of(&counts.shown);
        flood.refused = of(&counts.refused);
        flood.refused_without_time = of(&counts.refused_without_time);
        flood.other = of(&counts.other);
        flood.unanswered = of(&counts.unanswered);
        flood.connections = of(&counts.connections);
        self.recorder.write(&Line::Hardship(Hardship::Flood(flood)));
        depart(&prober).await;
    }

    /// Lists answered in a second while there are always a few to be answered.
    async fn capacity(&self, lists: &Wire) -> u64 {
        let counts = Arc::new(Counts::default());
        let clock = self.recorder.clock;
        let s_us = clock.now_us();
        let mut asking = JoinSet::new();
        for worker in 0..BUSY as u64 {
            let (lists, counts) = (lists.clone(), Arc::clone(&counts));
            asking.spawn(async move {
                // Numbers that the flood does not come to: these words are searched for nowhere else.
                for number in 0_u64.. {
                    if clock.now_us() >= s_us + MEASURED_US {
                        break;
                    }
                    ask(&lists, MOST_LISTS * (worker + 1) + number, &counts).await;
                }
            });
        }
        while asking.join_next().await.is_some() {}
        let passed_us = (clock.now_us() - s_us).max(1);
        counts.shown.load(Ordering::Relaxed) * 1_000_000 / passed_us
    }
}

/// One search, for words that no other asks for.
async fn ask(wire: &Wire, number: u64, counts: &Counts) {
    let in_flight = counts.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
    counts.connections.fetch_max(in_flight, Ordering::Relaxed);
    let words = format!("searching planner {number}");
    let request = WireRequest::bare("GET", format!("/agents?limit=1&q={}", escaped(&words)));
    let result = wire.send_whole(&request).await;
    counts.in_flight.fetch_sub(1, Ordering::Relaxed);
    let count = match result {
        Ok(answer) if answer.status == 200 => &counts.shown,
        Ok(answer) if answer.status == 429 => {
            let time = answer.headers.iter().find(|(name, _)| name == "retry-after");
            if time.is_none_or(|(_, value)| value.trim().parse::<u32>().is_err()) {
                counts.refused_without_time.fetch_add(1, Ordering::Relaxed);
            }
            &counts.refused
        }
        Ok(_) => &counts.other,
        Err(_) => &counts.unanswered,
    };
    count.fetch_add(1, Ordering::Relaxed);
}

fn id(prober: &Prober, number: u32) -> String {
    prober.id("flood", &format!("{number:04}"))
}

/// A document with much to search in.
fn document(prober: &Prober, number: u32) -> Value {
    let skills = ["geo.lookup", "text.summary"];
    let capability = |name: &&str| {
        json!({
            "name": name,
            "version": "1.0.0",
            "tags": ["planner", "worker", "shared"],
            "description": format!("agent {number} answers what others are searching for: {name}"),
        })
    };
    json!({
        "agent_id": id(prober, number),
        "agent_type": prober.calm().0,
        "endpoint": format!("http://{}/{number}", prober.endpoint),
        "capabilities": skills.iter().map(capability).collect::<Vec<_>>(),
    })
}

/// Registers everybody; who could not be is not missed.
async fn populate(prober: &Prober) {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let prober = prober.clone();
        workers.spawn(async move {
            for number in (worker..LISTED).step_by(WORKERS as usize) {
                if prober.recorder.stopped() {
                    break;
                }
                let request = WireRequest::json("/heartbeat", &document(&prober, number));
                let _ = prober.wire.send(&request).await;
            }
        });
    }
    while workers.join_next().await.is_some() {}
}

async fn depart(prober: &Prober) {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let prober = prober.clone();
        workers.spawn(async move {
            for number in (worker..LISTED).step_by(WORKERS as usize) {
                let path = format!("/agents/{}", escaped(&id(&prober, number)));
                let _ = prober.wire.send(&WireRequest::bare("DELETE", path)).await;
            }
        });
    }
    while workers.join_next().await.is_some() {}
}

/// Heartbeats of all kinds; each task gives how late it woke at the worst.
fn beat(prober: &Prober, case: &'static str, lasting_us: u64) -> JoinSet<u64> {
    let mut running = JoinSet::new();
    let from_us = prober.recorder.clock.now_us();
    for number in 0..BEATING {
        let prober = prober.clone();
        running.spawn(async move {
            let clock = prober.recorder.clock;
            let start_us = from_us + u64::from(number) * BEAT_PERIOD_US / u64::from(BEATING);
            let mut due_us = start_us;
            let mut worst_us = 0;
            for turn in 0_u32.. {
                // What is already due waited for the registry's last answer, which is not the harness's lag.
                let wake_us = due_us.max(clock.now_us());
                if wake_us >= from_us + lasting_us || !prober.recorder.sleep_until(wake_us).await {
                    break;
                }
                worst_us = worst_us.max(clock.now_us().saturating_sub(wake_us));
                let id = id(&prober, number);
                let request = match turn % 4 {
                    0 | 2 => WireRequest::json("/heartbeat", &json!({ "agent_id": id })),
                    1 => WireRequest::bare("HEAD", format!("/heartbeat/{}", escaped(&id))),
                    _ => WireRequest::json("/heartbeat", &document(&prober, number)),
                };
                prober.exchange(case, "heartbeat", request).await;
                due_us += BEAT_PERIOD_US;
            }
            worst_us
        });
    }
    running
}

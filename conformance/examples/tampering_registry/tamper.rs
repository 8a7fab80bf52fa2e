//! What each fault spoils.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agent_sim::client::{WholeAnswer, Wire};
use agent_sim::dialect::WireRequest;
use serde_json::Value;

use crate::order::Order;

/// How much longer than its change a poll sleeps: more than any lag that the judge forgives.
const ASLEEP: Duration = Duration::from_secs(2);

/// What is kept of each heartbeat for ever: a few times what the contract lets a registry keep of one that is gone.
const KEPT_BYTES: usize = 16 * 1024;

/// A fault, and what it has to remember.
pub(super) struct Tamper {
    fault: String,
    count: AtomicU64,
    order: Order,
    /// When a list was last turned away.
    turned_away: Mutex<Option<Instant>>,
    /// The token of a heartbeat that was accepted.
    accepted: Mutex<Option<String>>,
    kept: Mutex<Vec<Vec<u8>>>,
}

impl Tamper {
    pub(super) fn new(fault: &str) -> Self {
        Self {
            fault: fault.to_owned(),
            count: AtomicU64::new(0),
            order: Order::default(),
            turned_away: Mutex::new(None),
            accepted: Mutex::new(None),
            kept: Mutex::new(Vec::new()),
        }
    }

    /// Spoils the request.
    pub(super) fn before(&self, request: &mut WireRequest) {
        self.order.before(&self.fault, request);
        super::mcp::before(&self.fault, request);
    }

    /// Spoils the answer.
    pub(super) async fn after(&self, request: &WireRequest, answer: &mut WholeAnswer, wire: &Wire) {
        super::mcp::after(&self.fault, request, answer);
        let list = request.path.starts_with("/agents?") && request.method == "GET";
        match self.fault.as_str() {
            "pages-lose-an-agent" if list && request.path.contains("cursor=") && self.every_second() => {
                edit(answer, |body| drop_first(&mut body["agents"]));
            }
            // A tag that was once shown is answered 304 for ever, but for those who wait: that is another requirement.
            "old-tags-get-304"
                if !request.path.contains("wait_ms=")
                    && request.headers.iter().any(|(name, _)| *name == "if-none-match") =>
            {
                answer.status = 304;
                answer.body.clear();
            }
            "deltas-keep-what-left" if request.path.contains("since=") => {
                edit(answer, |body| drop_first(&mut body["removed"]));
            }
            // The list without the version where one exact version is asked for.
            "filters-ignore-versions" if list && request.path.contains("version=%3D") => {
                let kept: Vec<&str> =
                    request.path.split('&').filter(|pair| !pair.starts_with("version=")).collect();
                let path = kept.join("&");
                if path != request.path
                    && let Ok(other) = wire.send_whole(&WireRequest { path, ..request.clone() }).await
                {
                    *answer = other;
                }
            }
            "health-counts-one-too-many" if request.path == "/health" => {
                edit(answer, |body| {
                    body["agents"]["healthy"] = (body["agents"]["healthy"].as_u64().unwrap_or(0) + 1).into()
                });
            }
            // The events would be another story than these reads, so only the agents of VIEW-1 are shown so.
            "reads-show-another-status" if request.path.starts_with("/agents/probe-view-1-") => {
                edit(answer, |body| body["reason"] = "another".into());
            }
            "polls-sleep-on" if request.path.contains("wait_ms=") => {
                tokio::time::sleep(ASLEEP).await;
            }
            "events-lose-a-transition" if request.path.starts_with("/events") => {
                edit(answer, |body| {
                    if let Some(events) = body["events"].as_array_mut() {
                        events.retain(|event| event["kind"] != "degraded");
                    }
                });
            }
            "wiring-in-another-order" if request.path == "/heartbeat" => {
                edit(answer, |body| {
                    for told in body["wiring"].as_array_mut().into_iter().flatten() {
                        if let Some(providers) = told["providers"].as_array_mut() {
                            providers.reverse();
                        }
                    }
                });
            }
            "heartbeats-are-turned-away-too"
            | "lists-are-turned-away-without-a-time"
            | "wrong-tokens-are-let-in"
            | "refused-but-done"
            | "gone-are-kept" => self.after_guarded(request, answer, wire).await,
            fault => self.order.after(fault, request, answer, wire).await,
        }
    }

    async fn after_guarded(&self, request: &WireRequest, answer: &mut WholeAnswer, wire: &Wire) {
        let beats = request.path.starts_with("/heartbeat");
        let token = request.headers.iter().find(|(name, _)| *name == "authorization");
        match self.fault.as_str() {
            // One lane for all: as long as lists are turned away, heartbeats are as well.
            "heartbeats-are-turned-away-too" => {
                let mut turned_away = self.turned_away.lock().expect("no handler panics");
                if answer.status == 429 {
                    *turned_away = Some(Instant::now());
                } else if beats && turned_away.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
                    answer.status = 429;
                    answer.headers.push(("retry-after".to_owned(), "1".to_owned()));
                }
            }
            "lists-are-turned-away-without-a-time" if answer.status == 429 => {
                answer.headers.retain(|(name, _)| name != "retry-after");
            }
            "wrong-tokens-are-let-in" if answer.status == 401 && token.is_some() => answer.status = 200,
            // Says no, and does it all the same.
            "refused-but-done" if beats => {
                if answer.status == 200 {
                    *self.accepted.lock().expect("no handler panics") = token.map(|(_, token)| token.clone());
                } else if answer.status == 403 {
                    let accepted = self.accepted.lock().expect("no handler panics").clone();
                    let mut done = request.clone();
                    done.headers.retain(|(name, _)| *name != "authorization");
                    done.headers.extend(accepted.map(|token| ("authorization", token)));
                    let _ = wire.send_whole(&done).await;
                }
            }
            "gone-are-kept" if beats && answer.status == 200 => {
                self.kept.lock().expect("no handler panics").push(vec![1; KEPT_BYTES]);
            }
            _ => {}
        }
    }

    fn every_second(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
    }
}

/// Changes a JSON body.
pub(super) fn edit(answer: &mut WholeAnswer, change: impl FnOnce(&mut Value)) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return };
    change(&mut body);
    answer.body = body.to_string().into_bytes();
}

fn drop_first(list: &mut Value) {
    if let Some(entries) = list.as_array_mut().filter(|entries| !entries.is_empty()) {
        entries.remove(0);
    }
}

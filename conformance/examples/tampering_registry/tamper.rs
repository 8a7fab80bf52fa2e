//! What each fault spoils.

use std::sync::atomic::{AtomicU64, Ordering};

use agent_sim::client::{WholeAnswer, Wire};
use agent_sim::dialect::WireRequest;
use serde_json::Value;

/// A fault, and what it has to remember.
pub(super) struct Tamper {
    fault: String,
    count: AtomicU64,
}

impl Tamper {
    pub(super) fn new(fault: &str) -> Self {
        Self { fault: fault.to_owned(), count: AtomicU64::new(0) }
    }

    /// Spoils the request.
    pub(super) fn before(&self, request: &mut WireRequest) {
        super::mcp::before(&self.fault, request);
    }

    /// Spoils the answer.
    pub(super) async fn after(&self, request: &WireRequest, answer: &mut WholeAnswer, _wire: &Wire) {
        super::mcp::after(&self.fault, request, answer);
        let list = request.path.starts_with("/agents?") && request.method == "GET";
        match self.fault.as_str() {
            "pages-lose-an-agent" if list && request.path.contains("cursor=") && self.every_second() => {
                edit(answer, |body| drop_first(&mut body["agents"]));
            }
            _ => {}
        }
    }

    fn every_second(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
    }
}

/// Changes a JSON body.
fn edit(answer: &mut WholeAnswer, change: impl FnOnce(&mut Value)) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return };
    change(&mut body);
    answer.body = body.to_string().into_bytes();
}

fn drop_first(list: &mut Value) {
    if let Some(entries) = list.as_array_mut().filter(|entries| !entries.is_empty()) {
        entries.remove(0);
    }
}

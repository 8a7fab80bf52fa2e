//! VIEW-10: what an agent is told of who meets its dependencies.

use serde_json::{Value, json};

use super::population::{REQUIREMENTS, population};
use crate::probe::{Prober, revision};

/// More than a dependency is told.
const CROWD: usize = 19;

/// Steps `ask` (a heartbeat that declares the same again) between `all` and `again`, until both are of one revision.
pub(in crate::probe) async fn view_10(prober: Prober) {
    for (group, count) in [("mixed", 12), ("crowd", CROWD)] {
        let providers = population(&prober, group, count);
        converse(&prober, group, &providers, false).await;
    }
    let mut providers = population(&prober, "expired", 4);
    for provider in providers.iter_mut().take(2) {
        provider["agent_type"] = json!(prober.brisk().0);
    }
    converse(&prober, "expired", &providers, true).await;
}

async fn converse(prober: &Prober, group: &str, providers: &[Value], until_expired: bool) {
    let asker = asker(prober, group);
    prober.beat(group, "register", &asker).await;
    let mut done_us = 0;
    for provider in providers {
        done_us = prober.beat(group, "register", provider).await.done_us;
    }
    if until_expired {
        let wait_ms = prober.brisk().1.expires_after_ms + prober.bound_ms;
        prober.recorder.sleep_until(done_us + wait_ms * 1000).await;
    }
    let own = prober.own_filter(group);
    let all = format!("/agents?{own}&status=healthy&status=degraded&status=expired");
    for case in prober.tries(group) {
        let before = prober.get(&case, "all", &all).await;
        prober.beat(&case, "ask", &asker).await;
        if revision(&prober.get(&case, "again", &all).await) == revision(&before) {
            break;
        }
    }
    for agent in providers.iter().chain([&asker]) {
        prober.leave(group, "tidy up", agent["agent_id"].as_str().unwrap_or_default()).await;
    }
}

/// It provides what it needs itself.
fn asker(prober: &Prober, group: &str) -> Value {
    let own = prober.own(group);
    let mut asker = prober.document(group, "asker");
    asker["capabilities"] =
        json!([{ "name": format!("{own}.geo"), "version": "1.0.0", "tags": ["fast", "eu"] }]);
    let mut needs: Vec<Value> = REQUIREMENTS
        .iter()
        .map(|version| json!({ "capability": format!("{own}.geo"), "version": version }))
        .collect();
    needs.push(json!({ "capability": format!("{own}.geo"), "tags": ["fast"] }));
    needs.push(json!({ "capability": format!("{own}.weather"), "tags": ["fast"], "version": "<2" }));
    needs.push(json!({ "capability": format!("{own}.nobody") }));
    asker["dependencies"] = json!(needs);
    asker
}

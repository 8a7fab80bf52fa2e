//! VIEW-9: every kind of filter. VIEW-6: deltas under every kind of filter.

use agent_sim::dialect::escaped;
use serde_json::{Value, json};

use super::population::{REQUIREMENTS, VERSIONS, population};
use crate::probe::{Prober, json as body, revision};

/// Agents of a conversation.
const AGENTS: usize = 12;

/// Statuses of a list of everybody.
const EVERYBODY: &str = "status=healthy&status=degraded&status=expired";

/// Steps `all` and `filtered`, until both are of one revision.
pub(in crate::probe) async fn view_9(prober: Prober) {
    let group = "0";
    for document in population(&prober, group, AGENTS) {
        prober.beat(group, "register", &document).await;
    }
    let own = prober.own_filter(group);
    for (number, filter) in kinds(&prober, group).into_iter().enumerate() {
        for case in prober.tries(&format!("{number}")) {
            let all = prober.get(&case, "all", &format!("/agents?{own}&{EVERYBODY}")).await;
            let filtered = prober.get(&case, "filtered", &format!("/agents?{own}&{filter}")).await;
            if filtered.status().is_some_and(|status| status != 200) || revision(&all) == revision(&filtered)
            {
                break;
            }
        }
    }
    for number in 0..AGENTS {
        prober.leave(group, "tidy up", &prober.id(group, &format!("{number:02}"))).await;
    }
}

/// One query for each thing that a filter can say, and some that say several.
fn kinds(prober: &Prober, group: &str) -> Vec<String> {
    let own = prober.own(group);
    let geo = format!("capability={own}.geo");
    let mut kinds: Vec<String> =
        REQUIREMENTS.iter().map(|version| format!("{geo}&version={}", escaped(version))).collect();
    for exact in VERSIONS {
        kinds.push(format!("{geo}&version={}", escaped(&format!("={exact}"))));
    }
    kinds.extend([format!("{geo}&tag=fast"), format!("{geo}&tag=fast&tag=eu"), "tag=eu".to_owned()]);
    kinds.extend(
        ["status=degraded", "status=healthy", "status=expired", "status=healthy&status=expired"]
            .map(str::to_owned),
    );
    kinds.extend(["zone=a", "zone!=a", "zone", "!zone"].map(|test| format!("label={}", escaped(test))));
    kinds.push(format!("type={}", escaped(prober.calm().0)));
    kinds.push("type=nobody-has-this-type".to_owned());
    kinds.push(format!("{geo}&version={}&tag=fast&status=healthy&label=zone", escaped(">=1.0.0-alpha")));
    kinds
}

/// Steps `before`; `change` some times; `delta` and `after` until both are of one revision; `refused`.
pub(in crate::probe) async fn view_6(prober: Prober) {
    for number in 0..KINDS {
        let group = number.to_string();
        let documents = population(&prober, &group, AGENTS);
        for document in documents.iter().skip(1) {
            prober.beat(&group, "register", document).await;
        }
        delta(&prober, &group, &view(&prober, &group, number), &documents).await;
        for number in 0..AGENTS {
            prober.leave(&group, "tidy up", &prober.id(&group, &format!("{number:02}"))).await;
        }
    }
}

/// How many views [`view`] knows.
const KINDS: usize = 8;

fn view(prober: &Prober, group: &str, number: usize) -> String {
    let (own, prefix) = (prober.own_filter(group), prober.own(group));
    match number {
        0 => format!("/agents?{own}"),
        1 => format!("/agents?{own}&capability={prefix}.geo&version={}", escaped(">=1.0.0-alpha, <2")),
        2 => format!("/agents?{own}&capability={prefix}.geo&tag=fast"),
        3 => format!("/agents?{own}&status=degraded"),
        4 => format!("/agents?{own}&label={}", escaped("zone=a")),
        5 => format!("/agents?{own}&label={}", escaped("!zone")),
        6 => format!("/agents?{own}&type={}", escaped(prober.calm().0)),
        _ => format!("/capabilities?prefix={prefix}."),
    }
}

async fn delta(prober: &Prober, group: &str, view: &str, documents: &[Value]) {
    let before = body(&prober.get(group, "before", view).await);
    let (Some(since), Some(store)) = (before["revision"].as_u64(), before["store_id"].as_str()) else {
        return;
    };
    for changed in changes(documents) {
        prober.beat(group, "change", &changed).await;
    }
    for name in ["05", "06"] {
        prober.leave(group, "change", &prober.id(group, name)).await;
    }
    for since in [since, 0] {
        for _ in prober.tries(group) {
            let delta = prober.get(group, "delta", &format!("{view}&since={since}&store_id={store}")).await;
            let after = prober.get(group, "after", view).await;
            if delta.status() != Some(200) || revision(&delta) == revision(&after) {
                break;
            }
        }
    }
    let future = since + 1_000_000_000;
    prober.get(group, "refused", &format!("{view}&since={future}&store_id={store}")).await;
    prober.get(group, "refused", &format!("{view}&since={since}&store_id=another-store")).await;
}

/// One that is new, and one after the other each property changed.
fn changes(documents: &[Value]) -> Vec<Value> {
    let mut changed = documents.to_vec();
    for (number, document) in changed.iter_mut().enumerate() {
        match number {
            1 => document["capabilities"][0]["version"] = json!("3.0.0"),
            2 => document["capabilities"] = json!([]),
            3 => document["labels"]["zone"] = json!("a"),
            4 => drop(document["labels"].as_object_mut().map(|labels| labels.remove("zone"))),
            7 => document["status"] = json!("degraded"),
            8 => document["status"] = json!("healthy"),
            9 => document["capabilities"][0]["tags"] = json!(["eu"]),
            _ => document["metadata"] = json!({ "changed": number % 2 }),
        }
    }
    changed
        .into_iter()
        .enumerate()
        .filter(|(number, _)| number % 6 != 5)
        .map(|(_, document)| document)
        .collect()
}

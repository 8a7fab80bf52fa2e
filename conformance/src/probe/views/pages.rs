//! VIEW-7: pages of one cursor chain under churn.

use agent_sim::dialect::escaped;
use serde_json::{Value, json};

use crate::probe::{Prober, accepted, json as body, revision};

/// How many agents a chain goes through.
const AGENTS: usize = 11;

/// Chains that are followed.
const CHAINS: usize = 6;

/// Steps `whole` (the list in one piece), `page` again and again, `churn` between them.
pub(in crate::probe) async fn view_7(prober: Prober) {
    let drawn = prober.draw(&proptest::collection::vec((2_usize..=4, 0_usize..AGENTS), CHAINS));
    for (chain, (limit, victim)) in drawn.unwrap_or_default().into_iter().enumerate() {
        let group = chain.to_string();
        for number in 0..AGENTS {
            prober.beat(&group, "register", &agent(&prober, &group, number, 0)).await;
        }
        let own = prober.own_filter(&group);
        for case in prober.tries(&group) {
            let whole = prober.get(&case, "whole", &format!("/agents?{own}")).await;
            let page = prober.get(&case, "page", &format!("/agents?{own}&limit={limit}")).await;
            if accepted(&page) && revision(&whole) == revision(&page) {
                follow(&prober, &case, &group, (limit, victim), &body(&page)).await;
                break;
            }
        }
        for number in 0..AGENTS + CHAINS {
            prober.leave(&group, "tidy up", &prober.id(&group, &format!("{number:02}"))).await;
        }
    }
}

/// Goes on to the end of the chain; what it lists changes before every page.
async fn follow(prober: &Prober, case: &str, group: &str, (limit, victim): (usize, usize), first: &Value) {
    let own = prober.own_filter(group);
    let mut cursor = first["next_cursor"].as_str().map(str::to_owned);
    let mut pages = 1;
    while let Some(text) = cursor.take().filter(|_| pages <= AGENTS) {
        let number = (victim + pages) % AGENTS;
        match pages % 3 {
            0 => prober.leave(case, "churn", &prober.id(group, &format!("{number:02}"))).await,
            1 => prober.beat(case, "churn", &agent(prober, group, number, pages)).await,
            _ => prober.beat(case, "churn", &agent(prober, group, AGENTS + pages, 0)).await,
        };
        let path = format!("/agents?{own}&limit={limit}&cursor={}", escaped(&text));
        let page = body(&prober.get(case, "page", &path).await);
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        pages += 1;
    }
}

fn agent(prober: &Prober, group: &str, number: usize, version: usize) -> Value {
    let mut document = prober.document(group, &format!("{number:02}"));
    document["metadata"] = json!({ "version": version });
    document
}

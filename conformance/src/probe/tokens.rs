//! GUARD-2: who may do what. All agents of this conversation belong to the prefix of one token; the step of an exchange
//! is the word for whose token went along (the token itself stands nowhere), or `look`.

use agent_sim::client::Wire;
use agent_sim::dialect::{WireRequest, escaped};
use serde_json::{Value, json};

use super::Prober;

/// How long the agent is silent before a refused heartbeat, so that one that counted would show.
const SILENCE_US: u64 = 50_000;

/// Views that tell of agents: nobody reads them without a token.
const VIEWS: &[&str] = &["/agents", "/capabilities", "/events", "/health"];

/// Views that tell of none: whoever sends a token sends a right one.
const OTHER_VIEWS: &[&str] = &["/policies", "/metrics", "/openapi.json"];

/// Somebody who calls.
pub(crate) struct Bearer {
    /// Whose token it is: a word that the judge knows.
    pub(crate) who: &'static str,
    pub(crate) wire: Wire,
}

/// Those who call: `admin` and `own` first, who are needed by name.
pub(crate) struct Bearers {
    pub(crate) admin: Wire,
    /// The token of the agents' own prefix.
    pub(crate) own: Wire,
    /// `none`, `wrong`, `other` (an agent's token of another prefix), `read`.
    pub(crate) others: Vec<Bearer>,
    /// What the ids of `own` begin with.
    pub(crate) prefix: String,
}

/// Registers an agent, then has everybody try what is not theirs, and looks at what came of it.
pub(crate) async fn guard_2(admin: Prober, bearers: Bearers) {
    let as_bearer = |wire: &Wire| Prober { wire: wire.clone(), ..admin.clone() };
    let case = "tokens";
    let own = as_bearer(&bearers.own);
    let id = format!("{}probe-guard-2-agent", bearers.prefix);
    let stranger = format!("{}probe-guard-2-nobody", bearers.prefix);
    own.beat(case, "own", &document(&admin, &id, "first")).await;
    for Bearer { who, wire } in &bearers.others {
        let prober = as_bearer(wire);
        look(&admin, &id, &stranger).await;
        for request in changes(&admin, &id, &stranger) {
            prober.exchange(case, who, request).await;
            // A lease that was renewed shows in the silence, of which the first look left enough.
            silence(&admin, &id).await;
        }
        look(&admin, &id, &stranger).await;
        for request in views(&id, who) {
            prober.exchange(case, who, request).await;
        }
        own.beat(case, "own", &json!({ "agent_id": id })).await;
    }
    for request in views(&id, "own") {
        own.exchange(case, "own", request).await;
    }
    for request in views(&id, "admin") {
        admin.exchange(case, "admin", request).await;
    }
    own.exchange(case, "own", WireRequest::bare("HEAD", format!("/heartbeat/{}", escaped(&id)))).await;
    admin.beat(case, "admin", &document(&admin, &id, "second")).await;
    own.leave(case, "own", &id).await;
    admin.beat(case, "admin", &document(&admin, &stranger, "third")).await;
    admin.leave(case, "admin", &stranger).await;
}

fn document(prober: &Prober, id: &str, word: &str) -> Value {
    json!({
        "agent_id": id,
        "agent_type": prober.calm().0,
        "endpoint": format!("http://{}/{id}", prober.endpoint),
        "capabilities": [],
        "labels": { "suite.case": "guard-2", "suite.word": word },
    })
}

/// Everything by which an agent can be changed, or a new one brought in.
fn changes(prober: &Prober, id: &str, stranger: &str) -> Vec<WireRequest> {
    vec![
        WireRequest::bare("HEAD", format!("/heartbeat/{}", escaped(id))),
        WireRequest::json("/heartbeat", &json!({ "agent_id": id })),
        WireRequest::json("/heartbeat", &json!({ "agent_id": id, "status": "degraded" })),
        WireRequest::json("/heartbeat", &document(prober, id, "forged")),
        WireRequest::json("/heartbeat", &document(prober, stranger, "forged")),
        WireRequest::bare("DELETE", format!("/agents/{}", escaped(id))),
    ]
}

fn views(id: &str, who: &str) -> Vec<WireRequest> {
    let id = escaped(id);
    let mut paths: Vec<String> = VIEWS.iter().map(|path| (*path).to_owned()).collect();
    paths.extend([format!("/agents/{id}"), format!("/agents/{id}/health")]);
    if matches!(who, "wrong" | "read" | "admin") {
        paths.extend(OTHER_VIEWS.iter().map(|path| (*path).to_owned()));
    }
    let mut requests: Vec<WireRequest> =
        paths.into_iter().map(|path| WireRequest::bare("GET", path)).collect();
    if matches!(who, "none" | "wrong") {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
        requests.push(WireRequest::json("/mcp", &call));
    }
    requests
}

/// All that a change of these agents would show in.
async fn look(admin: &Prober, id: &str, stranger: &str) {
    admin.recorder.sleep_until(admin.recorder.clock.now_us() + SILENCE_US).await;
    let (id, stranger) = (escaped(id), escaped(stranger));
    let paths = [
        format!("/agents/{id}"),
        format!("/agents/{id}/health"),
        format!("/agents/{stranger}"),
        format!("/events?agent_id={id}"),
        format!("/events?agent_id={stranger}"),
        format!(
            "/agents?label={}&status=healthy&status=degraded&status=expired",
            escaped("suite.case=guard-2")
        ),
    ];
    for path in paths {
        admin.get("tokens", "look", &path).await;
    }
}

async fn silence(admin: &Prober, id: &str) {
    admin.get("tokens", "look", &format!("/agents/{}/health", escaped(id))).await;
}

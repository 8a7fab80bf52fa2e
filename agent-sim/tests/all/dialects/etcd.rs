//! What etcd is told, and what its answers mean; the answers are those of etcd 3.4.

use std::collections::BTreeMap;

use agent_sim::dialect::{self, Call, Document, WireAnswer};
use reports::history::{AgentSeen, Filter, Outcome, Policy, Status};

use super::{capability, document, leave, list, probe, read_one, reading, renew, request};

const GRANTED: &str = r#"{"header":{"revision":"1"},"ID":"77","TTL":"5"}"#;
const THERE: &str = r#"{"error":"etcdserver: lease already exists","code":9}"#;
const KEPT: &str = r#"{"result":{"header":{"revision":"3"},"ID":"77","TTL":"5"}}"#;
const DEAD: &str = r#"{"result":{"header":{"revision":"3"},"ID":"77"}}"#;
const PUT: &str = r#"{"header":{"revision":"4"}}"#;
const NO_LEASE: &str = r#"{"error":"etcdserver: requested lease not found","code":5}"#;

fn answer(status: u16, body: &str) -> WireAnswer {
    WireAnswer { status, etag: None, retry_after: None, body: body.as_bytes().to_vec() }
}

/// The last part of each path that a registration takes when it is answered so.
fn steps(answers: &[(u16, &str)]) -> String {
    let dialect = dialect::by_name("etcd").unwrap();
    let call = Call::Register(document());
    let mut answered = Vec::new();
    let mut asked = vec![dialect.request(&call).unwrap()];
    for (status, body) in answers {
        answered.push(answer(*status, body));
        asked.extend(dialect.follow_up(&call, &answered));
    }
    let words: Vec<&str> = asked.iter().map(|request| request.path.rsplit('/').next().unwrap()).collect();
    words.join(" ")
}

#[test]
fn a_registration_is_a_lease_and_then_its_key() {
    let refused = "{\"error\": \"etcdserver: mvcc: database space exceeded\", \"code\": 8}";
    let rows: [(&[(u16, &str)], &str); 8] = [
        (&[(200, GRANTED)], "grant put"),
        (&[(200, GRANTED), (200, PUT)], "grant put"),
        (&[(412, THERE)], "grant keepalive"),
        (&[(412, THERE), (200, KEPT), (200, PUT)], "grant keepalive put"),
        // It died in between.
        (&[(412, THERE), (200, DEAD), (200, GRANTED), (200, PUT)], "grant keepalive grant put"),
        (&[(200, GRANTED), (404, NO_LEASE)], "grant put"),
        (&[(429, refused)], "grant"),
        (&[(503, "")], "grant"),
    ];
    for (answers, expected) in rows {
        assert_eq!(steps(answers), expected, "{answers:?}");
    }
}

#[test]
fn no_other_call_takes_more_than_one_request() {
    let dialect = dialect::by_name("etcd").unwrap();
    for call in [renew(None, None, None), leave(), list(Filter::default()), read_one()] {
        assert_eq!(dialect.follow_up(&call, &[answer(200, KEPT)]), None, "{call:?}");
    }
}

#[test]
fn the_lease_is_named_by_the_agent_alone_and_lasts_as_its_type_says() {
    let policy = |seconds: u64| Policy {
        heartbeat_interval_ms: 1_000,
        degraded_after_ms: None,
        expires_after_ms: seconds * 1_000,
        evict_after_ms: None,
    };
    let policies = BTreeMap::from([("default".to_owned(), policy(4)), ("gpu-worker".to_owned(), policy(9))]);
    let dialect = dialect::by_name("etcd").unwrap().with_policies(&policies).unwrap().unwrap();
    let ask = |call: &Call| -> serde_json::Value {
        serde_json::from_slice(&dialect.request(call).unwrap().body).unwrap()
    };
    let granted = ask(&Call::Register(document()));
    assert_eq!(granted["TTL"], "9");
    let other = Document { agent_type: "web".to_owned(), agent_id: "geo-2".to_owned(), ..document() };
    let stranger = ask(&Call::Register(other));
    assert_eq!(stranger["TTL"], "4", "a type without a policy has the default one");
    assert_ne!(stranger["ID"], granted["ID"]);
    for call in [renew(None, Some((1, 2)), Some(3)), leave()] {
        assert_eq!(ask(&call)["ID"], granted["ID"], "{call:?}");
    }
    assert!(granted["ID"].as_str().unwrap().parse::<i64>().unwrap() > 0, "{granted}");
    assert!(dialect.request(&probe(None)).is_none());
}

#[test]
fn a_lease_that_etcd_would_silently_lengthen_is_refused() {
    for (ms, remedy) in [(0, "\"2s\""), (1_000, "\"2s\""), (2_500, "\"3s\""), (1_999, "\"2s\"")] {
        let policy = Policy {
            heartbeat_interval_ms: 100,
            degraded_after_ms: None,
            expires_after_ms: ms,
            evict_after_ms: None,
        };
        let policies = BTreeMap::from([("default".to_owned(), policy)]);
        let error = dialect::by_name("etcd").unwrap().with_policies(&policies).unwrap_err();
        assert!(error.contains(remedy), "{ms}: {error}");
    }
}

/// A range's answer with these agents.
fn range(ids: &[&str], more: bool) -> String {
    let put = |id: &str| {
        let dialect = dialect::by_name("etcd").unwrap();
        let call = Call::Register(Document { agent_id: id.to_owned(), ..document() });
        let put = dialect.follow_up(&call, &[answer(200, GRANTED)]).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&put.body).unwrap();
        serde_json::json!({ "key": body["key"], "value": body["value"], "create_revision": "2" })
    };
    let kvs: Vec<_> = ids.iter().map(|id| put(id)).collect();
    serde_json::json!({ "header": { "revision": "8" }, "kvs": kvs, "more": more }).to_string()
}

#[test]
fn etcd_answers_mean_what_they_say() {
    let full = || Call::Register(document());
    let before: serde_json::Value = serde_json::from_str(&range(&["geo-1"], false)).unwrap();
    let put_over = |value: &serde_json::Value| {
        serde_json::json!({ "header": { "revision": "5" }, "prev_kv": { "key": "a", "value": value } })
            .to_string()
    };
    let (same, other) = (put_over(&before["kvs"][0]["value"]), put_over(&"e30=".into()));
    let empty = r#"{"header":{"revision":"4"}}"#;
    let rows: [(Call, u16, &str, Outcome, Option<&str>); 15] = [
        (full(), 200, PUT, Outcome::Registered, None),
        (full(), 200, &same, Outcome::Renewed, None),
        (full(), 200, &other, Outcome::Updated, None),
        (full(), 200, DEAD, Outcome::Failed, Some("the lease died again and again")),
        (full(), 404, NO_LEASE, Outcome::Refused, Some("404: etcdserver: requested lease not found")),
        (full(), 503, "busy", Outcome::Unavailable, Some("503: busy")),
        (renew(None, None, None), 200, KEPT, Outcome::Renewed, None),
        (renew(None, None, None), 200, DEAD, Outcome::Unknown, None),
        (renew(None, None, None), 200, "{}", Outcome::Failed, Some("unreadable answer")),
        (leave(), 200, empty, Outcome::Left, None),
        (leave(), 404, NO_LEASE, Outcome::Unknown, None),
        (read_one(), 200, empty, Outcome::Unknown, None),
        (read_one(), 200, &range(&["geo-1"], false), Outcome::Shown, None),
        (list(Filter::default()), 200, empty, Outcome::Shown, None),
        (
            list(Filter::default()),
            200,
            r#"{"header":{"revision":"4"},"kvs":[{"key":"YQ==","value":"YQ=="}]}"#,
            Outcome::Failed,
            Some("the key \"a\" was not asked for"),
        ),
    ];
    for (call, status, body, outcome, note) in rows {
        let found = reading("etcd", &call, status, body);
        assert_eq!(found.outcome, outcome, "{call:?} {status} {body}");
        match note {
            None => assert_eq!(found.note, None, "{call:?} {status} {body}"),
            Some(note) => assert!(found.note.as_ref().unwrap().starts_with(note), "{found:?}"),
        }
    }
}

#[test]
fn etcd_lists_are_filtered_here_and_come_in_pages_of_one_revision() {
    let body = range(&["a", "b"], true);
    let found = reading("etcd", &list(capability("geo.cap-1")), 200, &body);
    let seen = found.seen.unwrap();
    let shown =
        |id: &str| AgentSeen { id: id.to_owned(), status: Status::Healthy, epoch: None, document: Some(42) };
    assert_eq!((seen.revision, seen.agents.unwrap()), (Some(8), vec![shown("a"), shown("b")]));
    let next = found.next_page.unwrap();
    let next: serde_json::Value = serde_json::from_slice(&next.body).unwrap();
    // "wallflower/agents/b" and a zero byte.
    assert_eq!(
        (next["key"].as_str(), &next["revision"]),
        (Some("d2FsbGZsb3dlci9hZ2VudHMvYgA="), &"8".into())
    );
    for filter in [capability("none"), Filter { agent_type: Some("x".to_owned()), ..Filter::default() }] {
        let seen = reading("etcd", &list(filter), 200, &range(&["a"], false)).seen.unwrap();
        assert_eq!(seen.agents.unwrap(), []);
    }
    let dead = Filter { status: vec![Status::Healthy, Status::Expired], ..Filter::default() };
    let labelled = Filter { label: Some(("k".to_owned(), "v".to_owned())), ..Filter::default() };
    for filter in [dead, labelled] {
        assert_eq!(request("etcd", &list(filter)), None);
    }
}

//! What Nacos is told, and what its answers mean; the answers are those of r-nacos 0.8.

use agent_sim::dialect::Call;
use reports::history::{Filter, Outcome, Status};

use super::{capability, document, leave, list, probe, read_one, reading, renew, request};

const SERVICE: &str = "serviceName=DEFAULT_GROUP%40%40wallflower";

#[test]
fn nacos_instances_are_named_by_the_agent_alone() {
    let named = format!("{SERVICE}&ip=geo-1&port=1");
    let (method, path, _) = request("nacos", &Call::Register(document())).unwrap();
    assert_eq!(method, "POST");
    assert!(
        path.starts_with(&format!("/nacos/v1/ns/instance?{named}&ephemeral=true&metadata=%7B")),
        "{path}"
    );
    for part in ["geo.cap-1", "127.64.0.5:9000", "42"] {
        let part = agent_sim::dialect::escaped(part);
        assert!(path.contains(&part), "{part} in {path}");
    }
    let rows = [
        (renew(None, Some((1, 2)), None), "PUT", format!("/nacos/v1/ns/instance/beat?{named}")),
        (leave(), "DELETE", format!("/nacos/v1/ns/instance?{named}&ephemeral=true")),
        (list(Filter::default()), "GET", format!("/nacos/v1/ns/instance/list?{SERVICE}&healthyOnly=false")),
    ];
    for (call, method, path) in rows {
        let (found_method, found_path, _) = request("nacos", &call).unwrap();
        assert_eq!((found_method, found_path), (method, path));
    }
    let labelled = Filter { label: Some(("k".to_owned(), "v".to_owned())), ..Filter::default() };
    for call in [probe(None), read_one(), list(labelled)] {
        assert_eq!(request("nacos", &call), None, "{call:?}");
    }
}

#[test]
fn nacos_answers_mean_what_they_say() {
    let full = || Call::Register(document());
    let beat = || renew(None, None, None);
    let rows: [(Call, u16, &str, Outcome, Option<&str>); 10] = [
        (full(), 200, "ok", Outcome::Registered, None),
        (full(), 200, "<html>", Outcome::Failed, Some("unexpected answer 200: <html>")),
        (full(), 500, "instance check is invalid", Outcome::Unavailable, Some("500: instance check")),
        (full(), 403, "no", Outcome::Refused, Some("403: no")),
        (beat(), 200, "{\"code\": 10200, \"clientBeatInterval\": 5000}", Outcome::Renewed, None),
        (beat(), 200, "{\"code\": 20404}", Outcome::Unknown, None),
        (beat(), 200, "{\"code\": 1}", Outcome::Failed, Some("unknown code 1")),
        (leave(), 200, "ok", Outcome::Left, None),
        (list(Filter::default()), 200, "{\"hosts\": []}", Outcome::Shown, None),
        (list(Filter::default()), 200, "{}", Outcome::Failed, Some("unreadable answer")),
    ];
    for (call, status, body, outcome, note) in rows {
        let found = reading("nacos", &call, status, body);
        assert_eq!(found.outcome, outcome, "{call:?} {status} {body}");
        match note {
            None => assert_eq!(found.note, None, "{call:?} {status} {body}"),
            Some(note) => assert!(found.note.as_ref().unwrap().starts_with(note), "{found:?}"),
        }
    }
}

#[test]
fn nacos_lists_are_filtered_here() {
    let host = |id: &str, healthy: bool, capabilities: &str| {
        serde_json::json!({ "ip": id, "port": 1, "healthy": healthy,
            "metadata": { "type": "t", "capabilities": capabilities, "document": "7" } })
    };
    // The last is what a beat has created that came before any registration.
    let bare = serde_json::json!({ "ip": "d", "port": 1, "healthy": true, "metadata": {} });
    let hosts = [host("a", true, "x,y"), host("b", false, "x"), host("c", true, "xy"), bare];
    let body = serde_json::json!({ "hosts": hosts }).to_string();
    let expired = Filter { status: vec![Status::Expired], ..Filter::default() };
    let all = Filter { status: vec![Status::Healthy, Status::Expired], ..capability("x") };
    let of_type = Filter { agent_type: Some("t".to_owned()), ..Filter::default() };
    for (filter, ids) in [
        (Filter::default(), "a c d"),
        (capability("x"), "a"),
        (capability("none"), ""),
        (expired, "b"),
        (all, "a b"),
        (of_type, "a c"),
    ] {
        let seen = reading("nacos", &list(filter.clone()), 200, &body).seen.unwrap().agents.unwrap();
        let found: Vec<&str> = seen.iter().map(|agent| agent.id.as_str()).collect();
        assert_eq!(found.join(" "), ids, "{filter:?}");
        for agent in &seen {
            assert_eq!(agent.document, (agent.id != "d").then_some(7));
            assert_eq!(agent.status, if agent.id == "b" { Status::Expired } else { Status::Healthy });
        }
    }
}

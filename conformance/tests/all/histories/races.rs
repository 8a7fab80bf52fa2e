//! RACE-1 and RACE-3 to RACE-7, INPUT-1 to INPUT-3: conversations that keep the contract and ones that break it.
//!
//! Type `default` has D = 100 ms, X = 200 ms and Q = 400 ms; W + d is 15 ms.

use reports::history::{ExchangeOutcome, Operation, Outcome, Seen, Status};
use serde_json::{Value, json};

use super::Story;
use super::probes::Talk;

fn document(version: u64) -> Value {
    json!({ "agent_id": "a", "agent_type": "default", "endpoint": format!("http://a/{version}"), "capabilities": [],
        "dependencies": [], "labels": {}, "metadata": { "version": version } })
}

fn ordered(version: u64, incarnation: u64, sequence: u64) -> Value {
    let mut heartbeat = document(version);
    heartbeat["incarnation"] = json!(incarnation);
    heartbeat["sequence"] = json!(sequence);
    heartbeat
}

fn entry(version: u64, epoch: u64) -> Value {
    let mut entry = document(version);
    entry["status"] = json!("healthy");
    entry["epoch"] = json!(epoch);
    entry["revision"] = json!(7);
    entry
}

fn told(result: &str, epoch: u64) -> Value {
    json!({ "result": result, "epoch": epoch })
}

impl Talk {
    fn beats(self, step: &str, sent: &Value, told: &Value) -> Self {
        self.exchange(step, "/heartbeat", Some(sent), 200, told).soon()
    }

    fn refused(self, step: &str, sent: &Value, status: u16) -> Self {
        let problem =
            json!({ "type": "/problems/unknown-agent", "title": "t", "status": status, "detail": "d" });
        self.exchange(step, "/heartbeat", Some(sent), status, &problem).soon()
    }

    fn looks(self, step: &str, told: &Value) -> Self {
        self.gets(step, "/agents/a", told).soon()
    }

    fn misses(self, step: &str) -> Self {
        self.exchange(step, "/agents/a", None, 404, &Value::Null).soon()
    }
}

/// A renewal at X, with a view beside it and one behind.
fn at_deadline(beside: Status, answer: Outcome, behind: Option<(Status, u64)>) -> Story {
    let epoch = |epoch: u64| Some(Seen { epoch: Some(epoch), ..Seen::default() });
    let mut story = Story::new().registers("a", (1_000, 2_000)).last(|call| call.seen = epoch(1));
    story = story.reads("a", (200_500, 201_900), Some(beside));
    story = story.call(Some("a"), Operation::Renew, (201_000, 202_500), answer);
    match behind {
        Some((status, shown)) => story.reads("a", (203_000, 204_000), Some(status)).last(|call| {
            if let Some(seen) = call.seen.as_mut().and_then(|seen| seen.agents.as_mut()) {
                seen[0].epoch = Some(shown);
            }
        }),
        None => story,
    }
}

#[test]
fn a_heartbeat_at_the_deadline_and_all_views_have_one_outcome() {
    let renewed = |beside| at_deadline(beside, Outcome::Renewed, Some((Status::Healthy, 1)));
    renewed(Status::Degraded).fails_only(&[]);
    assert_eq!(renewed(Status::Degraded).row("RACE-1").decided, 1);
    // Both: expired for a view, renewed for its heartbeat.
    renewed(Status::Expired).fails_only(&["RACE-1"]);
    at_deadline(Status::Expired, Outcome::Unknown, Some((Status::Expired, 1))).fails_only(&[]);
    // Neither: gone for its heartbeat, alive for a later view, which is a step backwards as well.
    let neither = at_deadline(Status::Degraded, Outcome::Unknown, Some((Status::Degraded, 1)));
    neither.fails_only(&["TIME-5", "RACE-1"]);
    at_deadline(Status::Degraded, Outcome::Renewed, Some((Status::Healthy, 2))).fails_only(&["RACE-1"]);
}

#[test]
fn a_heartbeat_far_from_its_deadline_is_no_race_with_it() {
    let story = Story::new().registers("a", (1_000, 2_000)).renews("a", (90_000, 91_000));
    assert_eq!(story.row("RACE-1").samples, 0);
    at_deadline(Status::Degraded, Outcome::TimedOut, None).fails_only(&[]);
}

#[test]
fn what_comes_back_behind_410_has_the_next_epoch() {
    let back = |epoch: u64| {
        at_deadline(Status::Expired, Outcome::Unknown, Some((Status::Expired, 1)))
            .registers("a", (205_000, 206_000))
            .last(|call| call.seen = Some(Seen { epoch: Some(epoch), ..Seen::default() }))
    };
    back(2).fails_only(&[]);
    back(1).fails_only(&["RACE-1"]);
}

#[test]
fn a_repeat_changes_nothing() {
    let talk = |result: &str, revision: u64, silence_ms: u64| {
        let mut after = entry(1, 1);
        after["revision"] = json!(revision);
        Talk::of("RACE-3")
            .beats("first", &ordered(1, 3, 4), &told("registered", 1))
            .looks("before", &entry(1, 1))
            .beats("again", &ordered(2, 3, 4), &told(result, 1))
            .looks("lease", &json!({ "silence_ms": silence_ms }))
            .looks("after", &after)
    };
    talk("stale", 7, 5).holds_in(3);
    talk("renewed", 7, 5).fails_with("instead of 200 `stale`");
    talk("stale", 8, 5).fails_with("`revision` is shown as 8 instead of 7");
    talk("stale", 7, 0).fails_with("A repeat renewed the lease");
}

#[test]
fn of_equal_heartbeats_at_once_one_counts() {
    let talk = |second: &str| {
        Talk::of("RACE-3")
            .beats("together", &ordered(1, 3, 4), &told("stale", 1))
            .beats("together", &ordered(1, 3, 4), &told(second, 1))
            .looks("after", &entry(1, 1))
    };
    talk("registered").holds_in(2);
    talk("stale").fails_with("0 were answered `registered`");
}

#[test]
fn latecomers_replace_nothing() {
    let talk = |late: &str, older: u16, end: u64| {
        Talk::of("RACE-4")
            .beats("first", &ordered(1, 3, 10), &told("registered", 1))
            .looks("before", &entry(1, 1))
            .beats("late", &ordered(2, 3, 9), &told(late, 1))
            .refused("older", &ordered(2, 2, 99), older)
            .looks("after", &entry(1, 1))
            .beats("next", &ordered(3, 3, 11), &told("updated", 1))
            .looks("end", &entry(end, 1))
    };
    talk("stale", 409, 3).holds_in(5);
    talk("updated", 409, 3).fails_with("instead of 200 `stale`");
    talk("stale", 410, 3).fails_with("instead of 409");
    talk("stale", 409, 2).fails_with("the document of the highest sequence");
}

#[test]
fn of_two_processes_with_one_id_the_newer_one_wins_whole() {
    let talk = |late: u16, seen: &Value| {
        Talk::of("RACE-5")
            .beats("older", &ordered(1, 1, 1), &told("registered", 1))
            .refused("early", &json!({ "agent_id": "a", "incarnation": 2 }), 410)
            .looks("view", &entry(1, 1))
            .beats("newer", &ordered(2, 2, 1), &told("registered", 2))
            .refused("older", &ordered(3, 1, 2), late)
            .looks("view", seen)
            .looks("end", &entry(2, 2))
    };
    talk(409, &entry(2, 2)).holds_in(7);
    talk(200, &entry(2, 2)).fails_with("instead of 409");
    talk(409, &entry(1, 2)).fails_with("no document of the newer process");
    let mut mixed = entry(2, 2);
    mixed["metadata"] = json!({ "version": 1 });
    talk(409, &mixed).fails_with("no document of the newer process");
}

#[test]
fn the_expired_come_back_by_a_whole_heartbeat_only() {
    let talk = |lean: u16, after: &str, epoch: u64, view: u64| {
        let with = |status: &str| {
            let mut entry = entry(1, 1);
            entry["status"] = json!(status);
            entry
        };
        let mut talk = Talk::of("RACE-6").beats("first", &document(1), &told("registered", 1)).taking(1_000);
        for _ in 0..2 {
            talk = talk.gets("wait", "/livez", &Value::Null);
        }
        talk.looks("before", &with("expired"))
            .refused("lean", &json!({ "agent_id": "a" }), lean)
            .looks("after", &with(after))
            .beats("back", &document(2), &told("registered", epoch))
            .looks("view", &entry(2, view))
    };
    talk(410, "expired", 2, 2).holds_in(4);
    talk(200, "expired", 2, 2).fails_with("instead of 410");
    talk(410, "healthy", 2, 2).fails_with("as before the lean heartbeat");
    talk(410, "expired", 1, 1).fails_with("`registered` with epoch Some(2)");
    talk(410, "expired", 2, 1).fails_with("instead of epoch Some(2)");
}

#[test]
fn a_deregistration_is_final() {
    let talk = |late: u16, next: u64| {
        Talk::of("RACE-7")
            .beats("first", &ordered(1, 3, 1), &told("registered", 1))
            .exchange("gone", "/agents/a", None, 204, &Value::Null)
            .soon()
            .refused("late", &ordered(2, 3, 9), late)
            .misses("view")
            .looks("list", &json!({ "agents": [] }))
            .beats("next", &ordered(2, 4, 1), &told("registered", next))
            .looks("shown", &entry(2, 2))
    };
    talk(410, 2).holds_in(5);
    talk(200, 2).fails_with("instead of 410");
    talk(410, 1).fails_with("`registered` with a higher epoch");
}

/// A heartbeat that is refused for what these pointers name, between two lists.
fn refusal(sent: &Value, status: u16, pointers: &[&str], changed: bool) -> Talk {
    let json_type = vec![("content-type".to_owned(), "application/json".to_owned())];
    let errors: Vec<Value> =
        pointers.iter().map(|pointer| json!({ "pointer": pointer, "detail": "d" })).collect();
    let problem = json!({ "type": "t", "title": "t", "status": status, "detail": "d", "errors": errors });
    let list = |version: u64| json!({ "revision": 7, "agents": [entry(version, 1)] });
    Talk::of("INPUT-1")
        .beats("beat", &document(1), &told("registered", 1))
        .with(|exchange| exchange.request_headers.clone_from(&json_type))
        .looks("look", &list(1))
        .exchange("beat", "/heartbeat", Some(sent), status, &problem)
        .soon()
        .with(|exchange| {
            exchange.request_headers.clone_from(&json_type);
            if let ExchangeOutcome::Answered(answer) = &mut exchange.outcome {
                answer.headers.push(("content-type".to_owned(), "application/problem+json".to_owned()));
            }
        })
        .looks("look", &list(if changed { 2 } else { 1 }))
}

#[test]
fn every_fault_is_named_and_nothing_changes() {
    let mut wrong = document(2);
    wrong["status"] = json!("ok");
    wrong["capabilities"] = json!([{ "name": "n", "version": "1" }]);
    let both = ["/status", "/capabilities/0/version"];
    refusal(&wrong, 400, &both, false).holds_in(4);
    refusal(&wrong, 400, &both[..1], false).fails_with("is wrong too");
    refusal(&wrong, 400, &["/status", "/capabilities/0/version", "/labels"], false)
        .fails_with("though it is right");
    refusal(&wrong, 500, &both, false).fails_with("instead of 400");
    refusal(&wrong, 400, &both, true).fails_with("as before what was refused");
    // What is right must be taken.
    refusal(&document(1), 400, &[], false).fails_with("instead of 200");
}

/// Bytes, a right request, and what the process holds before and behind.
fn bytes(status: Option<u16>, alive: u16, grown: u64) -> Talk {
    let held = |bytes: u64| format!("pss_bytes={bytes}");
    Talk::of("INPUT-2")
        .gets("memory", "/livez", &Value::Null)
        .with(|exchange| exchange.note = Some(held(10_000_000)))
        .exchange("bytes", "a NUL byte", None, status.unwrap_or_default(), &Value::Null)
        .with(|exchange| {
            exchange.method = "RAW".to_owned();
            if status.is_none() {
                exchange.outcome =
                    ExchangeOutcome::Failed { outcome: Outcome::Failed, cause: "it was closed".to_owned() };
            }
        })
        .exchange("alive", "/heartbeat", Some(&document(1)), alive, &Value::Null)
        .gets("memory", "/livez", &Value::Null)
        .with(|exchange| exchange.note = Some(held(10_000_000 + grown)))
}

#[test]
fn any_bytes_are_refused_or_hung_up_on() {
    bytes(Some(400), 200, 1_000_000).holds_in(3);
    bytes(None, 200, 1_000_000).holds_in(3);
    bytes(Some(500), 200, 0).fails_with("instead of a status of 4xx");
    bytes(Some(200), 200, 0).fails_with("instead of a status of 4xx");
    bytes(Some(400), 500, 0).fails_with("behind all those bytes");
    bytes(Some(400), 200, 100_000_000).fails_with("The process holds 100000000 bytes more");
}

#[test]
fn unknown_parameters_are_refused_where_the_route_is_there() {
    let talk = |plain: u16, query: u16| {
        Talk::of("INPUT-3").exchange("plain", "/agents", None, plain, &Value::Null).exchange(
            "query",
            "/agents?statuss=healthy",
            None,
            query,
            &Value::Null,
        )
    };
    talk(200, 400).holds_in(1);
    talk(200, 200).fails_with("instead of 400");
    talk(404, 404).holds_in(0);
}

#[test]
fn unknown_fields_are_ignored() {
    let talk = |status: u16, shown: bool| {
        let mut sent = document(1);
        sent["x_surplus"] = json!(1);
        let mut seen = entry(1, 1);
        if shown {
            seen["x_surplus"] = json!(1);
        }
        Talk::of("INPUT-3")
            .exchange("beat", "/heartbeat", Some(&sent), status, &told("registered", 1))
            .soon()
            .looks("look", &seen)
    };
    talk(200, false).holds_in(2);
    talk(400, false).fails_with("instead of 200");
    talk(200, true).fails_with("The unknown field `x_surplus` is shown");
}

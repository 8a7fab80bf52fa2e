//! Conversations of probes: one that keeps the contract and one that breaks it for each requirement.

use reports::history::{Answer, Body, Exchange, ExchangeOutcome, Line, Outcome};
use reports::result::RequirementVerdict;
use serde_json::{Value, json};

use super::Story;

/// A conversation under construction; each exchange takes a millisecond, a hundred milliseconds behind the last one.
pub(super) struct Talk {
    pub(super) story: Story,
    id: &'static str,
    next_us: u64,
}

impl Talk {
    pub(super) fn of(id: &'static str) -> Self {
        Self { story: Story::new(), id, next_us: 1_000_000 }
    }

    pub(super) fn exchange(
        mut self,
        step: &str,
        target: &str,
        sent: Option<&Value>,
        status: u16,
        told: &Value,
    ) -> Self {
        let body = |value: &Value| {
            let text = if value.is_null() { String::new() } else { value.to_string() };
            Body { length: text.len() as u64, text, sha256: None }
        };
        let exchange = Exchange {
            requirement: self.id.to_owned(),
            case: "a".to_owned(),
            step: step.to_owned(),
            sent_us: self.next_us,
            done_us: self.next_us + 1_000,
            method: if sent.is_some() { "POST" } else { "GET" }.to_owned(),
            target: target.to_owned(),
            request_headers: Vec::new(),
            request_body: sent.map(body),
            outcome: ExchangeOutcome::Answered(Answer { status, headers: Vec::new(), body: body(told) }),
            note: None,
        };
        self.next_us += 100_000;
        self.story.lines.push(Line::Exchange(Box::new(exchange)));
        self
    }

    pub(super) fn gets(self, step: &str, target: &str, told: &Value) -> Self {
        self.exchange(step, target, None, 200, told)
    }

    /// The last exchange took so long.
    pub(super) fn taking(mut self, us: u64) -> Self {
        if let Some(Line::Exchange(exchange)) = self.story.lines.last_mut() {
            exchange.done_us = exchange.sent_us + us;
            self.next_us = exchange.done_us + 100_000;
        }
        self
    }

    /// The next exchange comes a millisecond behind the last one.
    pub(super) fn soon(mut self) -> Self {
        self.next_us -= 99_000;
        self
    }

    /// Changes the last exchange.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Exchange)) -> Self {
        if let Some(Line::Exchange(exchange)) = self.story.lines.last_mut() {
            change(exchange);
        }
        self
    }

    #[track_caller]
    pub(super) fn fails_with(&self, words: &str) {
        let row = self.story.row(self.id);
        assert_eq!(row.verdict, RequirementVerdict::Fail, "{row:#?}");
        assert!(row.detail.contains(words), "{}", row.detail);
        assert!(row.timeline.iter().any(|line| line.contains("<== WRONG")), "{:#?}", row.timeline);
        let raw = row.timeline.iter().any(|line| line.contains(" RAW "));
        assert!(raw || row.timeline.iter().any(|line| line.contains("curl -i")), "{:#?}", row.timeline);
        self.story.fails_only(&[self.id]);
    }

    /// Nothing is wrong, and at least so much of it was decided.
    #[track_caller]
    pub(super) fn holds_in(&self, decided: u64) {
        let row = self.story.row(self.id);
        assert_eq!(row.decided, decided, "{row:#?}");
        self.story.fails_only(&[]);
    }
}

fn entry(id: &str, status: &str, revision: u64, version: &str) -> Value {
    json!({ "agent_id": id, "agent_type": "default", "status": status, "epoch": 1, "revision": revision,
        "endpoint": format!("http://{id}"), "labels": {},
        "capabilities": [{ "name": "geo", "version": version, "tags": ["fast"] }] })
}

fn list(revision: u64, agents: &[Value]) -> Value {
    json!({ "store_id": "s", "revision": revision, "next_cursor": null, "agents": agents })
}

#[test]
fn views_of_one_revision_must_agree() {
    let agents = [entry("a", "healthy", 1, "1.0.0"), entry("b", "expired", 2, "2.0.0")];
    let talk = |healthy: u64, shown: &Value| {
        Talk::of("VIEW-1")
            .gets("before", "/agents", &list(3, &agents))
            .gets("read", "/agents/a", shown)
            .gets(
                "health",
                "/health",
                &json!({ "agents": { "healthy": healthy, "degraded": 0, "expired": 1 } }),
            )
            .gets("everybody", "/agents", &list(3, &agents))
            .gets("after", "/agents", &list(3, &agents))
    };
    talk(1, &agents[0]).holds_in(2);
    talk(2, &agents[0]).fails_with("/health counts 2 healthy");
    talk(1, &entry("a", "degraded", 1, "1.0.0")).fails_with("a single read shows");
}

#[test]
fn views_of_different_revisions_are_not_compared() {
    Talk::of("VIEW-1")
        .gets("before", "/agents", &list(3, &[]))
        .gets("read", "/agents/a", &entry("a", "healthy", 4, "1.0.0"))
        .gets("after", "/agents", &list(4, &[]))
        .holds_in(0);
}

#[test]
fn an_old_tag_gets_no_304_after_a_change() {
    let talk = |status: u16| {
        Talk::of("VIEW-4")
            .gets("first", "/agents", &list(1, &[]))
            .exchange("change", "/heartbeat", Some(&json!({})), 200, &json!({ "result": "updated" }))
            .exchange("again", "/agents", None, status, &Value::Null)
    };
    talk(200).holds_in(1);
    talk(304).fails_with("still gets 304");
}

#[test]
fn an_old_tag_gets_no_304_behind_a_timer_but_may_until_w_and_d_are_over() {
    // D is 100 ms, W + d are 15 ms: `again` comes 100 ms behind `first`, which is 100 ms behind the heartbeat.
    let talk = |until_first: u64| {
        Talk::of("VIEW-4")
            .exchange("heartbeat", "/heartbeat", Some(&json!({ "agent_type": "default" })), 200, &json!({}))
            .taking(1_000 + until_first)
            .gets("first", "/agents", &list(1, &[]))
            .taking(10)
            .exchange("again", "/agents", None, 304, &Value::Null)
    };
    // The heartbeat was answered so late that the first look proves nothing of what came before its timer.
    talk(60_000).holds_in(0);
    let mut talk = talk(0);
    for line in &mut talk.story.lines {
        if let Line::Exchange(exchange) = line
            && exchange.step == "first"
        {
            (exchange.sent_us, exchange.done_us) = (1_050_000, 1_051_000);
        }
    }
    talk.fails_with("degraded by its timer");
}

#[test]
fn a_delta_applied_must_be_the_later_list() {
    let (old, new) = (entry("a", "healthy", 1, "1.0.0"), entry("b", "healthy", 3, "1.0.0"));
    let talk = |removed: &[&str]| {
        Talk::of("VIEW-6")
            .gets("before", "/agents", &list(2, std::slice::from_ref(&old)))
            .gets(
                "delta",
                "/agents?since=2&store_id=s",
                &json!({ "store_id": "s", "since": 2, "revision": 4, "changed": [new], "removed": removed }),
            )
            .gets("after", "/agents", &list(4, std::slice::from_ref(&new)))
    };
    talk(&["a"]).holds_in(1);
    talk(&[]).fails_with("a is left over");
}

#[test]
fn a_delta_from_the_future_is_410() {
    let talk = |status: u16| {
        Talk::of("VIEW-6").gets("before", "/agents", &list(2, &[])).exchange(
            "refused",
            "/agents?since=99&store_id=s",
            None,
            status,
            &json!({ "type": "https://example.org/resync" }),
        )
    };
    talk(410).holds_in(1);
    talk(200).fails_with("not 410");
}

#[test]
fn the_pages_of_a_chain_are_the_whole_list_of_one_revision() {
    let agents = [entry("a", "healthy", 1, "1.0.0"), entry("b", "healthy", 2, "1.0.0")];
    let talk = |second: &Value| {
        Talk::of("VIEW-7")
            .gets("whole", "/agents", &list(5, &agents))
            .gets("page", "/agents?limit=1", &list(5, &agents[..1]))
            .gets("page", "/agents?limit=1&cursor=x", second)
    };
    talk(&list(5, &agents[1..])).holds_in(1);
    talk(&list(6, &agents[1..])).fails_with("revision Some(6)");
    talk(&list(5, &[])).fails_with("b is missing");
    talk(&list(5, &agents)).fails_with("the order or number");
}

/// W + d are 15 ms. The change was acknowledged 1 ms after it was sent.
fn woken(changed: &[Value], took_us: u64) -> Talk {
    Talk::of("VIEW-8")
        .gets("before", "/agents", &list(1, &[]))
        .exchange(
            "change",
            "/heartbeat",
            Some(&json!({ "agent_id": "a" })),
            200,
            &json!({ "result": "updated" }),
        )
        .gets(
            "poll",
            "/agents?since=1&store_id=s&wait_ms=9000",
            &json!({ "revision": 2, "changed": changed }),
        )
        .taking(took_us)
}

#[test]
fn a_poll_tells_a_change_in_time() {
    let mut changed = entry("a", "healthy", 2, "1.0.0");
    changed["metadata"] = json!({ "changed": true });
    woken(&[changed.clone()], 15_000).holds_in(1);
    woken(&[changed.clone()], 30_000).fails_with("later than");
    // Three times what an ordinary answer takes proves nothing.
    woken(&[changed], 18_000).holds_in(0);
    woken(&[], 1_000).fails_with("without the change");
}

#[test]
fn a_poll_that_nothing_ends_lasts_its_time() {
    let talk = |took_us: u64, revision: u64| {
        Talk::of("VIEW-8")
            .gets("before", "/agents", &list(1, &[]))
            .gets(
                "poll",
                "/agents?since=1&store_id=s&wait_ms=400",
                &json!({ "revision": revision, "changed": [] }),
            )
            .taking(took_us)
    };
    talk(400_000, 1).holds_in(1);
    talk(425_000 + 15_000, 1).holds_in(1);
    talk(399_000, 1).fails_with("a renewal woke it");
    talk(399_000, 2).holds_in(0);
    talk(600_000, 1).fails_with("later than");
}

#[test]
fn a_filter_shows_what_matches_by_semver() {
    let agents = [entry("a", "healthy", 1, "2.0.0-beta.11"), entry("b", "healthy", 2, "2.0.0-beta.2")];
    let talk = |version: &str, shown: &[Value]| {
        Talk::of("VIEW-9").gets("all", "/agents", &list(5, &agents)).gets(
            "filtered",
            &format!("/agents?capability=geo&version={version}"),
            &list(5, shown),
        )
    };
    talk("%3E%3D2.0.0-beta.3", &agents[..1]).holds_in(1);
    talk("%3E%3D2.0.0-beta.3", &agents).fails_with("b should not be there");
    talk("%2A", &[]).holds_in(1);
    talk("%2A", &agents).fails_with("should not be there");
}

#[test]
fn wiring_is_who_matches_in_order() {
    let agents = [
        entry("a", "degraded", 1, "1.10.0"),
        entry("b", "healthy", 2, "1.2.0"),
        entry("c", "expired", 3, "1.3.0"),
    ];
    let told = |entry: &Value| {
        json!({ "agent_id": entry["agent_id"], "endpoint": entry["endpoint"], "status": entry["status"],
            "version": entry["capabilities"][0]["version"] })
    };
    let talk = |total: u64, providers: &[Value]| {
        let asked =
            json!({ "agent_id": "asker", "dependencies": [{ "capability": "geo", "version": "^1" }] });
        let wiring = json!([{ "capability": "geo", "version": "^1", "tags": [], "total": total, "providers": providers }]);
        Talk::of("VIEW-10")
            .gets("all", "/agents", &list(5, &agents))
            .exchange("ask", "/heartbeat", Some(&asked), 200, &json!({ "wiring": wiring }))
            .gets("again", "/agents", &list(5, &agents))
    };
    talk(2, &[told(&agents[1]), told(&agents[0])]).holds_in(1);
    talk(2, &[told(&agents[0]), told(&agents[1])]).fails_with("that match");
    talk(3, &[told(&agents[1]), told(&agents[2]), told(&agents[0])]).fails_with("that match");
}

#[test]
fn events_tell_each_transition_once() {
    let event = |number: u64, kind: &str, from: Value, to: Value| json!({ "number": number, "revision": number, "agent_id": "a", "epoch": 1, "kind": kind, "from": from, "to": to });
    let whole = [
        event(1, "registered", Value::Null, json!("healthy")),
        event(2, "degraded", json!("healthy"), json!("degraded")),
        event(3, "deregistered", json!("degraded"), Value::Null),
    ];
    let talk = |events: &[Value]| {
        let registered = json!({ "result": "registered", "epoch": 1, "revision": 1 });
        Talk::of("VIEW-11")
            .exchange("beat", "/heartbeat", Some(&json!({ "agent_id": "a" })), 200, &registered)
            .gets("read", "/agents/a", &entry("a", "degraded", 2, "1.0.0"))
            .exchange("leave", "/agents/a", None, 204, &Value::Null)
            .gets("events", "/events?agent_id=a", &json!({ "events": events }))
    };
    talk(&whole).holds_in(4);
    talk(&[whole[0].clone(), whole[2].clone()]).fails_with("ended at");
    talk(&[whole[0].clone(), whole[1].clone(), whole[1].clone(), whole[2].clone()])
        .fails_with("stands behind");
    talk(&whole[..2]).fails_with("the events tell 0");
}

#[test]
fn what_was_never_answered_decides_nothing() {
    let mut talk = Talk::of("VIEW-9").gets("all", "/agents", &list(5, &[])).gets(
        "filtered",
        "/agents?tag=x",
        &list(5, &[]),
    );
    if let Some(Line::Exchange(exchange)) = talk.story.lines.last_mut() {
        exchange.outcome =
            ExchangeOutcome::Failed { outcome: Outcome::TimedOut, cause: "no answer in time".to_owned() };
    }
    talk.holds_in(0);
}

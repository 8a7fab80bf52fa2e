//! Lists beyond the capacity, tokens, and ids that come and go.

use reports::history::{Answer, Body, Exchange, ExchangeOutcome, Flood, Hardship, Turnover};
use serde_json::{Value, json};

use super::*;

const MIB: u64 = 1024 * 1024;

fn exchange(
    id: &str,
    case: &str,
    step: &str,
    at_us: u64,
    call: (&str, &str),
    status: Option<u16>,
) -> Exchange {
    let outcome = match status {
        Some(status) => {
            let headers = vec![("www-authenticate".to_owned(), "Bearer".to_owned())];
            ExchangeOutcome::Answered(Answer { status, headers, body: Body::default() })
        }
        None => ExchangeOutcome::Failed { outcome: Outcome::NotSent, cause: "refused".to_owned() },
    };
    Exchange {
        requirement: id.to_owned(),
        case: case.to_owned(),
        step: step.to_owned(),
        sent_us: at_us,
        done_us: at_us + 1_000,
        method: call.0.to_owned(),
        target: call.1.to_owned(),
        request_headers: Vec::new(),
        request_body: None,
        outcome,
        note: None,
    }
}

fn with(mut story: Story, line: Line) -> Story {
    story.lines.push(line);
    story
}

/// 100 lists a second are its capacity; 500 a second fell due for four seconds.
fn flood() -> Flood {
    Flood {
        s_us: 1_000_000,
        e_us: 5_000_000,
        capacity_per_s: 100,
        due: 2_000,
        shown: 300,
        refused: 1_700,
        ..Flood::default()
    }
}

fn flooded(flood: Flood, last: Option<u16>) -> Story {
    let mut story = Story::new();
    for number in 0..100 {
        let status = if number == 99 { last } else { Some(200) };
        let beat = ("POST", "/heartbeat");
        let beat = exchange("GUARD-1", "flood", "heartbeat", 1_000_000 + number * 10_000, beat, status);
        story = with(story, Line::Exchange(Box::new(beat)));
    }
    with(story, Line::Hardship(Hardship::Flood(flood)))
}

fn verdict(story: &Story, id: &str) -> (RequirementVerdict, String) {
    let row = story.row(id);
    (row.verdict, row.detail)
}

#[test]
fn no_heartbeat_is_turned_away_because_of_lists() {
    let (held, told) = verdict(&flooded(flood(), Some(200)), "GUARD-1");
    assert_eq!(held, RequirementVerdict::Pass, "{told}");
    assert!(told.contains("5.0 times the 100 a second"), "{told}");
    for status in [429, 503, 507] {
        let story = flooded(flood(), Some(status));
        story.fails_only(&["GUARD-1"]);
        assert!(verdict(&story, "GUARD-1").1.contains(&format!("refused with {status}")));
    }
    flooded(flood(), None).fails_only(&["GUARD-1"]);
    let silent = Flood { refused_without_time: 3, ..flood() };
    flooded(silent, Some(200)).fails_only(&["GUARD-1"]);
}

#[test]
fn a_flood_that_was_none_decides_nothing() {
    let undecided = |flood: Flood, last: Option<u16>, words: &str| {
        let (found, told) = verdict(&flooded(flood, last), "GUARD-1");
        assert_eq!(found, RequirementVerdict::Undecided, "{told}");
        assert!(told.contains(words), "{told}");
    };
    undecided(Flood { due: 1_700, ..flood() }, Some(200), "only 4.2 times");
    undecided(Flood { capacity_per_s: 0, ..flood() }, Some(200), "only 0.0 times");
    undecided(Flood { shown: 1_500, ..flood() }, Some(200), "measured too low");
    // Whoever was late itself cannot say why nobody answered.
    undecided(
        Flood { worst_lag_us: 600_000, ..flood() },
        None,
        "the harness itself was up to 600.000 ms late",
    );
    // What was answered was answered, however late the harness was.
    flooded(Flood { worst_lag_us: 600_000, ..flood() }, Some(429)).fails_only(&["GUARD-1"]);
}

fn turned_over(turnover: Turnover) -> Story {
    with(Story::new(), Line::Hardship(Hardship::Turnover(turnover)))
}

/// 20,000 ids may leave 16 MiB of the allocator's and 78.1 MiB of changes beside 1.2 times 100 MiB.
fn turnover(after_bytes: u64) -> Turnover {
    Turnover {
        ids: 20_000,
        recent_ids: 20_000,
        gone: true,
        before_bytes: 100 * MIB,
        peak_bytes: 300 * MIB,
        after_bytes,
        ..Turnover::default()
    }
}

#[test]
fn memory_comes_back_when_ids_are_gone() {
    let (held, told) = verdict(&turned_over(turnover(214 * MIB)), "GUARD-3");
    assert_eq!(held, RequirementVerdict::Pass, "{told}");
    assert!(told.contains("allowed were 214.1 MiB"), "{told}");
    assert!(told.contains("--only GUARD-3 brings a million"), "{told}");
    let million = Turnover { wanted_ids: 1_000_000, ids: 950_000, recent_ids: 100, ..turnover(176 * MIB) };
    turned_over(million.clone()).fails_only(&["GUARD-3"]);
    let (_, told) = verdict(&turned_over(Turnover { after_bytes: 175 * MIB, ..million }), "GUARD-3");
    assert!(!told.contains("brings a million"), "{told}");
    turned_over(turnover(215 * MIB)).fails_only(&["GUARD-3"]);
    // Ten minutes later only the last 10,000 changes may be there.
    let late = Turnover { ids: 1_000_000, recent_ids: 100, ..turnover(176 * MIB) };
    turned_over(late.clone()).fails_only(&["GUARD-3"]);
    turned_over(Turnover { after_bytes: 175 * MIB, ..late }).fails_only(&[]);
    for hindered in [
        Turnover { gone: false, ..turnover(900 * MIB) },
        // A run that was to bring the million has to.
        Turnover { wanted_ids: 1_000_000, ids: 949_999, ..turnover(900 * MIB) },
        Turnover { before_bytes: 0, ..turnover(900 * MIB) },
        Turnover { ids: 100, recent_ids: 100, ..turnover(MIB) },
    ] {
        assert_eq!(verdict(&turned_over(hindered), "GUARD-3").0, RequirementVerdict::Undecided);
    }
}

/// A conversation about one agent of 100 ms.
struct Talk {
    story: Story,
    at_us: u64,
}

impl Talk {
    fn begun() -> Self {
        let talk = Self { story: Story::new(), at_us: 1_000_000 };
        talk.asks("own", "POST", "/heartbeat", 200)
    }

    fn asks(mut self, who: &str, method: &str, target: &str, status: u16) -> Self {
        let asked = exchange("GUARD-2", "tokens", who, self.at_us, (method, target), Some(status));
        self.story = with(self.story, Line::Exchange(Box::new(asked)));
        self.at_us += 10_000;
        self
    }

    fn bare(mut self, headers: &[(&str, &str)]) -> Self {
        if let Some(Line::Exchange(exchange)) = self.story.lines.last_mut()
            && let ExchangeOutcome::Answered(answer) = &mut exchange.outcome
        {
            answer.headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        }
        self
    }

    fn sees(mut self, target: &str, status: u16, told: &Value) -> Self {
        self = self.asks("look", "GET", target, status);
        if let Some(Line::Exchange(exchange)) = self.story.lines.last_mut()
            && let ExchangeOutcome::Answered(answer) = &mut exchange.outcome
        {
            answer.body.text = told.to_string();
        }
        self
    }

    #[track_caller]
    fn fails_with(&self, words: &str) {
        self.story.fails_only(&["GUARD-2"]);
        let row = self.story.row("GUARD-2");
        assert!(row.detail.contains(words), "{}", row.detail);
        assert!(row.timeline.iter().any(|line| line.contains("<== WRONG")), "{:#?}", row.timeline);
    }

    #[track_caller]
    fn holds_in(&self, decided: u64) {
        self.story.fails_only(&[]);
        assert_eq!(self.story.row("GUARD-2").decided, decided);
    }
}

#[test]
fn each_token_gets_what_its_scopes_say() {
    for (who, method, target, right, wrong) in [
        ("none", "GET", "/agents", 401, 200),
        ("wrong", "GET", "/agents/a", 401, 403),
        ("wrong", "POST", "/heartbeat", 401, 410),
        ("other", "HEAD", "/heartbeat/a", 403, 200),
        ("other", "DELETE", "/agents/a", 403, 404),
        ("other", "GET", "/agents", 403, 200),
        ("own", "GET", "/agents", 403, 200),
        ("own", "DELETE", "/agents/a", 204, 403),
        ("read", "POST", "/heartbeat", 403, 200),
        ("read", "GET", "/metrics", 200, 403),
        ("admin", "DELETE", "/agents/a", 204, 401),
    ] {
        Talk::begun().asks(who, method, target, right).holds_in(2);
        Talk::begun().asks(who, method, target, wrong).fails_with(&format!("{wrong} for {method} {target}"));
    }
    Talk::begun().asks("none", "GET", "/agents", 401).bare(&[]).fails_with("without `WWW-Authenticate`");
    // Trouble with what is allowed is another requirement's.
    Talk::begun().asks("own", "POST", "/heartbeat", 503).holds_in(1);
}

#[test]
fn what_is_refused_changes_nothing() {
    let entry = |word: &str| json!({ "agent_id": "a", "labels": { "word": word } });
    let seen = |word: &str| {
        Talk::begun().sees("/agents/a", 200, &entry("first")).asks("other", "POST", "/heartbeat", 403).sees(
            "/agents/a",
            200,
            &entry(word),
        )
    };
    seen("first").holds_in(3);
    seen("forged").fails_with("What was refused changed /agents/a");
    let brought_in = Talk::begun().sees("/agents/b", 404, &json!({ "title": "one" })).asks(
        "other",
        "POST",
        "/heartbeat",
        403,
    );
    brought_in.sees("/agents/b", 200, &entry("forged")).fails_with("answered 404 before");
    // The registry's revision may be another's doing, these agents are not.
    let list = |revision: u64, word: &str| json!({ "revision": revision, "agents": [entry(word)] });
    Talk::begun().sees("/agents?a", 200, &list(1, "x")).sees("/agents?a", 200, &list(2, "x")).holds_in(2);
    Talk::begun()
        .sees("/agents?a", 200, &list(1, "x"))
        .sees("/agents?a", 200, &list(1, "y"))
        .fails_with("changed");
    // From D, 100 ms, on a timer may have changed it.
    let mut late = Talk::begun().sees("/agents/a", 200, &entry("first"));
    late.at_us += 90_000;
    late.sees("/agents/a", 200, &entry("second")).holds_in(1);
}

#[test]
fn a_refused_heartbeat_renews_nothing() {
    let silent = |later_ms: u64| {
        Talk::begun()
            .sees("/agents/a/health", 200, &json!({ "silence_ms": 20 }))
            .asks("other", "HEAD", "/heartbeat/a", 403)
            .sees("/agents/a/health", 200, &json!({ "silence_ms": later_ms }))
    };
    silent(40).holds_in(3);
    // The looks are 19 ms apart, of whole milliseconds.
    silent(37).holds_in(3);
    silent(36).fails_with("renewed the lease");
    silent(9).fails_with("the silence was 20 ms, 19 ms later it was 9 ms");
}

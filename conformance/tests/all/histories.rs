//! Judgements of small histories, at exact boundaries.
//!
//! Type `default`: D = 100 ms, X = 200 ms, Q = 400 ms. Type `brisk`: half of each. W = 10 ms, d = 5 ms.

use std::collections::BTreeMap;

use conformance::judge::{Ask, JudgeError, Judgement, judge};
use reports::history::{
    Abilities, AgentSeen, CallRecord, Filter, Line, Operation, Outcome, Policy, ProcessChange, ProcessEvent,
    Reported, RunEnd, RunHeader, Seen, Sent, Status, Touch,
};
use reports::result::{RequirementReport, RequirementVerdict};

mod boundaries;
mod changes;
mod durable;
mod freshness;
mod guard;
mod hardships;
mod mcp;
mod passive;
mod probes;
mod races;
mod requirements;
mod whole;

/// A history under construction; instants in microseconds.
#[derive(Debug, Clone)]
struct Story {
    header: RunHeader,
    lines: Vec<Line>,
    end: Option<RunEnd>,
}

impl Story {
    fn new() -> Self {
        let policy = |ms: u64| Policy {
            heartbeat_interval_ms: ms / 2,
            degraded_after_ms: Some(ms),
            expires_after_ms: 2 * ms,
            evict_after_ms: Some(4 * ms),
        };
        let header = RunHeader {
            format: 1,
            name: "by hand".to_owned(),
            seed: 7,
            started_at: "2026-01-02T03:04:05Z".to_owned(),
            dialect: "wallflower".to_owned(),
            abilities: Abilities::ALL,
            policies: BTreeMap::from([("default".to_owned(), policy(100)), ("brisk".to_owned(), policy(50))]),
            transition_bound_ms: 10,
            claims: Vec::new(),
        };
        let end = RunEnd { at_us: 60_000_000, slack_us: 5_000, lost_lines: 0, tripwire: true };
        Self { header, lines: Vec::new(), end: Some(end) }
    }

    fn call(mut self, agent: Option<&str>, op: Operation, span: (u64, u64), outcome: Outcome) -> Self {
        self.lines.push(Line::Call(CallRecord {
            agent: agent.map(str::to_owned),
            op,
            planned_us: None,
            s_us: span.0,
            e_us: span.1,
            outcome,
            http: None,
            sent: None,
            seen: None,
            note: None,
        }));
        self
    }

    fn last(mut self, change: impl FnOnce(&mut CallRecord)) -> Self {
        if let Some(Line::Call(call)) = self.lines.last_mut() {
            change(call);
        }
        self
    }

    /// A full heartbeat of type `default` with a document, answered `registered`.
    fn registers(self, agent: &str, span: (u64, u64)) -> Self {
        self.declares(agent, span, Outcome::Registered, 1)
    }

    fn declares(self, agent: &str, span: (u64, u64), outcome: Outcome, document: u64) -> Self {
        self.call(Some(agent), Operation::Register, span, outcome).last(|call| {
            call.sent = Some(Sent {
                agent_type: Some("default".to_owned()),
                capabilities: Some(vec!["geo".to_owned()]),
                document: Some(document),
                ..Sent::default()
            });
        })
    }

    fn of_type(self, agent_type: &str) -> Self {
        self.last(|call| call.sent.as_mut().unwrap().agent_type = Some(agent_type.to_owned()))
    }

    fn renews(self, agent: &str, span: (u64, u64)) -> Self {
        self.call(Some(agent), Operation::Renew, span, Outcome::Renewed)
    }

    fn renews_with(self, agent: &str, span: (u64, u64), outcome: Outcome) -> Self {
        self.call(Some(agent), Operation::Renew, span, outcome)
    }

    fn reports(self, agent: &str, span: (u64, u64), status: Reported) -> Self {
        self.call(Some(agent), Operation::Renew, span, Outcome::Updated)
            .last(|call| call.sent = Some(Sent { status: Some(status), ..Sent::default() }))
    }

    fn leaves(self, agent: &str, span: (u64, u64)) -> Self {
        self.call(Some(agent), Operation::Leave, span, Outcome::Left)
    }

    /// A single read; `None`: 404.
    fn reads(self, agent: &str, span: (u64, u64), status: Option<Status>) -> Self {
        self.reads_document(agent, span, status, 1)
    }

    fn reads_document(self, agent: &str, span: (u64, u64), status: Option<Status>, document: u64) -> Self {
        let outcome = if status.is_some() { Outcome::Shown } else { Outcome::Unknown };
        self.call(Some(agent), Operation::Read, span, outcome).last(|call| {
            call.seen = status
                .map(|status| Seen { agents: Some(vec![shown(agent, status, document)]), ..Seen::default() });
        })
    }

    /// A default list that shows these agents, with a revision as its tag.
    fn lists(self, span: (u64, u64), revision: u64, agents: &[(&str, Status)]) -> Self {
        self.lists_by(Filter::default(), span, revision, agents)
    }

    fn lists_by(self, filter: Filter, span: (u64, u64), revision: u64, agents: &[(&str, Status)]) -> Self {
        self.call(None, Operation::List, span, Outcome::Shown).last(|call| {
            call.sent = Some(Sent { filter: Some(filter), ..Sent::default() });
            call.seen = Some(Seen {
                revision: Some(revision),
                etag: Some(format!("r{revision}")),
                agents: Some(agents.iter().map(|(id, status)| shown(id, *status, 1)).collect()),
                ..Seen::default()
            });
        })
    }

    /// A default list that is answered 304 to the tag of a revision.
    fn unchanged(self, span: (u64, u64), revision: u64) -> Self {
        self.call(None, Operation::List, span, Outcome::Unchanged).last(|call| {
            call.sent = Some(Sent { if_none_match: Some(format!("r{revision}")), ..Sent::default() });
        })
    }

    fn process(mut self, event: ProcessChange, span: (u64, u64)) -> Self {
        self.lines.push(Line::Process(ProcessEvent { event, s_us: span.0, e_us: span.1 }));
        self
    }

    fn touched(mut self, agent: &str, at_us: u64) -> Self {
        self.lines.push(Line::Touch(Touch {
            agent: Some(agent.to_owned()),
            at_us,
            protocol: "tcp".to_owned(),
            address: "127.64.0.1:9".to_owned(),
            from: "127.0.0.1:5".to_owned(),
            first_bytes: "GET /health".to_owned(),
        }));
        self
    }

    fn all_lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::Run(self.header.clone())];
        lines.extend(self.lines.clone());
        lines.extend(self.end.clone().map(Line::End));
        lines
    }

    fn judged_by(&self, ask: &Ask) -> Result<Judgement, JudgeError> {
        judge(self.all_lines().into_iter().map(Ok), ask)
    }

    /// Judged at once, and in pieces of a few lines each: the verdicts must be the same.
    fn judged(&self) -> Judgement {
        let whole = self.judged_by(&Ask::default()).unwrap();
        for settle_every in [1, 2, 3, 7] {
            let pieces = self.judged_by(&Ask { settle_every, ..Ask::default() }).unwrap();
            let verdicts = |judgement: &Judgement| -> Vec<_> {
                let rows = judgement.requirements.iter();
                rows.map(|row| (row.id.clone(), row.verdict, row.decided, row.samples, row.detail.clone()))
                    .collect()
            };
            assert_eq!(verdicts(&pieces), verdicts(&whole), "in pieces of {settle_every} lines");
            assert_eq!(pieces.wrong_expiry_instants_us, whole.wrong_expiry_instants_us);
            assert_eq!(pieces.freshness, whole.freshness, "in pieces of {settle_every} lines");
        }
        whole.requirements.iter().for_each(is_drawn);
        whole
    }

    fn row(&self, id: &str) -> RequirementReport {
        self.judged().requirements.into_iter().find(|row| row.id == id).unwrap()
    }

    /// The ids of all that fail.
    fn failures(&self) -> Vec<String> {
        let rows = self.judged().requirements;
        let failed = rows.into_iter().filter(|row| row.verdict == RequirementVerdict::Fail);
        failed.map(|row| row.id).collect()
    }

    #[track_caller]
    fn fails_only(&self, ids: &[&str]) {
        assert_eq!(self.failures(), ids, "{:#?}", self.judged().requirements);
    }
}

/// What single calls prove wrong, so that each failure has a timeline.
const OF_CALLS: &[&str] = &[
    "PASSIVE-1",
    "TIME-1",
    "TIME-2",
    "TIME-3",
    "TIME-4",
    "TIME-5",
    "TIME-7",
    "RACE-1",
    "RACE-2",
    "VIEW-2",
    "VIEW-3",
    "VIEW-5",
    "DURABLE-1",
    "DURABLE-2",
    "DURABLE-3",
    "DURABLE-5",
];

/// The report draws its picture from the timeline's words: of every failure that is told here each line must be drawn,
/// and the wrong one be marked.
#[track_caller]
fn is_drawn(row: &RequirementReport) {
    // A probe's exchanges are no timeline, and what befalls a process (memory, a start, a flood) has no agent whose
    // timeline it were: they are shown as text alone.
    if row.verdict != RequirementVerdict::Fail || row.proof.is_none() || row.timeline.is_empty() {
        assert!(!OF_CALLS.contains(&row.id.as_str()) || row.verdict != RequirementVerdict::Fail, "{row:#?}");
        return;
    }
    assert_eq!(reports::html::not_drawn(&row.timeline), Vec::<&str>::new(), "{row:#?}");
    assert!(row.timeline.iter().any(|line| line.ends_with("<== WRONG")), "{row:#?}");
    // One instant alone is no axis.
    assert!(row.timeline.len() == 1 || reports::html::marks_what_is_wrong(&row.timeline), "{row:#?}");
}

fn shown(id: &str, status: Status, document: u64) -> AgentSeen {
    AgentSeen { id: id.to_owned(), status, epoch: None, document: Some(document) }
}

/// Every state.
fn everybody() -> Filter {
    Filter { status: vec![Status::Healthy, Status::Degraded, Status::Expired], ..Filter::default() }
}

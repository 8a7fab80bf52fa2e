//! One pass over a history: calls by agent, lists by filter, the life of the process. Nothing is judged here.

use std::collections::{BTreeMap, HashMap};

use reports::history::{
    AgentSeen, CallRecord, Exchange, FORMAT, Filter, Line, Operation, Outcome, ProcessChange, Reported,
    RunEnd, RunHeader, Status, Touch, Watch,
};

use super::JudgeError;
use super::beside::{Beside, Pause, latest_act};
use super::told::{self, Told};

/// From an instant to another, in microseconds of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) s: u64,
    pub(crate) e: u64,
}

/// A call that may have renewed an agent's lease, or a restart that renewed it.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    pub(crate) span: Span,
    pub(crate) op: Operation,
    pub(crate) outcome: Outcome,
    /// The latest instant at which it can have acted: the answer's, or far away when the outcome is unknown.
    pub(crate) act_by: u64,
    /// It surely renewed the lease.
    pub(crate) certain: bool,
    /// A restart's full lease instead of a call.
    pub(crate) restart: bool,
    /// It declared the whole document.
    pub(crate) full: bool,
    pub(crate) reported: Option<Reported>,
    pub(crate) document: Option<u64>,
    pub(crate) capabilities: Option<Vec<String>>,
    pub(crate) agent_type: Option<String>,
    /// The epoch that the answer named.
    pub(crate) epoch: Option<u64>,
}

/// A deregistration that happened or may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leave {
    pub(crate) span: Span,
    pub(crate) act_by: u64,
    pub(crate) certain: bool,
}

/// A single read, or a lean heartbeat that was told that nobody knows the agent.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) span: Span,
    /// What was shown; `None`: it is not there.
    pub(crate) shown: Option<AgentSeen>,
    /// It answered a heartbeat.
    pub(crate) to_heartbeat: bool,
}

/// An agent in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// Index into [`Evidence::lists`].
    pub(crate) list: u32,
    pub(crate) status: Status,
    pub(crate) document: Option<u64>,
}

/// All that happened to an agent.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentRecord {
    pub(crate) beats: Vec<Beat>,
    pub(crate) leaves: Vec<Leave>,
    pub(crate) answers: Vec<Answer>,
    /// In the order of [`Evidence::lists`].
    pub(crate) listed: Vec<Listed>,
    pub(crate) told: Vec<Told>,
}

/// A list, unconditional or not.
#[derive(Debug, Clone)]
pub(crate) struct ListView {
    pub(crate) span: Span,
    /// Index into [`Evidence::filters`].
    pub(crate) filter: u32,
    /// The list whose body this one stands for: itself, or for a 304 the one that showed the tag; `None` when a 304
    /// names a tag that no answer had shown.
    pub(crate) body: Option<u32>,
    pub(crate) unchanged: bool,
    pub(crate) etag: Option<String>,
    pub(crate) revision: Option<u64>,
}

/// Two different bodies under one entity tag of one filter.
#[derive(Debug, Clone)]
pub(crate) struct TagClash {
    pub(crate) etag: String,
    pub(crate) first: u32,
    pub(crate) second: u32,
}

/// The registry was killed or died, and was started again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restart {
    pub(crate) killed: Span,
    pub(crate) started: Span,
}

/// A route that was called to provoke the registry.
#[derive(Debug, Clone)]
pub(crate) struct Provocation {
    pub(crate) span: Span,
    pub(crate) agent: Option<String>,
    pub(crate) route: String,
}

/// A history, sorted for judging.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) header: RunHeader,
    pub(crate) end: Option<RunEnd>,
    pub(crate) agents: BTreeMap<String, AgentRecord>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) lists: Vec<ListView>,
    pub(crate) clashes: Vec<TagClash>,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) touches: Vec<Touch>,
    pub(crate) provocations: Vec<Provocation>,
    pub(crate) watches: Vec<Watch>,
    /// What probes recorded.
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) beside: Beside,
    /// Somebody was listed whom nobody in this history registered: others use the registry too.
    pub(crate) strangers: bool,
}

impl Evidence {
    /// Reads a history to its end.
    pub(crate) fn gather(lines: impl Iterator<Item = Result<Line, JudgeError>>) -> Result<Self, JudgeError> {
        let mut lines = lines;
        let header = match lines.next().transpose()? {
            Some(Line::Run(header)) if header.format == FORMAT => header,
            Some(Line::Run(header)) => {
                return Err(JudgeError::Format { found: header.format, known: FORMAT });
            }
            _ => return Err(JudgeError::NoHeader),
        };
        let mut gathering = Gathering::new(header);
        for line in lines {
            gathering.take(line?)?;
        }
        Ok(gathering.finish())
    }
}

/// A history while it is read.
struct Gathering {
    evidence: Evidence,
    filter_numbers: HashMap<Filter, u32>,
    /// The first list of a filter that showed a tag, with its body.
    tags: HashMap<(u32, String), (u32, Vec<AgentSeen>)>,
    down_since: Option<Span>,
    paused_since: Option<Span>,
    started: bool,
}

impl Gathering {
    fn new(header: RunHeader) -> Self {
        let evidence = Evidence {
            header,
            end: None,
            agents: BTreeMap::new(),
            filters: Vec::new(),
            lists: Vec::new(),
            clashes: Vec::new(),
            restarts: Vec::new(),
            pauses: Vec::new(),
            touches: Vec::new(),
            provocations: Vec::new(),
            watches: Vec::new(),
            exchanges: Vec::new(),
            beside: Beside::default(),
            strangers: false,
        };
        Self {
            evidence,
            filter_numbers: HashMap::new(),
            tags: HashMap::new(),
            down_since: None,
            paused_since: None,
            started: false,
        }
    }

    fn take(&mut self, line: Line) -> Result<(), JudgeError> {
        if self.evidence.end.is_some() {
            return Err(JudgeError::AfterEnd);
        }
        match line {
            Line::Run(_) => return Err(JudgeError::TwoHeaders),
            Line::End(end) => self.evidence.end = Some(end),
            Line::Watch(watch) => self.evidence.watches.push(*watch),
            Line::Touch(touch) => self.evidence.touches.push(touch),
            Line::Process(event) => self.take_process(event.event, Span { s: event.s_us, e: event.e_us }),
            Line::Hardship(hardship) => self.evidence.beside.take_hardship(hardship),
            Line::LeftOut(left_out) => self.evidence.beside.left_out.push(left_out),
            Line::Call(call) if call.e_us < call.s_us => {
                return Err(JudgeError::Backwards { s_us: call.s_us, e_us: call.e_us });
            }
            Line::Call(call) => self.take_call(call),
            Line::Exchange(exchange) if exchange.done_us < exchange.sent_us => {
                return Err(JudgeError::Backwards { s_us: exchange.sent_us, e_us: exchange.done_us });
            }
            Line::Exchange(exchange) => self.evidence.exchanges.push(*exchange),
        }
        Ok(())
    }

    fn take_process(&mut self, change: ProcessChange, span: Span) {
        match change {
            ProcessChange::Started => {
                if let Some(killed) = self.down_since.take() {
                    self.evidence.restarts.push(Restart { killed, started: span });
                } else if self.started {
                    self.evidence.restarts.push(Restart { killed: span, started: span });
                }
                self.started = true;
            }
            ProcessChange::Killed | ProcessChange::Died => {
                self.down_since.get_or_insert(span);
            }
            ProcessChange::Paused => self.paused_since = Some(span),
            ProcessChange::Continued => {
                let stopped = self.paused_since.take().unwrap_or(span);
                self.evidence.pauses.push(Pause { stopped, continued: span });
            }
        }
    }

    fn take_call(&mut self, call: CallRecord) {
        let span = Span { s: call.s_us, e: call.e_us };
        self.evidence.beside.take_call(&call);
        match call.op {
            Operation::Register | Operation::Renew | Operation::Probe => self.take_beat(call, span),
            Operation::Leave => self.take_leave(&call, span),
            Operation::Read => self.take_read(call, span),
            Operation::List | Operation::Watch => self.take_list(call, span),
            Operation::Provoke => self.evidence.provocations.push(Provocation {
                span,
                agent: call.agent,
                route: call.note.unwrap_or_else(|| "a route without a name".to_owned()),
            }),
            Operation::Capabilities | Operation::Events => {}
        }
    }

    fn take_beat(&mut self, call: CallRecord, span: Span) {
        let Some(agent) = call.agent else { return };
        let record = self.evidence.agents.entry(agent).or_default();
        let sent = call.sent.unwrap_or_default();
        let full = call.op == Operation::Register;
        if call.outcome == Outcome::Unknown && !full && sent.incarnation.is_none() {
            record.answers.push(Answer { span, shown: None, to_heartbeat: true });
        }
        if !call.outcome.renews() && !call.outcome.is_uncertain() {
            return;
        }
        record.beats.push(Beat {
            span,
            op: call.op,
            outcome: call.outcome,
            act_by: if call.outcome.renews() { span.e } else { u64::MAX },
            certain: call.outcome.renews(),
            restart: false,
            full,
            // A full heartbeat without a status reports `healthy`; a lean one keeps what was reported last.
            reported: if full { Some(sent.status.unwrap_or(Reported::Healthy)) } else { sent.status },
            document: sent.document,
            capabilities: sent.capabilities,
            agent_type: sent.agent_type,
            epoch: call.seen.as_ref().and_then(|seen| seen.epoch),
        });
    }

    fn take_leave(&mut self, call: &CallRecord, span: Span) {
        let Some(agent) = &call.agent else { return };
        let certain = call.outcome == Outcome::Left;
        if !certain && !call.outcome.is_uncertain() {
            return;
        }
        let act_by = if certain { span.e } else { u64::MAX };
        self.evidence.agents.entry(agent.clone()).or_default().leaves.push(Leave { span, act_by, certain });
    }

    fn take_read(&mut self, call: CallRecord, span: Span) {
        let Some(agent) = call.agent else { return };
        let shown = match call.outcome {
            Outcome::Unknown => None,
            Outcome::Shown => {
                let agents = call.seen.and_then(|seen| seen.agents).unwrap_or_default();
                // A read that shows somebody else, or nobody, says nothing of this agent that could be judged.
                let Some(shown) = agents.into_iter().find(|seen| seen.id == agent) else { return };
                Some(shown)
            }
            _ => return,
        };
        let record = self.evidence.agents.entry(agent).or_default();
        record.answers.push(Answer { span, shown, to_heartbeat: false });
    }

    fn take_list(&mut self, call: CallRecord, span: Span) {
        let sent = call.sent.unwrap_or_default();
        let filter = self.filter_number(sent.filter.unwrap_or_default());
        let Ok(number) = u32::try_from(self.evidence.lists.len()) else { return };
        let seen = call.seen.unwrap_or_default();
        if sent.since.is_some() && !seen.full {
            if call.outcome == Outcome::Shown {
                for (id, told) in told::of(span, filter, seen) {
                    self.evidence.agents.entry(id).or_default().told.push(told);
                }
            }
            return;
        }
        let mut view = ListView {
            span,
            filter,
            body: Some(number),
            unchanged: false,
            etag: seen.etag,
            revision: seen.revision,
        };
        match call.outcome {
            Outcome::Unchanged => {
                let Some(tag) = sent.if_none_match else { return };
                view.unchanged = true;
                view.body = self.tags.get(&(filter, tag.clone())).map(|(list, _)| *list);
                view.etag = Some(tag);
            }
            Outcome::Shown => {
                let Some(agents) = seen.agents else { return };
                for shown in &agents {
                    let listed = Listed { list: number, status: shown.status, document: shown.document };
                    self.evidence.agents.entry(shown.id.clone()).or_default().listed.push(listed);
                }
                if let Some(tag) = &view.etag {
                    self.remember_tag(filter, tag, number, agents);
                }
            }
            _ => return,
        }
        self.evidence.lists.push(view);
    }

    fn remember_tag(&mut self, filter: u32, tag: &str, list: u32, mut agents: Vec<AgentSeen>) {
        agents.sort_by(|left, right| left.id.cmp(&right.id));
        match self.tags.get(&(filter, tag.to_owned())) {
            None => {
                self.tags.insert((filter, tag.to_owned()), (list, agents));
            }
            Some((first, body)) if *body != agents => {
                self.evidence.clashes.push(TagClash { etag: tag.to_owned(), first: *first, second: list });
            }
            Some(_) => {}
        }
    }

    fn filter_number(&mut self, filter: Filter) -> u32 {
        if let Some(number) = self.filter_numbers.get(&filter) {
            return *number;
        }
        let number = u32::try_from(self.evidence.filters.len()).unwrap_or(u32::MAX);
        self.evidence.filters.push(filter.clone());
        self.filter_numbers.insert(filter, number);
        number
    }

    fn finish(mut self) -> Evidence {
        let restarts = self.evidence.restarts.clone();
        for record in self.evidence.agents.values_mut() {
            for beat in record.beats.iter_mut().filter(|beat| !beat.certain) {
                beat.act_by = latest_act(beat.span, &restarts);
            }
            for leave in record.leaves.iter_mut().filter(|leave| !leave.certain) {
                leave.act_by = latest_act(leave.span, &restarts);
            }
            record.answers.sort_by_key(|answer| answer.span.s);
        }
        self.evidence.strangers =
            self.evidence.agents.values().any(|record| {
                record.beats.is_empty() && !(record.listed.is_empty() && record.told.is_empty())
            });
        self.evidence
    }
}

//! Lines of a history, sorted by agent and by filter as they come.

use std::collections::HashMap;
use std::rc::Rc;

use reports::history::{
    AgentRef, AgentSeen, CallRef, FORMAT, Filter, Line, LineRef, Operation, Outcome, Reported, RunHeader,
};

use super::Agent;
use super::JudgeError;
use super::beside::Beside;
use super::evidence::{
    Answer, Beat, Declared, Entry, Evidence, FilterRecord, Gone, Leave, ListView, Provocation, Span,
    TagClash, hash_of, latest_act,
};
use super::source::Survey;
use super::tags::{Before, Tags};
use super::told::{Told, tells_changes};

/// So many clashes of tags are kept; the rest is counted.
const KEPT_CLASHES: usize = 100;

/// A history while it is read.
pub(super) struct Gathering {
    pub(super) evidence: Evidence,
    filter_numbers: HashMap<Filter, u32>,
    tags: Tags,
    ended: bool,
    /// Lines and entries of lists that came since this was last set to 0.
    pub(super) volume: usize,
    /// The latest end of a call so far.
    pub(super) latest_us: u64,
}

impl Gathering {
    pub(super) fn new(header: RunHeader, survey: &Survey) -> Result<Self, JudgeError> {
        if header.format != FORMAT {
            return Err(JudgeError::Format { found: header.format, known: FORMAT });
        }
        let evidence = Evidence {
            header,
            end: survey.end.clone(),
            agents: Vec::new(),
            numbers: HashMap::new(),
            gone: Gone::default(),
            declared_agents: 0,
            filters: Vec::new(),
            lists: Vec::new(),
            clashes: Vec::new(),
            more_clashes: 0,
            restarts: survey.restarts.clone(),
            pauses: survey.pauses.clone(),
            touches: Vec::new(),
            provocations: Vec::new(),
            watches: Vec::new(),
            exchanges: Vec::new(),
            beside: Beside::new(survey),
            strangers: false,
            known_before: false,
        };
        Ok(Self {
            evidence,
            filter_numbers: HashMap::new(),
            tags: Tags::default(),
            ended: false,
            volume: 0,
            latest_us: 0,
        })
    }

    pub(super) fn take(&mut self, line: LineRef<'_>) -> Result<(), JudgeError> {
        if self.ended {
            return Err(JudgeError::AfterEnd);
        }
        self.volume += 1;
        match line {
            LineRef::Call(call) => self.take_call(call),
            LineRef::Other(Line::Call(call)) => self.take_call(CallRef::from(&call)),
            LineRef::Other(line) => self.take_other(line),
        }
    }

    fn take_other(&mut self, line: Line) -> Result<(), JudgeError> {
        match line {
            Line::Run(_) => return Err(JudgeError::TwoHeaders),
            Line::End(_) => self.ended = true,
            Line::Watch(watch) => self.evidence.watches.push(*watch),
            Line::Touch(touch) => self.evidence.touches.push(touch),
            Line::Hardship(hardship) => self.evidence.beside.take_hardship(hardship),
            Line::LeftOut(left_out) => self.evidence.beside.left_out.push(left_out),
            Line::Exchange(exchange) if exchange.done_us < exchange.sent_us => {
                return Err(JudgeError::Backwards { s_us: exchange.sent_us, e_us: exchange.done_us });
            }
            Line::Exchange(exchange) => self.evidence.exchanges.push(*exchange),
            // The survey has the life of the process.
            Line::Call(_) | Line::Process(_) => {}
        }
        Ok(())
    }

    fn take_call(&mut self, call: CallRef<'_>) -> Result<(), JudgeError> {
        if call.e_us < call.s_us {
            return Err(JudgeError::Backwards { s_us: call.s_us, e_us: call.e_us });
        }
        let span = Span { s: call.s_us, e: call.e_us };
        self.latest_us = self.latest_us.max(span.e);
        self.evidence.beside.take_call(&call);
        match call.op {
            Operation::Register | Operation::Renew | Operation::Probe => self.take_beat(call, span),
            Operation::Leave => self.take_leave(&call, span),
            Operation::Read => self.take_read(call, span),
            Operation::List | Operation::Watch if tells_changes(&call) => self.take_changes(call, span),
            Operation::List | Operation::Watch => self.take_list(call, span),
            Operation::Provoke => self.evidence.provocations.push(Provocation {
                span,
                agent: call.agent.map(|agent| agent.0.into_owned()),
                route: call
                    .note
                    .map_or_else(|| "a route without a name".to_owned(), |note| note.0.into_owned()),
            }),
            Operation::Capabilities | Operation::Events => {}
        }
        Ok(())
    }

    fn number(&mut self, id: &str) -> u32 {
        if let Some(number) = self.evidence.numbers.get(id) {
            return *number;
        }
        let number = u32::try_from(self.evidence.agents.len()).unwrap_or(u32::MAX);
        self.evidence.agents.push(Some(Box::new(Agent::new(id))));
        self.evidence.numbers.insert(id.to_owned(), number);
        number
    }

    fn agent(&mut self, id: &str) -> Option<(u32, &mut Agent)> {
        let number = self.number(id);
        Some((number, self.evidence.agents.get_mut(number as usize)?.as_deref_mut()?))
    }

    fn take_beat(&mut self, call: CallRef<'_>, span: Span) {
        let Some(id) = call.agent else { return };
        let sent = call.sent.unwrap_or_default();
        let full = call.op == Operation::Register;
        let refused = call.outcome == Outcome::Unknown && !full && sent.incarnation.is_none();
        let certain = call.outcome.renews();
        let act_by = if certain { span.e } else { latest_act(span, &self.evidence.restarts) };
        let counts = certain || call.outcome.is_uncertain();
        let Some((number, agent)) = self.agent(&id.0) else { return };
        let record = &mut agent.record;
        if refused {
            record.answers.push(Answer { span, shown: None, to_heartbeat: true, told: false });
        }
        if !counts {
            return;
        }
        let declared = full
            .then_some(Declared { capabilities: sent.capabilities, agent_type: sent.agent_type })
            .map(|declared| record.interned(declared));
        record.born = Some(record.born.map_or(span.s, |born| born.min(span.s)));
        if let Some(declared) = &declared {
            record.declares(declared, span.s);
        }
        let first_certain = full && certain && !record.declared;
        record.declared |= first_certain;
        record.beats.push(Beat {
            span,
            op: call.op,
            outcome: call.outcome,
            act_by,
            certain,
            restart: false,
            full,
            // A full heartbeat without a status reports `healthy`; a lean one keeps what was reported last.
            reported: if full { Some(sent.status.unwrap_or(Reported::Healthy)) } else { sent.status },
            document: sent.document,
            declared: declared.clone(),
            epoch: call.seen.as_ref().and_then(|seen| seen.epoch),
            raced: false,
            run: None,
            noted: 0,
        });
        self.evidence.declared_agents += u64::from(first_certain);
        let epoch = call.seen.as_ref().and_then(|seen| seen.epoch);
        let is_no_first = call.outcome != Outcome::Registered || epoch.is_some_and(|epoch| epoch > 1);
        self.evidence.known_before |= first_certain && is_no_first && span.s < self.evidence.longest_us();
        if let Some(declared) = declared {
            self.join_filters(number, &declared);
        }
    }

    fn join_filters(&mut self, agent: u32, declared: &Declared) {
        for record in &mut self.evidence.filters {
            if record.filter.label.is_none()
                && declared.matches(&record.filter)
                && record.members.last() != Some(&agent)
            {
                record.members.push(agent);
            }
        }
    }

    fn take_leave(&mut self, call: &CallRef<'_>, span: Span) {
        let Some(id) = &call.agent else { return };
        let certain = call.outcome == Outcome::Left;
        if !certain && !call.outcome.is_uncertain() {
            return;
        }
        let act_by = if certain { span.e } else { latest_act(span, &self.evidence.restarts) };
        let leave = Leave { span, act_by, certain };
        if let Some((_, agent)) = self.agent(&id.0) {
            agent.record.leaves.push(leave);
        }
    }

    fn take_read(&mut self, call: CallRef<'_>, span: Span) {
        let Some(id) = call.agent else { return };
        let shown = match call.outcome {
            Outcome::Unknown => None,
            Outcome::Shown => {
                let agents = call.seen.and_then(|seen| seen.agents).unwrap_or_default();
                // A read that shows somebody else, or nobody, says nothing of this agent that could be judged.
                let Some(shown) = agents.into_iter().find(|seen| seen.id == id.0) else { return };
                Some(AgentSeen {
                    id: String::new(),
                    status: shown.status,
                    epoch: shown.epoch,
                    document: shown.document,
                })
            }
            _ => return,
        };
        if let Some((_, agent)) = self.agent(&id.0) {
            agent.record.answers.push(Answer { span, shown, to_heartbeat: false, told: false });
        }
    }

    fn take_list(&mut self, call: CallRef<'_>, span: Span) {
        let sent = call.sent.unwrap_or_default();
        let filter = self.filter_number(sent.filter.unwrap_or_default());
        let seen = call.seen.unwrap_or_default();
        let mut view = ListView {
            span,
            filter,
            poller: call.agent.map_or(0, |agent| hash_of(&agent.0)),
            body: None,
            unchanged: false,
            etag: seen.etag.as_ref().map(|tag| Rc::from(tag.0.as_ref())),
            revision: seen.revision,
        };
        match call.outcome {
            Outcome::Unchanged => {
                let Some(tag) = sent.if_none_match else { return };
                view.unchanged = true;
                view.body = self.tags.body(filter, &tag);
                view.etag = Some(Rc::from(tag));
            }
            Outcome::Shown => {
                let Some(agents) = seen.agents else { return };
                let body = self.body(&agents);
                let body = match &view.etag {
                    Some(tag) => match self.tags.remember(filter, tag, span, &body) {
                        Before::Same(body) => body,
                        Before::Other(first) => {
                            let clash = TagClash { etag: Rc::clone(tag), first, second: span };
                            self.clashes(clash);
                            body
                        }
                    },
                    None => body,
                };
                view.body = Some(body);
            }
            _ => return,
        }
        self.volume += view.body.as_ref().map_or(0, |body| body.len());
        self.evidence.lists.push(view);
    }

    /// Notes whom an answer names. It is no list: it has no body that a tag could stand for.
    fn take_changes(&mut self, call: CallRef<'_>, span: Span) {
        let (Outcome::Shown, Some(seen)) = (call.outcome, call.seen) else { return };
        let filter = self.filter_number(call.sent.and_then(|sent| sent.filter).unwrap_or_default());
        let poller = call.agent.map_or(0, |agent| hash_of(&agent.0));
        let shown = seen.agents.unwrap_or_default();
        self.volume += shown.len() + seen.removed.len();
        let told = |now| Told { span, filter, poller, now };
        for shown in shown {
            if let Some((_, agent)) = self.agent(&shown.id) {
                agent.record.told.push(told(Some((shown.status, shown.document))));
            }
        }
        for id in seen.removed {
            // That somebody is not there says nothing of one who is not known, or long gone.
            if self.evidence.numbers.contains_key(id.0.as_ref())
                && let Some((_, agent)) = self.agent(&id.0)
            {
                agent.record.told.push(told(None));
            }
        }
    }

    fn clashes(&mut self, clash: TagClash) {
        if self.evidence.clashes.len() < KEPT_CLASHES {
            self.evidence.clashes.push(clash);
        } else {
            self.evidence.more_clashes += 1;
        }
    }

    fn body(&mut self, agents: &[AgentRef<'_>]) -> Rc<[Entry]> {
        let mut entries: Vec<Entry> = agents
            .iter()
            .map(|shown| Entry {
                agent: self.number(&shown.id),
                status: shown.status,
                document: shown.document,
                epoch: shown.epoch,
            })
            .collect();
        entries.sort_by_key(|entry| entry.agent);
        entries.into()
    }

    fn filter_number(&mut self, filter: Filter) -> u32 {
        if let Some(number) = self.filter_numbers.get(&filter) {
            return *number;
        }
        let number = u32::try_from(self.evidence.filters.len()).unwrap_or(u32::MAX);
        let mut members = Vec::new();
        for (agent, known) in (0_u32..).zip(&self.evidence.agents) {
            let beats = known.iter().flat_map(|known| &known.record.beats);
            let mut declared = beats.filter_map(|beat| beat.declared.as_ref());
            if filter.label.is_none() && declared.any(|declared| declared.matches(&filter)) {
                members.push(agent);
            }
        }
        self.evidence.filters.push(FilterRecord { filter: filter.clone(), members });
        self.filter_numbers.insert(filter, number);
        number
    }
}

//! Every view that says something of one agent, its absences included, in the order in which the views began.

use reports::history::{Abilities, Filter, Status};

use super::evidence::{AgentRecord, Evidence, ListView, Listed, Span};
use super::lease::{Lease, States};

/// Where something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// A single read.
    Read,
    /// The answer to a lean heartbeat: nobody knows the agent.
    Heartbeat,
    /// A list of this filter.
    List(u32),
    /// What changed in a list of this filter: who is named.
    Changes(u32),
    /// A 304 for this filter: the body of the tag is what was said.
    Unchanged(u32),
}

/// What a view said of an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    pub(crate) span: Span,
    pub(crate) lane: Lane,
    /// Who asked, where it was a list.
    pub(crate) poller: u64,
    /// What the agent may have been, going by this view alone.
    pub(crate) seen: States,
    /// It was shown.
    pub(crate) present: bool,
    pub(crate) document: Option<u64>,
    /// It was shown as expired where expired agents have no place.
    pub(crate) misplaced: bool,
    /// The view would have shown it in any state, so that an absence means that it is gone.
    pub(crate) shows_all: bool,
}

/// What these lists and the agent's own answers up to `horizon` said of it.
pub(crate) fn sightings(
    evidence: &Evidence,
    lists: &[ListView],
    record: &AgentRecord,
    lease: &Lease,
    horizon: u64,
) -> Vec<Sighting> {
    let abilities = &evidence.header.abilities;
    let answers = record.answers.iter().filter(|answer| !answer.told && answer.span.s < horizon);
    let mut all: Vec<Sighting> = answers
        .map(|answer| Sighting {
            span: answer.span,
            lane: if answer.to_heartbeat { Lane::Heartbeat } else { Lane::Read },
            poller: 0,
            seen: match &answer.shown {
                Some(shown) => States::of(shown.status),
                None if answer.to_heartbeat => States::EXPIRED.or(States::GONE),
                None => gone(abilities),
            },
            present: answer.shown.is_some(),
            document: answer.shown.as_ref().and_then(|shown| shown.document),
            misplaced: false,
            shows_all: !answer.to_heartbeat,
        })
        .collect();
    all.reserve(record.listed.len());
    let born = record.born.unwrap_or(u64::MAX);
    for listed in &record.listed {
        let Some(view) = lists.get(listed.list as usize) else { continue };
        let Some(of_filter) = evidence.filters.get(view.filter as usize) else { continue };
        let lane = if view.unchanged { Lane::Unchanged(view.filter) } else { Lane::List(view.filter) };
        let now = listed.status.map(|status| (status, listed.document));
        if now.is_some() || (view.span.e > born && surely_matches(&of_filter.filter, lease, view.span)) {
            all.push(of_view(&of_filter.filter, view.span, lane, view.poller, now));
        }
    }
    for told in record.told.iter().filter(|told| told.span.s < horizon) {
        let Some(of_filter) = evidence.filters.get(told.filter as usize) else { continue };
        if told.now.is_some() || (told.span.e > born && surely_matches(&of_filter.filter, lease, told.span)) {
            all.push(of_view(
                &of_filter.filter,
                told.span,
                Lane::Changes(told.filter),
                told.poller,
                told.now,
            ));
        }
    }
    all.sort_by_key(|sighting| sighting.span.s);
    all
}

/// What a view of this filter said; who is not in it is in a state that the filter does not show.
fn of_view(
    filter: &Filter,
    span: Span,
    lane: Lane,
    poller: u64,
    now: Option<(Status, Option<u64>)>,
) -> Sighting {
    let hidden = States::ANY.except(shown_states(filter));
    let seen = now.map_or(hidden, |(status, _)| States::of(status));
    Sighting {
        span,
        lane,
        poller,
        seen,
        present: now.is_some(),
        document: now.and_then(|(_, document)| document),
        misplaced: now.is_some() && seen.meets(hidden),
        shows_all: now.is_none() && hidden == States::GONE,
    }
}

/// The same of all lists that are there.
pub(crate) fn of_lists(evidence: &Evidence, record: &AgentRecord, lease: &Lease) -> Vec<Sighting> {
    let Some(number) = evidence.numbers.get(&record.id).copied() else { return Vec::new() };
    let mut told = record.clone();
    for (list, view) in (0_u32..).zip(&evidence.lists) {
        let Some(body) = &view.body else { continue };
        let entry = body.iter().find(|entry| entry.agent == number);
        let member = evidence.filters[view.filter as usize].members.contains(&number);
        if entry.is_some() || member {
            let status = entry.map(|entry| entry.status);
            told.listed.push(Listed { list, status, document: entry.and_then(|entry| entry.document) });
        }
    }
    sightings(evidence, &evidence.lists, &told, lease, u64::MAX)
}

/// Gives each agent what these lists said of it, absences included.
pub(crate) fn distribute(evidence: &mut Evidence, lists: &[ListView]) {
    for of_filter in &mut evidence.filters {
        of_filter.members.sort_unstable();
        of_filter.members.dedup();
    }
    for (number, view) in (0_u32..).zip(lists) {
        let Some(body) = &view.body else { continue };
        let Some(of_filter) = evidence.filters.get(view.filter as usize) else { continue };
        let mut absent = of_filter.members.iter().copied().peekable();
        let mut tell = |agent: u32, listed: Listed| {
            if let Some(Some(agent)) = evidence.agents.get_mut(agent as usize) {
                agent.record.listed.push(listed);
            }
        };
        let missing = Listed { list: number, status: None, document: None };
        let mut last = None;
        for entry in body.iter().filter(|entry| last.replace(entry.agent) != Some(entry.agent)) {
            while let Some(agent) = absent.next_if(|agent| *agent < entry.agent) {
                tell(agent, missing);
            }
            let _ = absent.next_if(|agent| *agent == entry.agent);
            let listed = Listed { list: number, status: Some(entry.status), document: entry.document };
            tell(entry.agent, listed);
        }
        for agent in absent {
            tell(agent, missing);
        }
    }
}

/// What the absence from a single read says. A registry that never evicts may still answer so for an expired agent.
fn gone(abilities: &Abilities) -> States {
    if abilities.evicts { States::GONE } else { States::GONE.or(States::EXPIRED) }
}

/// The states that a filter asks for.
pub(crate) fn shown_states(filter: &Filter) -> States {
    if filter.status.is_empty() {
        return States::LIVE;
    }
    filter.status.iter().fold(States::NONE, |states, status: &Status| states.or(States::of(*status)))
}

/// Whether every document that may be in force has what the filter asks for. Labels are not in histories.
fn surely_matches(filter: &Filter, lease: &Lease, view: Span) -> bool {
    if filter.label.is_some() {
        return false;
    }
    if filter.capability.is_none() && filter.agent_type.is_none() {
        return true;
    }
    let (_, documents) = lease.in_force(view, true);
    !documents.is_empty()
        && documents.iter().all(|beat| beat.declared.as_ref().is_some_and(|it| it.matches(filter)))
}

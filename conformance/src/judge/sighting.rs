//! Every view that says something of one agent, its absences included, in the order in which the views began.

use reports::history::{Abilities, Filter, Status};

use super::evidence::{AgentRecord, Beat, Evidence, Span};
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
    /// What changed in a list of this filter.
    Changes(u32),
    /// A 304 for this filter: the body of the tag is what was said.
    Unchanged(u32),
}

/// What a view said of an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    pub(crate) span: Span,
    pub(crate) lane: Lane,
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

/// All sightings of an agent.
pub(crate) fn sightings(evidence: &Evidence, record: &AgentRecord, lease: &Lease) -> Vec<Sighting> {
    let abilities = &evidence.header.abilities;
    let mut all: Vec<Sighting> = record
        .answers
        .iter()
        .map(|answer| Sighting {
            span: answer.span,
            lane: if answer.to_heartbeat { Lane::Heartbeat } else { Lane::Read },
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
    let possible: Vec<bool> = evidence.filters.iter().map(|filter| may_match(filter, lease)).collect();
    let born = lease.beats.first().map_or(u64::MAX, |beat| beat.span.s);
    for (number, view) in evidence.lists.iter().enumerate() {
        let Some(body) = view.body else { continue };
        let filter = &evidence.filters[view.filter as usize];
        let lane = if view.unchanged { Lane::Unchanged(view.filter) } else { Lane::List(view.filter) };
        let listed = record.listed.binary_search_by_key(&body, |listed| listed.list).ok();
        debug_assert!(view.unchanged || usize::try_from(body).is_ok_and(|body| body == number));
        match listed.map(|index| record.listed[index]) {
            Some(listed) => all.push(present(view.span, lane, filter, listed.status, listed.document)),
            None if possible[view.filter as usize]
                && view.span.e > born
                && surely_matches(filter, lease, view.span) =>
            {
                all.push(absent(view.span, lane, filter));
            }
            None => {}
        }
    }
    for told in &record.told {
        let filter = &evidence.filters[told.filter as usize];
        let lane = Lane::Changes(told.filter);
        match told.now {
            Some((status, document)) => all.push(present(told.span, lane, filter, status, document)),
            None if told.span.e > born && surely_matches(filter, lease, told.span) => {
                all.push(absent(told.span, lane, filter));
            }
            None => {}
        }
    }
    all.sort_by_key(|sighting| sighting.span.s);
    all
}

fn present(span: Span, lane: Lane, filter: &Filter, status: Status, document: Option<u64>) -> Sighting {
    let seen = States::of(status);
    let misplaced = !shown_states(filter).meets(seen);
    Sighting { span, lane, seen, present: true, document, misplaced, shows_all: false }
}

/// It would be in a view of this filter in any state that the filter shows.
fn absent(span: Span, lane: Lane, filter: &Filter) -> Sighting {
    let seen = States::ANY.except(shown_states(filter));
    let shows_all = seen == States::GONE;
    Sighting { span, lane, seen, present: false, document: None, misplaced: false, shows_all }
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

fn may_match(filter: &Filter, lease: &Lease) -> bool {
    filter.label.is_none() && lease.beats.iter().any(|beat| beat.full && declares(filter, beat))
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
    !documents.is_empty() && documents.iter().all(|beat| declares(filter, beat))
}

fn declares(filter: &Filter, beat: &Beat) -> bool {
    let has_capability = filter.capability.as_ref().is_none_or(|wanted| {
        beat.capabilities.as_ref().is_some_and(|declared| declared.iter().any(|name| name == wanted))
    });
    let has_type = filter
        .agent_type
        .as_ref()
        .is_none_or(|wanted| beat.agent_type.as_ref().is_some_and(|is| is == wanted));
    has_capability && has_type
}

//! All agents: each found by its id in one step, and all of them in the order of their ids.
//!
//! A tree alone took some twenty comparisons of ids a step, each in another cache line, which at 100,000 agents was a
//! fifth of what a heartbeat cost (`just bench --only lean`).

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::agent::Agent;
use crate::document::AgentId;

/// Seats are made so many at a time, so that no growth moves all agents at once.
const ROW: usize = 1_024;

/// Where an agent's record is, as long as it is remembered; later somebody else may sit there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat(u32);

#[derive(Debug, Default)]
pub(crate) struct Roster {
    rows: Vec<Vec<Option<(AgentId, Agent)>>>,
    free: Vec<Seat>,
    seats: HashMap<AgentId, Seat>,
    in_order: BTreeMap<AgentId, Seat>,
    /// Who was looked for last: a heartbeat looks the same agent up half a dozen times.
    last: Cell<Option<Seat>>,
}

impl Roster {
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(crate) fn seat(&self, agent_id: &AgentId) -> Option<Seat> {
        let last = self.last.get().filter(|last| self.at(*last).is_some_and(|(held, _)| held == agent_id));
        let seat = last.or_else(|| self.seats.get(agent_id).copied())?;
        self.last.set(Some(seat));
        Some(seat)
    }

    pub(crate) fn at(&self, seat: Seat) -> Option<(&AgentId, &Agent)> {
        let (row, place) = split(seat);
        self.rows.get(row)?.get(place)?.as_ref().map(|(agent_id, agent)| (agent_id, agent))
    }

    pub(crate) fn at_mut(&mut self, seat: Seat) -> Option<(&AgentId, &mut Agent)> {
        self.place(seat)?.as_mut().map(|(agent_id, agent)| (&*agent_id, agent))
    }

    pub(crate) fn get(&self, agent_id: &AgentId) -> Option<&Agent> {
        self.at(self.seat(agent_id)?).map(|(_, agent)| agent)
    }

    pub(crate) fn get_mut(&mut self, agent_id: &AgentId) -> Option<&mut Agent> {
        self.at_mut(self.seat(agent_id)?).map(|(_, agent)| agent)
    }

    /// Puts an agent in, in the place of another with that id. `false`, and nothing is done, when there is no seat left,
    /// which takes four thousand million agents.
    pub(crate) fn insert(&mut self, agent_id: AgentId, agent: Agent) -> bool {
        if let Some(held) = self.get_mut(&agent_id) {
            *held = agent;
            return true;
        }
        let Some(seat) = self.free.pop().or_else(|| self.new_seat()) else { return false };
        self.seats.insert(agent_id.clone(), seat);
        self.in_order.insert(agent_id.clone(), seat);
        if let Some(place) = self.place(seat) {
            *place = Some((agent_id, agent));
        }
        true
    }

    pub(crate) fn remove(&mut self, agent_id: &AgentId) -> Option<Agent> {
        let seat = self.seats.remove(agent_id)?;
        self.in_order.remove(agent_id);
        self.free.push(seat);
        self.place(seat)?.take().map(|(_, agent)| agent)
    }

    /// By id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AgentId, &Agent)> {
        self.in_order.values().filter_map(|seat| self.at(*seat))
    }

    /// By id, those after this one; all without one.
    pub(crate) fn after(&self, last: Option<&AgentId>) -> impl Iterator<Item = (&AgentId, &Agent)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.in_order.range::<AgentId, _>((from, Bound::Unbounded)).filter_map(|(_, seat)| self.at(*seat))
    }

    /// In no order.
    pub(crate) fn agents_mut(&mut self) -> impl Iterator<Item = &mut Agent> {
        self.rows.iter_mut().flatten().flatten().map(|(_, agent)| agent)
    }

    fn place(&mut self, seat: Seat) -> Option<&mut Option<(AgentId, Agent)>> {
        let (row, place) = split(seat);
        self.rows.get_mut(row)?.get_mut(place)
    }

    fn new_seat(&mut self) -> Option<Seat> {
        if self.rows.last().is_none_or(|row| row.len() == ROW) {
            self.rows.push(Vec::with_capacity(ROW));
        }
        let rows_before = self.rows.len() - 1;
        let row = self.rows.last_mut()?;
        let seat = u32::try_from(rows_before * ROW + row.len()).ok()?;
        row.push(None);
        Some(Seat(seat))
    }
}

fn split(seat: Seat) -> (usize, usize) {
    (seat.0 as usize / ROW, seat.0 as usize % ROW)
}

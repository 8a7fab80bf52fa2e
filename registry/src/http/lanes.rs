//! Lists may not take what heartbeats need. So only a few are made at once, a few more wait for a moment, and the rest
//! are told to come again; so much memory is for answers that wait to be read; and a quarter of the connections is
//! closed to whoever asks for lists. Heartbeats, deregistrations and the pages by which operators watch ask for no
//! permit here.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::problem::Problem;
use crate::connections::Limits;
use crate::shared::Shared;

/// Of the connections that read, in quarters.
const READER_QUARTERS: usize = 3;
/// Answers are weighed in units of this many bytes; smaller ones weigh nothing.
const UNIT_BYTES: usize = 64 * 1024;

/// The permits.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// For those that are being made and those that wait for it.
    places: Semaphore,
    turns: Semaphore,
    queue: std::time::Duration,
    /// For what waits in memory to be read, in units.
    memory: Arc<Semaphore>,
    memory_units: u32,
    /// For connections by which somebody has asked for a list.
    readers: Arc<Semaphore>,
    shed: prometheus::IntCounterVec,
}

/// While this is held a list may be made.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _place: SemaphorePermit<'a>,
    _turn: SemaphorePermit<'a>,
}

impl Lanes {
    pub(crate) fn new(limits: &Limits, max_connections: usize, shed: prometheus::IntCounterVec) -> Self {
        let memory_units = u32::try_from(limits.answer_bytes / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self {
            places: Semaphore::new(limits.reads_at_once + limits.reads_queued),
            turns: Semaphore::new(limits.reads_at_once),
            queue: limits.queue,
            memory: Arc::new(Semaphore::new(memory_units as usize)),
            memory_units,
            readers: Arc::new(Semaphore::new((max_connections * READER_QUARTERS / 4).max(1))),
            shed,
        }
    }

    /// Waits for a turn to make a list, not long.
    pub(crate) async fn turn(&self, route: &str) -> Result<Turn<'_>, Problem> {
        let waiting = async {
            let place = self.places.try_acquire().ok()?;
            // The semaphore is never closed.
            let turn = tokio::time::timeout(self.queue, self.turns.acquire()).await.ok()?.ok()?;
            Some(Turn { _place: place, _turn: turn })
        };
        waiting.await.ok_or_else(|| self.shed(route))
    }

    /// The text as an answer's body, which keeps its share of the memory until it is sent or dropped.
    pub(crate) fn weigh(&self, route: &str, text: String) -> Result<Bytes, Problem> {
        let units = u32::try_from(text.len() / UNIT_BYTES).unwrap_or(u32::MAX).min(self.memory_units);
        if units == 0 {
            return Ok(text.into());
        }
        let permit = Arc::clone(&self.memory).try_acquire_many_owned(units);
        let permit = permit.map_err(|_| self.shed(route))?;
        Ok(Bytes::from_owner(Weighed { text, _permit: permit }))
    }

    pub(crate) fn count_shed(&self, route: &str) {
        self.shed.with_label_values(&[route]).inc();
    }

    fn shed(&self, route: &str) -> Problem {
        self.count_shed(route);
        Problem::overloaded()
    }
}

struct Weighed {
    text: String,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Weighed {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// A connection's place among those that read: taken with its first list, kept until its end.
#[derive(Debug, Clone)]
pub(crate) struct ReaderPlace(Arc<Place>);

#[derive(Debug)]
struct Place {
    readers: Arc<Semaphore>,
    taken: OnceLock<OwnedSemaphorePermit>,
}

impl ReaderPlace {
    pub(crate) fn new(lanes: &Lanes) -> Self {
        Self(Arc::new(Place { readers: Arc::clone(&lanes.readers), taken: OnceLock::new() }))
    }

    fn is_taken(&self) -> bool {
        if self.0.taken.get().is_none()
            && let Ok(permit) = Arc::clone(&self.0.readers).try_acquire_owned()
        {
            // A connection has one request at a time: nobody else has set it.
            let _ = self.0.taken.set(permit);
        }
        self.0.taken.get().is_some()
    }
}

/// Lets a request for a list through if its connection has a place among the readers. Otherwise this is its answer, and
/// the connection is given up, so that a heartbeat may have it.
pub(super) fn keep_room(shared: &Shared, request: &Request) -> Option<Response> {
    let route = request.extensions().get::<MatchedPath>().filter(|_| reads(request.method()));
    let route = route.map(MatchedPath::as_str).and_then(lane)?;
    have_place(shared, route, request.extensions().get::<ReaderPlace>()?)
}

/// The same for one that is known to ask for a list.
pub(super) fn have_place(shared: &Shared, route: &'static str, place: &ReaderPlace) -> Option<Response> {
    if place.is_taken() {
        return None;
    }
    shared.lanes.count_shed(route);
    let mut answer = Problem::no_room().into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(answer)
}

fn reads(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// The label under which what is shed of a route is counted; `None` for a route of which nothing is.
fn lane(route: &str) -> Option<&'static str> {
    let first = route.split('/').nth(1)?;
    SHED.into_iter().find(|lane| lane.strip_prefix('/') == Some(first))
}

/// Whatever may be shed, as labels of the metric: the first segment of a route, or a connection of an address that has
/// too many.
pub(crate) const SHED: [&str; 4] = ["/agents", "/capabilities", "/events", "connection"];

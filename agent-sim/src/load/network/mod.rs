//! Many calls at once in one thread: sockets that never wait, one poller, and what ended in a queue.
//!
//! - [`http`]: requests and answers as bytes; pure.
//! - [`connection`]: one connection.
//! - [`incoming`]: what comes of what is under way.
//! - [`deadlines`]: when calls are given up.
//! - [`timer`]: waits shorter than a millisecond.

mod connection;
mod deadlines;
pub(crate) mod http;
mod incoming;
mod timer;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use self::connection::{Connection, State, Step, UnderWay};
use self::deadlines::Deadlines;
use self::http::Common;
use self::timer::Timer;
use crate::clock::Clock;
use crate::dialect::{WireAnswer, WireRequest};

/// Most events taken from the poller at once.
const EVENTS: usize = 512;

/// How much is read at once.
const INBOX_BYTES: usize = 64 * 1024;

/// Most buffers kept for bodies to come, and the largest of them.
const SPARE_BUFFERS: usize = 64;
const SPARE_BYTES: usize = 16 * 1024;

/// Most connections from one source address, well below the ports that a kernel hands out.
pub(super) const CONNECTIONS_PER_SOURCE: u32 = 8_000;

const TIMER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_CONNECTION: usize = 2;

/// Calls under way. `F` is what the caller wants back with the answer.
#[derive(Debug)]
pub(crate) struct Network<F> {
    poll: Poll,
    events: Events,
    timer: Timer,
    waker: Arc<Waker>,
    common: Common,
    routes: Vec<SocketAddr>,
    sources: u32,
    connections: Vec<Option<Connection<F>>>,
    /// Places in `connections` that are free.
    free: Vec<usize>,
    /// Shared connections on which nothing is under way, by route; the one used last comes first.
    idle: Vec<Vec<usize>>,
    own: HashMap<u32, usize>,
    deadlines: Deadlines,
    ended: VecDeque<Ended<F>>,
    inbox: Box<[u8]>,
    outbox: Vec<u8>,
    spare: Vec<Vec<u8>>,
    /// Calls ever begun.
    calls: u64,
    in_flight: usize,
    in_flight_shared: usize,
    own_open: u64,
    peak_own: u64,
}

/// A request with where it goes.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    /// An index into the routes.
    pub(crate) route: u8,
    /// The agent over whose own connection it goes; `None`: over a shared one.
    pub(crate) owner: Option<u32>,
    pub(crate) request: &'a WireRequest,
    /// Further header lines.
    pub(crate) extra: &'a [u8],
    /// When it is given up.
    pub(crate) timeout_us: u64,
}

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Ended<F> {
    pub(crate) flight: F,
    /// Just after the last byte came, or when it was given up.
    pub(crate) e_us: u64,
    pub(crate) result: Result<WireAnswer, Fault>,
}

/// Why a call has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing was sent.
    NotSent(String),
    /// The connection broke.
    Failed(String),
    /// No answer in time.
    TimedOut,
}

impl<F> Network<F> {
    /// Over `routes`, which all lead to the same registry. `sources` is over how many source addresses own
    /// connections go out, where the routes are of this machine; 0: as many as they need.
    ///
    /// # Errors
    /// When the system gives no poller or no timer.
    pub(crate) fn new(common: Common, routes: Vec<SocketAddr>, sources: u32) -> std::io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let timer = Timer::new(poll.registry(), TIMER)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            timer,
            waker,
            common,
            sources,
            connections: Vec::new(),
            free: Vec::new(),
            idle: routes.iter().map(|_| Vec::new()).collect(),
            routes,
            own: HashMap::new(),
            deadlines: Deadlines::default(),
            ended: VecDeque::new(),
            inbox: vec![0; INBOX_BYTES].into_boxed_slice(),
            outbox: Vec::new(),
            spare: Vec::new(),
            calls: 0,
            in_flight: 0,
            in_flight_shared: 0,
            own_open: 0,
            peak_own: 0,
        })
    }

    /// Ends a wait from another thread.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Those of them that go over shared connections.
    pub(crate) fn in_flight_shared(&self) -> usize {
        self.in_flight_shared
    }

    /// Most connections of agents' own that were open at one time.
    pub(crate) fn peak_own(&self) -> u64 {
        self.peak_own
    }

    /// Those that are open now.
    pub(crate) fn own_open(&self) -> u64 {
        self.own_open
    }

    /// Whether a call of this agent would go over its own connection.
    pub(crate) fn has_own(&self, owner: u32) -> bool {
        self.own.get(&owner).is_none_or(|index| self.is_idle(*index))
    }

    fn is_idle(&self, index: usize) -> bool {
        self.connection(index).is_some_and(|connection| connection.under_way.is_none())
    }

    fn connection(&self, index: usize) -> Option<&Connection<F>> {
        self.connections.get(index).and_then(Option::as_ref)
    }

    fn connection_mut(&mut self, index: usize) -> Option<&mut Connection<F>> {
        self.connections.get_mut(index).and_then(Option::as_mut)
    }

    /// Sends a request, or begins to. What comes of it is told by [`Network::ended`], be it at once.
    pub(crate) fn send(&mut self, order: &Order<'_>, flight: F, now_us: u64) {
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.clear();
        self.common.write(order.request, order.extra, &mut outbox);
        let owner = order.owner.filter(|owner| self.has_own(*owner));
        let kept = match owner {
            Some(owner) => self.own.get(&owner).copied(),
            None => self.idle.get_mut(usize::from(order.route)).and_then(Vec::pop),
        };
        self.in_flight += 1;
        self.in_flight_shared += usize::from(owner.is_none());
        let mut under_way = UnderWay {
            flight,
            is_head: order.request.method == "HEAD",
            has_sent: false,
            unwritten: Vec::new(),
        };
        let mut place = kept;
        if let Some(index) = kept {
            match self.write_first(index, &outbox, &mut under_way) {
                Ok(()) => {}
                Err(cause) if under_way.has_sent => {
                    self.close(index);
                    self.end(under_way.flight, owner.is_none(), now_us, Err(Fault::Failed(cause)));
                    self.outbox = outbox;
                    return;
                }
                // The other side had closed it meanwhile: nothing was sent, so a new one may be tried.
                Err(_) => {
                    self.close(index);
                    place = None;
                }
            }
        }
        let index = match place.map_or_else(|| self.open(order.route, owner), Ok) {
            Ok(index) => index,
            Err(error) => {
                self.end(under_way.flight, owner.is_none(), now_us, Err(Fault::NotSent(error.to_string())));
                self.outbox = outbox;
                return;
            }
        };
        if place.is_none() {
            under_way.unwritten.extend_from_slice(&outbox);
        }
        self.outbox = outbox;
        self.calls += 1;
        self.deadlines.push(now_us, order.timeout_us, index, self.calls);
        let number = self.calls;
        if let Some(connection) = self.connection_mut(index) {
            connection.number = number;
            connection.under_way = Some(under_way);
        }
    }

    /// Writes a request to an open connection; what does not go at once is kept.
    fn write_first(&mut self, index: usize, bytes: &[u8], under_way: &mut UnderWay<F>) -> Result<(), String> {
        let Some(connection) = self.connection_mut(index) else { return Err(String::new()) };
        let written =
            match if connection.state == State::Open { connection.write(bytes) } else { Step::Later } {
                Step::Moved(written) => written,
                Step::Later => 0,
                Step::Ended => return Err("the connection was closed".to_owned()),
                Step::Broken(error) => return Err(error.to_string()),
            };
        under_way.has_sent = written > 0;
        under_way.unwritten.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    fn open(&mut self, route: u8, owner: Option<u32>) -> std::io::Result<usize> {
        let unknown = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        let to = *self.routes.get(usize::from(route)).ok_or_else(unknown)?;
        let source = owner.and_then(|owner| source_of(owner, self.sources, to.ip()));
        let mut stream = connection::open(to, source)?;
        let index = self.free.pop().unwrap_or(self.connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) =
            self.poll.registry().register(&mut stream, Token(index + FIRST_CONNECTION), interest)
        {
            self.free.push(index);
            return Err(error);
        }
        if index >= self.connections.len() {
            self.connections.resize_with(index + 1, || None);
        }
        if let Some(place) = self.connections.get_mut(index) {
            *place = Some(Connection::new(stream, route, owner));
        }
        if let Some(owner) = owner {
            self.own.insert(owner, index);
        }
        Ok(index)
    }

    /// Closes a connection; what was under way on it is given back.
    fn close(&mut self, index: usize) -> Option<UnderWay<F>> {
        let connection = self.connections.get_mut(index)?.take()?;
        self.free.push(index);
        match connection.owner {
            Some(owner) => {
                self.own.remove(&owner);
                self.own_open -= u64::from(connection.state == State::Open);
            }
            None if connection.under_way.is_none() => {
                let idle = self.idle.get_mut(usize::from(connection.route))?;
                idle.retain(|other| *other != index);
            }
            None => {}
        }
        connection.under_way
    }

    fn end(&mut self, flight: F, is_shared: bool, e_us: u64, result: Result<WireAnswer, Fault>) {
        self.in_flight -= 1;
        self.in_flight_shared -= usize::from(is_shared);
        self.ended.push_back(Ended { flight, e_us, result });
    }

    /// Closes an agent's own connection, as soon as nothing is under way on it.
    pub(crate) fn release(&mut self, owner: u32) {
        let Some(index) = self.own.get(&owner).copied() else { return };
        if self.is_idle(index) {
            self.close(index);
        } else if let Some(connection) = self.connection_mut(index) {
            connection.is_over = true;
        }
    }

    /// A call that has ended, in the order in which they did.
    pub(crate) fn ended(&mut self) -> Option<Ended<F>> {
        self.ended.pop_front()
    }

    /// Takes a body's memory back.
    pub(crate) fn recycle(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && (1..=SPARE_BYTES).contains(&buffer.capacity()) {
            self.spare.push(buffer);
        }
    }

    /// Waits until something comes or the clock shows `until_us`, takes what came, and gives up what took too long.
    ///
    /// # Errors
    /// When the poller breaks down.
    pub(crate) fn turn(&mut self, clock: Clock, until_us: u64) -> std::io::Result<()> {
        let now_us = clock.now_us();
        let until_us = if self.ended.is_empty() { until_us.min(self.deadlines.next_us()) } else { now_us };
        let mut longest = Duration::ZERO;
        if until_us > now_us {
            self.timer.set(until_us, now_us)?;
            // The timer comes first; this is for a timer that does not.
            longest = Duration::from_micros(until_us - now_us) + Duration::from_millis(10);
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(longest)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                TIMER => self.timer.fired(),
                WAKER => {}
                Token(token) => {
                    let ends = event.is_read_closed() || event.is_error();
                    self.ready(token - FIRST_CONNECTION, ends, clock);
                }
            }
        }
        self.events = events;
        self.expire(clock.now_us());
        Ok(())
    }

    /// Ends all connections; what was under way is given back.
    pub(crate) fn cut_off(&mut self) -> Vec<F> {
        let flights = (0..self.connections.len()).filter_map(|index| self.close(index));
        let flights = flights.map(|under_way| under_way.flight).collect();
        (self.in_flight, self.in_flight_shared) = (0, 0);
        flights
    }
}

/// From which address an agent's own connection goes out: only to this machine, which has many.
fn source_of(owner: u32, sources: u32, to: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V4(to) = to else { return None };
    let index = if sources == 0 { owner / CONNECTIONS_PER_SOURCE } else { owner % sources };
    to.is_loopback().then(|| Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST).saturating_add(index)))
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;

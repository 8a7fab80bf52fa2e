//! Addresses that agents declare and nobody must call.
//!
//! Every agent has an address of its own in 127.64.0.0/10; one TCP and one UDP socket on 0.0.0.0 with the same port
//! listen behind all of them, and the destination address of what comes names the agent.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::Ipv4PacketInfo,
};
use reports::history::Touch;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::clock::Clock;

/// The first address that agents get; their numbers count up from it.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 0);

/// How many addresses there are behind [`FIRST_ADDRESS`].
const ADDRESSES: u32 = 1 << 22;

/// An address below all of theirs, called by [`Tripwire::works`] alone.
const SELF_CHECK_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 63, 255, 254);

/// Most touches that are kept for [`Tripwire::take_touches`].
const MAX_TOUCHES: usize = 1_000;

/// How much of what comes is read.
const FIRST_BYTES: usize = 200;

/// For how long it is read.
const READ_TIME: Duration = Duration::from_secs(1);

/// Most connections that are read from at one time; those beyond are counted and closed unread.
const MAX_READERS: u32 = 256;

/// How long a self-check waits for its call to be heard. A starved host needs more than the loopback's microseconds.
const SELF_CHECK_TIME: Duration = Duration::from_secs(5);

/// Most self-checks that may be waited for; more than ever run side by side.
const MAX_SELF_CHECKS: usize = 64;

/// The listeners behind every declared endpoint.
#[derive(Debug)]
pub struct Tripwire {
    port: u16,
    shared: Arc<Shared>,
    listeners: Vec<JoinHandle<()>>,
}

impl Tripwire {
    /// Opens the two sockets and listens until dropped.
    ///
    /// # Errors
    /// When no port is free for both.
    pub async fn open(clock: Clock) -> std::io::Result<Self> {
        let (tcp, udp) = open_sockets().await?;
        let port = tcp.local_addr()?.port();
        let readers = Arc::new(Semaphore::new(MAX_READERS as usize));
        let shared = Arc::new(Shared { clock, readers, state: Mutex::default() });
        let listeners = vec![
            tokio::spawn(listen_tcp(tcp, Arc::clone(&shared))),
            tokio::spawn(listen_udp(udp, port, Arc::clone(&shared))),
        ];
        Ok(Self { port, shared, listeners })
    }

    /// The endpoint of the agent with this number (below 2^22), which from now on belongs to `agent_id`.
    pub fn assign(&self, number: u32, agent_id: &str) -> SocketAddr {
        self.shared.state().agents.insert(address_of(number), agent_id.into());
        endpoint(number, self.port)
    }

    /// The port behind all endpoints.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What came since the last time, at most 1,000 touches (the number beyond is in `touch_count`). A touch is there
    /// as soon as it was accepted; its first bytes may come up to a second later ([`Tripwire::settle`]).
    pub fn take_touches(&self) -> Vec<Touch> {
        self.shared.state().touches.drain(..).map(|(_, touch)| touch).collect()
    }

    /// How many touches came in all.
    pub fn touch_count(&self) -> u64 {
        self.shared.state().count
    }

    /// The same by protocol: connections and datagrams.
    pub(crate) fn touch_counts(&self) -> (u64, u64) {
        let state = self.shared.state();
        (state.count - state.datagrams, state.datagrams)
    }

    /// Whether both listeners still accept: it calls itself by TCP and UDP at an address that no agent has. After
    /// `true`, everything that had come before the call is counted, since the sockets hand out in order.
    pub async fn works(&self) -> bool {
        self.listeners.iter().all(|listener| !listener.is_finished())
            && self.tcp_works().await.unwrap_or(false)
            && self.udp_works().await.unwrap_or(false)
    }

    /// Waits until the first bytes of all touches have been read, which takes a second at most. Connections that come
    /// meanwhile are counted unread.
    pub async fn settle(&self) {
        // All permits back means that nobody reads any more; an error would mean that the semaphore was closed, which
        // nobody does.
        drop(self.shared.readers.acquire_many(MAX_READERS).await);
    }

    async fn tcp_works(&self) -> std::io::Result<bool> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let Some(heard) = self.shared.expect_self_check(Protocol::Tcp, socket.local_addr()?) else {
            return Ok(false);
        };
        let connected =
            tokio::time::timeout(SELF_CHECK_TIME, socket.connect(self.self_check_address())).await;
        match connected {
            Ok(Ok(_stream)) => Ok(was_heard(heard).await),
            _ => Ok(false),
        }
    }

    async fn udp_works(&self) -> std::io::Result<bool> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let Some(heard) = self.shared.expect_self_check(Protocol::Udp, socket.local_addr()?) else {
            return Ok(false);
        };
        socket.send_to(b"self-check", self.self_check_address()).await?;
        Ok(was_heard(heard).await)
    }

    fn self_check_address(&self) -> SocketAddr {
        SocketAddr::from((SELF_CHECK_ADDRESS, self.port))
    }
}

/// The endpoint of the agent with this number at a tripwire of this port, whichever process listens there.
pub fn endpoint(number: u32, port: u16) -> SocketAddr {
    SocketAddr::from((address_of(number), port))
}

fn address_of(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(FIRST_ADDRESS) + number % ADDRESSES)
}

impl Drop for Tripwire {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

/// What the listeners and the owner both see.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// A permit per connection that is being read.
    readers: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    agents: HashMap<Ipv4Addr, Box<str>>,
    /// With the number of each, by which its reader finds it again.
    touches: VecDeque<(u64, Touch)>,
    count: u64,
    /// Of these, by UDP.
    datagrams: u64,
    /// Where the self-checks call from, and whom to tell that they were heard.
    self_checks: HashMap<(Protocol, SocketAddr), oneshot::Sender<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Protocol {
    Tcp,
    Udp,
}

impl Shared {
    /// The state; a panic elsewhere in the program takes nothing away from it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a self-check from this address; `None` when too many are still unheard.
    fn expect_self_check(&self, protocol: Protocol, from: SocketAddr) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state();
        if state.self_checks.len() >= MAX_SELF_CHECKS {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        // An unheard one stays, so that it is no touch when it comes late after all.
        state.self_checks.insert((protocol, from), sender);
        Some(receiver)
    }

    /// Counts what came, unless it is a self-check; gives its number.
    fn touched(&self, protocol: Protocol, to: SocketAddr, from: SocketAddr, bytes: &[u8]) -> Option<u64> {
        let at_us = self.clock.now_us();
        let mut state = self.state();
        if to.ip() == SELF_CHECK_ADDRESS
            && let Some(heard) = state.self_checks.remove(&(protocol, from))
        {
            // The asker may have given up: then nobody needs to know.
            let _ = heard.send(());
            return None;
        }
        state.count += 1;
        state.datagrams += u64::from(protocol == Protocol::Udp);
        let number = state.count;
        if state.touches.len() < MAX_TOUCHES {
            let agent = match to {
                SocketAddr::V4(to) => state.agents.get(to.ip()).map(ToString::to_string),
                SocketAddr::V6(_) => None,
            };
            let protocol = match protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
            };
            let touch = Touch {
                agent,
                at_us,
                protocol: protocol.to_owned(),
                address: to.to_string(),
                from: from.to_string(),
                first_bytes: printable(bytes),
            };
            state.touches.push_back((number, touch));
        }
        Some(number)
    }

    /// Adds what a connection sent to its touch, if that is still here.
    fn heard(&self, number: u64, bytes: &[u8]) {
        if let Some((_, touch)) = self.state().touches.iter_mut().find(|(own, _)| *own == number) {
            touch.first_bytes = printable(bytes);
        }
    }
}

/// A TCP and a UDP socket with the same port, on all addresses.
async fn open_sockets() -> std::io::Result<(TcpListener, UdpSocket)> {
    const TRIES: usize = 20;
    let mut last = std::io::Error::from(ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        match UdpSocket::bind((Ipv4Addr::UNSPECIFIED, tcp.local_addr()?.port())).await {
            Ok(udp) => {
                setsockopt(&udp, Ipv4PacketInfo, &true)?;
                return Ok((tcp, udp));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn listen_tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => accepted(stream, from, &shared),
            // Out of descriptors, say: what called waits in the socket's queue, and is counted afterwards.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn accepted(stream: TcpStream, from: SocketAddr, shared: &Arc<Shared>) {
    // A connection that is already gone may have no address left; it counts all the same.
    let to = stream.local_addr().unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    // Taken before the touch can be seen, so that whoever sees it and then settles waits for its bytes too.
    let permit = Arc::clone(&shared.readers).try_acquire_owned();
    let Some(number) = shared.touched(Protocol::Tcp, to, from, b"") else { return };
    if let Ok(permit) = permit {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            read_first_bytes(stream, number, &shared).await;
            drop(permit);
        });
    }
}

/// Notes what a connection sends first; it gets no answer.
async fn read_first_bytes(mut stream: TcpStream, number: u64, shared: &Shared) {
    let mut buffer = [0; FIRST_BYTES];
    let mut length = 0;
    let read_all = async {
        while length < FIRST_BYTES {
            match stream.read(&mut buffer[length..]).await {
                Ok(0) | Err(_) => return,
                Ok(more) => length += more,
            }
            shared.heard(number, &buffer[..length]);
        }
    };
    // What came within that time has been noted.
    let _ = tokio::time::timeout(READ_TIME, read_all).await;
}

async fn listen_udp(socket: UdpSocket, port: u16, shared: Arc<Shared>) {
    loop {
        match socket.async_io(Interest::READABLE, || receive(&socket)).await {
            Ok(datagram) => {
                let to = SocketAddr::from((datagram.to, port));
                shared.touched(Protocol::Udp, to, datagram.from, &datagram.bytes);
            }
            // An earlier datagram's ICMP answer, say: the socket itself stays good.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

pub(crate) struct Datagram {
    pub(crate) to: Ipv4Addr,
    pub(crate) from: SocketAddr,
    /// The first of them.
    pub(crate) bytes: Vec<u8>,
}

/// One datagram with the address that it was sent to, which only the control message tells.
pub(crate) fn receive(socket: &UdpSocket) -> std::io::Result<Datagram> {
    let mut buffer = [0; FIRST_BYTES];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!(nix::libc::in_pktinfo);
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let from = message.address.map_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), SocketAddrV4::from);
    let to = message
        .cmsgs()?
        .find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)))
            }
            _ => None,
        })
        .unwrap_or(Ipv4Addr::UNSPECIFIED);
    let length = message.bytes;
    Ok(Datagram { to, from: SocketAddr::V4(from), bytes: buffer[..length].to_vec() })
}

async fn was_heard(heard: oneshot::Receiver<()>) -> bool {
    matches!(tokio::time::timeout(SELF_CHECK_TIME, heard).await, Ok(Ok(())))
}

/// At most [`FIRST_BYTES`] characters; what cannot be printed is a dot.
fn printable(bytes: &[u8]) -> String {
    let character =
        |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    bytes.iter().take(FIRST_BYTES).map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_that_has_ended_does_not_work() {
        for deaf in 0..2 {
            let mut tripwire = Tripwire::open(Clock::start()).await.unwrap();
            assert!(tripwire.works().await);
            tripwire.listeners[deaf].abort();
            let _ = (&mut tripwire.listeners[deaf]).await;
            assert!(!tripwire.works().await);
        }
    }

    #[tokio::test]
    async fn a_self_check_is_one_only_at_its_own_address_and_only_once() {
        let tripwire = Tripwire::open(Clock::start()).await.unwrap();
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let (agent, own) = (tripwire.assign(1, "a"), tripwire.self_check_address());
        let heard = tripwire.shared.expect_self_check(Protocol::Udp, from).unwrap();
        let rows = [(Protocol::Udp, agent), (Protocol::Tcp, own), (Protocol::Udp, own), (Protocol::Udp, own)];
        let counts = rows.map(|(protocol, to)| tripwire.shared.touched(protocol, to, from, b""));
        assert_eq!(counts, [Some(1), Some(2), None, Some(3)]);
        assert!(was_heard(heard).await);
    }

    #[test]
    fn what_cannot_be_printed_is_a_dot() {
        assert_eq!(printable(b"GET /\r\n\xff\0~"), "GET /....~");
        assert_eq!(printable(&[b'a'; 300]).len(), FIRST_BYTES);
    }
}

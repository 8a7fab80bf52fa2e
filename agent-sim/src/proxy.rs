//! A bad network: a TCP proxy on the loopback through which the calls of a partition go.
//!
//! - `pipe`: one direction of one connection.
//!
//! All connections live in one thread. What is on its way is bounded: beyond it a sender waits, as it would for a
//! full network.

mod pipe;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use scenarios::model::BadNetwork;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

use self::pipe::Pipe;
use crate::clock::Clock;

/// Most connections at one time; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 32_768;

/// Connections that may wait to be accepted: a herd comes at once.
const BACKLOG: u32 = 4_096;

/// How long to wait before a connection is accepted after the system refused one (no descriptor is left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How often a caller that waits for the network is looked at for whether it has given up.
const PATIENCE_PERIOD: Duration = Duration::from_secs(1);

/// The network between the proxy's callers and the registry, and since when it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    /// `None`: everything passes.
    bad: Option<BadNetwork>,
    /// On the proxy's clock.
    since_us: u64,
}

impl Network {
    fn is_cut(self) -> bool {
        self.bad == Some(BadNetwork::Cut)
    }
}

/// A proxy in a thread of its own. Ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    handle: ProxyHandle,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Where the proxy is reached, and the switch of its network. Copies switch the same proxy.
#[derive(Debug, Clone)]
pub struct ProxyHandle {
    address: SocketAddr,
    clock: Clock,
    network: watch::Sender<Network>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes everything on to `registry`.
    ///
    /// # Errors
    /// When the system gives no port or no thread.
    pub fn start(registry: SocketAddr, clock: Clock) -> std::io::Result<Self> {
        let network = watch::Sender::new(Network { bad: None, since_us: 0 });
        let stop = watch::Sender::new(false);
        let (listens, listening) = channel();
        let (seen, stopped) = (network.subscribe(), stop.subscribe());
        // The caller may be in a runtime, which cannot hold another one; the thread is in none.
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            // Whoever waits for the address hears of an error in its place.
            let _ = live(registry, clock, &seen, stopped, &listens).map_err(|error| listens.send(Err(error)));
        })?;
        let address = listening.recv().map_err(std::io::Error::other)??;
        let handle = ProxyHandle { address, clock, network };
        Ok(Self { handle, stop, thread: Some(thread) })
    }

    /// Where it is reached, and its switch.
    pub fn handle(&self) -> ProxyHandle {
        self.handle.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // One that broke down has closed its connections too.
            let _ = thread.join();
        }
    }
}

impl ProxyHandle {
    /// The address that callers connect to instead of the registry's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the network is bad in this way; `None`: it passes everything.
    ///
    /// [`BadNetwork::Cut`] swallows like a network without a way: nothing sent after this call gets through in either
    /// direction, no end of a connection either, and nobody is told. Connections hang; new ones are accepted and stay
    /// unanswered. When it heals, what was sent goes on its way, as TCP's repetitions would take it, but for
    /// connections that their caller has closed meanwhile: nothing of a call that was given up acts later.
    pub fn switch(&self, bad: Option<BadNetwork>) {
        self.network.send_replace(Network { bad, since_us: self.clock.now_us() });
    }
}

/// The thread of the proxy, until it is told to stop.
fn live(
    registry: SocketAddr,
    clock: Clock,
    network: &watch::Receiver<Network>,
    mut stopped: watch::Receiver<bool>,
    listens: &Sender<std::io::Result<SocketAddr>>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let listener = listen()?;
        // An error means that nobody waits any more; then the stop comes too.
        let _ = listens.send(listener.local_addr());
        tokio::select! {
            () = serve(&listener, registry, clock, network) => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        Ok(())
    })
}

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

async fn serve(
    listener: &TcpListener,
    registry: SocketAddr,
    clock: Clock,
    network: &watch::Receiver<Network>,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((caller, _)) => {
                let network = network.clone();
                tokio::spawn(async move {
                    // A connection that breaks is closed on both sides; each sees that for itself.
                    let _ = connect(caller, registry, clock, network).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connect(
    mut caller: TcpStream,
    registry: SocketAddr,
    clock: Clock,
    mut network: watch::Receiver<Network>,
) -> std::io::Result<()> {
    while network.borrow_and_update().is_cut() {
        tokio::select! {
            changed = network.changed() => changed.map_err(std::io::Error::other)?,
            () = tokio::time::sleep(PATIENCE_PERIOD) => {}
        }
        if has_closed(&caller).await {
            return Ok(());
        }
    }
    let mut registry = TcpStream::connect(registry).await?;
    caller.set_nodelay(true)?;
    registry.set_nodelay(true)?;
    let (from_caller, to_caller) = caller.split();
    let (from_registry, to_registry) = registry.split();
    let up = Pipe::new(from_caller, to_registry, clock, network.clone()).of_a_caller();
    let down = Pipe::new(from_registry, to_caller, clock, network);
    tokio::try_join!(up.run(), down.run()).map(drop)
}

/// Whether the other side will send nothing more, though something of it may still be unread.
async fn has_closed(stream: &TcpStream) -> bool {
    // The runtime looks at its sockets before it comes back here, so that what is known is not older than this call.
    tokio::task::yield_now().await;
    tokio::select! {
        biased;
        ready = stream.ready(Interest::READABLE) => ready.map_or(true, |ready| ready.is_read_closed()),
        () = std::future::ready(()) => false,
    }
}

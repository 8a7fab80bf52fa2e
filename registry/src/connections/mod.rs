//! Accepts connections and serves each of them, within bounds of number and time.
//!
//! - `limits`: how long and how much
//! - `watched`: a socket that gives up on a peer that does not go on
//! - `patience`: one timer for many time limits

mod limits;
mod patience;
mod watched;

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Settings;
use crate::http;
use crate::mcp::Endpoint;
use crate::shared::Shared;
use crate::tls;

pub use limits::Limits;
pub(crate) use patience::Deadlines;
use watched::{Stage, Watched};

/// The largest request headers, in bytes; larger ones get 431.
pub(crate) const HEADER_BYTES: usize = 64 * 1024;
/// The most headers of a request; more get 431. It is hyper's own bound, which stands on the stack; one that is set goes
/// through a loop a call.
pub(crate) const HEADERS: usize = 100;
/// What the kernel keeps of an answer for a peer that does not read it; by itself it would take megabytes. At 50 ms to
/// and fro this still lets 5 MB through in a second.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// How long to wait when no connection can be accepted, which is so when no file descriptor is left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Accepts connections until `shutdown` completes. Gives those that are still open.
pub(crate) async fn accept(
    shared: &Arc<Shared>,
    settings: &Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(settings.max_connections));
    let tools = Endpoint::new(shared, &settings.allowed_hosts);
    let router = http::router(Arc::clone(shared), Arc::clone(&tools));
    let peers = Arc::new(Peers::new(settings));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed. Those for whom there is no permit wait in the listener's queue.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut shutdown => return connections,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Peers::admit(&peers, peer.ip()) {
                Some(place) => {
                    serve(
                        shared,
                        &connections,
                        (&router, &tools),
                        (stream, peer),
                        Admission { _permit: permit, _place: place },
                    );
                }
                None => shared.lanes.count_shed("connection"),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// What a connection gives back at its end.
struct Admission {
    _permit: Option<OwnedSemaphorePermit>,
    _place: PeerPlace,
}

fn serve(
    shared: &Arc<Shared>,
    connections: &GracefulShutdown,
    (router, tools): (&axum::Router, &Arc<Endpoint>),
    (stream, peer): (TcpStream, SocketAddr),
    admission: Admission,
) {
    // Answers are small and complete: waiting for more to send only delays them.
    let options = stream.set_nodelay(true);
    if let Err(error) =
        options.and_then(|()| socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES))
    {
        tracing::debug!(%error, "a connection was lost at once");
        return;
    }
    let stage = Stage::default();
    let watched_stage = stage.clone();
    let routes = TowerToHyperService::new(router.clone());
    let connection = Arc::new(http::Connection {
        peer: http::Peer(peer),
        reader: http::ReaderPlace::new(&shared.lanes),
        deadlines: Deadlines::default(),
        tools: Arc::clone(tools),
    });
    let heard = Arc::clone(shared);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let serving = stage.serve();
        // In a box, or every idle connection would keep room for it.
        let answer: Pin<Box<dyn Future<Output = _> + Send>> =
            match http::Direct::of(request.method(), request.uri()) {
                Some(direct) => {
                    let (shared, connection) = (Arc::clone(&heard), Arc::clone(&connection));
                    Box::pin(async move {
                        let answer = direct.answer(&shared, &connection, request).await;
                        drop(serving);
                        Ok(answer)
                    })
                }
                None => {
                    request.extensions_mut().insert(connection.peer);
                    request.extensions_mut().insert(connection.reader.clone());
                    let answer = routes.call(request);
                    Box::pin(async move {
                        let answer = answer.await;
                        drop(serving);
                        answer
                    })
                }
            };
        answer
    });
    let watcher = connections.watcher();
    let open = shared.metrics.connections.clone();
    open.inc();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if let Some(stream) = greeted(&shared, stream).await {
            let stream = Watched::new(stream, watched_stage, &shared.limits);
            let connection = http1::Builder::new()
                // `Watched` has the time limits.
                .header_read_timeout(None)
                .max_buf_size(HEADER_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection ended with an error");
            }
        }
        open.dec();
        drop(admission);
    });
}

/// The connection after the handshake, if it has one to make. Whoever stops the server waits for none.
async fn greeted(shared: &Shared, stream: TcpStream) -> Option<tls::Stream<TcpStream>> {
    let mut draining = shared.draining.subscribe();
    let greeted = tokio::select! {
        greeted = tls::greet(shared.protection.certificate(), stream) => greeted,
        _ = draining.wait_for(|draining| *draining) => return None,
    };
    greeted.inspect_err(|error| tracing::debug!(%error, "a connection was not greeted")).ok()
}

/// How many connections each address has.
struct Peers {
    most: usize,
    spares_loopback: bool,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place among those of its address; none when they are not counted.
struct PeerPlace {
    peers: Arc<Peers>,
    counted: Option<IpAddr>,
}

impl Peers {
    fn new(settings: &Settings) -> Self {
        let most = (settings.max_connections / settings.limits.peer_share.max(1)).max(1);
        let spares_loopback = settings.limits.spares_loopback;
        Self { most, spares_loopback, open: Mutex::default() }
    }

    /// `None` when the address has as many as it may have.
    fn admit(peers: &Arc<Self>, peer: IpAddr) -> Option<PeerPlace> {
        let peer = peer.to_canonical();
        let mut place = PeerPlace { peers: Arc::clone(peers), counted: None };
        if peers.spares_loopback && peer.is_loopback() {
            return Some(place);
        }
        let network = network(peer);
        let mut open = peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count >= peers.most {
            return None;
        }
        *count += 1;
        drop(open);
        place.counted = Some(network);
        Some(place)
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let Some(network) = self.counted else { return };
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&network);
            }
        }
    }
}

/// Whoever has one address of IPv6 has the 2^64 of its network.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_a_connection_that_ends_gives_its_place_back() {
        let peers = Arc::new(Peers { most: 2, spares_loopback: true, open: Mutex::default() });
        let admit = |address: &str| Peers::admit(&peers, address.parse().unwrap());
        let first = admit("10.0.0.1");
        let second = admit("::ffff:10.0.0.1");
        assert!(first.is_some() && second.is_some());
        assert!(admit("10.0.0.1").is_none(), "written otherwise it is the same address");
        assert!(admit("10.0.0.2").is_some());
        drop(first);
        assert!(admit("10.0.0.1").is_some());
        let network = ["2001:db8::1", "2001:db8::2"].map(admit);
        assert!(network.iter().all(Option::is_some));
        assert!(admit("2001:db8::3").is_none());
        assert!(admit("2001:db8:0:1::1").is_some(), "another network");
        let local: Vec<_> = (0..5).map(|_| admit("127.0.0.1")).collect();
        assert!(local.iter().all(Option::is_some));
        drop((second, network, local));
        assert!(peers.open.lock().unwrap().is_empty());
    }
}

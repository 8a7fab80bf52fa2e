//! A line for each request: who, what, with which outcome, how long. Never the query, a header or a body, since secrets
//! may be in them.

use std::net::SocketAddr;

use axum::http::{Method, StatusCode, Uri};

/// The most of a path that is logged, in bytes; a path of ours is far shorter.
const PATH_BYTES: usize = 256;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What is to be said of a request once it is answered.
#[derive(Debug)]
pub(super) struct Access {
    peer: Option<SocketAddr>,
    method: Method,
    path: String,
}

impl Access {
    pub(super) fn of(method: &Method, uri: &Uri, peer: Option<Peer>) -> Self {
        let path = uri.path();
        // URIs are ASCII; a cut elsewhere would give nothing rather than fail.
        let path = path.get(..PATH_BYTES.min(path.len())).unwrap_or_default().to_owned();
        Self { peer: peer.map(|peer| peer.0), method: method.clone(), path }
    }

    pub(super) fn log(self, status: StatusCode, seconds: f64) {
        let Self { peer, method, path } = self;
        let peer = peer.map(tracing::field::display);
        tracing::info!(target: "access", peer, %method, path, status = status.as_u16(), seconds, "request");
    }
}

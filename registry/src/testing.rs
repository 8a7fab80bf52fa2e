//! A registry without sockets and without a store, for tests of this crate.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use registry_core::saving::Saved;
use registry_core::time::Revision;
use registry_core::{Moment, Registry, Setup};
use tower::ServiceExt as _;

use crate::clock::Clock;
use crate::connections::Limits;
use crate::metrics::Metrics;
use crate::protection::Protection;
use crate::seal::{self, SealMode};
use crate::shared::{Options, Shared};

/// What every handler shares. Its store has every change before it is made, so that nothing waits
/// for it. The saved agents have been silent for so long.
pub(crate) fn shared(setup: Setup, saved: Saved, silence_ms: u64) -> Arc<Shared> {
    let clock = Clock::start();
    let moment = clock.read().moment;
    let core = Registry::restore(setup, saved, Moment { now: moment.now.minus_ms(silence_ms), ..moment });
    let shared = Shared::new(core, clock, Metrics::new().unwrap(), options());
    shared.progress.advance(|progress| progress.saved = Revision(u64::MAX));
    Arc::new(shared)
}

/// An open registry, not sealed.
pub(crate) fn options() -> Options {
    Options {
        most_waiters: 100,
        seal: seal::seal(SealMode::Off).unwrap(),
        access_log: false,
        limits: Limits::default(),
        max_connections: 100,
        protection: Protection::default(),
    }
}

pub(crate) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost")
}

/// The status and the body of an answer.
pub(crate) async fn call(router: &Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

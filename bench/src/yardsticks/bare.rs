//! hyper's connection, a body that is read and an answer that is always the same; and the same with answers that the
//! load generator takes for a registry's.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::{TcpListener, TcpStream};

use crate::trouble::Trouble;

/// How long the yardstick's body is, unless it stands beside longer ones.
pub(crate) const FIXED_BYTES: usize = 150;
const FILL: u8 = b'x';
/// That body.
pub(super) const FIXED: [u8; FIXED_BYTES] = [FILL; FIXED_BYTES];

const POLICIES: &str = r#"{"policies":{"default":{"heartbeat_interval_ms":5000,"degraded_after_ms":600000,"expires_after_ms":1200000,"evict_after_ms":3600000}},"transition_bound_ms":50,"limits":{}}"#;
const REGISTERED: &str = r#"{"agent_id":"a","result":"registered","status":"healthy","epoch":1,"revision":1,"heartbeat_interval_ms":5000,"wiring_revision":1}"#;
const RENEWED: &str = r#"{"agent_id":"a","result":"renewed","status":"healthy","epoch":1,"revision":1,"heartbeat_interval_ms":5000,"wiring_revision":1}"#;

pub(super) async fn serve(listener: TcpListener, bytes: usize) -> Result<(), Trouble> {
    let fixed: &'static [u8] = vec![FILL; bytes].leak();
    loop {
        let stream = accepted(&listener).await?;
        let service = service_fn(move |request: Request<Incoming>| async move {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(fixed))))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

pub(super) async fn serve_null(listener: TcpListener) -> Result<(), Trouble> {
    loop {
        let stream = accepted(&listener).await?;
        let service = service_fn(|request: Request<Incoming>| async {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let text = match (parts.method, parts.uri.path()) {
                (Method::POST, _) if memmem::find(&body, b"\"capabilities\"").is_some() => REGISTERED,
                (Method::POST, _) => RENEWED,
                (_, "/policies") => POLICIES,
                _ => "",
            };
            let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
            // A list without the agents would be a broken promise to each of them; one that fails says nothing.
            if parts.uri.path() == "/agents" {
                *answer.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
            }
            Ok::<_, Infallible>(answer)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Whether a body is the one that is always the same.
pub(crate) fn is_fixed(body: &[u8], bytes: usize) -> bool {
    body.len() == bytes && body.iter().all(|byte| *byte == FILL)
}

pub(super) async fn accepted(listener: &TcpListener) -> Result<TcpStream, Trouble> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

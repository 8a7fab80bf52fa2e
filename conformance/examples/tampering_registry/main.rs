//! The reference registry behind a small proxy that passes everything on with `--fault none`, and with each other
//! fault spoils one thing: what the probes of the suite are tested on.
//!
//! `tampering_registry --listen ADDR --data FILE --fault NAME --policy TYPE=H,D,X,Q...` (milliseconds)
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for tests: it may end with a panic"
)]

use std::sync::Arc;
use std::time::Duration;

use agent_sim::client::{SendError, WholeAnswer, Wire};
use agent_sim::dialect::WireRequest;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use registry::config::{Overrides, Settings};
use tamper::Tamper;
use tokio::net::TcpListener;

mod mcp;
mod order;
mod tamper;

/// Longer than any call of the suite.
const PATIENCE: Duration = Duration::from_secs(120);

/// The registry behind hangs up on what is much longer.
const LONGEST_BODY: usize = 2 * 1024 * 1024;

/// Request headers that are passed on.
const PASSED_ON: &[&str] = &[
    "content-type",
    "if-none-match",
    "accept",
    "host",
    "origin",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "authorization",
    "mcp-method",
    "mcp-name",
];

struct Proxy {
    wire: Wire,
    tamper: Tamper,
}

#[tokio::main]
async fn main() {
    let mut listen = String::new();
    let mut overrides = Overrides { seal: Some("off".into()), ..Overrides::default() };
    let mut fault = "none".to_owned();
    let mut policies = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        match name.as_str() {
            "--listen" => listen = value,
            "--data" => overrides.database = Some(format!("sqlite://{value}")),
            "--fault" => fault = value,
            "--policy" => policies.push(value),
            other => panic!("unknown argument {other}"),
        }
    }
    overrides.policies = policies;
    overrides.tokens = std::env::var("WALLFLOWER_TOKENS").ok();
    let settings = Settings::load(None, &overrides).expect("the settings are right");
    let behind = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", behind.local_addr().expect("it is bound"));
    let listener = TcpListener::bind(&listen).await.expect("the address is free");
    tokio::spawn(registry::server::serve(settings, behind, std::future::pending::<()>()));
    let proxy = Arc::new(Proxy {
        wire: Wire::new(&url, PATIENCE).expect("it is a URL"),
        tamper: Tamper::new(&fault),
    });
    let app = Router::new().fallback(pass_on).with_state(proxy);
    axum::serve(listener, app).await.expect("the listener serves");
}

async fn pass_on(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    // A body that broke off is no request.
    let Some(mut wire) = as_wire(request).await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = axum::http::StatusCode::BAD_REQUEST;
        return response;
    };
    proxy.tamper.before(&mut wire);
    let sent = wire.clone();
    match proxy.wire.send_whole(&wire).await {
        Ok(mut answer) => {
            proxy.tamper.after(&sent, &mut answer, &proxy.wire).await;
            as_response(answer)
        }
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            // What cannot even be sent on is the harness's own fault.
            *response.status_mut() = match error {
                SendError::NotSent { .. } => axum::http::StatusCode::BAD_REQUEST,
                _ => axum::http::StatusCode::BAD_GATEWAY,
            };
            response
        }
    }
}

async fn as_wire(request: Request) -> Option<WireRequest> {
    let (parts, body) = request.into_parts();
    let methods = ["GET", "POST", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"];
    let method = methods.into_iter().find(|method| *method == parts.method.as_str()).unwrap_or("OPTIONS");
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let header = |name: &&'static str| {
        parts.headers.get(*name).and_then(|value| value.to_str().ok()).map(|value| (*name, value.to_owned()))
    };
    let headers = PASSED_ON.iter().filter_map(header).collect();
    let body: Bytes = to_bytes(body, LONGEST_BODY).await.ok()?;
    Some(WireRequest { method, path, headers, body: body.to_vec() })
}

fn as_response(answer: WholeAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = axum::http::StatusCode::from_u16(answer.status).expect("it came as a status");
    for (name, value) in answer.headers {
        if name == "content-length" || name == "transfer-encoding" || name == "connection" {
            continue;
        }
        let name = HeaderName::try_from(name).expect("it came as a header");
        response.headers_mut().append(name, HeaderValue::try_from(value).expect("it came as a header"));
    }
    response
}

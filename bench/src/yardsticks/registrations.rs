//! Durable registrations without group commit: each body goes into SQLite (WAL, full synchronisation) in a transaction
//! of its own, on one connection, since SQLite has one writer. A statement alone is a transaction, the cheapest there is.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::net::TcpListener;

use super::bare::{FIXED, accepted};
use crate::trouble::Trouble;

/// A thousand clients wait for one connection.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) async fn serve(
    database: &Path,
    listen: impl AsyncFnOnce() -> Result<TcpListener, Trouble>,
) -> Result<(), Trouble> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(TURN_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|error| format!("cannot open {}: {error}", database.display()))?;
    let table = "CREATE TABLE IF NOT EXISTS docs (number INTEGER PRIMARY KEY, document BLOB NOT NULL)";
    sqlx::query(table).execute(&pool).await.map_err(|error| format!("cannot make a table: {error}"))?;
    let listener = listen().await?;
    loop {
        let stream = accepted(&listener).await?;
        let pool = pool.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let pool = pool.clone();
            async move { Ok::<_, Infallible>(store(&pool, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn store(pool: &SqlitePool, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let insert = sqlx::query("INSERT INTO docs (document) VALUES (?)").bind(body.as_ref());
    match insert.execute(pool).await {
        Ok(_) => Response::new(Full::new(Bytes::from_static(&FIXED))),
        Err(error) => {
            let mut answer = Response::new(Full::new(Bytes::from(error.to_string())));
            *answer.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
            answer
        }
    }
}

//! The servers beside which the registry stands, each a mode of this program (`bench yardstick ...`).
//!
//! - `bare`: hyper with a fixed answer; and the responder that the load generator is measured against
//! - `mcp`: rmcp with one tool that answers always the same
//! - `registrations`: a transaction for each registration

mod bare;
mod mcp;
mod registrations;

use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use tokio::net::TcpListener;

use crate::trouble::Trouble;

pub(crate) use bare::{FIXED_BYTES, is_fixed};

#[derive(Debug, Subcommand)]
pub(crate) enum Yardstick {
    /// Answers everything with the same bytes, 150 or so many.
    Bare {
        #[arg(default_value_t = FIXED_BYTES)]
        bytes: usize,
    },
    /// Answers the load generator as a registry would in which nothing ever happens.
    Null,
    /// One MCP tool whose result is this file.
    Mcp { answer: PathBuf },
    /// Stores each body in a transaction of its own.
    Registrations { database: PathBuf },
}

pub(crate) async fn serve(yardstick: Yardstick) -> Result<(), Trouble> {
    match yardstick {
        Yardstick::Bare { bytes } => bare::serve(listen().await?, bytes).await,
        Yardstick::Null => bare::serve_null(listen().await?).await,
        Yardstick::Mcp { answer } => mcp::serve(&answer, listen).await,
        Yardstick::Registrations { database } => registrations::serve(&database, listen).await,
    }
}

/// Says where, as the registry does.
async fn listen() -> Result<TcpListener, Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    Ok(listener)
}

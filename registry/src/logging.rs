//! Where logs go: to standard error, since standard output belongs to `listening on`. Bodies and secrets are never
//! logged; messages are constant, data is in fields.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What is logged unless `RUST_LOG` says otherwise. rmcp tells three times of every call of a tool, which is no log of a
/// registry's and cost CPU time.
const DEFAULT: &str = "info,rmcp=warn";

/// Begins to log. `RUST_LOG` chooses what. Does nothing when the process logs already.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error only says that somebody else was first, as tests are.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

//! Where logs go: to standard error, since standard output belongs to `listening on`. Bodies and secrets are never
//! logged; messages are constant, data is in fields.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Begins to log. `RUST_LOG` chooses what; `info` is the default. Does nothing when the process logs already.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error only says that somebody else was first, as tests are.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

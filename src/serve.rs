//! `wallflower serve`: settings in, the address out, until a signal comes.

use std::io::Write as _;

use registry::config::{Overrides, Settings};
use tokio::io::AsyncReadExt as _;

use crate::cli::Serve;
use crate::run::{Failure, TROUBLE, USAGE, end_signal};

pub(crate) fn serve(arguments: &Serve) -> Result<u8, Failure> {
    let overrides = overrides(arguments);
    let settings = Settings::load(arguments.config.as_deref(), &overrides)
        .map_err(|error| Failure::new(USAGE, error))?;
    registry::logging::init(settings.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .map_err(|error| Failure::new(TROUBLE, format!("cannot start the runtime: {error}")))?;
    let announce = |address| {
        let mut out = std::io::stdout().lock();
        // Who does not read the address can still use it.
        let _ = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
    };
    let served = runtime.block_on(registry::server::run(settings, announce, stop(arguments.stop_with_stdin)));
    // A thread that still waits for standard input must not hold up the end.
    runtime.shutdown_background();
    served.map_err(|error| Failure::new(TROUBLE, error))?;
    Ok(0)
}

/// Half of the cores: the store's writer, the kernel's network stack and the clients need the rest, and calls are too
/// short to gain from being handed over.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2).max(1)
}

async fn stop(with_stdin: bool) {
    let stdin_closed = async {
        if with_stdin {
            let mut ignored = [0; 64];
            let mut stdin = tokio::io::stdin();
            while matches!(stdin.read(&mut ignored).await, Ok(count) if count > 0) {}
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = end_signal() => {}
        () = stdin_closed => {}
    }
}

fn overrides(arguments: &Serve) -> Overrides {
    Overrides {
        listen: arguments.listen.clone(),
        database: arguments.database.clone(),
        log_format: arguments.log_format.clone(),
        max_agents: arguments.max_agents.clone(),
        allowed_hosts: arguments.allowed_hosts.clone(),
        max_connections: arguments.max_connections.clone(),
        insecure: arguments.insecure.clone(),
        policies: arguments.policy.clone(),
    }
}

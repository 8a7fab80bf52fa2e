//! `wallflower serve`: settings in, the address out, until a signal comes.

use std::io::Write as _;

use registry::config::{Overrides, Policies, Settings};
use registry::server::{Reloads, ServeError};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Serve;
use crate::run::{EndSignals, Failure, TROUBLE, USAGE};

/// A heartbeat is a dozen small allocations, for which the system's allocator was too slow. Beside jemalloc, by turns, it is
/// no slower, and it is built in seconds where that took most of a minute (`just bench --only lean`, `--build`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let announce = |address| {
        let mut out = std::io::stdout().lock();
        // Who does not read the address can still use it.
        let _ = writeln!(out, "listening on {scheme}://{address}").and_then(|()| out.flush());
    };
    let served = runtime.block_on(async {
        let (policies, other_policies) = watch::channel(settings.policies.clone());
        let (files, other_files) = watch::channel(());
        let reloads = Reloads { policies: other_policies, files: other_files };
        let hangups = signal(SignalKind::hangup())
            .map_err(|error| Failure::new(TROUBLE, format!("cannot listen to SIGHUP: {error}")))?;
        let reloading = reload_at(hangups, arguments, settings.clone(), policies, files);
        let ending = EndSignals::listen()?;
        let stop = async {
            tokio::select! {
                () = stop(arguments.stop_with_stdin, ending) => {}
                () = reloading => {}
            }
        };
        registry::server::run_reloadable(settings, reloads, announce, stop).await.map_err(|error| {
            let code = if matches!(error, ServeError::Protection(_)) { USAGE } else { TROUBLE };
            Failure::new(code, error)
        })
    });
    // A thread that still waits for standard input must not hold up the end.
    runtime.shutdown_background();
    served?;
    Ok(0)
}

/// A worker a core, up to four: they share one lock. One worker for two cores takes a tenth less CPU a call, but where the
/// host takes its core away for 20 ms every call waits: with 100,000 agents the 99 % response was 22 to 40 ms, and 15 to
/// 25 ms with two.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4))
}

async fn stop(with_stdin: bool, mut ending: EndSignals) {
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
        () = ending.next() => {}
        () = stdin_closed => {}
    }
}

/// Reads the settings again at every SIGHUP and hands on the policies; certificate and tokens are read again by the
/// server itself. Never ends. What cannot be read or is wrong changes nothing.
async fn reload_at(
    mut hangups: Signal,
    arguments: &Serve,
    running: Settings,
    policies: watch::Sender<Policies>,
    files: watch::Sender<()>,
) {
    loop {
        if hangups.recv().await.is_none() {
            return std::future::pending().await;
        }
        let has_files = running.tls.is_some() || running.tokens.is_some();
        files.send_replace(());
        let Some(file) = &arguments.config else {
            if !has_files {
                tracing::warn!("SIGHUP changes nothing: there is no configuration file");
            }
            continue;
        };
        match Settings::load(Some(file), &overrides(arguments)) {
            Ok(settings) => {
                let others = Settings { policies: running.policies.clone(), ..settings.clone() };
                if others != running {
                    tracing::warn!("settings other than policies hold from the next start on");
                }
                policies.send_replace(settings.policies);
            }
            Err(error) => tracing::error!(%error, "the policies stay as they were: the settings are wrong"),
        }
    }
}

fn overrides(arguments: &Serve) -> Overrides {
    Overrides {
        listen: arguments.listen.clone(),
        database: arguments.database.clone(),
        log_format: arguments.log_format.clone(),
        access_log: arguments.access_log.clone(),
        max_agents: arguments.max_agents.clone(),
        allowed_hosts: arguments.allowed_hosts.clone(),
        max_connections: arguments.max_connections.clone(),
        insecure: arguments.insecure.clone(),
        seal: arguments.seal.clone(),
        tls_certificate: arguments.tls_certificate.clone(),
        tls_key: arguments.tls_key.clone(),
        tokens: arguments.tokens.clone(),
        policies: arguments.policy.clone(),
    }
}

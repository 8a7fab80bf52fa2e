//! What the harness's own client reaches on this machine, against a responder that does nothing.

use std::sync::Arc;
use std::time::Duration;

use reports::history::Outcome;
use reports::result::Percentiles;
use tokio::task::JoinSet;

use crate::client::{Client, SendError};
use crate::clock::{Clock, thread_cpu_seconds};
use crate::dialect::Call;
use crate::dialect::wallflower::Wallflower;
use crate::measure::Durations;
use crate::null_responder::NullResponder;

/// Calls in flight: enough that the client never waits for the responder.
const IN_FLIGHT: usize = 32;

/// How long a call may take before it counts as lost. A starved machine needs its time.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// Calls that were answered.
    pub calls: u64,
    /// For so long, seconds.
    pub seconds: f64,
    /// CPU time of the client's one thread, seconds.
    pub client_cpu_seconds: f64,
    /// CPU time of the responder's one thread, seconds.
    pub responder_cpu_seconds: f64,
    /// Answered - sent, microseconds.
    pub service_us: Percentiles,
}

impl Ceiling {
    /// Calls a second.
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 calls")]
    pub fn calls_per_second(&self) -> f64 {
        self.calls as f64 / self.seconds
    }

    /// Calls for each second of the client's CPU time; `None` where it took too little to be told.
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 calls")]
    pub fn calls_per_cpu_second(&self) -> Option<f64> {
        (self.client_cpu_seconds > 0.0).then(|| self.calls as f64 / self.client_cpu_seconds)
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum CeilingError {
    /// There is no responder.
    #[error(
        "cannot start the responder, or a runtime for the calls: {0}; free a port, a descriptor or a thread"
    )]
    Start(#[from] std::io::Error),
    /// There is no client.
    #[error(transparent)]
    Client(#[from] SendError),
    /// The responder did not answer.
    #[error("a call to the responder on {url} came to nothing: {note}")]
    Call {
        /// Where it listens.
        url: String,
        /// What went wrong.
        note: String,
    },
}

/// Makes renewals for about `length`, as fast as one thread can: written, sent, answered and read as in a load test,
/// without its schedule, its history and its registry. Must not be called from within a runtime.
///
/// # Errors
/// When the responder cannot be started or does not answer.
pub fn measure(length: Duration) -> Result<Ceiling, CeilingError> {
    let responder = NullResponder::start()?;
    let url = responder.url();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock = Clock::start();
    let client = Arc::new(Client::new(&url, Arc::new(Wallflower), clock, TIMEOUT)?);
    let length_us = crate::plan::micros(length);
    let measured = runtime.block_on(async {
        // The first calls make the connections.
        storm(&client, |calls| calls < IN_FLIGHT as u64 * 4).await?;
        let (begun_us, begun_cpu) = (clock.now_us(), thread_cpu_seconds());
        let service = storm(&client, |_| clock.now_us() - begun_us < length_us).await?;
        let seconds = Duration::from_micros(clock.now_us() - begun_us).as_secs_f64();
        Ok((service, seconds, thread_cpu_seconds() - begun_cpu))
    });
    let (service, seconds, client_cpu_seconds) =
        measured.map_err(|note| CeilingError::Call { url: url.clone(), note })?;
    drop(client);
    drop(runtime);
    Ok(Ceiling {
        calls: service.count(),
        seconds,
        client_cpu_seconds,
        responder_cpu_seconds: responder.stop(),
        service_us: service.percentiles(),
    })
}

/// Keeps calls in flight for as long as `goes_on` wants more after so many; the durations of all.
async fn storm(client: &Arc<Client>, goes_on: impl Fn(u64) -> bool) -> Result<Durations, String> {
    let mut calls = JoinSet::new();
    let mut service = Durations::default();
    let call = |number: u64| {
        let client = Arc::clone(client);
        async move { client.call(&renewal(number), None).await.record }
    };
    let mut begun = 0;
    loop {
        while calls.len() < IN_FLIGHT && goes_on(begun) {
            calls.spawn(call(begun));
            begun += 1;
        }
        match calls.join_next().await {
            None => return Ok(service),
            Some(Err(error)) => return Err(error.to_string()),
            Some(Ok(record)) => {
                if record.http.is_none() || record.outcome == Outcome::NotSent {
                    return Err(record.note.unwrap_or_default());
                }
                service.record(record.e_us - record.s_us);
            }
        }
    }
}

fn renewal(number: u64) -> Call {
    Call::Renew {
        agent_id: format!("workers-{:06}", number % 1_000_000),
        status: None,
        order: Some((1, number)),
        wiring_revision: Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_answered_and_cost_something() {
        let ceiling = measure(Duration::from_millis(50)).expect("a ceiling");
        assert!(ceiling.calls > 0 && ceiling.seconds >= 0.05, "{ceiling:?}");
        assert!(ceiling.client_cpu_seconds > 0.0 && ceiling.responder_cpu_seconds > 0.0, "{ceiling:?}");
        assert!(ceiling.client_cpu_seconds <= ceiling.seconds * 1.5, "{ceiling:?}");
        assert!(ceiling.service_us.p50 <= ceiling.service_us.max, "{ceiling:?}");
    }
}

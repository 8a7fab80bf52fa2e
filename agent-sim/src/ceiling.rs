//! What the loop of the load test reaches on this machine, against a responder that does nothing.

use std::time::Duration;

use reports::result::Percentiles;

use crate::clock::{Clock, thread_cpu_seconds};
use crate::dialect::wallflower::Wallflower;
use crate::dialect::{Call, Dialect as _};
use crate::load::network::http::Common;
use crate::load::network::{Network, Order};
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
        "cannot start the responder, or a poller for the calls: {0}; free a port, a descriptor or a thread"
    )]
    Start(#[from] std::io::Error),
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
/// without its schedule, its history and its registry.
///
/// # Errors
/// When the responder cannot be started or does not answer.
pub fn measure(length: Duration) -> Result<Ceiling, CeilingError> {
    let responder = NullResponder::start()?;
    let url = responder.url();
    let clock = Clock::start();
    let common = Common::new(&responder.address().to_string(), "", None);
    let mut maker = Loop { network: Network::new(common, vec![responder.address()], 0)?, clock };
    let length_us = crate::plan::micros(length);
    let lost = |note| CeilingError::Call { url: url.clone(), note };
    // The first calls make the connections.
    maker.storm(|calls| calls < IN_FLIGHT as u64 * 4).map_err(lost)?;
    let (begun_us, begun_cpu) = (clock.now_us(), thread_cpu_seconds());
    let service = maker.storm(|_| clock.now_us() - begun_us < length_us).map_err(lost)?;
    let seconds = Duration::from_micros(clock.now_us() - begun_us).as_secs_f64();
    let client_cpu_seconds = thread_cpu_seconds() - begun_cpu;
    drop(maker);
    Ok(Ceiling {
        calls: service.count(),
        seconds,
        client_cpu_seconds,
        responder_cpu_seconds: responder.stop(),
        service_us: service.percentiles(),
    })
}

/// Makes calls as a load test does.
struct Loop {
    /// What comes back with an answer is when its call was sent.
    network: Network<(Call, u64)>,
    clock: Clock,
}

impl Loop {
    /// Keeps calls in flight for as long as `goes_on` wants more after so many; the durations of all.
    fn storm(&mut self, goes_on: impl Fn(u64) -> bool) -> Result<Durations, String> {
        let mut service = Durations::default();
        let mut begun = 0;
        loop {
            while self.network.in_flight() < IN_FLIGHT && goes_on(begun) {
                self.send(begun);
                begun += 1;
            }
            if self.network.in_flight() == 0 {
                return Ok(service);
            }
            let until_us = self.clock.now_us() + crate::plan::micros(TIMEOUT);
            self.network.turn(self.clock, until_us).map_err(|error| error.to_string())?;
            while let Some(ended) = self.network.ended() {
                let answer = ended.result.map_err(|fault| format!("{fault:?}"))?;
                let (call, s_us) = ended.flight;
                // What it means does not matter here, but finding out is part of the work.
                drop(Wallflower.read(&call, &answer));
                self.network.recycle(answer.body);
                service.record(ended.e_us - s_us);
            }
        }
    }

    fn send(&mut self, number: u64) {
        let call = renewal(number);
        let Some(request) = Wallflower.request(&call) else { return };
        let timeout_us = crate::plan::micros(TIMEOUT);
        let order = Order { route: 0, owner: None, request: &request, extra: b"", timeout_us };
        let now_us = self.clock.now_us();
        self.network.send(&order, (call, now_us), now_us);
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

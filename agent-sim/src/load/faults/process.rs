//! Kills and pauses of the registry's process.

use std::sync::PoisonError;
use std::sync::mpsc::Sender;

use reports::history::{Line, ProcessChange};

use super::{FaultEnd, Pace};
use crate::load::sampler::Watched;
use crate::plan::faults::PlannedFault;
use crate::process::RegistryProcess;

/// Between two looks for a process that another fault holds.
const LOOK_AGAIN_US: u64 = 5_000;

/// A minute: a restart that takes longer has failed by then.
const LOOKS: u32 = 12_000;

/// The run ends: what was planned is not done any more.
struct ToldToEnd;

/// Holds the registry's process, and tells the history what it does to it.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) watched: Watched,
    pub(super) lines: Sender<Line>,
}

impl Hands {
    /// The process, for something that is done to it on purpose; meanwhile nobody watches it.
    fn take(&self) -> Option<RegistryProcess> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The same as soon as no other fault holds it: where a restart takes long, the next fault waits for its end and
    /// strikes late instead of striking nothing. `Err` when told to end meanwhile, `None` when nobody brings it back.
    async fn take_when_free(&self, pace: &mut Pace) -> Result<Option<RegistryProcess>, ToldToEnd> {
        for _ in 0..LOOKS {
            if let Some(process) = self.take() {
                return Ok(Some(process));
            }
            if !pace.wait(LOOK_AGAIN_US).await {
                return Err(ToldToEnd);
            }
        }
        Ok(None)
    }

    fn put_back(&self, process: RegistryProcess) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    fn tell(&self, event: reports::history::ProcessEvent) {
        // Nobody listens once the run is over.
        let _ = self.lines.send(Line::Process(event));
    }
}

/// SIGKILL, a while, and the start on the same port and state, as often as planned.
pub(super) async fn kill(fault: PlannedFault, hands: Hands, mut pace: Pace) -> FaultEnd {
    for (from_us, to_us) in &fault.instants {
        if !pace.until(*from_us).await {
            break;
        }
        let Ok(found) = hands.take_when_free(&mut pace).await else { break };
        let Some(mut process) = found else { return nothing_to_strike(&fault) };
        let killed = process.kill().await;
        let by_itself = killed.event == ProcessChange::Died;
        hands.tell(killed);
        if by_itself {
            hands.put_back(process);
            pace.lose_registry();
            let sentence =
                format!("the registry process ended by itself before fault `{}` could kill it", fault.name);
            return FaultEnd::failed(sentence);
        }
        if !pace.until(*to_us).await {
            hands.put_back(process);
            break;
        }
        let started = tokio::select! {
            biased;
            () = pace.quit() => None,
            started = process.restart() => Some(started),
        };
        hands.put_back(process);
        match started {
            Some(Ok(event)) => hands.tell(event),
            Some(Err(error)) => {
                pace.lose_registry();
                let sentence =
                    format!("the registry did not start again after fault `{}`: {error}", fault.name);
                return FaultEnd::failed(sentence);
            }
            None => break,
        }
    }
    FaultEnd::default()
}

/// SIGSTOP, a while, and SIGCONT, as often as planned.
pub(super) async fn pause(fault: PlannedFault, hands: Hands, mut pace: Pace) -> FaultEnd {
    for (from_us, to_us) in &fault.instants {
        if !pace.until(*from_us).await {
            break;
        }
        let Ok(found) = hands.take_when_free(&mut pace).await else { break };
        let Some(mut process) = found else { return nothing_to_strike(&fault) };
        let paused = process.pause().await;
        // What it uses can be seen while it stands still.
        hands.put_back(process);
        let Some(paused) = paused else {
            resume(&hands).await;
            return FaultEnd::invalid(format!("fault `{}` could not stop the registry process", fault.name));
        };
        hands.tell(paused);
        let goes_on = pace.until(*to_us).await;
        if !resume(&hands).await {
            return FaultEnd::invalid(format!(
                "the registry process did not go on after fault `{}` had stopped it",
                fault.name
            ));
        }
        if !goes_on {
            break;
        }
    }
    FaultEnd::default()
}

async fn resume(hands: &Hands) -> bool {
    let Some(mut process) = hands.take() else { return false };
    let continued = process.resume().await;
    hands.put_back(process);
    let went_on = continued.is_some();
    continued.into_iter().for_each(|event| hands.tell(event));
    went_on
}

fn nothing_to_strike(fault: &PlannedFault) -> FaultEnd {
    FaultEnd::invalid(format!("fault `{}` found no registry process of the harness's own", fault.name))
}

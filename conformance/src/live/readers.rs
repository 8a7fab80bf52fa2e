//! The lists beside the agents: whole and conditional, by several filters.

use std::collections::VecDeque;
use std::sync::Arc;

use agent_sim::dialect::Call;
use reports::history::{Filter, Status};
use tokio::task::JoinSet;

use super::recorder::Recorder;

/// Tags that a reader still holds: the older they are, the surer a 304 to them is wrong.
const TAGS_HELD: usize = 4;

/// One reader's habit.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) filter: Filter,
    pub(super) period_us: u64,
    /// Every other list carries a tag.
    pub(super) conditional: bool,
}

/// Every state, expired ones too.
pub(super) fn every_status() -> Filter {
    Filter { status: vec![Status::Healthy, Status::Degraded, Status::Expired], ..Filter::default() }
}

/// The readers of the main window.
pub(super) fn readers(period_us: u64, conditional: bool, types: &[String]) -> Vec<Reader> {
    let reader = |filter: Filter, periods: u64, conditional: bool| Reader {
        filter,
        period_us: period_us * periods,
        conditional,
    };
    let mut readers = vec![
        reader(Filter::default(), 1, conditional),
        reader(every_status(), 3, false),
        reader(Filter { capability: Some("suite.shared".to_owned()), ..Filter::default() }, 5, conditional),
    ];
    if let [.., last] = types
        && types.len() > 1
    {
        let filter = Filter { agent_type: Some(last.clone()), ..Filter::default() };
        readers.push(reader(filter, 4, conditional));
    }
    readers
}

/// Starts them; they read from `from_us` to `until_us`.
pub(super) fn start(
    recorder: &Arc<Recorder>,
    readers: Vec<Reader>,
    from_us: u64,
    until_us: u64,
) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for reader in readers {
        running.spawn(read(Arc::clone(recorder), reader, from_us, until_us));
    }
    running
}

async fn read(recorder: Arc<Recorder>, reader: Reader, from_us: u64, until_us: u64) {
    let mut held: VecDeque<String> = VecDeque::new();
    let mut due_us = from_us;
    let mut number = 0_usize;
    while due_us < until_us {
        // Whole, newest tag, whole, an older tag, and so on.
        let tag = match number % 4 {
            1 => held.back(),
            3 => held.front(),
            _ => None,
        };
        let if_none_match = tag.filter(|_| reader.conditional).cloned();
        let call = Call::List { filter: reader.filter.clone(), if_none_match };
        let Some(record) = recorder.call_at(due_us, &call).await else { return };
        let tag = record.seen.and_then(|seen| seen.etag);
        if let Some(tag) = tag.filter(|tag| held.back() != Some(tag)) {
            held.push_back(tag);
            if held.len() > TAGS_HELD {
                held.pop_front();
            }
        }
        number += 1;
        // Lists that fell due while this one was under way are left out: they would only queue.
        let passed = recorder.clock.now_us().saturating_sub(from_us) / reader.period_us;
        due_us = from_us + (passed + 1) * reader.period_us;
    }
}

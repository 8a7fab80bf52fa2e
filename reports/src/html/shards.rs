//! What the page tells of the parts that a run was put together from.

use super::foreign;
use super::rows::class_of;
use crate::result::{MergedShard, RunReport};
use crate::words::{self, bytes, count, micros};

/// Most parts on the page; `report.json` has everything.
const MAX_SHARDS: usize = 60;
/// Most sentences.
const MAX_NOTES: usize = 20;

/// A part.
pub(super) struct ShardRow {
    pub(super) name: String,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    /// In the order of the template's header.
    pub(super) figures: [String; 7],
    pub(super) place: String,
}

pub(super) fn rows(report: &RunReport) -> Vec<ShardRow> {
    let shards = report.merged.iter().flat_map(|merged| &merged.shards);
    shards.take(MAX_SHARDS).map(row).collect()
}

pub(super) fn notes(report: &RunReport) -> Vec<String> {
    let notes = report.merged.iter().flat_map(|merged| &merged.notes);
    notes.take(MAX_NOTES).map(|note| words::cut(&words::one_line(note), 600)).collect()
}

/// A line for each part.
pub(super) fn commands(report: &RunReport) -> String {
    let shards = report.merged.iter().flat_map(|merged| &merged.shards);
    let lines: Vec<String> = shards.take(MAX_SHARDS).map(|shard| words::one_line(&shard.command)).collect();
    lines.join("\n")
}

fn row(shard: &MergedShard) -> ShardRow {
    let (generator, host) = (&shard.generator, &shard.environment);
    let word = words::verdict(shard.verdict);
    ShardRow {
        name: format!("{}: {}", shard.number, foreign(&shard.folder)),
        word,
        class: if word == "PASS" { "good" } else { class_of(word) },
        figures: [
            foreign(&shard.began_at),
            count(shard.agents),
            count(shard.calls),
            format!("{}, {}", micros(generator.lag_us.p99), micros(generator.lag_us.max)),
            format!("{:.2} s", generator.cpu_seconds),
            words::percent(generator.run_queue_wait_share),
            bytes(generator.pss_bytes),
        ],
        place: format!(
            "{} cores, {}; to {}",
            count(host.cores),
            foreign(&host.processor),
            foreign(&shard.url)
        ),
    }
}

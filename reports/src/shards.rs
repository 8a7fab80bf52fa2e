//! A run that was made in parts: whether parts belong together, and what the whole is where it follows from what each part
//! was found to be. Calls are not added up here: they are counted anew.

use crate::compare::differing_texts;
use crate::result::{
    Environment, MergedReport, MergedShard, RequirementReport, RequirementVerdict, RunReport, Shard,
};
use crate::words::{apart, micros, one_line};

/// Parts that began further apart than this did not load the registry together, microseconds: a second is what the report
/// tells apart.
pub const TOGETHER_US: u64 = 1_000_000;

/// Parts that began further apart than this make tenths of seconds doubtful, microseconds.
pub const DOUBTFUL_US: u64 = 100_000;

/// A part of a run.
#[derive(Debug, Clone, Copy)]
pub struct Part<'r> {
    /// The folder that it was read from.
    pub folder: &'r str,
    /// Its report.
    pub report: &'r RunReport,
    /// What the report says of it as a part.
    pub shard: &'r Shard,
}

/// The parts by number, where they are all parts of one run and none is missing.
///
/// # Errors
/// Every reason why they are not, with the folders that it is about.
pub fn in_order<'r>(reports: &'r [(String, RunReport)], version: &str) -> Result<Vec<Part<'r>>, Vec<String>> {
    let mut faults = Vec::new();
    let mut parts: Vec<Part<'r>> = Vec::new();
    for (folder, report) in reports {
        match &report.shard {
            Some(shard) => parts.push(Part { folder, report, shard }),
            None if report.merged.is_some() => {
                faults.push(format!("{folder} is no shard: it was put together from shards already"));
            }
            None => faults.push(format!("{folder} is no shard: it was not run with --shard")),
        }
    }
    for part in &parts {
        if part.report.wallflower != version {
            let other = one_line(&part.report.wallflower);
            faults.push(format!("{} was run by wallflower {other}, this is {version}", part.folder));
        }
    }
    if let Some((first, others)) = parts.split_first() {
        others.iter().for_each(|other| faults.extend(differing(*first, *other)));
        // Numbers say something of parts of one whole only.
        if faults.is_empty() {
            faults.extend(miscounted(&parts));
        }
    }
    parts.sort_by_key(|part| part.shard.number);
    if faults.is_empty() { Ok(parts) } else { Err(faults) }
}

/// What differs in two parts that may not.
fn differing(a: Part<'_>, b: Part<'_>) -> Vec<String> {
    let mut found = differing_texts(&a.report.scenario_text, &b.report.scenario_text);
    let mut differ = |what: &str, a: String, b: String| {
        if a != b {
            found.push(format!("{what}: {a} and {b}"));
        }
    };
    differ("the numbers of shards differ", a.shard.of.to_string(), b.shard.of.to_string());
    differ("the seeds differ", a.report.seed.to_string(), b.report.seed.to_string());
    differ("the plans differ", one_line(&a.report.plan_hash), one_line(&b.report.plan_hash));
    let dialect = |part: Part<'_>| one_line(&part.report.target.dialect);
    differ("the dialects differ", dialect(a), dialect(b));
    found.into_iter().map(|what| format!("{} and {}: {what}", a.folder, b.folder)).collect()
}

/// Parts that are there twice, or not at all.
fn miscounted(parts: &[Part<'_>]) -> Vec<String> {
    let of = parts.first().map_or(0, |part| part.shard.of);
    let named = |number: u32| -> Vec<&str> {
        parts.iter().filter(|part| part.shard.number == number).map(|part| part.folder).collect()
    };
    let mut faults = Vec::new();
    for number in 1..=of {
        match named(number).as_slice() {
            [_] => {}
            [] => faults.push(format!("shard {number} of {of} is missing")),
            several => faults.push(format!("{} are all shard {number} of {of}", several.join(" and "))),
        }
    }
    faults
}

/// How the parts were made, and what cannot be known of the whole.
pub fn merged(parts: &[Part<'_>]) -> MergedReport {
    let began = parts.iter().map(|part| part.shard.began_unix_us);
    let (first, last) = (began.clone().min().unwrap_or_default(), began.max().unwrap_or_default());
    let starts_apart_us = last - first;
    let mut notes = Vec::new();
    if parts.len() > 1 {
        let said = match parts.iter().all(|part| part.shard.start_was_given) {
            true => "All shards began at the instant that they were given",
            false => "Not all shards were given an instant to begin at (--start-at)",
        };
        notes.push(format!(
            "{said}. They began {}, which nothing here can check: one that is wrong shifts the whole shard.",
            apart(starts_apart_us)
        ));
        if starts_apart_us > DOUBTFUL_US {
            notes.push(
                "That is more than 100 ms: what is told by the second, by 100 ms or at one time (agents, calls in flight, \
                 arrivals) adds up what did not happen at one time. Durations and counts are exact all the same."
                    .to_owned(),
            );
        }
        notes.push(
            "Each requirement was judged in each shard, on the calls of its own agents and on what they saw; what the \
             agents of one shard saw of those of another was not judged. Freshness is that of what each shard saw of its \
             own agents."
                .to_owned(),
        );
    }
    notes.push(
        "The registry's own cost is not known: no shard can see its process. The histories stay with the shards.".to_owned(),
    );
    let urls: Vec<&str> = parts.iter().map(|part| part.report.target.url.as_str()).collect();
    if urls.windows(2).any(|pair| pair.first() != pair.last()) {
        notes.push(
            "The shards reached the registry at different addresses; that all are of one registry is not checked.".to_owned(),
        );
    }
    MergedReport { shards: parts.iter().map(shard).collect(), starts_apart_us, notes }
}

fn shard(part: &Part<'_>) -> MergedShard {
    let Part { folder, report, shard } = part;
    let calls = report.phases.iter().flat_map(|phase| phase.calls.values());
    MergedShard {
        number: shard.number,
        folder: (*folder).to_owned(),
        verdict: report.verdict,
        began_at: report.started_at.clone(),
        agents: report.agents.planned,
        calls: calls.map(|stats| stats.count).sum(),
        url: report.target.url.clone(),
        generator: report.generator.clone(),
        environment: report.environment.clone(),
        command: report.command.clone(),
    }
}

/// Why the parts did not load the registry together, if so.
pub fn not_together(merged: &MergedReport) -> Option<String> {
    (merged.starts_apart_us > TOGETHER_US).then(|| {
        format!(
            "the shards began {} apart by the clocks of their machines (at most 1 s): they did not load the registry \
             together; give all the same --start-at, and let their clocks be set",
            micros(merged.starts_apart_us)
        )
    })
}

/// Every requirement that a part has judged: the worst verdict of any, all samples. A part that had no sample at all says
/// nothing where another had some.
pub fn requirements(parts: &[Part<'_>]) -> Vec<RequirementReport> {
    let mut whole: Vec<RequirementReport> = Vec::new();
    for part in parts {
        for row in &part.report.requirements {
            let row = if parts.len() > 1 { of_part(row, part.shard.number) } else { row.clone() };
            match whole.iter_mut().find(|known| known.id == row.id) {
                Some(known) => add(known, row),
                None => whole.push(row),
            }
        }
    }
    whole
}

fn of_part(row: &RequirementReport, number: u32) -> RequirementReport {
    RequirementReport { detail: format!("shard {number}: {}", row.detail), ..row.clone() }
}

fn add(known: &mut RequirementReport, row: RequirementReport) {
    let sums = (known.decided + row.decided, known.samples + row.samples, known.broken + row.broken);
    let heavier = |a: &RequirementReport, b: &RequirementReport| weight(a, b) > weight(b, a);
    if heavier(&row, known) {
        *known = row;
    } else if !heavier(known, &row) {
        known.detail = format!("{}; {}", known.detail, row.detail);
    }
    (known.decided, known.samples, known.broken) = sums;
}

/// How much a part's verdict counts beside another one's.
fn weight(row: &RequirementReport, beside: &RequirementReport) -> u32 {
    match row.verdict {
        RequirementVerdict::Fail => 4,
        RequirementVerdict::ExpectedFail => 3,
        RequirementVerdict::Undecided if row.samples > 0 || beside.samples == 0 => 2,
        RequirementVerdict::Pass => 1,
        RequirementVerdict::Undecided | RequirementVerdict::NotApplicable => 0,
    }
}

/// Where the parts ran: texts that differ stand beside one another, of numbers that differ the least stands for all.
pub fn environment(parts: &[Part<'_>]) -> Environment {
    let hosts = || parts.iter().map(|part| &part.report.environment);
    let texts = |of: fn(&Environment) -> &str| {
        let mut all: Vec<&str> = hosts().map(of).collect();
        all.sort_unstable();
        all.dedup();
        all.join("; ")
    };
    let least = |of: fn(&Environment) -> u64| hosts().map(of).min().unwrap_or_default();
    Environment {
        kernel: texts(|host| &host.kernel),
        processor: texts(|host| &host.processor),
        cores: least(|host| host.cores),
        memory_bytes: least(|host| host.memory_bytes),
        fd_limit: least(|host| host.fd_limit),
    }
}

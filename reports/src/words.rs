//! Figures and foreign text as people read them.

use crate::result::{
    FaultReport, Kind, MergedReport, RequirementReport, RequirementVerdict, RunReport, ThresholdReport,
    Verdict,
};

/// Most commands of parts on a terminal; `report.json` has them all.
const MAX_COMMANDS: usize = 10;

/// Text of foreign origin without what would steer a terminal or hide in a page: control characters but line feeds,
/// and marks that turn the direction of writing.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|&c| c != '\r').map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// As [`plain`], on one line.
pub fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

/// At most so many characters, with a mark where something was left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Microseconds with three digits and their unit: `512 us`, `1.23 ms`, `45.6 s`.
pub fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        // What rounds up to the next unit is written in it.
        1_000..999_500 => format!("{} ms", three_digits(micros as f64 / 1e3)),
        _ => format!("{} s", three_digits(micros as f64 / 1e6)),
    }
}

/// Milliseconds since the run began: `12.3 s`, and from ten minutes on `10 min 05 s`, `2 h 05 min 09 s`.
pub fn since_start(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match seconds {
        0..600 => format!("{:.1} s", millis as f64 / 1e3),
        600..3_600 => format!("{minutes} min {rest:02} s"),
        _ => format!("{hours} h {minutes:02} min {rest:02} s"),
    }
}

/// Bytes with three digits: `12.3 MB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..999_500 => format!("{} kB", three_digits(bytes as f64 / 1e3)),
        999_500..999_500_000 => format!("{} MB", three_digits(bytes as f64 / 1e6)),
        _ => format!("{} GB", three_digits(bytes as f64 / 1e9)),
    }
}

/// A rate or another figure that needs no more than three digits: `0.25`, `12.3`, `1,234`.
pub fn rate(value: f64) -> String {
    if value.abs() < 999.5 { three_digits(value) } else { count(value.round().max(0.0) as u64) }
}

/// A share as per cent: `12.3 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", three_digits(share * 100.0))
}

fn three_digits(value: f64) -> String {
    let magnitude = value.abs();
    match () {
        () if magnitude < 9.995 => format!("{value:.2}"),
        () if magnitude < 99.95 => format!("{value:.1}"),
        () => format!("{value:.0}"),
    }
}

/// That a run is a part of one, or was put together from parts; empty for a run of one generator.
pub(crate) fn shards(report: &RunReport) -> Vec<String> {
    let part = report.shard.as_ref().map(|shard| {
        format!(
            "shard {} of {}: thresholds and recoveries are those of its own agents; `wallflower report merge` judges all",
            shard.number, shard.of
        )
    });
    let whole = report.merged.as_ref().map(|merged| match (merged.shards.len(), merged.starts_apart_us) {
        (1, _) => "merged from 1 shard".to_owned(),
        (shards, apart_us) => format!("merged from {shards} shards that began {}", apart(apart_us)),
    });
    part.into_iter().chain(whole).collect()
}

/// How far apart parts of a run began.
pub(crate) fn apart(us: u64) -> String {
    match us {
        0 => "at one instant by their machines' clocks".to_owned(),
        us => format!("{} apart by their machines' clocks", micros(us)),
    }
}

/// The commands that repeat the first parts of a run.
pub(crate) fn commands(merged: &MergedReport) -> impl Iterator<Item = &str> {
    merged.shards.iter().take(MAX_COMMANDS).map(|shard| shard.command.as_str())
}

/// The verdict in capitals.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Invalid => "INVALID",
    }
}

/// How a threshold ended. One that had nothing to measure has not held.
pub(crate) fn threshold(threshold: &ThresholdReport) -> &'static str {
    match (threshold.value.is_empty(), threshold.ok) {
        (true, _) => "NO DATA",
        (false, true) => "ok",
        (false, false) => "BROKEN",
    }
}

/// How a requirement ended. A SHOULD that is broken only warns.
pub(crate) fn requirement(requirement: &RequirementReport) -> &'static str {
    match requirement.verdict {
        RequirementVerdict::Pass => "pass",
        RequirementVerdict::Fail if requirement.level == "SHOULD" => "WARN",
        RequirementVerdict::Fail => "FAIL",
        RequirementVerdict::ExpectedFail => "xfail",
        RequirementVerdict::Undecided => "UNDECIDED",
        RequirementVerdict::NotApplicable => "not applicable",
    }
}

/// The call that proved a requirement broken, line by line, and the command that tries again. Of request and answer at
/// most `most` characters each are told.
pub(crate) fn proof(requirement: &RequirementReport, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(proof) = requirement.proof.as_ref().filter(|proof| !proof.request.is_empty()) {
        let flat = |text: &str| cut(&one_line(&text.replace("\n\n", " | ").replace('\n', " | ")), most);
        lines.push(format!("asked: {}", flat(&proof.request)));
        lines.push(format!("got: {}", flat(&proof.answer)));
        if proof.rebuilt.is_empty() {
            lines.push(format!("read as: {}", one_line(&proof.read)));
        } else {
            lines.push(format!(
                "rebuilt: what was asked and got is rebuilt, since {}",
                one_line(&proof.rebuilt)
            ));
        }
        if !proof.curl.is_empty() {
            lines.push(format!("curl: {}", one_line(&proof.curl)));
        }
    }
    if !requirement.rerun.is_empty() {
        lines.push(format!("again: {}", one_line(&requirement.rerun)));
    }
    lines
}

/// A fault's name and kind, as the live view has them too.
pub fn fault_name(fault: &FaultReport) -> String {
    format!("{} ({})", one_line(&fault.name), one_line(&fault.kind))
}

/// What is told of a fault beside its name and kind, in the order of [`fault`].
pub(crate) const FAULT_FIGURES: [&str; 6] =
    ["from", "for", "first success", "live again", "registrations/s", "wrong expiries"];

/// The figures of a fault. Two are counted from its end, and may never have come.
pub(crate) fn fault(fault: &FaultReport) -> [String; 6] {
    let after =
        |ms: Option<u64>| ms.map_or_else(|| "never".to_owned(), |ms| micros(ms.saturating_mul(1_000)));
    [
        since_start(fault.start_ms),
        since_start(fault.end_ms.saturating_sub(fault.start_ms)),
        after(fault.first_success_ms),
        after(fault.live_ms),
        count(fault.peak_registrations_per_second),
        count(fault.wrong_expiries),
    ]
}

/// The command's name.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Loadtest => "load test",
        Kind::Conformance => "conformance",
        Kind::Judge => "judged history",
    }
}

/// One sentence on why the verdict is what it is.
pub(crate) fn sentence(report: &RunReport) -> String {
    if let Some(first) = report.reasons.first() {
        let first = one_line(first);
        // Some reasons are sentences already.
        let first = first.trim_end_matches('.');
        return match report.reasons.len() - 1 {
            0 => format!("{first}."),
            1 => format!("{first}; and 1 more reason."),
            more => format!("{first}; and {more} more reasons."),
        };
    }
    let held = report.requirements.iter().filter(|r| r.verdict == RequirementVerdict::Pass).count();
    let expected =
        report.requirements.iter().filter(|r| r.verdict == RequirementVerdict::ExpectedFail).count();
    if expected > 0 {
        let all = report.requirements.len();
        return format!(
            "{held} of {all} requirements held, {expected} failed as expected, no other was broken."
        );
    }
    match (report.thresholds.len(), held) {
        (0, 0) => "Nothing was asked, and nothing was broken.".to_owned(),
        (0, held) => format!("{held} of {} requirements held, none was broken.", report.requirements.len()),
        (thresholds, 0) => format!("All {thresholds} thresholds held."),
        (thresholds, held) => {
            format!(
                "All {thresholds} thresholds held, and {held} requirements held wherever the evidence decides."
            )
        }
    }
}

/// `11 pass, 1 FAIL, 2 not applicable`, in the order of weight.
pub(crate) fn tally(requirements: &[RequirementReport]) -> String {
    let counted = ["FAIL", "UNDECIDED", "WARN", "xfail", "pass", "not applicable"].map(|word| {
        let count = requirements.iter().filter(|entry| requirement(entry) == word).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    counted.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Thresholds with the broken ones first, then those without data, each in the scenario's order.
pub(crate) fn broken_first(thresholds: &[ThresholdReport]) -> Vec<&ThresholdReport> {
    let mut sorted: Vec<&ThresholdReport> = thresholds.iter().collect();
    sorted.sort_by_key(|entry| match threshold(entry) {
        "BROKEN" => 0,
        "NO DATA" => 1,
        _ => 2,
    });
    sorted
}

/// Requirements with the broken ones first, then the undecided, the warned of, the passed, the not applicable.
pub(crate) fn by_weight(requirements: &[RequirementReport]) -> Vec<&RequirementReport> {
    let mut sorted: Vec<&RequirementReport> = requirements.iter().collect();
    sorted.sort_by_key(|entry| match requirement(entry) {
        "FAIL" => 0,
        "UNDECIDED" => 1,
        "WARN" => 2,
        "xfail" => 3,
        "pass" => 4,
        _ => 5,
    });
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        for (value, text) in [
            (0, "0 us"),
            (999, "999 us"),
            (1_000, "1.00 ms"),
            (12_345, "12.3 ms"),
            (99_960, "100 ms"),
            (999_499, "999 ms"),
            (999_500, "1.00 s"),
            (3_600_000_000, "3600 s"),
        ] {
            assert_eq!(micros(value), text);
        }
        for (value, text) in [
            (0, "0 B"),
            (51_300, "51.3 kB"),
            (999_999, "1.00 MB"),
            (12_345_678, "12.3 MB"),
            (7_000_000_000, "7.00 GB"),
        ] {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [
            (0, "0.0 s"),
            (599_900, "599.9 s"),
            (605_999, "10 min 05 s"),
            (28_800_000, "8 h 00 min 00 s"),
            (90_061_000, "25 h 01 min 01 s"),
        ] {
            assert_eq!(since_start(value), text);
        }
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), text);
        }
        assert_eq!(
            (rate(0.25), rate(999.6), percent(0.001)),
            ("0.25".into(), "1,000".into(), "0.10 %".into())
        );
    }

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(plain("a\x1b[31mb\u{202e}c\r\nd\0"), "a\u{fffd}[31mb\u{fffd}c\nd\u{fffd}");
        assert_eq!(one_line("a\nb"), "a b");
    }
}

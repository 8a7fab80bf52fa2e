//! Rows as lines for people: on a terminal, as Markdown, in the README. Pure.

use crate::figures::Spread;
use crate::row::{Goal, Of, Row, State};

/// What surrounds the table in the README.
pub(crate) const BEGIN: &str = "<!-- bench:begin -->";
pub(crate) const END: &str = "<!-- bench:end -->";

const HEADINGS: [&str; 7] = ["what", "ours", "yardstick", "ratio", "spread", "goal", ""];

fn cells(row: &Row) -> [String; 7] {
    let unit = row.line.unit;
    let figure = |spread: Option<Spread>| {
        spread.map_or_else(|| "-".to_owned(), |spread| format!("{} {unit}", number(spread.median)))
    };
    let judged = row.ratio.or(row.ours);
    let spread = judged.filter(|_| row.rounds.len() > 1);
    [
        row.line.what.to_owned(),
        figure(row.ours),
        figure(row.yardstick),
        row.ratio.map_or_else(|| "-".to_owned(), |ratio| number(ratio.median)),
        spread.map_or_else(
            || "-".to_owned(),
            |spread| format!("{} to {}", number(spread.least), number(spread.most)),
        ),
        goal(row.line.goal, unit),
        state(row),
    ]
}

fn goal(goal: Goal, unit: &str) -> String {
    let words = if goal.at_least { "at least" } else { "at most" };
    match goal.of {
        Of::Ratio(_) => format!("{words} {}", number(goal.limit)),
        Of::Figure => format!("{words} {} {unit}", number(goal.limit)),
    }
}

fn state(row: &Row) -> String {
    let noisy = if row.noisy { ", noisy" } else { "" };
    let (word, reason) = match &row.state {
        State::Met => ("met", ""),
        State::Missed => ("missed", ""),
        State::NotMeasured(reason) => ("not measured", reason.as_str()),
    };
    let bound = row.bound.as_ref().map_or_else(String::new, |bound| {
        let Spread { median, least, most } = bound.ratio;
        format!("{}: {} ({} to {})", bound.of, number(median), number(least), number(most))
    });
    let more = [reason, row.note.as_str(), bound.as_str()].into_iter().filter(|words| !words.is_empty());
    let more: Vec<&str> = more.collect();
    match more.is_empty() {
        true => format!("{word}{noisy}"),
        false => format!("{word}{noisy} ({})", more.join("; ")),
    }
}

/// Three digits that count, thousands set off.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1_000.0 {
        // To three digits that count.
        let step = 10_f64.powf(size.log10().floor() - 2.0);
        let digits = format!("{:.0}", (size / step).round() * step);
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        return if value < 0.0 { format!("-{text}") } else { text };
    }
    match size {
        _ if size >= 99.95 => format!("{value:.0}"),
        _ if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A line for a terminal: `lean  12.3 us  9.9 us  0.80 (0.78 to 0.81)  at least 0.75  met`.
pub(crate) fn line(row: &Row) -> String {
    let [_, ours, yardstick, ratio, spread, goal, state] = cells(row);
    format!("{:<22}{ours:>16}{yardstick:>16}{ratio:>8}  {spread:<18}{goal:<26}{state}", row.line.id)
}

/// The headings above such lines.
pub(crate) fn headings() -> String {
    let [_, ours, yardstick, ratio, spread, goal, _] = HEADINGS;
    format!("{:<22}{ours:>16}{yardstick:>16}{ratio:>8}  {spread:<18}{goal:<26}", "line")
}

/// The table as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEADINGS.join(" | "), "---|".repeat(HEADINGS.len()));
    for row in rows {
        let cells = cells(row).map(|cell| cell.replace('|', "\\|").replace(['\n', '\r'], " "));
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

/// The README with another table between its markers; the reason where it has not both of them once, in order.
pub(crate) fn replaced(readme: &str, table: &str) -> Result<String, String> {
    let wrong = || format!("README.md needs the lines {BEGIN} and {END}, once each and in this order");
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(wrong)?;
    let (_, after) = rest.split_once(END).ok_or_else(wrong)?;
    if after.contains(END) || rest.contains(BEGIN) || before.contains(END) {
        return Err(wrong());
    }
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Round, Sample};
    use crate::row::Line;

    const LINE: Line = Line { id: "lean", what: "a | call", unit: "us", goal: Goal::calls_per_cpu(0.75) };

    fn measured() -> Row {
        let sample = |value| Sample { value, wall_seconds: 1.0, ..Sample::default() };
        let round = |ours, theirs| Round::of(sample(ours), Some(sample(theirs)), 1);
        Row::measured(LINE, vec![round(20.0, 16.0), round(20.0, 15.0), round(20.0, 18.0)])
    }

    #[test]
    fn a_row_tells_figures_ratio_spread_goal_and_whether_it_is_met() {
        let text = markdown(&[measured(), Row::not_measured(LINE, "no nginx")]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "|---|---|---|---|---|---|---|");
        assert_eq!(
            lines[2],
            "| a \\| call | 20.0 us | 16.0 us | 0.80 | 0.75 to 0.90 | at least 0.75 | met |"
        );
        assert_eq!(lines[3], "| a \\| call | - | - | - | - | at least 0.75 | not measured (no nginx) |");
    }

    #[test]
    fn what_bounds_a_row_stands_beside_its_state() {
        let bounded = |of| Row::measured(LINE, measured().rounds).bounded(of, Ok(measured().rounds));
        assert!(line(&bounded("bare")).ends_with("met (bare: 0.80 (0.75 to 0.90))"));
        let unbounded = measured().noting("7 bytes").bounded("bare", Err("it ended".into()));
        assert!(line(&unbounded).ends_with("met (7 bytes; bare: not measured, it ended)"));
    }

    #[test]
    fn a_noisy_row_says_so_and_a_note_stands_beside_the_state() {
        let row = Row { noisy: true, ..measured() }.noting("7 bytes");
        assert!(line(&row).ends_with("met, noisy (7 bytes)"), "{}", line(&row));
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [0.756, 7.5, 12.345, 250.4, 31_234.0, 999.7, 1_234_567.0, -0.5].map(number);
        assert_eq!(shown, ["0.76", "7.50", "12.3", "250", "31,200", "1000", "1,230,000", "-0.50"]);
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let readme = format!("# A\n\n{BEGIN}\nold\n{END}\n\nb\n");
        let changed = replaced(&readme, "new\n").unwrap();
        assert_eq!(changed, format!("# A\n\n{BEGIN}\nnew\n{END}\n\nb\n"));
        assert_eq!(replaced(&changed, "new").unwrap(), changed);
    }

    #[test]
    fn a_readme_without_the_two_markers_is_refused() {
        for readme in ["", BEGIN, END, "<!-- bench:end --> <!-- bench:begin -->"] {
            assert!(replaced(readme, "x").unwrap_err().contains(END), "{readme}");
        }
        let twice = format!("{BEGIN}{END}{BEGIN}{END}");
        assert!(replaced(&twice, "x").is_err());
    }
}

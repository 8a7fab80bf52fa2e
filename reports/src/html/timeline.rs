//! The timeline of a broken requirement as a picture: what the agent said, what views showed, what happened around it.
//!
//! It is drawn from the timeline's own lines. A line that is not understood is left out of the picture; the text below
//! it has all of them.

use super::foreign;

const HEIGHT: u32 = 178;
/// The room above the lanes, for the words of deadlines.
const EMPTY: u32 = 50;
const WIDTH: f64 = 900.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 14.0;
/// Most marks of one picture.
const MAX_MARKS: usize = 80;

/// What the template draws.
pub(super) struct Picture {
    pub(super) marks: Vec<Mark>,
    pub(super) lines: Vec<Upright>,
    /// The span in which the registry must have been wrong: left and width.
    pub(super) wrong: Option<(String, String)>,
    pub(super) ticks: Vec<(String, String)>,
    /// Where the picture begins: there is nothing above without deadlines.
    pub(super) top: u32,
    pub(super) height: u32,
    pub(super) sentence: String,
}

/// A call: a symbol in its lane, with a bar until its answer.
pub(super) struct Mark {
    pub(super) lane: u32,
    pub(super) x: String,
    pub(super) width: String,
    /// `healthy`, `degraded`, `gone`, `said` (a heartbeat that was accepted), `failed` or `other`.
    pub(super) class: &'static str,
    pub(super) symbol: &'static str,
    pub(super) wrong: bool,
    /// Which end of the word `WRONG` stands at `x`.
    pub(super) anchor: &'static str,
    pub(super) words: String,
}

/// A deadline, or something that happened to the registry.
pub(super) struct Upright {
    pub(super) x: String,
    pub(super) words: String,
    pub(super) anchor: &'static str,
    pub(super) text_x: String,
    pub(super) text_y: u32,
}

struct Told<'l> {
    at: f64,
    until: f64,
    words: &'l str,
}

/// When the line that is marked as wrong was, in milliseconds since the run began.
pub(super) fn wrong_at(timeline: &[String]) -> Option<u64> {
    let line = timeline.iter().find(|line| line.contains("<== WRONG"))?;
    told(line).map(|told| told.at as u64)
}

/// The lines of a timeline that the picture cannot show, but for those that are meant for readers alone: how many views
/// were left out, and which route was provoked.
pub(super) fn not_drawn(timeline: &[String]) -> Vec<&str> {
    let is_drawn = |line: &str| {
        told(line).is_some_and(|told| {
            let for_readers = told.words.starts_with('(') || told.words.starts_with("provoked: ");
            for_readers || told.words.starts_with("| ") || kind(told.words).is_some()
        })
    };
    timeline.iter().map(String::as_str).filter(|line| !is_drawn(line)).collect()
}

/// The picture, if there are at least two instants to draw.
pub(super) fn picture(timeline: &[String]) -> Option<Picture> {
    let told: Vec<Told<'_>> = timeline.iter().take(MAX_MARKS).filter_map(|line| told(line)).collect();
    let first = told.iter().map(|told| told.at).fold(f64::INFINITY, f64::min);
    let last = told.iter().map(|told| told.until).fold(f64::NEG_INFINITY, f64::max);
    if told.len() < 2 || last <= first || !(last - first).is_finite() {
        return None;
    }
    let place = |at: f64| LEFT + (at - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let mut picture = Picture {
        marks: Vec::new(),
        lines: Vec::new(),
        wrong: None,
        ticks: ticks(first, last, place),
        top: 0,
        height: HEIGHT,
        sentence: format!("{} events from {first:.0} to {last:.0} ms since the run began", told.len()),
    };
    for told in &told {
        let (x, end) = (place(told.at), place(told.until));
        if let Some(words) = told.words.strip_prefix("| ") {
            let before = x > WIDTH * 0.6;
            picture.lines.push(Upright {
                x: format!("{x:.1}"),
                words: foreign(words),
                anchor: if before { "end" } else { "start" },
                text_x: format!("{:.1}", if before { x - 4.0 } else { x + 4.0 }),
                text_y: 13 + 13 * (picture.lines.len() as u32 % 4),
            });
            continue;
        }
        let Some((lane, class, symbol)) = kind(told.words) else { continue };
        let wrong = told.words.contains("<== WRONG");
        if wrong {
            picture.wrong = Some((format!("{x:.1}"), format!("{:.1}", (end - x).max(2.0))));
        }
        picture.marks.push(Mark {
            lane,
            x: format!("{x:.1}"),
            width: format!("{:.1}", (end - x).max(1.0)),
            class,
            symbol,
            wrong,
            anchor: if x > WIDTH - 40.0 { "end" } else { "middle" },
            words: format!("{:.3} ms: {}", told.at, foreign(told.words)),
        });
    }
    if picture.lines.is_empty() {
        (picture.top, picture.height) = (EMPTY, HEIGHT - EMPTY);
    }
    // What is wrong is drawn last, over what hides it.
    picture.marks.sort_by_key(|mark| mark.wrong);
    (!picture.marks.is_empty()).then_some(picture)
}

/// `   8277.548 ms  list shows healthy, answered at 8280.662 ms`.
fn told(line: &str) -> Option<Told<'_>> {
    let (at, words) = line.trim_start().split_once(" ms  ")?;
    let at: f64 = at.parse().ok().filter(|at: &f64| at.is_finite() && *at >= 0.0)?;
    let answered = words.split_once("answered at ").and_then(|(_, rest)| rest.split_once(" ms"));
    let until = answered.and_then(|(until, _)| until.parse().ok()).filter(|until: &f64| until.is_finite());
    Some(Told { at, until: until.unwrap_or(at).max(at), words })
}

/// The lane, class and symbol of a call. Shapes differ as well as colours.
fn kind(words: &str) -> Option<(u32, &'static str, &'static str)> {
    let first = words.split(' ').next().unwrap_or_default();
    if let Some((_, shown)) = words.split_once(" shows ") {
        return Some(match shown {
            _ if shown.starts_with("healthy") => (1, "healthy", "●"),
            _ if shown.starts_with("degraded") => (1, "degraded", "▲"),
            _ => (1, "gone", "✕"),
        });
    }
    match first {
        "register" | "renew" | "probe" => {
            let accepted = [" registered", " renewed", " updated"].iter().any(|word| words.contains(word));
            Some(if accepted { (0, "said", "●") } else { (0, "failed", "✕") })
        }
        "leave" => Some((0, "failed", "■")),
        "list" | "304" | "read" => Some((1, "other", "●")),
        _ if words.contains("<== WRONG") => Some((1, "gone", "✕")),
        _ => None,
    }
}

/// Five instants along the axis.
fn ticks(first: f64, last: f64, place: impl Fn(f64) -> f64) -> Vec<(String, String)> {
    (0..5)
        .map(|step| first + (last - first) * f64::from(step) / 4.0)
        .map(|at| (format!("{:.1}", place(at)), format!("{:.3} s", at / 1e3)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_judge_become_marks_and_others_are_left_out() {
        let lines = [
            "    7877.397 ms  register registered, answered at 7885.378 ms, document 589825",
            "    7961.581 ms  list shows healthy, document 589825, answered at 7965.135 ms",
            "    7970.000 ms  (185 views are left out from here on)",
            "    7980.000 ms  probe renewed, answered at 7981.000 ms",
            "    7985.000 ms  register updated, answered at 7986.000 ms, document 2",
            "    7990.000 ms  renew unknown, answered at 7991.000 ms",
            "    8088.369 ms  | X is reached at the earliest",
            "    8277.548 ms  list shows expired or gone, answered at 8280.662 ms  <== WRONG",
            "no line of a timeline",
        ]
        .map(str::to_owned);
        let picture = picture(&lines).unwrap();
        let classes: Vec<_> = picture.marks.iter().map(|mark| (mark.lane, mark.class, mark.wrong)).collect();
        let said = (0, "said", false);
        let marks = [said, (1, "healthy", false), said, said, (0, "failed", false), (1, "gone", true)];
        assert_eq!(classes, marks);
        assert_eq!(not_drawn(&lines), ["no line of a timeline"]);
        assert_eq!(picture.lines[0].words, "X is reached at the earliest");
        assert_eq!(picture.marks[0].x, format!("{LEFT:.1}"));
        assert!(picture.wrong.is_some());
        assert_eq!(wrong_at(&lines), Some(8_277));
    }

    #[test]
    fn without_two_instants_there_is_no_picture() {
        for lines in
            [vec![], vec!["1.000 ms  list shows healthy".to_owned()], vec!["<svg> ms  x".to_owned(); 3]]
        {
            assert!(picture(&lines).is_none(), "{lines:?}");
        }
        let endless = ["1.0 ms  list shows healthy, answered at inf ms", "NaN ms  list"].map(str::to_owned);
        assert!(picture(&endless).is_none());
    }
}

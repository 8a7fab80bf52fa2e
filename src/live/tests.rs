//! The view cell by cell. `GOLDEN=write cargo test --bin wallflower live` writes the pictures anew; look at them then.

use std::path::Path;
use std::sync::Arc;

use agent_sim::load::metrics::Figures;
use agent_sim::load::{BrokenThreshold, ErrorKind, Outline, OutlinedPhase, Progress, Second};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use reports::result::{FaultReport, Percentiles};

use super::Snapshot;
use super::view::draw;

const SIZES: [(u16, u16); 5] = [(120, 40), (80, 24), (40, 30), (40, 12), (20, 5)];

/// 12 seconds into a run with these phases.
fn with_phases(names: &[&str]) -> Snapshot {
    let total_ms = 40_000;
    let share = total_ms / names.len() as u64;
    let phases: Vec<OutlinedPhase> = (0..)
        .zip(names)
        .map(|(index, name)| OutlinedPhase {
            name: (*name).to_owned(),
            start_ms: index * share,
            end_ms: (index + 1) * share,
        })
        .collect();
    let phase_index = phases.iter().position(|phase| phase.end_ms > 12_000).unwrap_or_default();
    let heartbeat = Percentiles { p50: 980, p90: 2_300, p99: 8_640, p999: 20_000, max: 24_000 };
    let discovery = Percentiles { p50: 1_850, p90: 4_100, p99: 12_345, p999: 30_000, max: 44_400 };
    let response_us = Percentiles { p50: 1_200, p90: 3_100, p99: 9_870, p999: 25_000, max: 44_400 };
    let progress = Progress {
        phase: names[phase_index].to_owned(),
        phase_index,
        phases: names.len(),
        elapsed_ms: 12_000,
        total_ms,
        agents: 998,
        agents_planned: 1_000,
        offered_per_second: 2_013,
        achieved_per_second: 1_998,
        p50_us: 1_200,
        p99_us: 9_870,
        response_us,
        heartbeat_us: Some(heartbeat),
        discovery_us: Some(discovery),
        lag_p99_us: 1_080,
        misses: 3,
        generator_cores: 0.35,
        target_cores: 0.53,
        target_pss_bytes: 41_234_567,
        errors: 0,
        seconds: (0..12).map(|s| Second { sent: 170 * s + 100, p99_us: 9_870 + 2_000 * (s % 3) }).collect(),
        figures: Figures { in_flight: 12, ..Figures::default() },
        outline: Arc::new(Outline { name: "quickstart".to_owned(), phases, agents: 1_300 }),
        ..Progress::default()
    };
    Snapshot { progress, is_ending: false, is_coloured: false }
}

/// A run of four phases, with so many kinds of errors as there may be told of, or two.
pub(crate) fn snapshot(kinds: usize) -> Snapshot {
    let mut snapshot = with_phases(&["ramp", "hold", "crash", "recover"]);
    let now = &mut snapshot.progress;
    let names = ["503", "timeout", "failed", "429"];
    let kind = |index: usize| ErrorKind {
        operation: if index.is_multiple_of(2) { "renew" } else { "list" },
        kind: names[index % 4].to_owned(),
        count: 100 / (index as u64 + 1),
    };
    now.error_kinds = (0..kinds.min(20)).map(kind).collect();
    now.more_error_kinds = kinds.saturating_sub(20);
    now.errors = if kinds == 0 { 0 } else { 124 };
    now.faults =
        [("blip", "pause", 5_000, 6_000, Some(1_200)), ("storm", "retry-storm", 11_000, 14_000, None)]
            .into_iter()
            .chain([("crash", "crash", 20_000, 21_000, None), ("restart", "kill", 31_000, 32_000, None)])
            .map(|(name, kind, start_ms, end_ms, live_ms)| FaultReport {
                name: name.to_owned(),
                kind: kind.to_owned(),
                start_ms,
                end_ms,
                live_ms,
                ..FaultReport::default()
            })
            .collect();
    snapshot
}

fn drawn(snapshot: &Snapshot, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, snapshot)).unwrap();
    terminal.backend().buffer().clone()
}

/// The words, a line a row.
fn words(buffer: &Buffer) -> String {
    rows(buffer, |buffer, x, y| buffer[(x, y)].symbol().to_owned())
}

/// How each cell looks: `.` plain, `b` bold, `d` dim, else the first letter of its colour.
fn looks(buffer: &Buffer) -> String {
    rows(buffer, |buffer, x, y| {
        let cell = &buffer[(x, y)];
        let look = match cell.fg {
            Color::Reset if cell.modifier.contains(Modifier::BOLD) => "b",
            Color::Reset if cell.modifier.contains(Modifier::DIM) => "d",
            Color::Reset => ".",
            Color::Cyan => "c",
            Color::Red => "r",
            Color::Yellow => "y",
            other => panic!("{other} was not foreseen"),
        };
        look.to_owned()
    })
}

fn rows(buffer: &Buffer, cell: impl Fn(&Buffer, u16, u16) -> String) -> String {
    let area = *buffer.area();
    let row =
        |y| (0..area.width).map(|x| cell(buffer, x, y)).collect::<String>().trim_end().to_owned() + "\n";
    (0..area.height).map(row).collect()
}

fn holds(name: &str, picture: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/live").join(format!("{name}.txt"));
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, picture).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(picture, expected, "{}\n{picture}", path.display());
}

#[test]
fn every_size_has_its_picture_and_colour_changes_no_word() {
    for (width, height) in SIZES {
        let mut shown = snapshot(2);
        shown.progress.broken = vec![BrokenThreshold {
            phase: "hold".to_owned(),
            metric: "heartbeat.errors".to_owned(),
            limit: "0%".to_owned(),
            at_ms: 11_000,
        }];
        let plain = drawn(&shown, (width, height));
        holds(&format!("{width}x{height}"), &words(&plain));
        shown.is_coloured = true;
        let coloured = drawn(&shown, (width, height));
        assert_eq!(words(&plain), words(&coloured));
        holds(&format!("{width}x{height}-looks"), &looks(&coloured));
        let has_colour = |buffer: &Buffer| buffer.content().iter().any(|cell| cell.fg != Color::Reset);
        assert!(!has_colour(&plain) && has_colour(&coloured), "{width}x{height}");
    }
}

#[test]
fn no_errors_and_a_hundred_kinds_of_them_each_have_their_picture() {
    for (width, height) in SIZES {
        holds(&format!("no-errors-{width}x{height}"), &words(&drawn(&snapshot(0), (width, height))));
        holds(&format!("100-kinds-{width}x{height}"), &words(&drawn(&snapshot(100), (width, height))));
    }
    let told = words(&drawn(&snapshot(100), (80, 24)));
    assert!(told.contains("more kinds of errors"), "{told}");
}

#[test]
fn one_phase_thirty_and_names_that_are_long_or_foreign_each_have_their_picture() {
    let thirty: Vec<String> = (1..=30).map(|number| format!("phase-{number}")).collect();
    let thirty: Vec<&str> = thirty.iter().map(String::as_str).collect();
    let long = "a-name-that-is-far-longer-than-any-line-has-room-for-and-goes-on-and-on-for-ever-and-ever";
    let strange = ["登録の嵐", "naïve café", "🦀🦀🦀", "a\x1b[31mb\u{202e}c\nd", long];
    for (width, height) in SIZES {
        let picture = |names: &[&str]| words(&drawn(&with_phases(names), (width, height)));
        holds(&format!("1-phase-{width}x{height}"), &picture(&["only"]));
        holds(&format!("30-phases-{width}x{height}"), &picture(&thirty));
        let mut shown = with_phases(&strange);
        long.clone_into(&mut Arc::get_mut(&mut shown.progress.outline).unwrap().name);
        shown.progress.faults = vec![FaultReport {
            name: long.to_owned(),
            kind: "登録\x1b[0m".to_owned(),
            start_ms: 11_000,
            end_ms: 14_000,
            ..FaultReport::default()
        }];
        let picture = words(&drawn(&shown, (width, height)));
        assert!(!picture.contains('\x1b') && !picture.contains('\u{202e}'), "{picture}");
        holds(&format!("strange-names-{width}x{height}"), &picture);
    }
}

#[test]
fn any_size_is_drawn_and_no_figure_is_ever_cut() {
    let whole = words(&drawn(&snapshot(100), (200, 60)));
    let figures: Vec<&str> = whole.split_whitespace().collect();
    let mut blank = snapshot(100);
    blank.progress = Progress::default();
    for width in 0..=130 {
        for height in [0, 1, 2, 3, 5, 9, 10, 19, 20, 24, 41] {
            drawn(&blank, (width, height));
            let picture = words(&drawn(&snapshot(100), (width, height)));
            // Below the names and the bar, lines that tell of calls and of the generator.
            for line in
                picture.lines().filter(|line| line.starts_with("calls ") || line.starts_with("generator "))
            {
                // Panels side by side are parted by at least two cells.
                for word in
                    line.split_whitespace().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
                {
                    assert!(figures.contains(&word), "{word:?} at {width}x{height}\n{picture}");
                }
            }
        }
    }
}

#[test]
fn what_is_broken_is_never_cut_and_the_list_of_faults_comes_before_a_chart() {
    let mut shown = snapshot(2);
    let broken = |phase: &str, metric: &str| BrokenThreshold {
        phase: phase.to_owned(),
        metric: metric.to_owned(),
        limit: "250ms".to_owned(),
        at_ms: 11_000,
    };
    shown.progress.broken = vec![
        broken("strike", "heartbeat.response.p99"),
        broken("recover", "freshness.crashed_to_expired.p99"),
    ];
    for (width, said) in [
        (100, "2 thresholds are broken, the first: strike heartbeat.response.p99 (limit 250ms), at 11.0 s"),
        (70, "2 broken: strike heartbeat.response.p99 (limit 250ms), at 11.0 s"),
        (50, "2 broken: strike heartbeat.response.p99, at 11.0 s"),
        (40, "2 broken: strike heartbeat.response.p99"),
        (32, "2 broken: heartbeat.response.p99"),
        (24, "2 thresholds are broken"),
        (20, "2 broken"),
    ] {
        let picture = words(&drawn(&shown, (width, 12)));
        assert!(picture.lines().any(|line| line == said), "{width}\n{picture}");
    }
    for kinds in [0, 2, 100] {
        let picture = words(&drawn(&snapshot(kinds), (80, 24)));
        let whole =
            ["storm", "crash", "restart", "blip"].iter().all(|name| picture.contains(&format!("{name} (")));
        assert!(whole || !picture.contains("by second"), "{picture}");
    }
}

#[test]
fn a_run_that_is_told_to_end_says_so_and_so_does_one_without_a_process_to_see() {
    let mut shown = snapshot(0);
    shown.is_ending = true;
    shown.progress.target_pss_bytes = 0;
    shown.progress.heartbeat_us = None;
    holds("ending", &words(&drawn(&shown, (80, 24))));
}

//! What a terminal shows. `GOLDEN=write cargo test -p reports --test all terminal` writes the pictures anew; look at them
//! then.

use std::path::Path;

use reports::result::{RequirementVerdict, RunReport, Verdict};
use reports::terminal::Looks;

use crate::{compared, sample};

/// No terminal, a usual one, a narrow one.
const WIDTHS: [Option<usize>; 3] = [None, Some(80), Some(40)];

fn shown(report: &RunReport, looks: Looks) -> String {
    let mut bytes = Vec::new();
    reports::terminal::write(report, looks, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A run that says nothing, as its generator fell behind.
fn invalid() -> RunReport {
    let mut report = sample::passed();
    report.verdict = Verdict::Invalid;
    report.reasons = vec![
        "the limit of 256 calls in flight was hit: it held back 8955 of 539937 calls (1.66 %; at most 1 % may be)"
            .into(),
        "TIME-2 is undecided: no view fell early enough".into(),
        "register.response.p99 in ramp had nothing to measure".into(),
    ];
    report.thresholds[0].value.clear();
    let undecided = &mut report.requirements[2];
    (undecided.verdict, undecided.decided) = (RequirementVerdict::Undecided, 0);
    undecided.detail = "no view fell early enough".into();
    report
}

/// A run that the user ended.
fn interrupted() -> RunReport {
    let mut report = sample::passed();
    (report.verdict, report.interrupted) = (Verdict::Invalid, true);
    report.reasons = vec!["the run was ended early by the user".into()];
    report
}

/// A run with a name for everything that is as long as a name may be.
fn long_names() -> RunReport {
    let mut report = sample::failed();
    let long = "a-name-of-sixty-four-characters-which-is-the-most-that-there-may";
    report.scenario = long.into();
    report.thresholds[1].phase = long.into();
    report.faults[0].name = long.into();
    let stats = report.calls["list"].clone();
    report.calls.insert(long.into(), stats);
    report
}

/// Whether a line may be longer than the terminal: it is there to be copied, or has a name that is nearly as long.
fn may_go_on(line: &str, width: usize) -> bool {
    let is_copied = |word: &&str| line.trim_start().starts_with(*word);
    ["again", "asked: ", "got: ", "curl: "].iter().any(is_copied)
        || line.split_whitespace().any(|word| word.chars().count() + 12 > width)
}

fn holds(name: &str, width: Option<usize>, picture: &str) {
    if let Some(width) = width {
        for line in picture.lines().filter(|line| !may_go_on(line, width)) {
            assert!(line.chars().count() <= width, "{name}: {line:?}\n{picture}");
        }
    }
    let width = width.map_or("no-terminal".to_owned(), |width| width.to_string());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/terminal");
    let path = folder.join(format!("{name}-{width}.txt"));
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&path, picture).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(picture, expected, "{}\n{picture}", path.display());
}

#[test]
fn every_verdict_has_its_picture_at_every_width() {
    for (name, report) in [
        ("pass", sample::passed()),
        ("fail", sample::failed()),
        ("invalid", invalid()),
        ("interrupted", interrupted()),
        ("conformance", sample::conformance()),
        ("long-names", long_names()),
    ] {
        for width in WIDTHS {
            holds(name, width, &shown(&report, Looks { coloured: false, width }));
        }
    }
}

#[test]
fn a_comparison_has_its_picture_at_every_width() {
    let compared = compared::before_and_after();
    for width in WIDTHS {
        let mut bytes = Vec::new();
        reports::compare::write(&compared, Looks { coloured: false, width }, &mut bytes).unwrap();
        holds("compare", width, &String::from_utf8(bytes).unwrap());
    }
}

#[test]
fn no_width_changes_a_word_or_a_figure() {
    let sorted = |text: &str| {
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words.dedup();
        words
    };
    for report in [sample::passed(), sample::failed(), invalid(), long_names()] {
        let whole = shown(&report, Looks::default()).replace(':', "");
        for width in 0..=130 {
            let folded = shown(&report, Looks { coloured: false, width: Some(width) }).replace(':', "");
            assert_eq!(sorted(&whole), sorted(&folded), "{width}\n{folded}");
        }
    }
}

#[test]
fn why_a_run_failed_comes_first_and_how_to_repeat_it_last() {
    for width in WIDTHS {
        let shown = shown(&sample::failed(), Looks { coloured: false, width });
        assert!(shown.starts_with("FAIL  quickstart: TIME-2 is broken:"), "{shown}");
        assert!(
            shown.ends_with("again      wallflower loadtest scenarios/quickstart.toml --seed 1\n"),
            "{shown}"
        );
    }
}

#[test]
fn colour_comes_only_if_told_and_changes_no_word() {
    let report = sample::failed();
    for width in WIDTHS {
        let coloured = shown(&report, Looks { coloured: true, width });
        assert!(coloured.starts_with("\x1b[1;31mFAIL\x1b[0m"), "{coloured:?}");
        let mut bare = coloured;
        for code in ["\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, shown(&report, Looks { coloured: false, width }));
    }
}

#[test]
fn sections_without_content_are_left_out() {
    let shown = shown(&sample::conformance(), Looks::default());
    for word in ["thresholds", "calls   ", "generator", "agents"] {
        assert!(!shown.contains(word), "{word:?} in\n{shown}");
    }
    assert!(shown.contains("3 of 4 requirements held, none was broken."), "{shown}");
}

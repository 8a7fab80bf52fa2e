//! Text of a registry, an agent or a scenario steers nothing.

use reports::result::RunReport;
use reports::terminal::Looks;

use crate::page::page;
use crate::sample;

/// Everything that has a meaning somewhere.
const HOSTILE: &str =
    "</script><script>alert(1)</script><!--&amp;\"'`]]>|*_\u{1b}[31m\u{0}\u{7}\u{202e}\u{feff}\nrow";

/// A report with it wherever text can come from outside.
fn hostile() -> RunReport {
    let mut report = sample::failed();
    let text = || HOSTILE.to_owned();
    for place in [
        &mut report.scenario,
        &mut report.description,
        &mut report.plan_hash,
        &mut report.started_at,
        &mut report.command,
        &mut report.wallflower,
        &mut report.scenario_text,
        &mut report.target.url,
        &mut report.target.dialect,
        &mut report.environment.kernel,
        &mut report.environment.processor,
    ] {
        *place = text();
    }
    report.reasons = vec![text(), text()];
    for threshold in &mut report.thresholds {
        (threshold.phase, threshold.metric) = (text(), text());
        (threshold.value, threshold.limit) = (text(), text());
    }
    for requirement in &mut report.requirements {
        (requirement.id, requirement.level, requirement.text) = (text(), text(), text());
        (requirement.detail, requirement.rerun) = (text(), text());
        // An agent's own words in the picture as well: as a deadline, and as what a view is said to have shown.
        requirement.timeline = vec![
            text(),
            format!("   1.000 ms  list shows {HOSTILE}, answered at 2.000 ms"),
            format!("   3.000 ms  | {HOSTILE}"),
            format!("   4.000 ms  renew {HOSTILE}  <== WRONG"),
        ];
    }
    for fault in &mut report.faults {
        (fault.name, fault.kind, fault.phase) = (text(), text(), text());
    }
    for phase in &mut report.phases {
        (phase.name, phase.kind) = (text(), text());
    }
    let stats = report.calls.remove("probe").unwrap();
    report.calls.insert(text(), stats);
    for stats in report.calls.values_mut() {
        stats.by_result.remove("timeout");
        stats.by_result.insert(text(), 1);
    }
    report
}

fn has_hidden(text: &str) -> Option<char> {
    text.chars().find(|&c| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{feff}'))
}

#[test]
fn the_page_has_no_tag_that_was_not_written_here() {
    let count = |page: &str, tag: &str| page.matches(tag).count();
    let (tame, wild) = (page(&sample::failed()), page(&hostile()));
    for tag in ["<script", "</script", "<!--", "<style", "<b ", "<i ", "<img", "<iframe", "onerror="] {
        assert_eq!(count(&wild, tag), count(&tame, tag), "{tag}");
    }
    assert!(!wild.contains("<script>alert"));
    assert_eq!(has_hidden(&wild.replace('\t', " ")), None);
    let json = wild.split("id=\"chart-data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    let name = data["phases"][0]["name"].as_str().unwrap();
    assert!(name.starts_with("</script><script>alert(1)"), "the chart draws it as text: {name}");
}

#[test]
fn the_terminal_gets_no_control_character_and_no_extra_row() {
    for width in [None, Some(80), Some(40), Some(0)] {
        let mut bytes = Vec::new();
        reports::terminal::write(&hostile(), Looks { coloured: false, width }, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(has_hidden(&text), None, "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with("row")), "{width:?}\n{text}");
    }
}

#[test]
fn the_xml_stays_well_formed() {
    let mut bytes = Vec::new();
    reports::junit::write(&hostile(), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let mut reader = quick_xml::Reader::from_str(&text);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}")) {
            quick_xml::events::Event::Start(element) => assert_ne!(element.name().as_ref(), b"script"),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(has_hidden(&text), None, "{text:?}");
}

#[test]
fn the_summary_has_no_markup_that_was_not_written_here() {
    let mut bytes = Vec::new();
    reports::markdown::write(&hostile(), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(has_hidden(&text), None, "{text:?}");
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        assert!(!line.contains("<script"), "{line}");
        assert!(!line.starts_with("row"), "{line}");
        if line.starts_with('|') {
            let cells = line.replace("\\|", "").matches('|').count();
            assert!([5, 6, 9].contains(&cells), "{cells} in {line}");
        }
    }
}

//! One history out of several files.

use reports::history::{Abilities, FORMAT, ProcessChange, ProcessEvent, RunHeader};

use super::*;

fn header() -> Line {
    Line::Run(RunHeader {
        format: FORMAT,
        name: "t".to_owned(),
        seed: 7,
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        dialect: "wallflower".to_owned(),
        abilities: Abilities::ALL,
        policies: std::collections::BTreeMap::new(),
        transition_bound_ms: 50,
        claims: Vec::new(),
    })
}

fn event(e_us: u64) -> Line {
    Line::Process(ProcessEvent { event: ProcessChange::Paused, s_us: 0, e_us })
}

fn end(lost_lines: u64) -> RunEnd {
    RunEnd { at_us: 99, slack_us: 3, lost_lines, tripwire: true }
}

fn write(path: &Path, lines: &[Line], torn: &str) {
    let mut bytes = Vec::new();
    lines.iter().for_each(|line| write_line(&mut bytes, line).unwrap());
    bytes.extend_from_slice(torn.as_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn parts_become_one_history_in_the_order_of_time_and_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    let parts: Vec<PathBuf> = (0..3).map(|number| part_of(&history, number)).collect();
    let instants: [&[u64]; 3] = [&[5, 30], &[1, 7, 40], &[]];
    for (path, instants) in parts.iter().zip(instants) {
        let mut lines = vec![header()];
        lines.extend(instants.iter().map(|us| event(*us)));
        lines.push(Line::End(end(1)));
        write(path, &lines, "");
    }
    join(&history, &parts, &end(4)).unwrap();
    let text = std::fs::read_to_string(&history).unwrap();
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut expected = vec![header()];
    expected.extend([1, 5, 7, 30, 40].map(event));
    expected.push(Line::End(end(4)));
    assert_eq!(lines, expected);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the whole is left");
}

#[test]
fn a_part_that_ends_in_the_middle_of_a_line_gives_its_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    let parts = [part_of(&history, 0), part_of(&history, 1)];
    write(&parts[0], &[header(), event(2), Line::End(end(0))], "");
    write(&parts[1], &[header(), event(1)], "{\"line\":\"call\",\"op");
    join(&history, &parts, &end(0)).unwrap();
    assert_eq!(std::fs::read_to_string(&history).unwrap().lines().count(), 4);
}

#[test]
fn a_part_that_is_not_there_is_an_error_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    let parts = [part_of(&history, 0), part_of(&history, 1)];
    write(&parts[0], &[header(), Line::End(end(0))], "");
    assert!(join(&history, &parts, &end(0)).is_err());
    assert!(parts[0].exists());
}

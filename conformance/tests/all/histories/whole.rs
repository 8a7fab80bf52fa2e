//! Histories that are no evidence, and what a report says of a failure.

use super::*;

#[test]
fn a_history_without_its_end_proves_nothing() {
    let mut story = Story::new().registers("a", (1_000, 2_000)).reads("a", (2_000, 2_500), None);
    story.fails_only(&["VIEW-2"]);
    story.end = None;
    story.fails_only(&[]);
    let row = story.row("VIEW-2");
    assert_eq!(row.verdict, RequirementVerdict::Undecided);
    assert!(row.detail.contains("cut off"), "{}", row.detail);
}

#[test]
fn a_history_that_lost_lines_proves_nothing() {
    let mut story = Story::new().registers("a", (1_000, 2_000)).reads("a", (2_000, 2_500), None);
    story.end.as_mut().unwrap().lost_lines = 3;
    let row = story.row("VIEW-2");
    assert_eq!(row.verdict, RequirementVerdict::Undecided);
    assert!(row.detail.contains("3 lines"), "{}", row.detail);
}

#[test]
fn a_history_of_another_format_is_refused() {
    let mut story = Story::new();
    story.header.format = 2;
    assert!(matches!(story.judged_by(&Ask::default()), Err(JudgeError::Format { found: 2, known: 1 })));
    let headless = judge(story.all_lines().into_iter().skip(1).map(Ok), &Ask::default());
    assert!(matches!(headless, Err(JudgeError::NoHeader)));
}

#[test]
fn a_malformed_line_is_named_by_its_number_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let header = serde_json::to_string(&Story::new().all_lines()[0]).unwrap();
    std::fs::write(&path, format!("{header}\n{{\"line\":\"call\",\"op\":\"dance\"}}\n")).unwrap();
    let error = conformance::judge::judge_file(&path, &Ask::default()).unwrap_err();
    assert!(matches!(error, JudgeError::Malformed { line: 2, .. }), "{error}");
    assert!(error.to_string().contains("unknown variant `dance`"), "{error}");
    let missing = conformance::judge::judge_file(&folder.path().join("none"), &Ask::default()).unwrap_err();
    assert!(matches!(missing, JudgeError::Read { .. }));
}

#[test]
fn too_few_decisive_samples_are_undecided() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
    let row = story.row("TIME-1");
    assert_eq!((row.verdict, row.decided), (RequirementVerdict::Undecided, 1));
}

#[test]
fn other_policies_and_another_bound_can_be_judged_by() {
    let story = Story::new()
        .registers("a", (1_000, 2_000))
        .reads("a", (3_000, 3_500), Some(Status::Healthy))
        .reads("a", (150_000, 150_500), Some(Status::Healthy));
    story.fails_only(&["TIME-3"]);
    let failed = |ask: &Ask| story.judged_by(ask).unwrap().failed();
    assert!(!failed(&Ask { transition_bound_ms: Some(100), ..Ask::default() }));
    let mut policies = story.header.policies.clone();
    policies.get_mut("default").unwrap().degraded_after_ms = Some(180);
    assert!(!failed(&Ask { policies: Some(policies.clone()), ..Ask::default() }));
    policies.remove("default");
    let asked = story.judged_by(&Ask { policies: Some(policies), ..Ask::default() });
    assert!(matches!(asked, Err(JudgeError::NoDefaultPolicy)));
}

#[test]
fn what_a_registry_cannot_do_is_not_applicable_with_the_reason() {
    let mut story = Story::new().registers("a", (1_000, 2_000));
    story.header.abilities.degraded = false;
    story.header.abilities.conditional_lists = false;
    for (id, reason) in [("TIME-1", "no degraded state"), ("VIEW-3", "no entity tag")] {
        let row = story.row(id);
        assert_eq!(row.verdict, RequirementVerdict::NotApplicable);
        assert!(row.detail.contains(reason), "{}", row.detail);
    }
}

#[test]
fn a_wave_that_was_asked_for_and_did_not_come_leaves_time_4_undecided() {
    let mut story = Story::new();
    for number in 0..30_u64 {
        let id = format!("a-{number}");
        story = story.registers(&id, (number * 10_000, number * 10_000 + 500));
        story =
            story.reads(&id, (number * 10_000 + 250_000, number * 10_000 + 250_500), Some(Status::Expired));
    }
    let verdict = |wave_agents: u64| {
        let judged = story.judged_by(&Ask { wave_agents, ..Ask::default() }).unwrap();
        judged.requirements.into_iter().find(|row| row.id == "TIME-4").unwrap()
    };
    assert_eq!(verdict(6).verdict, RequirementVerdict::Pass, "{:?}", verdict(6));
    assert_eq!(verdict(7).verdict, RequirementVerdict::Undecided);
}

#[test]
fn a_failure_explains_itself() {
    let story = Story::new()
        .registers("a", (1_000, 2_000))
        .reads("a", (3_000, 3_500), Some(Status::Healthy))
        .renews("a", (50_000, 51_000))
        .reads("a", (100_000, 100_500), Some(Status::Degraded));
    let ask = Ask { rerun: "wallflower conformance --only {id} --seed {seed}".to_owned(), ..Ask::default() };
    let judged = story.judged_by(&ask).unwrap();
    let row = judged.requirements.iter().find(|row| row.id == "TIME-1").unwrap();
    assert_eq!(row.rerun, "wallflower conformance --only TIME-1 --seed 7");
    assert!(row.detail.contains("from 100.000 to 100.500 ms, by at least 49.500 ms"), "{}", row.detail);
    let line = |words: &str| row.timeline.iter().position(|line| line.contains(words));
    let (beat, view, deadline) = (line("renew renewed"), line("WRONG"), line("D is reached"));
    assert!(beat.is_some() && beat < view && view < deadline, "{:#?}", row.timeline);
}

#[test]
fn only_what_was_selected_is_reported() {
    let story = Story::new().registers("a", (1_000, 2_000));
    let selection = conformance::catalogue::Selection::parse(None, &["time-2".to_owned()]).unwrap();
    let judged = story.judged_by(&Ask { selection, ..Ask::default() }).unwrap();
    let ids: Vec<&str> = judged.requirements.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["TIME-2"]);
}

/// So many rounds of ten agents that renew every 40 ms, with a list each round.
fn steady(rounds: u64) -> Judgement {
    let names: Vec<String> = (0..10).map(|number| format!("agent-{number}")).collect();
    let mut story = Story::new();
    for name in &names {
        story = story.registers(name, (1_000, 1_200));
    }
    for round in 1..=rounds {
        let now = round * 40_000;
        for name in &names {
            story = story.renews(name, (now, now + 200));
        }
        let all: Vec<(&str, Status)> = names.iter().map(|name| (name.as_str(), Status::Healthy)).collect();
        story = story.lists((now + 300, now + 400), 1, &all);
    }
    story.judged_by(&Ask { settle_every: 100, ..Ask::default() }).unwrap()
}

#[test]
fn what_is_kept_does_not_grow_with_the_history() {
    let (short, long) = (steady(50), steady(500));
    assert!(!long.failed(), "{:#?}", long.requirements);
    assert!(long.kept_peak <= short.kept_peak + 20, "{} after {}", long.kept_peak, short.kept_peak);
    assert!(long.kept_peak < 500, "{}", long.kept_peak);
}

#[test]
fn a_timeline_of_many_views_still_tells_of_the_heartbeat() {
    let seen = |story: Story, round: u64| {
        let at = 3_000 + round * 500;
        story.reads("a", (at, at + 100), Some(Status::Healthy))
    };
    let story = (0..100).fold(Story::new().registers("a", (1_000, 2_000)), seen);
    let timeline = story.reads("a", (60_000, 60_500), Some(Status::Expired)).row("TIME-2").timeline;
    assert!(timeline.len() <= 40, "{timeline:#?}");
    assert!(timeline[0].contains("register registered"), "{timeline:#?}");
    assert!(timeline[1].contains("views are left out"), "{timeline:#?}");
    assert!(timeline.iter().any(|line| line.contains("<== WRONG")), "{timeline:#?}");
    // As many views as there is room for are told of, nearest to the case.
    assert!(timeline.len() >= 39, "{timeline:#?}");
}

#[test]
fn a_wrong_expiry_is_counted_once_and_dated() {
    let story = Story::new()
        .registers("a", (1_000, 2_000))
        .reads("a", (3_000, 3_500), Some(Status::Healthy))
        .reads("a", (150_000, 150_500), Some(Status::Expired));
    let judgement = story.judged();
    assert_eq!((judgement.wrong_expiries, judgement.wrong_expiry_instants_us), (1, vec![150_500]));
    assert!(!story.row("TIME-2").timeline.is_empty());
}

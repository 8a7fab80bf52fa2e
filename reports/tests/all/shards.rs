//! The parts of a run: whether they belong together, what is put together of them, and how it is shown.

use reports::result::{MergedShard, RequirementReport, RequirementVerdict, RunReport, Shard, Verdict};
use reports::shards::{Part, in_order, merged, not_together, requirements};
use reports::terminal::Looks;

use crate::sample;

/// What a merged run tells of one of its shards.
pub(crate) fn merged_shard(number: u32) -> MergedShard {
    let whole = sample::passed();
    MergedShard {
        number,
        folder: format!("shard-{number}"),
        verdict: Verdict::Pass,
        began_at: "2026-01-02T03:04:05.000Z".into(),
        agents: 500,
        calls: 12_345,
        url: "http://registry:8000".into(),
        generator: whole.generator,
        environment: whole.environment,
        command: format!("wallflower loadtest quickstart.toml --shard {number}/2"),
    }
}

const VERSION: &str = "0.1.0";

fn part(number: u32, of: u32) -> RunReport {
    let shard = Shard { number, of, began_unix_us: 1_000_000 * u64::from(number), ..Shard::default() };
    RunReport { shard: Some(shard), wallflower: VERSION.into(), ..sample::passed() }
}

fn named(reports: Vec<RunReport>) -> Vec<(String, RunReport)> {
    ["a", "b", "c"].map(str::to_owned).into_iter().zip(reports).collect()
}

fn refused(reports: Vec<RunReport>) -> String {
    in_order(&named(reports), VERSION).expect_err("not the shards of one run").join("\n")
}

#[test]
fn the_parts_of_one_run_are_put_in_order() {
    let reports = named(vec![part(3, 3), part(1, 3), part(2, 3)]);
    let parts = in_order(&reports, VERSION).unwrap();
    let told: Vec<(&str, u32)> = parts.iter().map(|part| (part.folder, part.shard.number)).collect();
    assert_eq!(told, [("b", 1), ("c", 2), ("a", 3)]);
}

#[test]
fn parts_that_do_not_belong_together_are_refused_with_what_differs_and_where() {
    assert_eq!(refused(vec![part(1, 3), part(3, 3)]), "shard 2 of 3 is missing");
    assert_eq!(refused(vec![part(1, 2), part(1, 2), part(2, 2)]), "a and b are all shard 1 of 2");
    assert_eq!(refused(vec![part(1, 2), part(2, 3)]), "a and b: the numbers of shards differ: 2 and 3");
    let other = RunReport { seed: 9, ..part(2, 2) };
    assert_eq!(refused(vec![part(1, 2), other]), "a and b: the seeds differ: 1 and 9");
    let other = RunReport { plan_hash: "00ff".into(), ..part(2, 2) };
    assert!(refused(vec![part(1, 2), other]).contains("the plans differ: "));
    let text = part(2, 2).scenario_text.replace("seed = 1", "seed = 1\nmax_in_flight = 9");
    let other = RunReport { scenario_text: text, ..part(2, 2) };
    let words = refused(vec![part(1, 2), other]);
    assert_eq!(words, "a and b: the scenarios differ in `max_in_flight`: nothing and 9");
    let whole = RunReport { shard: None, ..part(2, 2) };
    assert_eq!(refused(vec![part(1, 1), whole]), "b is no shard: it was not run with --shard");
    let other = RunReport { wallflower: "0.0.9".into(), ..part(2, 2) };
    assert_eq!(refused(vec![part(1, 2), other]), "b was run by wallflower 0.0.9, this is 0.1.0");
}

fn requirement(id: &str, verdict: RequirementVerdict, decided: u64, samples: u64) -> RequirementReport {
    let detail = format!("{verdict:?}");
    RequirementReport {
        id: id.into(),
        verdict,
        decided,
        samples,
        broken: 0,
        detail,
        ..sample::failed().requirements[0].clone()
    }
}

#[test]
fn of_a_requirement_the_worst_verdict_stands_and_samples_add_up() {
    use RequirementVerdict::{Fail, Pass, Undecided};
    let with = |number, rows: Vec<RequirementReport>| RunReport { requirements: rows, ..part(number, 2) };
    let one = with(
        1,
        vec![
            requirement("FAILS", Pass, 5, 6),
            requirement("UNSURE", Pass, 5, 6),
            requirement("UNSEEN", Undecided, 0, 0),
            requirement("ALONE", Pass, 1, 1),
        ],
    );
    let two = with(
        2,
        vec![
            requirement("FAILS", Fail, 1, 2),
            requirement("UNSURE", Undecided, 0, 3),
            requirement("UNSEEN", Pass, 7, 7),
        ],
    );
    let reports = named(vec![one, two]);
    let rows = requirements(&in_order(&reports, VERSION).unwrap());
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.id.as_str(), row.verdict, row.decided, row.samples, row.detail.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("FAILS", Fail, 6, 8, "shard 2: Fail"),
            ("UNSURE", Undecided, 5, 9, "shard 2: Undecided"),
            ("UNSEEN", Pass, 7, 7, "shard 2: Pass"),
            ("ALONE", Pass, 1, 1, "shard 1: Pass"),
        ]
    );
}

#[test]
fn parts_that_began_far_apart_did_not_load_the_registry_together() {
    let apart = |us: u64| {
        let mut second = part(2, 2);
        second.shard = second.shard.map(|shard| Shard { began_unix_us: 1_000_000 + us, ..shard });
        let reports = named(vec![part(1, 2), second]);
        let parts: Vec<Part<'_>> = in_order(&reports, VERSION).unwrap();
        let merged = merged(&parts);
        let doubts = merged.notes.iter().any(|note| note.starts_with("That is more than 100 ms"));
        (merged.starts_apart_us, doubts, not_together(&merged).is_some())
    };
    assert_eq!(apart(100_000), (100_000, false, false));
    assert_eq!(apart(100_001), (100_001, true, false));
    assert_eq!(apart(1_000_000), (1_000_000, true, false));
    assert_eq!(apart(1_000_001), (1_000_001, true, true));
}

#[test]
fn a_part_is_compared_with_nothing_and_a_whole_with_any() {
    let unfit = reports::compare::unfit(&part(2, 3)).unwrap();
    assert_eq!(unfit, "it is shard 2 of 3: `wallflower report merge` makes a run of all of them");
    assert_eq!(reports::compare::unfit(&sample::passed()), None);
}

#[test]
fn a_part_and_a_whole_are_told_wherever_a_run_is() {
    let shown = |report: &RunReport| {
        let mut all = Vec::new();
        reports::terminal::write(report, Looks::default(), &mut all).unwrap();
        reports::markdown::write(report, &mut all).unwrap();
        reports::html::write(report, &mut all).unwrap();
        reports::junit::write(report, &mut all).unwrap();
        String::from_utf8(all).unwrap()
    };
    let told = shown(&part(2, 3));
    assert_eq!(told.matches("shard 2 of 3: thresholds").count(), 3);
    assert!(told.contains("name=\"shard\" value=\"2/3\""));
    let command = |number: u32| format!("wallflower loadtest quickstart.toml --shard {number}/2");
    let part_of = |number| RunReport { command: command(number), ..part(number, 2) };
    let reports = named(vec![part_of(1), part_of(2)]);
    let merged = merged(&in_order(&reports, VERSION).unwrap());
    let told = shown(&RunReport { merged: Some(merged), ..sample::passed() });
    assert_eq!(told.matches("merged from 2 shards that began 1.00 s apart").count(), 3);
    assert!(told.contains("name=\"merged_shards\" value=\"2\""));
    assert!(told.contains("Put together by: ") && !told.contains("Run it again"));
    assert!(told.contains("--shard 1/2"), "the commands of the shards");
    assert!(
        told.contains("1: a")
            && told.contains("2: b")
            && told.contains("Each requirement was judged in each shard")
    );
}

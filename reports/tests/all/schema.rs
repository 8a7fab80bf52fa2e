//! docs/report.schema.json: made from the types, closed, and every member told with its unit.

use reports::result::{MergedReport, Proof, RunReport, Shard};
use serde_json::{Value, json};

use crate::sample;
use crate::shards::merged_shard;

const PUBLISHED: &str = include_str!("../../../docs/report.schema.json");

fn published() -> Value {
    serde_json::from_str(PUBLISHED).unwrap()
}

fn faults(report: &Value) -> Vec<String> {
    let schema = jsonschema::validator_for(&published()).unwrap();
    schema.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn what_is_published_is_what_the_types_say() {
    let made = reports::schema::report_schema();
    let how = "cargo run -p reports --features schema --example report_schema > docs/report.schema.json";
    assert_eq!(published(), made, "docs/report.schema.json is old; make it anew: {how}");
}

#[test]
fn every_sample_is_as_the_schema_says() {
    for report in
        [sample::passed(), sample::failed(), sample::conformance(), sample::long(), sample::one_phase()]
    {
        let report = serde_json::to_value(&report).unwrap();
        assert_eq!(faults(&report), Vec::<String>::new());
    }
}

#[test]
fn the_schema_is_closed_wherever_a_member_may_stand() {
    let shard = Some(Shard { number: 1, of: 2, ..Shard::default() });
    let part = merged_shard(1);
    let merged = Some(MergedReport { shards: vec![part], ..MergedReport::default() });
    let mut whole = RunReport { shard, merged, ..sample::failed() };
    whole.requirements[2].proof = Some(Proof::default());
    let whole = serde_json::to_value(whole).unwrap();
    for place in [
        "",
        "/agents",
        "/calls/list",
        "/calls/list/response_us",
        "/phases/0",
        "/phases/0/target",
        "/thresholds/0",
        "/requirements/0",
        "/target",
        "/generator",
        "/intervals/0",
        "/environment",
        "/faults/0",
        "/freshness/0",
        "/baseline",
        "/shard",
        "/shard/timer_floor",
        "/merged",
        "/merged/shards/0",
        "/requirements/2/proof",
    ] {
        let mut report = whole.clone();
        let object = report.pointer_mut(place).unwrap_or_else(|| panic!("the sample has no {place}"));
        object["an_unknown_member"] = json!(1);
        assert!(!faults(&report).is_empty(), "{place} takes any member");
    }
    let mut report = whole;
    report["duration_ms"] = json!("long");
    assert!(faults(&report)[0].contains("duration_ms"), "{:?}", faults(&report));
}

/// A member that counts something says what, one that measures says its unit.
#[test]
fn every_member_is_described_and_durations_and_sizes_have_their_unit() {
    let schema = published();
    let mut seen = 0;
    let mut objects: Vec<&Value> = vec![&schema];
    objects.extend(schema["$defs"].as_object().unwrap().values());
    for (name, member) in objects.iter().filter_map(|it| it["properties"].as_object()).flatten() {
        let text = member["description"].as_str().unwrap_or_else(|| panic!("{name} is not described"));
        assert!(!text.contains("[`"), "{name}: a link that only rustdoc knows: {text}");
        for (ending, unit) in
            [("_ms", "illisecond"), ("_us", ""), ("_bytes", "bytes"), ("_seconds", "econds")]
        {
            assert!(!name.ends_with(ending) || text.contains(unit), "{name} lacks its unit: {text}");
        }
        seen += 1;
    }
    assert!(seen > 100, "only {seen} members");
}

//! Agents with versions, tags and labels from the seed.

use serde_json::{Value, json};

use crate::probe::Prober;

/// Pre-releases among them, and numbers whose order as text is another one.
pub(super) const VERSIONS: &[&str] = &[
    "0.3.1",
    "1.0.0-alpha",
    "1.0.0-alpha.2",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2.0",
    "1.10.0",
    "2.0.0-beta.2",
    "2.0.0-beta.11",
    "2.0.0",
];

/// Requirements with and without pre-releases in them.
pub(super) const REQUIREMENTS: &[&str] = &[
    "*",
    "^1",
    "<2",
    "~1.2",
    "^0.3",
    "=1.0.0-rc.1",
    ">=1.0.0-alpha.2",
    ">=2.0.0-beta.3",
    ">=1.2, <1.11",
    ">1.0.0-alpha, <1.0.0",
];

/// What is drawn for an agent.
type Traits = (usize, u8, u8, bool);

/// The documents of so many agents of a case. Every version is there if they are enough.
pub(super) fn population(prober: &Prober, case: &str, count: usize) -> Vec<Value> {
    let traits = (0..VERSIONS.len(), 0_u8..4, 0_u8..3, proptest::bool::weighted(0.3));
    let drawn = prober.draw(&proptest::collection::vec(traits, count)).unwrap_or_default();
    drawn.into_iter().enumerate().map(|(number, traits)| agent(prober, case, number, traits)).collect()
}

fn agent(prober: &Prober, case: &str, number: usize, traits: Traits) -> Value {
    let (other, tag_bits, zone, degraded) = traits;
    let own = prober.own(case);
    let tags: Vec<&str> = [(1, "fast"), (2, "eu")]
        .into_iter()
        .filter(|(bit, _)| tag_bits & bit != 0)
        .map(|(_, tag)| tag)
        .collect();
    let mut document = prober.document(case, &format!("{number:02}"));
    document["capabilities"] = json!([
        { "name": format!("{own}.geo"), "version": VERSIONS[number % VERSIONS.len()], "tags": tags },
        { "name": format!("{own}.weather"), "version": VERSIONS[other], "tags": ["fast"] },
    ]);
    if let Some(zone) = ["a", "b"].get(usize::from(zone)) {
        document["labels"]["zone"] = json!(zone);
    }
    if degraded {
        document["status"] = json!("degraded");
    }
    document
}

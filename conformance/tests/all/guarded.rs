//! GUARD-1 to GUARD-3 against the reference registry, and against one that a proxy spoils for each.

use crate::alone;
use crate::tampered::check;

/// A fault, what is asked of it, and exactly what fails by it.
const FAULTS: &[(&str, &[&str], &[&str])] = &[
    ("none", &["GUARD-1", "GUARD-2", "GUARD-3"], &[]),
    ("heartbeats-are-turned-away-too", &["GUARD-1", "GUARD-2"], &["GUARD-1"]),
    ("lists-are-turned-away-without-a-time", &["GUARD-1", "GUARD-2"], &["GUARD-1"]),
    ("wrong-tokens-are-let-in", &["GUARD-2"], &["GUARD-2"]),
    ("refused-but-done", &["GUARD-2"], &["GUARD-2"]),
    ("gone-are-kept", &["GUARD-2", "GUARD-3"], &["GUARD-3"]),
];

/// Every requirement that one of these faults breaks.
pub(crate) fn broken_ids() -> impl Iterator<Item = &'static str> {
    FAULTS.iter().flat_map(|(_, _, must)| must.iter().copied())
}

/// One after the other: a flood leaves no room for anything beside it.
#[tokio::test(flavor = "multi_thread")]
async fn each_tampered_registry_fails_on_what_its_fault_breaks_and_a_protected_one_passes() {
    let folder = tempfile::tempdir().unwrap();
    let chosen = std::env::var("FAULT").ok();
    let mut wrong = Vec::new();
    for (fault, asked, must) in
        FAULTS.iter().filter(|(name, ..)| chosen.as_deref().is_none_or(|chosen| chosen == *name))
    {
        wrong.extend(check(asked, fault, must, folder.path(), alone).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

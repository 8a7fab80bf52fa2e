//! The house rules that nobody should have to remember (see ARCHITECTURE.md).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE_LINES: usize = 400;

/// Crate, folder, and which of our crates it may depend on.
const WHO_MAY_IMPORT_WHOM: [(&str, &str, &[&str]); 8] = [
    ("registry-core", "registry/core", &[]),
    ("registry", "registry", &["registry-core"]),
    ("scenarios", "scenarios", &[]),
    ("reports", "reports", &[]),
    ("agent-sim", "agent-sim", &["scenarios", "reports"]),
    ("conformance", "conformance", &["agent-sim", "scenarios", "reports"]),
    ("bench", "bench", &[]),
    ("wallflower", ".", &["registry", "agent-sim", "conformance", "scenarios", "reports"]),
];

/// What only one place may name.
const HOMES: [(&str, &[&str]); 9] = [
    ("sqlx::", &["registry/src/store/sqlite", "bench/src/yardsticks"]),
    ("rmcp::", &["registry/src/mcp", "bench/src/yardsticks"]),
    ("reqwest::", &["agent-sim/src/client"]),
    ("mio::", &["agent-sim/src/load"]),
    ("httparse::", &["agent-sim/src/load/network"]),
    ("ratatui::", &["src/live"]),
    ("procfs::", &["agent-sim/src/process", "registry/src/seal"]),
    ("Instant::now", &["registry/src/clock.rs", "agent-sim/src/clock.rs", "bench/src/clock.rs"]),
    ("SystemTime::now", &["registry/src/clock.rs", "agent-sim/src/clock.rs", "bench/src/clock.rs"]),
];

/// What the pure rules must not know.
const NOT_IN_THE_CORE: [&str; 6] = ["std::net", "std::fs", "std::io", "std::thread", "SystemTime", "tokio"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') && name != "node_modules" {
                rust_files(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    rust_files(&root(), &mut found);
    assert!(found.len() > 30, "the walk found only {} files", found.len());
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    let faults: Vec<_> = sources()
        .iter()
        .filter(|(_, text)| text.lines().count() > LONGEST_FILE_LINES)
        .map(|(name, text)| format!("{name}: {} lines, at most {LONGEST_FILE_LINES}", text.lines().count()))
        .collect();
    assert_none(&faults);
}

#[test]
fn crates_import_only_whom_they_may() {
    let ours: BTreeSet<&str> = WHO_MAY_IMPORT_WHOM.iter().map(|(name, ..)| *name).collect();
    let mut faults = Vec::new();
    for (name, folder, allowed) in WHO_MAY_IMPORT_WHOM {
        let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some(name), "{folder}");
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for dependency in dependencies.keys().filter(|key| ours.contains(key.as_str())) {
            if !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_judge_never_names_the_registry_that_it_judges() {
    let faults: Vec<_> = sources()
        .iter()
        .filter(|(name, _)| name.starts_with("conformance/src") || name.starts_with("agent-sim/src"))
        .filter(|(_, text)| text.contains("registry::") || text.contains("registry_core"))
        .map(|(name, _)| {
            format!("{name} names the registry's crates: the contract is written twice on purpose")
        })
        .collect();
    assert_none(&faults);
}

#[test]
fn heavy_dependencies_and_the_clock_have_one_home_each() {
    let mut faults = Vec::new();
    for (name, text) in sources() {
        // Tests and their helper programs may drive what they test; this file names the words itself.
        if name.contains("/tests/") || name.starts_with("tests/") || name.contains("/examples/") {
            continue;
        }
        for (word, homes) in HOMES {
            if text.contains(word) && !homes.iter().any(|home| name.starts_with(home)) {
                faults.push(format!("{name}: `{word}` belongs in {}", homes.join(" or ")));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_core_knows_no_clock_no_chance_and_no_machine() {
    let mut faults = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| name.starts_with("registry/core/src")) {
        let code =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for word in NOT_IN_THE_CORE {
            if code.contains(word) {
                faults.push(format!("{name} names `{word}`"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn every_crate_root_opens_with_a_map_of_its_modules() {
    let mut faults = Vec::new();
    for (_, folder, _) in WHO_MAY_IMPORT_WHOM {
        let library = format!("{folder}/src/lib.rs");
        let file = if root().join(&library).exists() { library } else { format!("{folder}/src/main.rs") };
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let map: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")) else {
                continue;
            };
            let module = rest.trim_end_matches(';');
            if !module.contains(' ') && !map.contains(&format!("`{module}`")) {
                faults.push(format!("{file}: the map does not name `{module}`"));
            }
        }
    }
    assert_none(&faults);
}

//! docs/metrics.md, the exposition, the alerts and the dashboard name the same metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;
use tempfile::tempdir;

use crate::support::{Registry, full, lean};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Name, kind and labels of each row.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let unquoted = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let text = read("docs/metrics.md");
    let rows = text.lines().filter(|line| line.starts_with("| `registry_")).map(|line| {
        let cells: Vec<&str> = line.split('|').collect();
        assert_eq!(cells.len(), 6, "{line}");
        assert!(cells[4].trim().ends_with('.'), "says what it is, in a sentence: {line}");
        let labels = cells[3].split(',').map(unquoted).filter(|label| !label.is_empty()).collect();
        (unquoted(cells[1]), (unquoted(cells[2]), labels))
    });
    let rows: Vec<_> = rows.collect();
    let table: BTreeMap<_, _> = rows.iter().cloned().collect();
    assert_eq!(table.len(), rows.len(), "a metric has one row");
    table
}

/// The same of an exposition. A family without a series has no line, so every kind of thing must have happened.
fn exposed(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            current = name.to_owned();
            families.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&current), "{line} under {current}");
            let labels =
                line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(labels, _)| labels);
            let names = labels.unwrap_or_default().split("\",").filter_map(|label| label.split('=').next());
            let names = names.filter(|name| !name.is_empty() && *name != "le").map(str::to_owned);
            families.get_mut(&current).unwrap().1.extend(names);
        }
    }
    families
}

#[tokio::test]
async fn the_table_and_the_exposition_name_the_same_metrics_kinds_and_labels() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["brief=10ms,20ms,30ms,60s"]).await;
    registry.beat(full("a")).await;
    registry.beat(lean("a")).await;
    registry.get("/metrics").await;
    let exposition = registry.get("/metrics").await.body;
    assert_eq!(exposed(&exposition), documented(), "{exposition}");
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn figures_tell_what_happened() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["brief=10ms,20ms,30ms,60s"]).await;
    registry.beat(json!({ "agent_id": "a", "agent_type": "brief", "capabilities": [] })).await;
    registry.beat(json!({ "agent_id": "b", "agent_type": "whim", "capabilities": [] })).await;
    registry.beat(lean("b")).await;
    registry.call("DELETE", "/agents/b", &[], b"").await;
    crate::support::eventually("a expires", async || {
        registry.get("/agents/a").await.json()["status"] == "expired"
    })
    .await;
    let text = registry.get("/metrics").await.body;
    for line in [
        "registry_agents{status=\"expired\",type=\"brief\"} 1",
        "registry_agents{status=\"healthy\",type=\"default\"} 0",
        "registry_leases_ended_total{reason=\"expired\",type=\"brief\"} 1",
        "registry_leases_ended_total{reason=\"deregistered\",type=\"other\"} 1",
        "registry_leases_ended_total{reason=\"replaced\",type=\"default\"} 0",
        "registry_heartbeats_total{result=\"renewed\"} 1",
        "registry_heartbeat_age_seconds_count 1",
        "registry_heartbeat_age_seconds_bucket{le=\"+Inf\"} 1",
        "registry_transition_lag_seconds_count 2",
        "registry_sealed 0",
        "registry_store_failing 0",
        concat!("registry_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in {text}");
    }
    registry.stop().await.unwrap();
}

#[test]
fn alerts_and_dashboard_name_only_metrics_and_labels_that_exist() {
    let table = documented();
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.iter().all(|panel| !panel["targets"].as_array().unwrap().is_empty()));
    for (file, least) in [("deploy/alerts.yml", 6), ("deploy/grafana-dashboard.json", 12)] {
        let text = read(file);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let named: BTreeSet<&str> =
            words.filter(|word| word.starts_with("registry_") && *word != "registry_full").collect();
        assert!(named.len() >= least, "{file} names only {named:?}");
        for name in named {
            let is_series = |suffix: &str| {
                let family = name.strip_suffix(suffix).and_then(|family| table.get(family));
                family.is_some_and(|(kind, _)| kind == "histogram")
            };
            let is_known = table.get(name).is_some_and(|(kind, _)| kind != "histogram")
                || ["_bucket", "_sum", "_count"].into_iter().any(is_series);
            assert!(is_known, "{file}: {name} is not in docs/metrics.md");
        }
    }
}

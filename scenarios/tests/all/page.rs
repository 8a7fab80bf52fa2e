//! docs/scenarios.md: every example is a good file, and every key is there with its default.

use crate::rendered;
use crate::schema::{each_section, schema};

const PAGE: &str = include_str!("../../../docs/scenarios.md");

/// The examples with the names that they have.
fn examples() -> Vec<(String, String)> {
    let blocks = PAGE.split("\n```toml\n").skip(1);
    blocks
        .map(|block| {
            let text = block.split("\n```").next().unwrap();
            let name =
                text.lines().find_map(|line| line.strip_prefix("# file: ")).expect("a line `# file: `");
            (name.to_owned(), format!("{text}\n"))
        })
        .collect()
}

#[test]
fn every_example_is_a_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    for (name, text) in &examples {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (name, _) in &examples {
        if let Err(error) = scenarios::load(&folder.path().join(name), &[]) {
            panic!("{name}\n{}", rendered(&error));
        }
    }
}

#[test]
fn every_key_has_a_row_with_its_default() {
    let schema = schema();
    for (what, section) in each_section(&schema) {
        for (key, property) in section["properties"].as_object().unwrap() {
            let begin = format!("| `{key}` |");
            let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with(&begin)).collect();
            assert!(!rows.is_empty(), "{what}: no row for `{key}`");
            let Some(default) = property.get("default").filter(|default| **default != "") else { continue };
            let wanted = format!("| `{default}` |");
            assert!(rows.iter().any(|row| row.contains(&wanted)), "{what}: no {wanted} in {rows:?}");
        }
    }
}

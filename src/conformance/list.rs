//! `wallflower conformance --list`: the catalogue as a table.

use std::io::Write as _;

use conformance::catalogue::{Selection, beyond_a_url};

/// Prints what is selected; then what a URL alone does not decide, and why.
pub(super) fn print(selection: &Selection) {
    let mut out = std::io::stdout().lock();
    let line = |[id, level, profile, url, text]: [&str; 5]| {
        format!("{id:<10} {level:<6} {profile:<9} {url:<4} {text}")
    };
    let mut lines = vec![line(["ID", "LEVEL", "PROFILE", "URL", "TEXT"])];
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in selection.rows() {
        let beyond = beyond_a_url(row);
        let url = if beyond.is_some() { "no" } else { "yes" };
        lines.push(line([row.id, row.level.name(), row.profile.name(), url, row.text]));
        if let Some(reason) = beyond {
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, ids)) => ids.push(row.id),
                None => reasons.push((reason, vec![row.id])),
            }
        }
    }
    if !reasons.is_empty() {
        lines.push("\nNot tested where only a URL is given, and why (docs/conformance.md):".to_owned());
        lines.extend(reasons.iter().map(|(reason, ids)| format!("  {}: {reason}", ids.join(", "))));
    }
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}

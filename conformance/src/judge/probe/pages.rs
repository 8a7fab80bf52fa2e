//! VIEW-7: the pages of one cursor chain are one revision.

use serde_json::Value;

use super::model::{agents, body, difference, revision, step, steps};
use super::{Findings, Known, Talk};

/// The pages of a chain together are the whole list that was seen at the chain's revision.
pub(super) fn view_7(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let Some(whole) = step(talk, "whole") else { return };
    let pages = steps(talk, "page");
    let (Some(first), Some(last)) = (pages.first(), pages.last()) else { return };
    // A cursor may be too old on a registry that others change as well; an answer that never came proves nothing.
    if pages.iter().any(|page| matches!(page.status(), None | Some(410 | 500..))) {
        findings.sample();
        return;
    }
    let expected = revision(whole);
    if expected.is_none() || revision(first) != expected {
        findings.sample();
        return;
    }
    let mut entries: Vec<Value> = Vec::new();
    for page in &pages {
        if page.status() != Some(200) {
            let told = format!("A cursor that was just handed out was answered {:?}.", page.status());
            return findings.decide(page, Err(told));
        }
        if revision(page) != expected {
            let told = format!("A page shows revision {:?} in a chain of {expected:?}.", revision(page));
            return findings.decide(page, Err(told));
        }
        entries.extend(agents(&body(page)));
    }
    let result = match difference(&entries, &agents(&body(whole))) {
        Some(words) => {
            Err(format!("The pages together are not the list of their revision {expected:?}: {words}."))
        }
        None => Ok(()),
    };
    findings.decide(last, result);
}

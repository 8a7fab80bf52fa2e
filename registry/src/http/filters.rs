//! Filters that several lists have, read from the query.

use std::collections::BTreeSet;

use registry_core::agent::Status;
use registry_core::document::Requirement;
use registry_core::intake::{TAGS, VERSION_BYTES};
use registry_core::search::{QUERY_BYTES, QUERY_WORDS, Query};

use super::query::Parameters;

pub(super) fn statuses(parameters: &mut Parameters) -> BTreeSet<Status> {
    let mut statuses = BTreeSet::new();
    for text in parameters.all("status") {
        match Status::ALL.into_iter().find(|status| status.as_str() == text) {
            Some(status) => {
                statuses.insert(status);
            }
            None => {
                parameters.fault("status", format!("is {text:?}; allowed are healthy, degraded and expired"));
            }
        }
    }
    statuses
}

/// As many as a capability can have: more would match none.
pub(super) fn tags(parameters: &mut Parameters) -> BTreeSet<String> {
    let tags = parameters.all("tag");
    if tags.len() > TAGS {
        parameters.fault("tag", format!("is given {} times, at most {TAGS} are allowed", tags.len()));
    }
    tags.into_iter().take(TAGS).collect()
}

pub(super) fn version(parameters: &mut Parameters) -> Option<Requirement> {
    parameters.parsed("version", |text| {
        if text.len() > VERSION_BYTES {
            return Err(format!("at most {VERSION_BYTES} bytes are allowed"));
        }
        let allowed = "allowed is a SemVer requirement such as `^1.2` or `>=1.2, <2`";
        Requirement::parse(text).map_err(|error| format!("{error}; {allowed}"))
    })
}

pub(super) fn query(parameters: &mut Parameters) -> Option<Query> {
    parameters.parsed("q", |text| {
        Query::parse(text)
            .ok_or_else(|| format!("allowed are 1 to {QUERY_WORDS} words in at most {QUERY_BYTES} bytes"))
    })
}

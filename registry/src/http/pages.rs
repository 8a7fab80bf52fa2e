//! What lists have in common: `limit` and `cursor`, tags, and gluing serialised entries together.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use registry_core::listing::{Cursor, CursorFault, Page, PageRequest, View};

use super::problem::Problem;
use super::query::Parameters;
use super::{conditional, json_text};
use crate::shared::Shared;

/// The most entries of a page.
pub(crate) const LARGEST_LIMIT: usize = 10_000;
const DEFAULT_LIMIT: usize = 1_000;

pub(super) fn page_request(parameters: &mut Parameters) -> PageRequest {
    let limit = parameters.parsed("limit", |text| match text.parse() {
        Ok(limit) if (1..=LARGEST_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(format!("allowed is 1 to {LARGEST_LIMIT}")),
    });
    let cursor = parameters.parsed("cursor", |text| {
        Cursor::parse(text).ok_or_else(|| "it is no cursor of this registry".to_owned())
    });
    PageRequest { limit: limit.unwrap_or(DEFAULT_LIMIT), cursor }
}

/// Answers with a page, or with 304 when the asker has it. `member` names the entries.
pub(super) fn answer(
    shared: &Shared,
    headers: &HeaderMap,
    view: &View,
    request: &PageRequest,
    member: &str,
) -> Response {
    enum Found {
        Known(String),
        New { tag: String, page: Page, store_id: std::sync::Arc<str> },
    }
    let found: Result<Found, CursorFault> = shared.with_core(|core, moment| {
        let tag = core.tag(moment, view, request)?;
        if conditional::is_known(headers, &tag) {
            return Ok(Found::Known(tag));
        }
        let page = core.list(moment, view, request)?;
        Ok(Found::New { tag, page, store_id: std::sync::Arc::clone(&core.setup().store_id) })
    });
    match found {
        Err(fault) => Problem::from(fault).into_response(),
        Ok(Found::Known(tag)) => conditional::not_modified(&tag),
        Ok(Found::New { tag, page, store_id }) => {
            conditional::tagged(json_text(body(&page, &store_id, member)), &tag)
        }
    }
}

fn body(page: &Page, store_id: &str, member: &str) -> Body {
    let next_cursor = page.next_cursor.as_ref().map_or("null".to_owned(), |cursor| format!("\"{cursor}\""));
    let revision = page.revision.0;
    let head = format!(
        "{{\"store_id\":\"{store_id}\",\"revision\":{revision},\"next_cursor\":{next_cursor},\"{member}\":["
    );
    let entries = page.entries();
    let size = head.len() + entries.iter().map(|entry| entry.len() + 1).sum::<usize>() + 2;
    let mut body = String::with_capacity(size);
    body.push_str(&head);
    for (position, entry) in entries.iter().enumerate() {
        if position > 0 {
            body.push(',');
        }
        body.push_str(entry);
    }
    body.push_str("]}");
    body.into()
}

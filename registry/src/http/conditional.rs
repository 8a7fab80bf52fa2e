//! Entity tags (RFC 9110, sections 8.8.3 and 13.1.2).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Whether `If-None-Match` names this tag. The comparison is the weak one, as the RFC demands for this header.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let fields = headers.get_all(header::IF_NONE_MATCH);
    fields.iter().filter_map(|field| field.to_str().ok()).any(|field| names(field, tag))
}

/// Our tags hold no comma, so that a list can be cut at commas: a foreign tag with one falls apart into pieces that
/// match nothing of ours.
fn names(field: &str, tag: &str) -> bool {
    field.trim() == "*" || field.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

/// An answer 304, without a body.
pub(super) fn not_modified(tag: &str) -> Response {
    tagged((StatusCode::NOT_MODIFIED, Body::empty()).into_response(), tag)
}

/// The answer with its tag. `no-cache` makes caches ask each time, which is what the tag is for.
pub(super) fn tagged(mut answer: Response, tag: &str) -> Response {
    let headers = answer.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_knows_stars_lists_and_weak_tags() {
        for field in ["*", "\"a\"", "W/\"a\"", "\"x\", \"a\"", "\"x\",W/\"a\" , \"y\""] {
            assert!(names(field, "\"a\""), "{field}");
        }
        for field in ["", "a", "\"b\"", "\"x\", \"b\"", "\"a", "\"*\""] {
            assert!(!names(field, "\"a\""), "{field}");
        }
    }
}

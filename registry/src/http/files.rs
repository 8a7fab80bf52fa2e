//! What never changes while the program runs: the page for people and the OpenAPI document.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::encoding::{self, Coding};
use super::problem::Problem;
use super::{conditional, query};
use crate::openapi;
use crate::shared::Shared;

/// What the page may do: load its own two files, and ask its own registry. No inline script, no frame, no form.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'self'; script-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(page))
        .route("/page.css", get(style))
        .route("/page.js", get(script))
        .route("/openapi.json", get(document))
}

async fn page(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    file(&uri, &headers, "text/html; charset=utf-8", include_str!("page/page.html"))
}

async fn style(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    file(&uri, &headers, "text/css; charset=utf-8", include_str!("page/page.css"))
}

async fn script(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    file(&uri, &headers, "text/javascript; charset=utf-8", include_str!("page/page.js"))
}

fn file(
    uri: &Uri,
    headers: &HeaderMap,
    content_type: &'static str,
    text: &'static str,
) -> Result<Response, Problem> {
    query::none(uri)?;
    let tag = tag(text);
    if conditional::is_known(headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let mut answer = conditional::tagged(text.into_response(), &tag);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(answer)
}

async fn document(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let text = openapi::document();
    let tag = tag(text);
    let accepted = encoding::accepted(&headers);
    let mut variants = accepted.iter().chain([&Coding::Identity]).map(|coding| coding.tag(&tag));
    if let Some(known) = variants.find(|variant| conditional::is_known(&headers, variant)) {
        return Ok(encoding::varied(conditional::not_modified(&known)));
    }
    let text =
        encoding::Text { key: &tag, bytes: text.len(), route: "/openapi.json", write: || text.to_owned() };
    let (coding, text) = encoding::write(&shared, &accepted, text).await?;
    Ok(conditional::tagged(encoding::written(coding, text), &coding.tag(&tag)))
}

/// A strong tag: other bytes have another one. The hash is the same in every process of one build, and a build that
/// hashes otherwise only makes readers load the file once more.
fn tag(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"file-{:016x}\"", hasher.finish())
}

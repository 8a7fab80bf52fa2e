//! Who provides what.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;
use registry_core::listing::{CapabilityFilter, View};

use super::problem::Problem;
use super::query::Parameters;
use super::{filters, pages};
use crate::shared::Shared;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/capabilities", get(list))
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = |parameters: &mut Parameters| {
        View::Capabilities(CapabilityFilter {
            name: parameters.one("name"),
            prefix: parameters.one("prefix"),
            tags: filters::tags(parameters),
            version: filters::version(parameters),
            statuses: filters::statuses(parameters),
            query: filters::query(parameters),
        })
    };
    pages::list(&shared, &uri, &headers, "capabilities", view).await
}

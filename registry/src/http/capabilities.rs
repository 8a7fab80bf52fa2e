//! Who provides what.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;
use registry_core::listing::View;

use super::pages;
use super::problem::Problem;
use super::query::Parameters;
use crate::shared::Shared;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/capabilities", get(list))
}

async fn list(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(&uri);
    let page = pages::page_request(&mut parameters);
    let name = parameters.one("name");
    parameters.finish()?;
    Ok(pages::answer(&shared, &headers, &View::Capabilities { name }, &page, "capabilities"))
}

//! Who provides what.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;
use registry_core::listing::{CapabilityFilter, View};

use super::polls::Question;
use super::problem::Problem;
use super::query::Parameters;
use super::{filters, pages, polls};
use crate::shared::Shared;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/capabilities", get(list))
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::of(&uri, &headers);
    if let Some(question) = &question
        && let Some(answer) = polls::known(&shared, question, &headers).await
    {
        return Ok(answer);
    }
    let mut parameters = Parameters::of(&uri);
    let request = pages::list_request(&mut parameters, &headers);
    let filter = CapabilityFilter {
        name: parameters.one("name"),
        prefix: parameters.one("prefix"),
        tags: filters::tags(&mut parameters),
        version: filters::version(&mut parameters),
        statuses: filters::statuses(&mut parameters),
        query: filters::query(&mut parameters),
    };
    parameters.finish()?;
    let made =
        pages::answer(&shared, &headers, &View::Capabilities(filter), &request, "capabilities").await?;
    Ok(polls::keep(&shared, question, made))
}

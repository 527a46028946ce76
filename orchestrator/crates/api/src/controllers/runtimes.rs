//! Runtimes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::{ErrorBody, RuntimeList};
use cloudbox_http::api::Api;
use cloudbox_http::auth::Caller;

/// List the runtimes, with what is here and what is not.
#[utoipa::path(get, path = "/api/runtimes", tag = "runtimes",
    responses((status = 200, body = RuntimeList), (status = 401, body = ErrorBody)), security(("bearer" = [])))]
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn list(_: Caller, State(api): State<Arc<Api>>) -> Json<RuntimeList> {
    Json(RuntimeList { items: api.backend.runtimes(), next_cursor: None })
}

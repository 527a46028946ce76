//! What the service keeps, and what of it nothing refers to any more.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::{CollectGarbage, ErrorBody, Garbage};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::OptionalJson;

/// Seconds of the longest grace.
const MAX_GRACE_S: u64 = 31_536_000;

/// Remove what no version, function or running deployment refers to any more: artefacts, packages, sets of dependencies,
/// images, and objects of the object store. With `dry_run`, say what would go.
#[utoipa::path(post, path = "/api/storage/gc", tag = "storage",
    request_body(content = CollectGarbage, description = "May be left out"),
    responses((status = 200, body = Garbage), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn collect(
    caller: Caller,
    State(api): State<Arc<Api>>,
    OptionalJson(order): OptionalJson<CollectGarbage>,
) -> Result<Json<Garbage>, ApiError> {
    access::projects(caller)?;
    let order = order.unwrap_or_default();
    if order.grace_s.is_some_and(|grace| grace > MAX_GRACE_S) {
        return Err(ApiError::invalid_field("grace_s", format!("must be from 0 to {MAX_GRACE_S} (seconds)")));
    }
    Ok(Json(api.backend.collect_garbage(order).await?))
}

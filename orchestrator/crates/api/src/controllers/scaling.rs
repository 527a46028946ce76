//! How many sandboxes a function may have, and has.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::{ErrorBody, Scaling, ScalingPatch};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{JsonObject, Path};
use cloudbox_http::settings::scaling;

use super::functions::update;

/// Read how many sandboxes a function may have, and how many it has on this node, by state and version.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/scaling", tag = "functions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    responses((status = 200, body = Scaling), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
) -> Result<Json<Scaling>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    Ok(Json(Scaling::new(&function, api.backend.instances(function.id))))
}

/// Change how many sandboxes a function may have. Those that serve it follow at once, without a deploy.
#[utoipa::path(patch, path = "/api/projects/{project}/functions/{function}/scaling", tag = "functions",
    request_body = ScalingPatch,
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    responses((status = 200, body = Scaling), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn change(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    JsonObject(fields): JsonObject,
) -> Result<Json<Scaling>, ApiError> {
    let before = access::function(&api, caller, &project, &function).await?;
    let settings = scaling::patch(&before.settings, fields)?;
    let after = update(&api, before, settings).await?;
    Ok(Json(Scaling::new(&after, api.backend.instances(after.id))))
}

//! Runtimes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::{ErrorBody, InstallRuntime, Runtime, RuntimeList};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{OptionalJson, Path};
use http::StatusCode;

use super::GONE;

/// List the runtimes, with what is here and what is not.
#[utoipa::path(get, path = "/api/runtimes", tag = "runtimes",
    responses((status = 200, body = RuntimeList), (status = 401, body = ErrorBody)), security(("bearer" = [])))]
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn list(_: Caller, State(api): State<Arc<Api>>) -> Json<RuntimeList> {
    Json(RuntimeList { items: api.backend.runtimes(), next_cursor: None })
}

/// Read a runtime: its state, and what an installation is at.
#[utoipa::path(get, path = "/api/runtimes/{name}", tag = "runtimes",
    params(("name" = String, Path, description = "Such as nodejs20")),
    responses((status = 200, body = Runtime), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn read(
    _: Caller,
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Runtime>, ApiError> {
    found(&api, &name).map(Json)
}

/// Install a runtime: its toolchain is fetched in the background, by the ordinary client of its registry, or taken from an
/// image.
///
/// 202 where that was begun or goes on, 200 where the runtime is here. `state` and `detail` say how it goes. An `image` takes the
/// place of what the runtime has now, which serves meanwhile; it needs the Docker driver.
#[utoipa::path(post, path = "/api/runtimes/{name}/install", tag = "runtimes",
    params(("name" = String, Path, description = "Such as nodejs20")), request_body = Option<InstallRuntime>,
    responses((status = 200, body = Runtime), (status = 202, body = Runtime), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn install(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    OptionalJson(body): OptionalJson<InstallRuntime>,
) -> Result<(StatusCode, Json<Runtime>), ApiError> {
    access::projects(caller)?;
    let image = body.and_then(|body| body.image);
    let is_begun = api.backend.install_runtime(&name, image.as_deref())?;
    let status = if is_begun { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(found(&api, &name)?)))
}

/// Remove a runtime that was installed; 409 where a version needs it, or while it is being installed.
#[utoipa::path(delete, path = "/api/runtimes/{name}", tag = "runtimes",
    params(("name" = String, Path, description = "Such as nodejs20")),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn remove(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    access::projects(caller)?;
    api.backend.remove_runtime(&name).await?;
    Ok(GONE)
}

fn found(api: &Api, name: &str) -> Result<Runtime, ApiError> {
    let found = api.backend.runtimes().into_iter().find(|runtime| runtime.name == name);
    found.ok_or_else(|| ApiError::not_found("runtime"))
}

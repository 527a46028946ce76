//! Functions by their ids alone, as a dashboard lists them, and no deploy step. The project is the one that the header
//! `X-Project-Id` or the host names, else the default one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api::controllers::answer::Made;
use cloudbox_api::controllers::{GONE, functions};
use cloudbox_api_types::dashboard::ListedFunction;
use cloudbox_api_types::{ErrorBody, List, NewFunction};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, Tenant, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Fields, JsonObject, Path, Query};
use cloudbox_http::settings;
use http::StatusCode;

use crate::at_once;

/// `requires_api_key` is the opposite of `is_public`.
fn translated(mut body: Fields) -> Fields {
    body.rename("requiresApiKey", "requires_api_key");
    if let Some(is_needed) = body.flag("requires_api_key") {
        body.put_default("is_public", !is_needed);
    }
    body
}

/// Make a function, and deploy its code where it has some. Calls need no credential unless `requires_api_key` says so.
#[utoipa::path(post, path = "/api/functions", tag = "dashboard", request_body = NewFunction,
    params(("X-Project-Id" = Option<String>, Header, description = "Id or slug")),
    responses((status = 201, body = ListedFunction, headers(("location" = String, description = "Where it is read"))),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn create(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    JsonObject(body): JsonObject,
) -> Result<Made<ListedFunction>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let mut body = translated(body);
    body.put_default("is_public", true);
    let settings = settings::create(body, &api.known_runtimes(), &api.ranges)?;
    let function = at_once::create(&api, project.id, settings).await?;
    let path = format!("/api/functions/{}", function.id);
    Ok(Made { path, made: ListedFunction::new(function, &api.public_url) })
}

/// List a project's functions.
#[utoipa::path(get, path = "/api/functions", tag = "dashboard",
    params(("X-Project-Id" = Option<String>, Header, description = "Id or slug"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<ListedFunction>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    query: Query,
) -> Result<Json<List<ListedFunction>>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let page = functions::page(&api, project.id, &query).await?;
    Ok(Json(List::from_page(page, |function| ListedFunction::new(function, &api.public_url))))
}

/// Read a function.
#[utoipa::path(get, path = "/api/functions/{function}", tag = "dashboard",
    params(("function" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 200, body = ListedFunction), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(function): Path<String>,
) -> Result<Json<ListedFunction>, ApiError> {
    api.backend.flush().await;
    let function = access::function_meant(&api, caller, &project, &function).await?;
    Ok(Json(ListedFunction::new(function, &api.public_url)))
}

/// Change a function, and deploy it where that is needed.
#[utoipa::path(patch, path = "/api/functions/{function}", tag = "dashboard",
    request_body = cloudbox_api_types::FunctionPatch,
    params(("function" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 200, body = ListedFunction), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn change(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(function): Path<String>,
    JsonObject(body): JsonObject,
) -> Result<Json<ListedFunction>, ApiError> {
    let before = access::function_meant(&api, caller, &project, &function).await?;
    let after = at_once::change(&api, before, translated(body)).await?;
    Ok(Json(ListedFunction::new(after, &api.public_url)))
}

/// Delete a function with its versions and records.
#[utoipa::path(delete, path = "/api/functions/{function}", tag = "dashboard",
    params(("function" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(function): Path<String>,
) -> Result<StatusCode, ApiError> {
    let function = access::function_meant(&api, caller, &project, &function).await?;
    functions::remove(&api, &function).await?;
    Ok(GONE)
}

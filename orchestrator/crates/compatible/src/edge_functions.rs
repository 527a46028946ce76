//! Edge functions: camel case, milliseconds, and no deploy step. A path has no project: the header `X-Project-Id` or the
//! host names it, else it is the default one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api::controllers::answer::Made;
use cloudbox_api::controllers::{GONE, functions};
use cloudbox_api_types::edge_function::{EdgeFunction, EdgeInvocation};
use cloudbox_api_types::{ErrorBody, List};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, Tenant, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{JsonObject, Path, Query, page_request};
use cloudbox_http::settings;
use cloudbox_store::RecordFilter;
use http::StatusCode;

use crate::at_once;

mod fields;
pub mod invoke;

/// Make an edge function, and deploy its code where it has some.
#[utoipa::path(post, path = "/api/edge-functions", tag = "edge functions",
    request_body(content = fields::EdgeFunctionFields),
    params(("X-Project-Id" = Option<String>, Header, description = "Id or slug")),
    responses((status = 201, body = EdgeFunction, headers(("location" = String, description = "Where it is read"))),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn create(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    JsonObject(body): JsonObject,
) -> Result<Made<EdgeFunction>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let settings = settings::create(fields::of_create(body), &api.known_runtimes(), &api.ranges)?;
    let function = at_once::create(&api, project.id, settings).await?;
    let path = format!("/api/edge-functions/{}", function.id);
    Ok(Made { path, made: EdgeFunction::new(function, &api.public_url) })
}

/// List a project's functions.
#[utoipa::path(get, path = "/api/edge-functions", tag = "edge functions",
    params(("X-Project-Id" = Option<String>, Header, description = "Id or slug"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<EdgeFunction>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    query: Query,
) -> Result<Json<List<EdgeFunction>>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let page = functions::page(&api, project.id, &query).await?;
    Ok(Json(List::from_page(page, |function| EdgeFunction::new(function, &api.public_url))))
}

/// Read a function.
#[utoipa::path(get, path = "/api/edge-functions/{id}", tag = "edge functions",
    params(("id" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 200, body = EdgeFunction), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(id): Path<String>,
) -> Result<Json<EdgeFunction>, ApiError> {
    api.backend.flush().await;
    let function = access::function_meant(&api, caller, &project, &id).await?;
    Ok(Json(EdgeFunction::new(function, &api.public_url)))
}

/// Change a function, and deploy it where that is needed.
#[utoipa::path(patch, path = "/api/edge-functions/{id}", tag = "edge functions",
    request_body(content = fields::EdgeFunctionFields),
    params(("id" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 200, body = EdgeFunction), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn change(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(id): Path<String>,
    JsonObject(body): JsonObject,
) -> Result<Json<EdgeFunction>, ApiError> {
    let before = access::function_meant(&api, caller, &project, &id).await?;
    let after = at_once::change(&api, before, fields::of_change(body)).await?;
    Ok(Json(EdgeFunction::new(after, &api.public_url)))
}

/// Delete a function with its versions and records.
#[utoipa::path(delete, path = "/api/edge-functions/{id}", tag = "edge functions",
    params(("id" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let function = access::function_meant(&api, caller, &project, &id).await?;
    functions::remove(&api, &function).await?;
    Ok(GONE)
}

/// List a function's calls, newest first.
#[utoipa::path(get, path = "/api/edge-functions/{id}/logs", tag = "edge functions",
    params(("id" = String, Path, description = "Id, or a name in the project that is meant"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<EdgeInvocation>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn logs(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<List<EdgeInvocation>>, ApiError> {
    let function = access::function_meant(&api, caller, &project, &id).await?;
    let page = page_request(&query)?;
    api.backend.flush().await;
    let page = api.store.records(function.id, &RecordFilter::default(), page).await?;
    Ok(Json(List::from_page(page, EdgeInvocation::from)))
}

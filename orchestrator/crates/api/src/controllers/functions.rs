//! Functions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::{ErrorBody, Function, FunctionPatch, List, NewFunction};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{JsonObject, Path, Query, page_request};
use cloudbox_http::settings;
use cloudbox_store::{FunctionPatch as RowPatch, NewFunction as NewRow};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{Function as Row, Page, ProjectId};
use http::StatusCode;

use super::GONE;
use super::answer::Made;

/// Make a function, as a draft: a deploy makes it callable.
#[utoipa::path(post, path = "/api/projects/{project}/functions", tag = "functions", request_body = NewFunction,
    params(("project" = String, Path, description = "Id or slug")),
    responses((status = 201, body = Function, headers(("location" = String, description = "Where it is read"))), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn create(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
    JsonObject(fields): JsonObject,
) -> Result<Made<Function>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let settings = settings::create(fields, &api.known_runtimes(), &api.ranges)?;
    let function = api.store.create_function(NewRow { project_id: project.id, settings }).await?;
    let path = format!("/api/projects/{}/functions/{}", function.project_id, function.id);
    Ok(Made { path, made: Function::new(function, &api.public_url) })
}

/// List a project's functions.
#[utoipa::path(get, path = "/api/projects/{project}/functions", tag = "functions",
    params(("project" = String, Path, description = "Id or slug"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<Function>), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
    query: Query,
) -> Result<Json<List<Function>>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let page = page(&api, project.id, &query).await?;
    Ok(Json(List::from_page(page, |function| Function::new(function, &api.public_url))))
}

/// Read a function.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}", tag = "functions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    responses((status = 200, body = Function), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
) -> Result<Json<Function>, ApiError> {
    api.backend.flush().await;
    let function = access::function(&api, caller, &project, &function).await?;
    Ok(Json(Function::new(function, &api.public_url)))
}

/// Change a function. A change of code is seen by calls after the next deploy, a change of limits at once.
#[utoipa::path(patch, path = "/api/projects/{project}/functions/{function}", tag = "functions",
    request_body = FunctionPatch,
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    responses((status = 200, body = Function), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn change(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    JsonObject(fields): JsonObject,
) -> Result<Json<Function>, ApiError> {
    let before = access::function(&api, caller, &project, &function).await?;
    let settings = settings::patch(&before.settings, fields, &api.known_runtimes(), &api.ranges)?;
    let after = update(&api, before, settings).await?;
    Ok(Json(Function::new(after, &api.public_url)))
}

/// Delete a function with its versions and records.
#[utoipa::path(delete, path = "/api/projects/{project}/functions/{function}", tag = "functions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    remove(&api, &function).await?;
    Ok(GONE)
}

/// A page of a project's functions, with the calls that were counted until now.
///
/// # Errors
/// What is wrong with `limit` or `cursor`; the store's.
pub async fn page(api: &Api, project: ProjectId, query: &Query) -> Result<Page<Row>, ApiError> {
    let page = page_request(query)?;
    api.backend.flush().await;
    let page = api.store.functions(project, page).await?;
    api.backend.settled().await;
    Ok(page)
}

/// Keeps other settings, and has calls see them; nothing where they are as they were.
///
/// # Errors
/// `CONFLICT` where another change came first, or the name is taken; the store's.
pub async fn update(api: &Api, before: Row, settings: FunctionSettings) -> Result<Row, ApiError> {
    if settings == before.settings {
        return Ok(before);
    }
    let patch = RowPatch::new(&before, settings);
    let after = api.store.update_function(before.id, patch).await?;
    let version = match after.active_version {
        Some(number) => api.store.version(after.id, number).await?,
        None => None,
    };
    api.backend.function_changed(after.clone(), version);
    Ok(after)
}

/// Deletes a function with its versions and records, and what runs of it.
///
/// # Errors
/// The store's.
pub async fn remove(api: &Api, function: &Row) -> Result<(), ApiError> {
    api.store.delete_function(function.id).await?;
    api.backend.function_deleted(function.project_id, function.id);
    Ok(())
}

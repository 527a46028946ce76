//! The function service's routes: functions by project and name, answers that say `success`, and no deploy step.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cloudbox_api::controllers::functions;
use cloudbox_api_types::function_service::{CodeAnswer, Done, FunctionAnswer, FunctionsAnswer, ServiceError};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, MaybeCaller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{JsonObject, Path, Query};
use cloudbox_http::settings;
use cloudbox_types::{ErrorCode, Function};
use http::{StatusCode, header};

use crate::at_once;

mod fields;
pub mod invoke;

/// Says `success: false` in every error of these routes.
pub async fn say_success(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().get_mut::<ApiError>() {
        error.body.extra.insert("success".to_owned(), false.into());
    }
    response
}

fn shown(function: Function) -> Json<FunctionAnswer> {
    Json(FunctionAnswer { success: true, function: function.into() })
}

fn made(function: Function) -> Response {
    let path = format!("/api/functions/{}/{}", function.project_id, function.settings.name);
    (StatusCode::CREATED, [(header::LOCATION, path)], shown(function)).into_response()
}

/// Read a function; a public one without a credential.
#[utoipa::path(get, path = "/api/v1/functions/{project}/{name}", tag = "function service",
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "Or id")),
    responses((status = 200, body = FunctionAnswer), (status = "4XX", body = ServiceError)),
    security((), ("bearer" = [])))]
pub async fn look(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
) -> Result<Json<FunctionAnswer>, ApiError> {
    let entry = access::public(&api, caller.0, &project, &name).await?;
    api.backend.flush().await;
    // The entry doesn't count calls.
    let function = api.store.function(entry.function.id).await?;
    function.map(shown).ok_or_else(|| ApiError::not_found("function"))
}

/// Read a function.
#[utoipa::path(get, path = "/api/functions/{project}/{name}", tag = "function service",
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "Or id")),
    responses((status = 200, body = FunctionAnswer), (status = "4XX", body = ServiceError)),
    security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
) -> Result<Json<FunctionAnswer>, ApiError> {
    api.backend.flush().await;
    Ok(shown(access::function(&api, caller, &project, &name).await?))
}

/// Read a function's code.
#[utoipa::path(get, path = "/api/functions/code/{project}/{name}", tag = "function service",
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "Or id")),
    responses((status = 200, body = CodeAnswer), (status = "4XX", body = ServiceError)), security(("bearer" = [])))]
pub async fn code(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
) -> Result<Json<CodeAnswer>, ApiError> {
    Ok(Json(access::function(&api, caller, &project, &name).await?.into()))
}

/// List a project's functions.
#[utoipa::path(get, path = "/api/v1/projects/{project}/functions", tag = "function service",
    params(("project" = String, Path, description = "Id or slug"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = FunctionsAnswer), (status = "4XX", body = ServiceError)), security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
    query: Query,
) -> Result<Json<FunctionsAnswer>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let page = functions::page(&api, project.id, &query).await?;
    let next_cursor = page.next.map(|next| next.to_string());
    let functions = page.items.into_iter().map(Into::into).collect();
    Ok(Json(FunctionsAnswer { success: true, functions, next_cursor }))
}

/// List a project's functions.
#[utoipa::path(get, path = "/api/functions/projects/{project}", tag = "function service",
    params(("project" = String, Path, description = "Id or slug"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = FunctionsAnswer), (status = "4XX", body = ServiceError)), security(("bearer" = [])))]
pub async fn list_of_project(
    caller: Caller,
    api: State<Arc<Api>>,
    project: Path<String>,
    query: Query,
) -> Result<Json<FunctionsAnswer>, ApiError> {
    list(caller, api, project, query).await
}

/// Make a function, and deploy its code where it has some.
#[utoipa::path(post, path = "/api/functions/projects/{project}", tag = "function service",
    request_body(content = fields::FunctionFields),
    params(("project" = String, Path, description = "Id or slug")),
    responses((status = 201, body = FunctionAnswer), (status = "4XX", body = ServiceError)), security(("bearer" = [])))]
pub async fn create(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let body = fields::of_create(body);
    let settings = settings::create(body, &api.known_runtimes(), &api.ranges)?;
    Ok(made(at_once::create(&api, project.id, settings).await?))
}

/// Change a function, and deploy it where that is needed.
#[utoipa::path(patch, path = "/api/functions/{project}/{name}", tag = "function service",
    request_body(content = fields::FunctionFields),
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "Or id")),
    responses((status = 200, body = FunctionAnswer), (status = "4XX", body = ServiceError)), security(("bearer" = [])))]
pub async fn change(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
    JsonObject(body): JsonObject,
) -> Result<Json<FunctionAnswer>, ApiError> {
    let before = access::function(&api, caller, &project, &name).await?;
    Ok(shown(at_once::change(&api, before, fields::of_change(body)).await?))
}

/// Switch a function on or off, or change it in another way.
#[utoipa::path(patch, path = "/api/v1/functions/{project}/{name}", tag = "function service",
    request_body(content = fields::FunctionFields),
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "Or id")),
    responses((status = 200, body = FunctionAnswer), (status = "4XX", body = ServiceError)), security(("bearer" = [])))]
pub async fn switch(
    caller: Caller,
    api: State<Arc<Api>>,
    path: Path<(String, String)>,
    body: JsonObject,
) -> Result<Json<FunctionAnswer>, ApiError> {
    change(caller, api, path, body).await
}

/// Delete a function with its versions and records.
#[utoipa::path(delete, path = "/api/functions/{project}/{name}", tag = "function service",
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "Or id")),
    responses((status = 200, body = Done), (status = "4XX", body = ServiceError)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
) -> Result<Json<Done>, ApiError> {
    let function = access::function(&api, caller, &project, &name).await?;
    functions::remove(&api, &function).await?;
    Ok(Json(Done { success: true }))
}

/// What a build registers: makes the function or changes the one of this name, and deploys it.
#[utoipa::path(post, path = "/api/functions/register", tag = "function service",
    request_body(content = fields::Registration),
    responses((status = 201, body = FunctionAnswer, description = "It is new"),
        (status = 200, body = FunctionAnswer, description = "It was there"), (status = "4XX", body = ServiceError)),
    security(("bearer" = [])))]
pub async fn register(
    caller: Caller,
    State(api): State<Arc<Api>>,
    JsonObject(mut body): JsonObject,
) -> Result<Response, ApiError> {
    let (project, name) = fields::named(&mut body)?;
    let project = access::project(&api, caller, &project).await?.id;
    let found = access::function(&api, caller, &project.to_string(), &name).await;
    let before = match found {
        Ok(function) => function,
        Err(error) if error.body.code == ErrorCode::NotFound => {
            let body = fields::of_create(body);
            let settings = settings::create(body, &api.known_runtimes(), &api.ranges)?;
            return Ok(made(at_once::create(&api, project, settings).await?));
        }
        Err(error) => return Err(error),
    };
    Ok(shown(at_once::change(&api, before, fields::of_change(body)).await?).into_response())
}

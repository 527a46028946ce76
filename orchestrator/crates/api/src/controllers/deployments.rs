//! Deployments: begin one, wait for it, read them, follow their logs, call them off.

mod follow;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cloudbox_api_types::{DeployStarted, Deployed, Deployment, ErrorBody, List, LogEvent};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Path, Query, page_request};
use cloudbox_http::package::{has_package, receive};
use cloudbox_store::Begin;
use cloudbox_types::{Deployment as Row, DeploymentStatus, ErrorCode};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, sleep};

use super::packages;

/// How long a deployment that was called off may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Deploy a function: build its code into a version, and make that the active one.
#[utoipa::path(post, path = "/api/projects/{project}/functions/{function}/deploy", tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"),
        ("wait" = Option<bool>, Query, description = "Answer when it is done"),
        ("activate" = Option<bool>, Query, description = "Whether calls get the new version; default true")),
    request_body(description = "A package that becomes the function's source first; may be left out",
        content((Vec<u8> = "application/gzip"), (Vec<u8> = "application/zip"), (Object = "multipart/form-data"))),
    responses((status = 202, body = DeployStarted), (status = 200, body = Deployed, description = "With `wait`"),
        (status = 422, body = ErrorBody, description = "With `wait`: the build failed"),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn deploy(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    let mut function = access::function(&api, caller, &project, &function).await?;
    let is_waiting = query.flag("wait")?;
    let activates = query.get("activate").is_none() || query.flag("activate")?;
    if has_package(request.headers()) && !request.body().is_end_stream() {
        let kept = receive(&api, request).await?;
        function = packages::become_source(&api, function, &kept).await?;
    }
    let begin = Begin { author: caller.name().to_owned(), activates, ..Begin::default() };
    let begun = api.backend.begin_deployment(&function, &begin).await?;
    let started = DeployStarted {
        status: begun.status.as_str().to_owned(),
        version: begun.version,
        deployment_id: begun.id.0,
    };
    let running = api.backend.deploy(begun);
    if !is_waiting {
        return Ok((StatusCode::ACCEPTED, Json(started)).into_response());
    }
    let ended = running.await?;
    if ended.status != DeploymentStatus::Deployed {
        return Err(failed(ended));
    }
    let function = api.store.function(function.id).await?;
    let shown = Deployment::from(ended);
    let answer = Deployed {
        status: shown.status,
        version: shown.version,
        deployment_id: shown.id,
        resolved_runtime: function.and_then(|function| function.resolved_runtime),
        stages: shown.stages,
        build_logs: shown.build_logs,
    };
    Ok(Json(answer).into_response())
}

/// What a caller who waited reads of a deployment that failed.
#[must_use]
pub fn failed(deployment: Row) -> ApiError {
    let sentence = deployment.error.unwrap_or_else(|| "the deployment failed".to_owned());
    let mut error = ApiError::new(ErrorCode::DeploymentError, sentence);
    error.body.build_logs = Some(deployment.build_logs);
    error.body.stage = Some(deployment.stage.as_str().to_owned());
    error.body.deployment_id = Some(deployment.id.0);
    error
}

/// List a function's deployments, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/deployments", tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<Deployment>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    query: Query,
) -> Result<Json<List<Deployment>>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let page = api.store.deployments(function.id, page_request(&query)?).await?;
    api.backend.settled().await;
    Ok(Json(List::from_page(page, |row| shown(&api, row))))
}

/// Read a deployment.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/deployments/{id}", tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("id" = i64, Path)),
    responses((status = 200, body = Deployment), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, id)): Path<(String, String, String)>,
) -> Result<Json<Deployment>, ApiError> {
    let deployment = access::deployment(&api, caller, (&project, &function, &id)).await?;
    Ok(Json(shown(&api, deployment)))
}

/// A deployment as it is shown: with its place in the queue.
fn shown(api: &Api, deployment: Row) -> Deployment {
    let queue_place = api.backend.queue_place(deployment.id);
    Deployment { queue_place, ..deployment.into() }
}

/// Call off a deployment that waits or runs: its build sandbox is ended, and it is `failed` with that reason.
#[utoipa::path(post, path = "/api/projects/{project}/functions/{function}/deployments/{id}/cancel",
    tag = "deployments", params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("id" = i64, Path)),
    responses((status = 200, body = Deployment, description = "It has ended"),
        (status = 202, body = Deployment, description = "It was told to end, and is about to"),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn cancel(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, id)): Path<(String, String, String)>,
) -> Result<(StatusCode, Json<Deployment>), ApiError> {
    let mut deployment = access::deployment(&api, caller, (&project, &function, &id)).await?;
    let has_ended = || ApiError::new(ErrorCode::Conflict, format!("deployment {id} has ended already"));
    if deployment.status != DeploymentStatus::Building {
        return Err(has_ended());
    }
    let is_here = api.backend.cancel_deployment(deployment.id, CANCELLED);
    let end = Instant::now() + ENDS_WITHIN;
    while is_here && deployment.status == DeploymentStatus::Building && Instant::now() < end {
        sleep(LOOK_EVERY).await;
        let found = api.store.deployment(deployment.id).await?;
        deployment = found.ok_or_else(|| ApiError::not_found("deployment"))?;
        api.backend.settled().await;
    }
    match deployment.status {
        // It had its version when it was told.
        DeploymentStatus::Deployed => Err(has_ended()),
        DeploymentStatus::Failed => Ok((StatusCode::OK, Json(shown(&api, deployment)))),
        DeploymentStatus::Building if is_here => Ok((StatusCode::ACCEPTED, Json(shown(&api, deployment)))),
        DeploymentStatus::Building => Err(ApiError::new(
            ErrorCode::Conflict,
            format!("deployment {id} is not built by this service; it ends when the one that builds it ends"),
        )),
    }
}

/// Why a deployment that was called off is failed.
const CANCELLED: &str = "cancelled: the deployment was called off";

/// Read or follow a deployment's build logs: an event `log` for each line as it comes, `stage` as stages begin and end, `queued`
/// while it waits for its turn, then `end` with the deployment. `Last-Event-ID` goes on from there.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/deployments/{id}/logs", tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("id" = i64, Path),
        ("follow" = Option<bool>, Query, description = "Stream until the deployment ends"),
        ("Last-Event-ID" = Option<String>, Header, description = "With `follow`: the last event that is known")),
    responses((status = 200, content((LogEvent = "text/event-stream"), (String = "text/plain"))),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn logs(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, id)): Path<(String, String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let deployment = access::deployment(&api, caller, (&project, &function, &id)).await?;
    if !query.flag("follow")? {
        return Ok(deployment.build_logs.into_response());
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    Ok(Sse::new(follow::events(api, deployment, last)).keep_alive(KeepAlive::default()).into_response())
}

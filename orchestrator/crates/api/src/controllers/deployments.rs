//! Deployments: begin one, wait for it, read them, follow their logs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cloudbox_api_types::{DeployStarted, Deployed, Deployment, ErrorBody, List, LogEvent};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Path, Query, has_package, page_request, receive};
use cloudbox_store::Begin;
use cloudbox_types::{Deployment as Row, DeploymentStatus, ErrorCode};
use futures::Stream;
use http::StatusCode;

use super::answer::async_stream;
use super::packages;

/// How often a followed deployment is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
    let begin = Begin { author: caller.name().to_owned(), activates };
    let begun = api.store.begin_deployment_as(function.id, &begin).await?;
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
    Ok(Json(List::from_page(page, Deployment::from)))
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
    Ok(Json(access::deployment(&api, caller, (&project, &function, &id)).await?.into()))
}

/// Read or follow a deployment's build logs: events `log` as they come, then `end` with the deployment.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/deployments/{id}/logs", tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("id" = i64, Path),
        ("follow" = Option<bool>, Query, description = "Stream until the deployment ends")),
    responses((status = 200, content((LogEvent = "text/event-stream"), (String = "text/plain"))),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn logs(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, id)): Path<(String, String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    let deployment = access::deployment(&api, caller, (&project, &function, &id)).await?;
    if !query.flag("follow")? {
        return Ok(deployment.build_logs.into_response());
    }
    Ok(Sse::new(events(api, deployment)).keep_alive(KeepAlive::default()).into_response())
}

fn events(api: Arc<Api>, first: Row) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream(move |sender| async move {
        let (mut deployment, mut sent) = (first, 0);
        loop {
            if let Some(text) = deployment.build_logs.get(sent..).filter(|text| !text.is_empty()) {
                let event = LogEvent { stage: deployment.stage.as_str().to_owned(), text: text.to_owned() };
                sent = deployment.build_logs.len();
                if !sender.send("log", &event).await {
                    return;
                }
            }
            if deployment.status != DeploymentStatus::Building {
                sender.send("end", &Deployment::from(deployment)).await;
                return;
            }
            if api.closing.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
                return;
            }
            let next = api.store.deployment(deployment.id).await;
            api.backend.settled().await;
            match next {
                Ok(Some(next)) => deployment = next,
                // Deleted meanwhile, or the database is away: the stream ends, and its reader may come again.
                Ok(None) | Err(_) => return,
            }
        }
    })
}

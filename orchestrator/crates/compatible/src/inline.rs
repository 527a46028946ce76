//! Code that comes with the call: run it, try it, look at it.

mod answer;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use cloudbox_api_types::inline::InfoLimits;
use cloudbox_api_types::{ErrorBody, Info, InlineAnswer, InlineCode};
use cloudbox_check::{Problem, Report};
use cloudbox_dispatch::table::Entry;
use cloudbox_dispatch::{Call, Inline, Refused};
use cloudbox_http::api::Api;
use cloudbox_http::auth::chosen::{self, Keys};
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::JsonObject;
use cloudbox_http::trace;
use cloudbox_protocol::ResultMode;
use cloudbox_types::{FunctionId, Language, Trigger};
use http::HeaderMap;
use serde_json::Value;

use self::request::{DEFAULT_PROJECT, Source, Wanted};

/// What the handler is told as its path, where the request says none.
const PATH: &str = "/execute";

/// Run code, or a stored function, and see everything of the call.
#[utoipa::path(post, path = "/execute", tag = "inline", request_body = InlineCode,
    responses((status = 200, body = InlineAnswer),
        (status = 422, body = InlineAnswer, description = "The code can't be built"),
        (status = "4XX", body = ErrorBody),
        (status = "5XX", body = InlineAnswer, description = "The call failed")),
    security(("bearer" = [])))]
pub async fn execute(
    caller: Caller,
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    JsonObject(fields): JsonObject,
) -> Result<Response, ApiError> {
    run(&api, caller, &headers, Wanted::read(fields, &api)?, false).await
}

/// Run code, or a stored function, without a lasting effect: nothing that it stores stays.
#[utoipa::path(post, path = "/test", tag = "inline", request_body = InlineCode,
    responses((status = 200, body = InlineAnswer),
        (status = 422, body = InlineAnswer, description = "The code can't be built"),
        (status = "4XX", body = ErrorBody),
        (status = "5XX", body = InlineAnswer, description = "The call failed")),
    security(("bearer" = [])))]
pub async fn test(
    caller: Caller,
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    JsonObject(fields): JsonObject,
) -> Result<Response, ApiError> {
    run(&api, caller, &headers, Wanted::read(fields, &api)?, true).await
}

/// Look at code without running it: errors with their places, patterns that are dangerous, its configuration.
#[utoipa::path(post, path = "/validate", tag = "inline", request_body = InlineCode,
    responses((status = 200, body = Report), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn validate(
    caller: Caller,
    State(api): State<Arc<Api>>,
    JsonObject(fields): JsonObject,
) -> Result<Json<Report>, ApiError> {
    let wanted = Wanted::read(fields, &api)?;
    let (source, language, code) = match wanted.source {
        Source::Code(code) => {
            let source = code.settings.code.clone().unwrap_or_default();
            (source, code.settings.language, Some(code))
        }
        Source::Stored { project, function } => {
            let project = home(&api, project, &function).await?;
            let function = access::function(&api, caller, &project, &function).await?;
            let source = function.settings.code.clone().unwrap_or_default();
            (source, function.settings.language, None)
        }
    };
    if let Some(report) = report(&api, source, language).await? {
        return Ok(Json(report));
    }
    // Go: its own tools look at it, in a build sandbox.
    let Some(code) = code else { return Ok(Json(Report { valid: true, ..Report::default() })) };
    let project = access::project(&api, caller, &code.project).await?;
    let found = inline(&api)?.check(project.id, code.settings).await;
    Ok(Json(match found {
        Ok(()) => Report { valid: true, ..Report::default() },
        Err(refused) if refused.is_codes_fault => {
            Report { errors: answer::problems(&refused), ..Report::default() }
        }
        Err(refused) => return Err(unbuilt(&refused)),
    }))
}

/// What this service is, and what code may ask of it.
#[utoipa::path(get, path = "/info", tag = "inline", responses((status = 200, body = Info)))]
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn info(State(api): State<Arc<Api>>) -> Json<Info> {
    let usual = api.ranges.usual();
    let runtimes = api.backend.runtimes();
    Json(Info {
        name: "cloudbox".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sandbox: api.backend.sandbox().driver,
        languages: Language::ALL.iter().map(ToString::to_string).collect(),
        runtimes: runtimes.into_iter().map(|runtime| runtime.name).collect(),
        limits: InfoLimits {
            default_timeout: u64::from(usual.timeout_s) * 1000,
            max_timeout: u64::from(*api.ranges.timeout_s.end()) * 1000,
            default_memory: usual.memory_mb,
            max_memory: *api.ranges.memory_mb.end(),
            max_request_bytes: api.max_request_bytes,
        },
        endpoints: ["/execute", "/test", "/validate", "/health", "/info"].map(str::to_owned).to_vec(),
    })
}

/// The call, by the one dispatcher, whatever it is that is called.
async fn run(
    api: &Api,
    caller: Caller,
    headers: &HeaderMap,
    wanted: Wanted,
    is_test: bool,
) -> Result<Response, ApiError> {
    let (entry, timeout) = match wanted.source {
        Source::Stored { project, function } => {
            let project = home(api, project, &function).await?;
            let entry = access::callable(api, caller, &project, &function).await?;
            let keys = Keys { headers, given: &wanted.request.headers, address: None };
            let entry = chosen::entry(api, Some(caller), entry, None, keys).await?;
            (if is_test { without_egress(entry) } else { entry }, None)
        }
        Source::Code(mut code) => {
            if is_test {
                code.settings.egress.clear();
            }
            let project = access::project(api, caller, &code.project).await?;
            let source = code.settings.code.clone().unwrap_or_default();
            let report = report(api, source, code.settings.language).await?;
            if let Some(problem) = report.as_ref().and_then(syntax_error) {
                return Ok(answer::not_code(problem));
            }
            code.configure(report.map_or(Value::Null, |report| report.config), &api.ranges)?;
            let timeout = code.timeout;
            match inline(api)?.entry(project.id, code.settings).await {
                Ok(entry) => (entry, timeout),
                Err(refused) if refused.is_codes_fault => return Ok(answer::not_built(&refused)),
                Err(refused) => return Err(unbuilt(&refused)),
            }
        }
    };
    let trigger = if is_test { Trigger::Test } else { Trigger::Execute };
    let call = Call { trigger, is_test, timeout, ..wanted.request.call(entry, ResultMode::Raw, PATH) };
    let outcome = api.invoke(call).await;
    Ok(answer::of(&outcome, trace::child_of(headers).as_ref()))
}

/// The project of a stored function: ids are unique over all of them, names are not.
async fn home(api: &Api, project: Option<String>, function: &str) -> Result<String, ApiError> {
    match (project, function.parse()) {
        (Some(project), _) => Ok(project),
        (None, Err(_)) => Ok(DEFAULT_PROJECT.to_owned()),
        (None, Ok(id)) => {
            let found = api.store.function(FunctionId(id)).await?;
            let found = found.ok_or_else(|| ApiError::not_found("function"))?;
            Ok(found.project_id.to_string())
        }
    }
}

/// The function with no host that it may reach. Its sandboxes have a revision that no change leads to, so that they serve
/// no other call.
fn without_egress(entry: Arc<Entry>) -> Arc<Entry> {
    if entry.function.settings.egress.is_empty() {
        return entry;
    }
    let mut function = (*entry.function).clone();
    function.settings.egress.clear();
    function.settings.min_instances = 0;
    function.revision = -1 - function.revision;
    Arc::new(Entry::new(function, entry.version.clone()))
}

fn inline(api: &Api) -> Result<&Arc<Inline>, ApiError> {
    api.inline.as_ref().ok_or_else(ApiError::internal)
}

async fn report(api: &Api, source: String, language: Language) -> Result<Option<Report>, ApiError> {
    api.reader.read(source, language).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a source can't be read");
        ApiError::internal()
    })
}

/// The first error of syntax. Whether there is a handler is seen when the code is loaded.
fn syntax_error(report: &Report) -> Option<&Problem> {
    report.errors.iter().find(|problem| problem.message.starts_with("SyntaxError"))
}

/// This machine can't build it: a runtime that is not here, a sandbox that can't be made.
fn unbuilt(refused: &Refused) -> ApiError {
    tracing::warn!(
        stage = refused.stage.as_str(),
        error = refused.sentence,
        "inline code can't be built here"
    );
    let mut error = ApiError::new(cloudbox_types::ErrorCode::DeploymentError, &refused.sentence);
    error.body.stage = Some(refused.stage.as_str().to_owned());
    error.body.build_logs = Some(refused.logs.clone());
    error
}

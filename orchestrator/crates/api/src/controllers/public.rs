//! Public calls: any method, any path below the function's, the handler's own answer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cloudbox_api_types::ErrorBody;
use cloudbox_dispatch::table::Entry;
use cloudbox_dispatch::{Call, Failure, Outcome, Success, Upload};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, MaybeCaller};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Ahead, Body, Incoming, Path, not_too_deep};
use cloudbox_http::{cors, headers, trace};
use cloudbox_protocol::ResultMode;
use cloudbox_protocol::message::DataSource;
use cloudbox_protocol::stream::Rest;
use cloudbox_types::{ErrorCode, InvocationId, Trigger};
use futures::stream;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::answer::{ID_HEADER, add_timing, put_call_headers};

mod way;

pub use way::Way;

/// Bytes of a body that are waited for, where its length is known and its function can read it as it comes.
const BODY_AHEAD: usize = 256 << 10;

/// Room for the headers that an answer has besides the function's own.
const OUR_HEADERS: usize = 10;

/// Call a function. A public one needs no credential; another one needs that of its project.
#[utoipa::path(method(get, post, put, patch, delete), path = "/p/{project}/functions/{name}", tag = "calls",
    request_body(content = Option<String>, content_type = "*/*", description = "Whatever the handler understands"),
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "`name`, or `name:alias` for another version")),
    responses((status = "default", description = "The handler's own answer"),
        (status = "4XX", description = "An error, or the handler's own answer", body = ErrorBody),
        (status = "5XX", description = "An error, or the handler's own answer", body = ErrorBody)),
    security((), ("bearer" = [])))]
pub async fn call(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, ApiError>,
    request: Request,
) -> Response {
    answered(&api, caller.0, Way::Project, path.map(|Path(named)| named), request).await
}

/// Call a function with a path of its own.
#[utoipa::path(method(get, post, put, patch, delete), path = "/p/{project}/functions/{name}/{path}", tag = "calls",
    request_body(content = Option<String>, content_type = "*/*", description = "Whatever the handler understands"),
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "`name`, or `name:alias` for another version"),
        ("path" = String, Path, description = "Any path, slashes included")),
    responses((status = "default", description = "The handler's own answer"),
        (status = "4XX", description = "An error, or the handler's own answer", body = ErrorBody),
        (status = "5XX", description = "An error, or the handler's own answer", body = ErrorBody)),
    security((), ("bearer" = [])))]
pub async fn call_below(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String, String)>, ApiError>,
    request: Request,
) -> Response {
    let named = path.map(|Path((project, name, _))| (project, name));
    answered(&api, caller.0, Way::Project, named, request).await
}

/// The answer of any public way. A call that began has its id in its answer; one that was refused before gets one, so
/// that all errors look alike.
pub async fn answered(
    api: &Api,
    caller: Option<Caller>,
    way: Way,
    named: Result<(String, String), ApiError>,
    request: Request,
) -> Response {
    // Below the function's path bytes that are no text are the function's business.
    let named = named.or_else(|error| way.raw_names(request.uri().path()).ok_or(error));
    let run = async {
        let entry =
            way.find(api, caller, named?, (request.headers(), request.uri(), sent_from(&request))).await?;
        Ok(run(api, caller, way, entry, request).await)
    };
    let mut response = run.await.unwrap_or_else(refused);
    headers::confine(response.headers_mut());
    response
}

/// A function of a way that answers with a shape of its own: the call, and the trace that it continues.
///
/// # Errors
/// `NOT_FOUND`, `UNAUTHORIZED`; what is wrong with the body.
pub async fn begun(
    api: &Api,
    caller: Option<Caller>,
    way: Way,
    named: (String, String),
    request: Request,
) -> Result<(Call, Option<HeaderValue>), ApiError> {
    let entry = way.find(api, caller, named, (request.headers(), request.uri(), sent_from(&request))).await?;
    let traceparent = trace::child_of(request.headers());
    let call = call_of(api, entry, caller, way, request, traceparent.as_ref()).await?;
    Ok((Call { mode: ResultMode::Raw, may_stream: false, ..call }, traceparent))
}

/// The address that the server notes with each request.
fn sent_from(request: &Request) -> Option<IpAddr> {
    request.extensions().get().copied()
}

/// The answer to a call that was refused before it began.
pub fn refused(mut error: ApiError) -> Response {
    let id = InvocationId::generate().to_string();
    let header = HeaderValue::try_from(&id).ok().map(|id| (HeaderName::from_static(ID_HEADER), id));
    error.headers.extend(header);
    error.body.invocation_id = Some(id);
    error.public().into_response()
}

async fn run(api: &Api, caller: Option<Caller>, way: Way, entry: Arc<Entry>, request: Request) -> Response {
    let cors = entry.function.settings.cors.clone();
    let origin = request.headers().get(http::header::ORIGIN).cloned();
    if let Some(cors) = &cors
        && let Some(answer) = cors::preflight(cors, &request)
    {
        return answer;
    }
    let called = invoke(api, caller, way, entry, request).await;
    let mut response = called.unwrap_or_else(refused);
    if let Some(cors) = &cors {
        cors::allow(cors, origin.as_ref(), response.headers_mut());
    }
    response
}

async fn invoke(
    api: &Api,
    caller: Option<Caller>,
    way: Way,
    entry: Arc<Entry>,
    request: Request,
) -> Result<Response, ApiError> {
    let expose_errors = entry.function.settings.expose_errors;
    let (method, traceparent) = (request.method().clone(), trace::child_of(request.headers()));
    let call = call_of(api, entry, caller, way, request, traceparent.as_ref()).await?;
    let upload = call.upload.clone();
    let outcome = api.invoke(call).await;
    let mut response = answer(&outcome, &method, expose_errors, traceparent.as_ref());
    if caller.is_some() {
        add_timing(response.headers_mut(), outcome.timing);
    }
    if upload.is_some_and(|upload| !upload.is_whole()) {
        response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// How much of a body is waited for: none of it by forms that read it piece by piece, all that may be held by the one that
/// has it parsed, too. Nothing for forms that have it as a whole.
fn ahead_of(entry: &Entry, api: &Api) -> Option<Ahead> {
    let most = api.max_stream_bytes;
    match entry.version.as_ref()?.handler_style.as_str() {
        "fetch" | "app" | "asgi" | "wsgi" | "flask" | "http" => {
            Some(Ahead { bytes: BODY_AHEAD.min(api.max_request_bytes), is_live: true, most })
        }
        "req-res" => Some(Ahead { bytes: api.max_request_bytes, is_live: false, most }),
        _ => None,
    }
}

async fn call_of(
    api: &Api,
    entry: Arc<Entry>,
    caller: Option<Caller>,
    way: Way,
    request: Request,
    traceparent: Option<&HeaderValue>,
) -> Result<Call, ApiError> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let headers = headers::into_function(request.headers(), caller.is_some(), traceparent);
    let (body, upload) = match ahead_of(&entry, api) {
        None => (Body::from_request(request, &()).await?.0, None),
        Some(ahead) => match Incoming::read(request, ahead).await? {
            Incoming::Whole(body) => (body, None),
            Incoming::Begun(rest) => (Bytes::new(), Some(Arc::new(Upload::new(rest, ahead.most)))),
        },
    };
    // It is the function's business whether this is JSON; but if it is, its parser must come through.
    not_too_deep("body", &body)?;
    Ok(Call {
        data: if body.is_empty() && upload.is_none() { DataSource::Query } else { DataSource::Body },
        method: method.to_string(),
        path: uri.path().to_owned(),
        base_path: way.base_path(uri.path()).to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
        upload,
        // The length of an answer to HEAD is known only when all of it is there.
        may_stream: method != Method::HEAD,
        ..Call::new(entry, Trigger::Http, ResultMode::Http)
    })
}

fn answer(
    outcome: &Outcome,
    method: &Method,
    expose_errors: bool,
    traceparent: Option<&HeaderValue>,
) -> Response {
    let mut response = match &outcome.result {
        Ok(success) => success_answer(success, method),
        Err(failure) => error_of(outcome, failure, expose_errors).into_response(),
    };
    put_call_headers(outcome, traceparent, response.headers_mut());
    response
}

fn success_answer(success: &Success, method: &Method) -> Response {
    let status = StatusCode::from_u16(success.status).unwrap_or(StatusCode::OK);
    let has_no_body =
        matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
    let is_head = *method == Method::HEAD;
    let mut response = match success.take_rest() {
        _ if has_no_body && !is_head => status.into_response(),
        Some(rest) => (status, streamed(rest)).into_response(),
        None => (status, success.body.clone()).into_response(),
    };
    // axum's guess of a type; the handler says its own.
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    response.headers_mut().reserve(success.headers.len() + OUR_HEADERS);
    headers::out_of_function(&success.headers, response.headers_mut());
    response
}

/// A body that is sent as it comes; where it breaks off, the connection does.
fn streamed(rest: Rest) -> axum::body::Body {
    axum::body::Body::from_stream(stream::unfold(Some(rest), |rest| async {
        let mut rest = rest?;
        match rest.next().await {
            Some(piece) => Some((Ok(piece), Some(rest))),
            None if rest.is_whole() => None,
            None => {
                // What came before it is sent in the meantime; with the error it would be thrown away.
                tokio::task::yield_now().await;
                Some((Err(std::io::Error::other("the function's answer broke off")), None))
            }
        }
    }))
}

/// What the public reads of a call that failed, and with `expose_errors` everything.
pub fn error_of(outcome: &Outcome, failure: &Failure, expose_errors: bool) -> ApiError {
    let sentence = if expose_errors { failure.message.as_str() } else { sentence(failure) };
    let mut error = ApiError::new(failure.code, sentence).public();
    error.retry_after_s = failure.retry_after_s;
    error.body.invocation_id = Some(outcome.invocation_id.to_string());
    if expose_errors {
        error.body.logs = Some(outcome.logs.clone());
        error.body.execution_time = Some(outcome.execution_time_ms);
        error.body.stack.clone_from(&failure.stack);
    }
    error
}

/// What the public may read: nothing that the function said.
fn sentence(failure: &Failure) -> &str {
    match failure.code {
        ErrorCode::RuntimeError => "The function failed",
        ErrorCode::OutOfMemory => "The function ran out of memory",
        ErrorCode::InvalidResponse => "The function's answer can't be represented",
        ErrorCode::ResponseTooLarge => "The function's answer is too large",
        ErrorCode::NotDeployed => "The function is not deployed",
        ErrorCode::Disabled => "The function is switched off",
        ErrorCode::InternalError => "The service failed",
        // Of a call that came so far, this says which variables it misses.
        ErrorCode::ValidationError => "The function lacks settings that it needs",
        _ => &failure.message,
    }
}

#[cfg(test)]
mod tests;

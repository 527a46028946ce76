//! The function service's call: the handler's result in an envelope with its duration and its logs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use cloudbox_api::controllers::answer::{add_timing, put_call_headers};
use cloudbox_api::controllers::execute;
use cloudbox_api::controllers::public::{self, Way};
use cloudbox_api_types::function_service::{InvokeAnswer, ServiceError, log_lines};
use cloudbox_dispatch::{Outcome, Success};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, MaybeCaller};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::Path;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// Call a function of a project; a public one without a credential.
#[utoipa::path(post, path = "/api/v1/functions/{project}/{name}", tag = "function service",
    request_body(content = Option<String>, content_type = "*/*", description = "The event, JSON as a rule"),
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path, description = "Or id")),
    responses((status = 200, body = InvokeAnswer), (status = "4XX", body = ServiceError),
        (status = "5XX", body = ServiceError)), security((), ("bearer" = [])))]
pub async fn invoke(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    Path(named): Path<(String, String)>,
    request: Request,
) -> Response {
    answered(&api, caller.0, Way::FunctionService, named, request).await
}

/// Call a function of the project that the host or `X-Project-Id` names, else of the default one.
#[utoipa::path(post, path = "/api/v1/functions/{name}", tag = "function service",
    request_body(content = Option<String>, content_type = "*/*", description = "The event, JSON as a rule"),
    params(("name" = String, Path, description = "Or id"),
        ("X-Project-Id" = Option<String>, Header, description = "Id or slug")),
    responses((status = 200, body = InvokeAnswer), (status = "4XX", body = ServiceError),
        (status = "5XX", body = ServiceError)), security((), ("bearer" = [])))]
pub async fn invoke_short(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    answered(&api, caller.0, Way::FunctionServiceShort, (String::new(), name), request).await
}

async fn answered(
    api: &Api,
    caller: Option<Caller>,
    way: Way,
    named: (String, String),
    request: Request,
) -> Response {
    let (call, traceparent) = match public::begun(api, caller, way, named, request).await {
        Ok(begun) => begun,
        Err(error) => return public::refused(error),
    };
    let sees_inside = caller.is_some() || call.entry.function.settings.expose_errors;
    let outcome = api.invoke(call).await;
    let mut response = match &outcome.result {
        Ok(success) => match answer(&outcome, success, sees_inside) {
            Some(answer) => Json(answer).into_response(),
            None => ApiError::internal().into_response(),
        },
        Err(failure) => {
            let mut error = if caller.is_some() {
                execute::error_of(&outcome, failure)
            } else {
                public::error_of(&outcome, failure, sees_inside)
            };
            in_shape(&mut error, &outcome, sees_inside);
            error.into_response()
        }
    };
    put_call_headers(&outcome, traceparent.as_ref(), response.headers_mut());
    if caller.is_some() {
        add_timing(response.headers_mut(), outcome.timing);
    }
    response
}

fn in_shape(error: &mut ApiError, outcome: &Outcome, sees_inside: bool) {
    let body = &mut error.body;
    (body.logs, body.execution_time) = (None, None);
    body.extra.insert("duration".to_owned(), json!(outcome.execution_time_ms));
    if sees_inside {
        body.extra.insert("logs".to_owned(), json!(log_lines(&outcome.logs)));
    }
}

/// None where the result is no JSON, which the dispatcher has checked.
fn answer(outcome: &Outcome, success: &Success, sees_inside: bool) -> Option<InvokeAnswer> {
    let result: &[u8] = if success.body.is_empty() { b"null" } else { &success.body };
    let (result, status_code) = unwrapped(result)?;
    Some(InvokeAnswer {
        success: true,
        result,
        status_code,
        duration: outcome.execution_time_ms,
        logs: if sees_inside { log_lines(&outcome.logs) } else { Vec::new() },
    })
}

/// An HTTP response as handlers write it.
#[derive(Deserialize)]
struct HttpForm<'a> {
    #[serde(rename = "statusCode")]
    status_code: u16,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Of an HTTP response its body, as JSON where it is a text of JSON; any other result as it is.
fn unwrapped(result: &[u8]) -> Option<(Box<RawValue>, Option<u16>)> {
    let is_object = result.trim_ascii_start().first() == Some(&b'{');
    let form = is_object.then(|| serde_json::from_slice::<HttpForm<'_>>(result).ok()).flatten();
    let Some(form) = form else { return Some((serde_json::from_slice(result).ok()?, None)) };
    let body = match form.body {
        None => RawValue::NULL.to_owned(),
        Some(body) => {
            let text = serde_json::from_str::<String>(body.get()).ok();
            let json = text.and_then(|text| RawValue::from_string(text).ok());
            json.unwrap_or_else(|| body.to_owned())
        }
    };
    Some((body, Some(form.status_code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_its_body_and_any_other_result_itself() {
        for (result, shown, status) in [
            (r#"{"message":"hi"}"#, r#"{"message":"hi"}"#, None),
            ("null", "null", None),
            ("[1e400]", "[1e400]", None),
            (r#"{"statusCode":200,"body":"{\"message\":\"hi\"}"}"#, r#"{"message":"hi"}"#, Some(200)),
            (r#"{"statusCode":404,"body":"no such thing"}"#, r#""no such thing""#, Some(404)),
            (r#"{"statusCode":200,"headers":{},"body":{"a":1}}"#, r#"{"a":1}"#, Some(200)),
            (r#"{"statusCode":204}"#, "null", Some(204)),
            (r#"{"statusCode":"x","body":1}"#, r#"{"statusCode":"x","body":1}"#, None),
        ] {
            let (value, code) = unwrapped(result.as_bytes()).unwrap();
            assert_eq!((value.get(), code), (shown, status), "{result}");
        }
    }
}

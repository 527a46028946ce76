//! `execute`: a call by a user of the API, who sees everything of it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cloudbox_api_types::execution::start_word;
use cloudbox_api_types::{EgressAttempt, ErrorBody, ExecuteAnswer, ExecuteRequest, HostCallReport};
use cloudbox_dispatch::{Failure, Outcome, Success};
use cloudbox_http::api::Api;
use cloudbox_http::auth::chosen::{self, Keys};
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{OptionalJson, Path};
use cloudbox_http::trace;
use cloudbox_protocol::ResultMode;
use cloudbox_types::ErrorCode;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;

use self::request::Wanted;
use super::answer::{add_timing, put_call_headers};

pub mod request;

/// Call a function and see everything of the call.
#[utoipa::path(post, path = "/api/projects/{project}/functions/{function}/execute", tag = "executions",
    request_body(content = Option<ExecuteRequest>),
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name; `name:alias` or `name:3` for another version")),
    responses((status = 200, body = ExecuteAnswer,
        headers(("Server-Timing" = String, description = "Milliseconds of `queue`, `lease`, `load`, `exec` and `total`"))),
        (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn execute(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<ExecuteRequest>,
) -> Result<Response, ApiError> {
    let (function, version) = chosen::split(&function);
    let entry = access::callable(&api, caller, &project, function).await?;
    let wanted = Wanted::read(request.unwrap_or_default(), api.ranges.longest_timeout())?;
    let version = wanted.version.as_deref().or(version);
    let keys = Keys { headers: &headers, given: &wanted.headers, address: None };
    let entry = chosen::entry(&api, Some(caller), entry, version, keys).await?;
    let own = &entry.function;
    let path = format!("/p/{}/functions/{}", own.project_id, own.settings.name);
    let call = wanted.call(entry, ResultMode::Raw, &path);
    let traceparent = trace::child_of(&headers);
    let outcome = api.invoke(call).await;
    Ok(answer(&outcome, traceparent.as_ref()))
}

fn answer(outcome: &Outcome, traceparent: Option<&HeaderValue>) -> Response {
    let mut response = match &outcome.result {
        Ok(success) => {
            let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            ([json], success_body(outcome, success)).into_response()
        }
        Err(failure) => error_of(outcome, failure).into_response(),
    };
    put_call_headers(outcome, traceparent, response.headers_mut());
    add_timing(response.headers_mut(), outcome.timing);
    response
}

/// An [`ExecuteAnswer`], with the handler's JSON put in as it is: the dispatcher has checked it, and parsing it
/// again would cost more than the rest of the answer.
fn success_body(outcome: &Outcome, success: &Success) -> Bytes {
    let mut rest = json!({
        "status": "success",
        "execution_time": outcome.execution_time_ms,
        "memory_usage": outcome.memory_bytes,
        "response_size": success.body.len(),
        "logs": outcome.logs,
        "invocation_id": outcome.invocation_id,
        "version": outcome.version,
        "start": start_word(outcome.is_warm),
    });
    if !outcome.egress.is_empty() {
        rest["egress"] = json!(attempts(outcome));
    }
    if !outcome.host_calls.is_empty() {
        rest["host_calls"] = json!(host_calls(outcome));
    }
    let rest = rest.to_string();
    let result: &[u8] = if success.body.is_empty() { b"null" } else { &success.body };
    [b"{\"response\":", result, b",", &rest.as_bytes()[1..]].concat().into()
}

fn host_calls(outcome: &Outcome) -> Vec<HostCallReport> {
    outcome.host_calls.iter().cloned().map(HostCallReport::from).collect()
}

fn attempts(outcome: &Outcome) -> Vec<EgressAttempt> {
    outcome.egress.iter().cloned().map(EgressAttempt::from).collect()
}

/// What a user of the API reads of a call that failed: everything.
pub fn error_of(outcome: &Outcome, failure: &Failure) -> ApiError {
    let mut error = ApiError::new(failure.code, &failure.message);
    error.retry_after_s = failure.retry_after_s;
    let body = &mut error.body;
    body.invocation_id = Some(outcome.invocation_id.to_string());
    body.logs = Some(outcome.logs.clone());
    body.execution_time = Some(outcome.execution_time_ms);
    body.stack.clone_from(&failure.stack);
    if !outcome.egress.is_empty() {
        body.extra.insert("egress".to_owned(), json!(attempts(outcome)));
    }
    if !outcome.host_calls.is_empty() {
        body.extra.insert("host_calls".to_owned(), json!(host_calls(outcome)));
    }
    if failure.code == ErrorCode::RuntimeError {
        // Its field is always there: a process that ended, and Go's plain errors, have no stack.
        body.stack.get_or_insert_default();
    }
    error
}

#[cfg(test)]
mod tests {
    use cloudbox_types::{InvocationId, Timing};

    use super::*;

    fn outcome(result: Result<Success, Failure>) -> Outcome {
        Outcome {
            invocation_id: InvocationId::generate(),
            version: 3,
            is_warm: true,
            execution_time_ms: 1.5,
            memory_bytes: 4096,
            logs: "said \"hi\"\n".to_owned(),
            marks: Vec::new(),
            egress: Vec::new(),
            host_calls: Vec::new(),
            timing: Timing::from([1, 2, 3, 4, 10]),
            result,
        }
    }

    #[test]
    fn the_result_is_put_in_as_it_is() {
        let body = Bytes::from_static(b"{\"n\": 1e400}");
        let success = Success::whole(200, Vec::new(), body);
        let outcome = outcome(Ok(success.clone()));
        let bytes = success_body(&outcome, &success);
        let shown: ExecuteAnswer = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(shown.response.get(), "{\"n\": 1e400}");
        assert_eq!((shown.status.as_str(), shown.start.as_str()), ("success", "warm"));
        assert_eq!((shown.version, shown.response_size, shown.memory_usage), (3, 12, 4096));
        assert_eq!(shown.logs, "said \"hi\"\n");
    }

    #[test]
    fn a_failure_carries_everything() {
        let failure = Failure {
            stack: Some("at line 1".to_owned()),
            ..Failure::new(ErrorCode::RuntimeError, "ReferenceError: undefined variable 'foo'")
        };
        let response = answer(&outcome(Err(failure)), None);
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["x-cloudbox-start"], "warm");
        assert_eq!(response.headers()["x-cloudbox-version"], "3");
        let timing = response.headers()["server-timing"].to_str().unwrap();
        assert_eq!(
            timing,
            "queue;dur=0.001, lease;dur=0.002, load;dur=0.003, exec;dur=0.004, total;dur=0.01"
        );
        let body = &response.extensions().get::<ApiError>().unwrap().body;
        assert_eq!(body.execution_time, Some(1.5));
        assert_eq!(body.stack.as_deref(), Some("at line 1"));
        assert_eq!(body.logs.as_deref(), Some("said \"hi\"\n"));
    }

    #[test]
    fn a_failure_without_a_stack_has_an_empty_one() {
        let response = answer(&outcome(Err(Failure::new(ErrorCode::RuntimeError, "exit 3"))), None);
        assert_eq!(response.extensions().get::<ApiError>().unwrap().body.stack.as_deref(), Some(""));
        let response = answer(&outcome(Err(Failure::new(ErrorCode::Timeout, "30 s"))), None);
        assert_eq!(response.extensions().get::<ApiError>().unwrap().body.stack, None);
    }
}

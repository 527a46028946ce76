//! What the public reads of answers and errors.

use bytes::Bytes;
use cloudbox_types::InvocationId;

use super::*;

fn outcome(result: Result<Success, Failure>) -> Outcome {
    Outcome {
        invocation_id: InvocationId::generate(),
        version: 2,
        is_warm: false,
        execution_time_ms: 12.5,
        memory_bytes: 1,
        logs: "secret log".to_owned(),
        marks: Vec::new(),
        egress: Vec::new(),
        host_calls: Vec::new(),
        timing: cloudbox_types::Timing::default(),
        result,
    }
}

fn failed(code: ErrorCode, expose: bool) -> ApiError {
    let failure = Failure { stack: Some("secret stack".to_owned()), ..Failure::new(code, "secret message") };
    let response = answer(&outcome(Err(failure)), &Method::GET, expose, None);
    assert_eq!(response.headers()["x-cloudbox-start"], "cold");
    response.extensions().get::<ApiError>().unwrap().clone()
}

#[test]
fn errors_show_nothing_of_the_functions_inside() {
    for code in [
        ErrorCode::RuntimeError,
        ErrorCode::OutOfMemory,
        ErrorCode::InvalidResponse,
        ErrorCode::InternalError,
    ] {
        let rendered = String::from_utf8(failed(code, false).render("r")).unwrap();
        assert!(!rendered.contains("secret"), "{rendered}");
        let keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&rendered).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["code", "error", "invocation_id"]);
    }
}

#[test]
fn a_function_may_expose_its_errors() {
    let error = failed(ErrorCode::RuntimeError, true);
    assert_eq!(error.body.error, "secret message");
    assert_eq!(error.body.stack.as_deref(), Some("secret stack"));
    assert_eq!(error.body.execution_time, Some(12.5));
}

#[test]
fn an_answer_is_the_handlers_own() {
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    let success = Success::whole(201, headers, Bytes::from_static(b"made"));
    let response = answer(&outcome(Ok(success)), &Method::POST, false, None);
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(response.headers()["x-cloudbox-version"], "2");
    assert_eq!(response.headers()["x-cloudbox-execution-time"], "12.500");
}

#[tokio::test]
async fn statuses_without_a_body_have_none() {
    for status in [204, 205, 304] {
        let success = Success::whole(status, Vec::new(), Bytes::from_static(b"x"));
        let response = success_answer(&success, &Method::GET);
        assert_eq!(response.status(), status);
        let body = axum::body::to_bytes(response.into_body(), 10).await.unwrap();
        assert!(body.is_empty());
    }
}

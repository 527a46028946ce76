//! How a call with code is answered: the handler's own yes and no, the call's end, or what is wrong with the code.

use axum::Json;
use axum::response::{IntoResponse, Response};
use cloudbox_api::controllers::answer::{add_timing, put_call_headers};
use cloudbox_api_types::{InlineAnswer, InlineError, InlineLog};
use cloudbox_check::Problem;
use cloudbox_dispatch::{Failure, Outcome, Refused};
use cloudbox_protocol::logs::{Line, lines};
use cloudbox_types::{ErrorCode, InvocationId};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What the code of an error is where the handler gives none.
const NO_CODE: &str = "ERROR";

/// `{success, data}` or `{success, error}`, as `context.success` and `context.error` make them.
#[derive(Deserialize)]
struct Said {
    success: bool,
    data: Option<Box<RawValue>>,
    error: Option<Value>,
}

/// The answer of a call that took place, or was refused.
pub(super) fn of(outcome: &Outcome, traceparent: Option<&HeaderValue>) -> Response {
    let (status, data, error) = match &outcome.result {
        Ok(success) => {
            let (data, error) = said(&success.body);
            (StatusCode::OK, data, error)
        }
        Err(failure) => (status(failure.code), None, Some(failed(failure))),
    };
    let answer = InlineAnswer {
        success: error.is_none(),
        data,
        error,
        execution_time: outcome.execution_time_ms,
        memory_usage: outcome.memory_bytes,
        logs: logs(outcome.log_lines()),
        correlation_id: outcome.invocation_id.to_string(),
    };
    let mut response = (status, Json(answer)).into_response();
    put_call_headers(outcome, traceparent, response.headers_mut());
    add_timing(response.headers_mut(), outcome.timing);
    if let Err(Failure { retry_after_s: Some(seconds), .. }) = &outcome.result {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

/// The answer for code with an error of syntax.
pub(super) fn not_code(problem: &Problem) -> Response {
    refused(
        InlineError {
            message: problem.message.clone(),
            code: ErrorCode::DeploymentError.as_str().to_owned(),
            line: Some(problem.line),
            column: Some(problem.column),
            stack: None,
        },
        &[],
    )
}

/// The answer for code that could not be built or loaded.
pub(super) fn not_built(why: &Refused) -> Response {
    let first = problems(why).into_iter().next();
    refused(
        InlineError {
            message: first.as_ref().map_or_else(|| why.sentence.clone(), |problem| problem.message.clone()),
            code: ErrorCode::DeploymentError.as_str().to_owned(),
            line: first.as_ref().map(|problem| problem.line).filter(|_| is_placed(&why.sentence)),
            column: first.as_ref().map(|problem| problem.column).filter(|_| is_placed(&why.sentence)),
            stack: None,
        },
        &logs(lines(&why.logs, &[])),
    )
}

fn refused(error: InlineError, logs: &[InlineLog]) -> Response {
    let answer = InlineAnswer {
        success: false,
        data: None,
        error: Some(error),
        execution_time: 0.0,
        memory_usage: 0,
        logs: logs.to_vec(),
        correlation_id: InvocationId::generate().to_string(),
    };
    (StatusCode::UNPROCESSABLE_ENTITY, Json(answer)).into_response()
}

/// What tools say, as places: each line `file:3:5: message`, or all of it at the beginning.
pub(super) fn problems(refused: &Refused) -> Vec<Problem> {
    let placed: Vec<_> = refused.sentence.lines().filter_map(placed).collect();
    if placed.is_empty() {
        return vec![Problem { line: 1, column: 1, message: refused.sentence.clone() }];
    }
    placed
}

fn is_placed(sentence: &str) -> bool {
    sentence.lines().any(|line| placed(line).is_some())
}

/// `index.go:3:5: message`, wherever it begins in the line.
fn placed(line: &str) -> Option<Problem> {
    let mut rest = line;
    loop {
        let (word, after) = rest.split_once(' ')?;
        let mut parts = word.strip_suffix(':').unwrap_or_default().rsplitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        if let (Some(column), Some(line)) = (number(), number()) {
            return Some(Problem { line, column, message: after.trim().to_owned() });
        }
        rest = after;
    }
}

fn said(body: &[u8]) -> (Option<Box<RawValue>>, Option<InlineError>) {
    let whole = || serde_json::from_slice::<Box<RawValue>>(body).ok().or_else(|| raw(&Value::Null));
    match serde_json::from_slice::<Said>(body) {
        Ok(Said { success: true, data: Some(data), .. }) => (Some(data), None),
        Ok(Said { success: false, error: Some(error), .. }) => (None, Some(own_error(&error))),
        _ => (whole(), None),
    }
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

/// The handler's own no: a text, or an object with `message` and `code`.
fn own_error(error: &Value) -> InlineError {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let message = error.as_str().or_else(|| text("message")).map_or_else(|| error.to_string(), str::to_owned);
    let code = text("code").unwrap_or(NO_CODE).to_owned();
    InlineError { message, code, line: None, column: None, stack: None }
}

fn failed(failure: &Failure) -> InlineError {
    InlineError {
        message: failure.message.clone(),
        code: failure.code.as_str().to_owned(),
        line: None,
        column: None,
        stack: failure.stack.clone(),
    }
}

fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Lines as the answer has them; what was printed before the first structured one has the time of the answer.
fn logs(lines: Vec<Line>) -> Vec<InlineLog> {
    let now = Timestamp::now();
    let sent = |at_ms: Option<i64>| at_ms.and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok());
    let line = |line: Line| InlineLog {
        level: line.level.to_owned(),
        message: line.message,
        fields: Value::Object(line.fields),
        timestamp: sent(line.at_ms).unwrap_or(now),
    };
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_handlers_own_yes_and_no_are_the_answers() {
        let (data, error) = said(br#"{"success": true, "data": {"n": 1.0}}"#);
        assert_eq!((data.unwrap().get(), error), (r#"{"n": 1.0}"#, None));
        let (data, error) = said(br#"{"success": false, "error": {"message": "no", "code": "X"}}"#);
        assert!(data.is_none());
        let error = error.unwrap();
        assert_eq!((error.message.as_str(), error.code.as_str()), ("no", "X"));
        assert_eq!(said(br#"{"success": false, "error": "no"}"#).1.unwrap().code, NO_CODE);
        for other in [r#"{"success": true}"#, r#"{"a": 1}"#, "null", "[1]", r#""x""#] {
            let (data, error) = said(other.as_bytes());
            assert_eq!((data.unwrap().get(), error), (other, None));
        }
    }

    #[test]
    fn what_was_printed_is_no_structured_line() {
        let printed = logs(lines("[WARN] slow {\"ms\": 3}\n", &[]));
        assert_eq!(
            (printed[0].level.as_str(), printed[0].message.as_str()),
            ("info", "[WARN] slow {\"ms\": 3}")
        );
        assert_eq!(printed[0].fields, json!({}));
    }

    #[test]
    fn what_tools_say_has_places() {
        let refused = |sentence: &str| Refused {
            stage: cloudbox_types::Stage::Validate,
            sentence: sentence.to_owned(),
            logs: String::new(),
            is_codes_fault: true,
        };
        let found = problems(&refused("the check failed: main.go:3:5: expected ')'\nmain.go:9:1: x"));
        assert_eq!(found[0], Problem { line: 3, column: 5, message: "expected ')'".to_owned() });
        assert_eq!(found.len(), 2);
        assert_eq!(problems(&refused("no handler"))[0].line, 1);
    }
}

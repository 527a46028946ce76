//! Requests that two readers could understand in two ways are refused, although one way is ours.
//!
//! hyper refuses most of them itself: lengths that contradict each other or are no numbers, folded lines, controls in
//! headers, encodings that don't end with `chunked`, broken chunks. Of a length beside an encoding it drops the length
//! and closes the connection after the answer, as RFC 9112 (6.1) has it.

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};

/// Why a request isn't taken; none where it is.
pub(crate) fn problem<B>(request: &Request<B>) -> Option<&'static str> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 {
        return Some("Host stands more than once");
    }
    if hosts == 0 && request.version() == Version::HTTP_11 {
        return Some("Host is missing");
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !(encodings.next().is_none_or(is_chunked) && encodings.next().is_none()) {
        return Some("Transfer-Encoding may be chunked alone");
    }
    (request.method() == http::Method::CONNECT).then_some("this is no proxy")
}

/// The answer to a request that isn't taken: the connection ends with it.
pub(crate) fn refusal(problem: &str) -> Response<Body> {
    let body = format!(r#"{{"error":"the request is not clear: {problem}","code":"VALIDATION_ERROR"}}"#);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(headers: &[(&str, &str)]) -> Option<&'static str> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        problem(&request.body(()).unwrap())
    }

    #[test]
    fn what_has_two_meanings_is_refused() {
        let host = ("host", "a");
        assert_eq!(problem_of(&[host, ("transfer-encoding", "Chunked")]), None);
        for bad in [
            &[][..],
            &[host, host],
            &[host, ("transfer-encoding", "gzip, chunked")],
            &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        ] {
            assert!(problem_of(bad).is_some(), "{bad:?}");
        }
    }
}

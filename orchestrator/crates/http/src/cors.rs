//! What browsers of other origins may do, by a function's `cors`.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

/// Methods of a `cors` that names none.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// The answer to a browser's question before the call; none where the request is no such question.
#[must_use]
pub fn preflight(cors: &Value, request: &Request<Body>) -> Option<Response> {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || asked.is_none() {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if !allow_origin(cors, request.headers().get(header::ORIGIN), headers) {
        return Some(response);
    }
    let methods = texts(cors, "methods").unwrap_or_else(|| METHODS.to_owned());
    put(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &methods);
    match texts(cors, "headers") {
        Some(names) => put(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &names),
        None => {
            if let Some(asked) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
    }
    if let Some(seconds) = cors.get("max_age").and_then(Value::as_u64) {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
    Some(response)
}

/// Adds what lets a browser of an allowed origin read the answer. What the handler said of it itself doesn't count.
pub fn allow(cors: &Value, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for own in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        headers.remove(own);
    }
    if allow_origin(cors, origin, headers)
        && let Some(names) = texts(cors, "expose_headers")
    {
        put(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &names);
    }
}

/// Whether the origin is allowed.
fn allow_origin(cors: &Value, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else { return false };
    let allowed = cors.get("origins").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_any = allowed.iter().any(|allowed| allowed == "*");
    let is_named = allowed.iter().filter_map(Value::as_str).any(|allowed| *origin == *allowed);
    if !is_any && !is_named {
        return false;
    }
    let shown = if is_named { origin.clone() } else { HeaderValue::from_static("*") };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, shown);
    if is_named && cors.get("credentials") == Some(&Value::Bool(true)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn texts(cors: &Value, key: &str) -> Option<String> {
    let items = cors.get(key)?.as_array()?;
    Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(cors: &Value, origin: &str) -> Response {
        let request = Request::builder()
            .method("OPTIONS")
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-a")
            .body(Body::empty())
            .unwrap();
        preflight(cors, &request).unwrap()
    }

    #[test]
    fn an_allowed_origin_is_named() {
        let cors =
            json!({"origins": ["https://a.example"], "methods": ["PUT"], "credentials": true, "max_age": 60});
        let headers = ask(&cors, "https://a.example").headers().clone();
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
        assert_eq!(headers["access-control-allow-methods"], "PUT");
        assert_eq!(headers["access-control-allow-headers"], "x-a");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-max-age"], "60");
        assert_eq!(headers["vary"], "origin");
    }

    #[test]
    fn another_origin_learns_nothing() {
        let headers = ask(&json!({"origins": ["https://a.example"]}), "https://b.example").headers().clone();
        assert!(!headers.contains_key("access-control-allow-origin"));
        assert!(!headers.contains_key("access-control-allow-methods"));
    }

    #[test]
    fn any_origin_gets_the_star_and_no_credentials() {
        let cors = json!({"origins": ["*"], "credentials": true});
        let headers = ask(&cors, "https://b.example").headers().clone();
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn an_answer_shows_what_is_exposed_and_nothing_that_the_handler_allowed() {
        let cors = json!({"origins": ["https://a.example"], "expose_headers": ["x-a", "x-b"]});
        let handlers = || {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers
        };
        let mut headers = handlers();
        allow(&cors, Some(&HeaderValue::from_static("https://a.example")), &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
        assert_eq!(headers["access-control-expose-headers"], "x-a, x-b");
        assert!(!headers.contains_key("access-control-allow-credentials"));
        let mut headers = handlers();
        allow(&cors, Some(&HeaderValue::from_static("https://b.example")), &mut headers);
        assert_eq!(headers.keys().map(header::HeaderName::as_str).collect::<Vec<_>>(), ["vary"]);
    }

    #[test]
    fn an_options_call_without_the_question_is_the_functions() {
        let request = Request::builder().method("OPTIONS").body(Body::empty()).unwrap();
        assert!(preflight(&json!({"origins": ["*"]}), &request).is_none());
    }
}

//! An execute request, checked: what the handler will see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudbox_api_types::ExecuteRequest;
use cloudbox_dispatch::Call;
use cloudbox_dispatch::table::Entry;
use cloudbox_http::auth::chosen;
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::not_too_deep;
use cloudbox_protocol::ResultMode;
use cloudbox_protocol::message::DataSource;
use cloudbox_types::Trigger;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

/// Characters of a path or a query.
const MAX_TEXT: usize = 8 << 10;
/// Headers of a call, as many as a connection may bring.
const MAX_HEADERS: usize = 100;

/// What a caller wants the handler to see.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The event; none where the caller sent none.
    pub body: Option<Bytes>,
    /// As they were sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Of the HTTP request that the handler sees.
    pub method: String,
    /// Of that request; the function's own where the caller names none.
    pub path: Option<String>,
    /// Without its question mark.
    pub query: String,
    /// Parameters of the path.
    pub params: BTreeMap<String, String>,
    /// At most the function's own.
    pub timeout: Option<Duration>,
    /// A version's number or an alias, as text.
    pub version: Option<String>,
}

impl Wanted {
    /// The call, with `path` where the caller named none.
    #[must_use]
    pub fn call(self, entry: Arc<Entry>, mode: ResultMode, path: &str) -> Call {
        Call {
            data: if self.body.is_some() { DataSource::Body } else { DataSource::Query },
            method: self.method,
            path: self.path.unwrap_or_else(|| path.to_owned()),
            query: self.query,
            headers: self.headers,
            params: self.params,
            body: self.body.unwrap_or_default(),
            timeout: self.timeout,
            ..Call::new(entry, Trigger::Execute, mode)
        }
    }

    /// Checks every field; `longest` is the longest timeout of a function.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names the field.
    pub fn read(request: ExecuteRequest, longest: Duration) -> Result<Self, ApiError> {
        let body = request.data.map(|data| Bytes::from(String::from(Box::<str>::from(data))));
        not_too_deep("data", body.as_deref().unwrap_or_default())?;
        if let Some(ms) = request.timeout_ms
            && (ms == 0 || Duration::from_millis(ms) > longest)
        {
            let most = longest.as_millis();
            let message = format!("must be a whole number from 1 to {most} (milliseconds)");
            return Err(ApiError::invalid_field("timeout_ms", message));
        }
        Ok(Self {
            body,
            headers: headers(request.headers.unwrap_or_default())?,
            method: method(request.method)?,
            path: request.path.map(path).transpose()?,
            query: request.query.map(|value| query(&value)).transpose()?.unwrap_or_default(),
            params: BTreeMap::new(),
            timeout: request.timeout_ms.map(Duration::from_millis),
            version: request.version.map(|value| version(&value)).transpose()?,
        })
    }
}

fn version(value: &Value) -> Result<String, ApiError> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let message = "must be a version's number, or an alias of the function";
    chosen::wanted(&text).map_err(|_| ApiError::invalid_field("version", message))?;
    Ok(text)
}

fn method(method: Option<String>) -> Result<String, ApiError> {
    let method = method.unwrap_or_else(|| "POST".to_owned());
    match Method::from_bytes(method.as_bytes()) {
        Ok(_) if method.len() <= 32 => Ok(method),
        _ => Err(ApiError::invalid_field("method", "must be an HTTP method, such as POST")),
    }
}

fn path(path: String) -> Result<String, ApiError> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    if path.starts_with('/') && path.len() <= MAX_TEXT && path.bytes().all(is_plain) {
        return Ok(path);
    }
    Err(ApiError::invalid_field(
        "path",
        "must be the path of a URL: begin with /, have no query, be percent-encoded",
    ))
}

fn headers(headers: BTreeMap<String, String>) -> Result<Vec<(String, String)>, ApiError> {
    if headers.len() > MAX_HEADERS {
        return Err(ApiError::invalid_field("headers", format!("may be {MAX_HEADERS} at most")));
    }
    let check = |(name, value): (String, String)| {
        let is_fine =
            HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::try_from(&value).is_ok();
        if is_fine {
            Ok((name.to_ascii_lowercase(), value))
        } else {
            Err(ApiError::invalid_field(format!("headers.{name}"), "is not an HTTP header"))
        }
    };
    headers.into_iter().map(check).collect()
}

/// A raw query out of a text, or out of an object of texts, numbers, booleans and lists of them.
fn query(value: &Value) -> Result<String, ApiError> {
    let wrong = || ApiError::invalid_field("query", "must be an object of texts, or a raw query");
    let query = match value {
        Value::String(raw) => raw.trim_start_matches('?').to_owned(),
        Value::Object(map) => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in map {
                let many = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                for one in many {
                    query.append_pair(name, &scalar(one).ok_or_else(wrong)?);
                }
            }
            query.finish()
        }
        _ => return Err(wrong()),
    };
    if query.len() > MAX_TEXT || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::invalid_field(
            "query",
            format!("may have {MAX_TEXT} characters, percent-encoded"),
        ));
    }
    Ok(query)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Wanted, String> {
        let request = cloudbox_http::extract::read_json(body.as_bytes()).unwrap();
        Wanted::read(request, Duration::from_secs(300))
            .map_err(|error| error.body.details.unwrap().remove(0).field)
    }

    #[test]
    fn an_empty_request_is_a_post_without_data() {
        let wanted = read("{}").unwrap();
        assert_eq!((wanted.method.as_str(), wanted.query.as_str()), ("POST", ""));
        assert_eq!((wanted.body, wanted.path, wanted.timeout), (None, None, None));
    }

    #[test]
    fn data_is_passed_as_it_is_written() {
        for data in ["{\"a\":  1}", "null", "[]", "\"x\"", "0.10"] {
            let wanted = read(&format!("{{\"data\": {data}}}")).unwrap();
            assert_eq!(wanted.body.unwrap(), data.as_bytes());
        }
    }

    #[test]
    fn names_of_headers_become_lower_case() {
        let wanted = read(r#"{"headers": {"User-Agent": "MyApp/1.0"}}"#).unwrap();
        assert_eq!(wanted.headers, [("user-agent".to_owned(), "MyApp/1.0".to_owned())]);
    }

    #[test]
    fn a_query_is_an_object_or_raw() {
        assert_eq!(read(r#"{"query": {"a": "x y", "b": [1, true]}}"#).unwrap().query, "a=x+y&b=1&b=true");
        assert_eq!(read(r#"{"query": "?a=1"}"#).unwrap().query, "a=1");
    }

    #[test]
    fn what_no_request_could_have_is_refused() {
        for (body, field) in [
            (r#"{"method": "PO ST"}"#, "method"),
            (r#"{"method": ""}"#, "method"),
            (r#"{"path": "x"}"#, "path"),
            (r#"{"path": "/a?b"}"#, "path"),
            (r#"{"headers": {"a b": "x"}}"#, "headers.a b"),
            (r#"{"headers": {"a": "x\r\ny: z"}}"#, "headers.a"),
            (r#"{"query": 7}"#, "query"),
            (r#"{"query": {"a": {}}}"#, "query"),
            (r#"{"timeout_ms": 0}"#, "timeout_ms"),
            (r#"{"timeout_ms": 300001}"#, "timeout_ms"),
        ] {
            assert_eq!(read(body).unwrap_err(), field, "{body}");
        }
    }
}

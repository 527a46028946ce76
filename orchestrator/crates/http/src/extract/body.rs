//! Bodies: bytes within the limit, and JSON.

use std::error::Error;

use axum::RequestExt as _;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use cloudbox_dispatch::json::{MAX_REQUEST_DEPTH, Unique, is_deeper_than};
use cloudbox_types::ErrorCode;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, LengthLimitError};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::Fields;
use crate::error::ApiError;
use crate::place::Place;

/// The setting that bounds bodies that are held.
const MAX_REQUEST: &str = "limits.max_request_bytes";

/// The body's bytes, at most as many as the router's limit allows.
#[derive(Debug)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, ApiError> {
        let read = match request.extensions_mut().remove::<Place>() {
            Some(place) => whole(request, &place).await,
            None => Bytes::from_request(request, state).await.map_err(|error| refusal(&error)),
        };
        read.map(Self).map_err(closing)
    }
}

/// The rest of the body is not read, so no other request can follow on this connection.
pub(super) fn closing(mut error: ApiError) -> ApiError {
    error.headers.push((header::CONNECTION, HeaderValue::from_static("close")));
    error
}

/// The whole body. What is too long is refused before it is read where its length is told, else when it gets too long.
async fn whole(request: Request, place: &Place) -> Result<Bytes, ApiError> {
    if place.is_too_long() {
        return Err(too_large(MAX_REQUEST));
    }
    let (mut body, mut first, mut rest) = (request.into_limited_body(), Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| refusal(&error))?.into_data() else { continue };
        place.hold(data.len())?;
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    place.enter()?;
    if rest.is_empty() {
        return Ok(first);
    }
    Ok([first, rest.freeze()].concat().into())
}

/// Why a body could not be read.
pub(super) fn refusal(error: &(dyn Error + 'static)) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return too_large(MAX_REQUEST);
        }
        cause = error.source();
    }
    ApiError::invalid_field("body", "was not sent whole, or not in time")
}

pub(super) fn too_large(limit: &str) -> ApiError {
    let message = format!("the request's body is over the limit ({limit})");
    ApiError::new(ErrorCode::PayloadTooLarge, message)
}

/// A JSON object whose fields are read one by one, so that every problem can be told at once.
#[derive(Debug)]
pub struct JsonObject(pub Fields);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Body(bytes) = Body::from_request(request, state).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::invalid_field("body", "is missing: send a JSON object"));
        }
        not_too_deep("body", &bytes)?;
        let Unique(value) = read_json(&bytes)?;
        match value {
            Value::Object(map) => Ok(Self(Fields::new(map))),
            other => {
                Err(ApiError::invalid_field("body", format!("must be a JSON object, not {}", kind(&other))))
            }
        }
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Body(bytes) = Body::from_request(request, state).await?;
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => Ok(Self(None)),
            // serde would take a list for a struct's fields in order.
            Some(b'[') => {
                read_json::<IgnoredAny>(&bytes)?;
                Err(ApiError::invalid_field("body", "must be a JSON object, not a list"))
            }
            Some(_) => read_json(&bytes).map(Some).map(Self),
        }
    }
}

/// Reads JSON; the error names the field.
///
/// # Errors
/// `VALIDATION_ERROR`: not JSON, or not of this shape.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() && path != "." {
            ApiError::invalid_field(path, inner.to_string())
        } else if inner.is_data() {
            ApiError::invalid_field(quoted(&inner.to_string()).unwrap_or("body"), inner.to_string())
        } else {
            ApiError::invalid_field("body", format!("is not JSON: {inner}"))
        }
    })?;
    reader.end().map_err(|error| ApiError::invalid_field("body", format!("is not JSON: {error}")))?;
    Ok(value)
}

/// Checks the depth of JSON, or of what begins like it.
///
/// # Errors
/// `VALIDATION_ERROR` that names the limit.
pub fn not_too_deep(field: &str, bytes: &[u8]) -> Result<(), ApiError> {
    if is_deeper_than(MAX_REQUEST_DEPTH, bytes) {
        let message = format!("may be nested {MAX_REQUEST_DEPTH} levels deep at most");
        return Err(ApiError::invalid_field(field, message));
    }
    Ok(())
}

/// The first word in backticks: serde's way to name a missing field.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// What a JSON value is, in words.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(Map { .. }) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use cloudbox_api_types::ExecuteRequest;

    use super::*;

    fn problem(body: &str) -> (String, String) {
        let error = read_json::<ExecuteRequest>(body.as_bytes()).unwrap_err();
        let detail = error.body.details.unwrap().remove(0);
        (detail.field, detail.message)
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        assert_eq!(problem(r#"{"timeout_ms": "soon"}"#).0, "timeout_ms");
        assert_eq!(problem(r#"{"headers": {"a": 1}}"#).0, "headers.a");
    }

    #[test]
    fn an_unknown_field_is_named() {
        let (field, message) = problem(r#"{"dat": 1}"#);
        assert_eq!(field, "dat");
        assert!(message.contains("unknown field"), "{message}");
    }

    #[tokio::test]
    async fn a_list_is_no_object_with_its_fields_in_order() {
        for bad in ["[]", " [1]", "[{\"data\": 1}]", "[1"] {
            let request = Request::new(axum::body::Body::from(bad));
            let read = OptionalJson::<ExecuteRequest>::from_request(request, &()).await;
            assert_eq!(read.unwrap_err().body.details.unwrap()[0].field, "body", "{bad}");
        }
        let request = Request::new(axum::body::Body::from(" \n"));
        assert!(OptionalJson::<ExecuteRequest>::from_request(request, &()).await.unwrap().0.is_none());
    }

    #[test]
    fn what_is_not_json_is_told_of_the_body() {
        for bad in ["{", "{} x", "\u{0}", "[1,"] {
            assert_eq!(problem(bad).0, "body", "{bad}");
        }
    }
}

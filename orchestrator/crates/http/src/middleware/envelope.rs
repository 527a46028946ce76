//! The request's id comes in or is made, a panic becomes an error, and errors get their body.

use std::any::Any;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};

use crate::error::ApiError;

/// The header, in and out.
const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id that a caller may choose.
const MAX_LEN: usize = 128;

/// The request's id, for handlers and logs.
#[derive(Clone, Debug)]
pub struct RequestId(pub HeaderValue);

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn of(request: &Request) -> Self {
        let is_fine = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=MAX_LEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        };
        let given = request.headers().get(NAME).filter(is_fine).cloned();
        Self(given.unwrap_or_else(Self::generate))
    }

    fn generate() -> HeaderValue {
        let id = uuid::Uuid::now_v7().to_string();
        HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    }
}

/// The answer of a handler that panicked.
pub(super) fn of_panic(panic: &(dyn Any + Send)) -> Response {
    tracing::error!(panic = panic_text(panic), "a handler panicked");
    ApiError::internal().into_response()
}

/// Gives an error its body, and the answer its id.
pub(super) fn close(response: &mut Response, id: RequestId) {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let body = error.render(id.as_str());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    let headers = response.headers_mut();
    headers.insert(NAME, id.0);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

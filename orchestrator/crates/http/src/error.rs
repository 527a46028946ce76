//! The one error of the HTTP side, and how it is written.
//!
//! A handler returns an [`ApiError`]; the answer carries it as an extension, and [`crate::middleware`]
//! writes the body, since only there the request's id is known. So every error has one shape.

use axum::response::{IntoResponse, Response};
use cloudbox_api_types::{ErrorBody, ErrorDetail};
use cloudbox_dispatch::json;
use cloudbox_types::ErrorCode;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// Seconds after which a database that could not be used may be back.
const NO_DATABASE_RETRY_S: u32 = 2;

/// An error on its way to a caller.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// What the caller reads.
    pub body: Box<ErrorBody>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// Whether the caller is the public: then the body says nothing that is for users of the API alone.
    pub is_public: bool,
    /// Headers that go with it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// An error with a sentence.
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            body: Box::new(ErrorBody::new(code, error)),
            retry_after_s: None,
            is_public: false,
            headers: Vec::new(),
        }
    }

    /// Every problem of a request at once.
    #[must_use]
    pub fn invalid(details: Vec<ErrorDetail>) -> Self {
        let sentence = match details.as_slice() {
            [] => "the request is not valid".to_owned(),
            [one] => format!("{} {}", one.field, one.message),
            [first, rest @ ..] => {
                format!("{} {} (and {} more, see details)", first.field, first.message, rest.len())
            }
        };
        let mut error = Self::new(ErrorCode::ValidationError, sentence);
        error.body.details = Some(details);
        error
    }

    /// One problem of a request.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![detail(field, message)])
    }

    /// Nothing there, or nothing that this caller may see.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no such {what}"))
    }

    /// No credential, or a wrong one.
    #[must_use]
    pub fn unauthorized() -> Self {
        let mut error = Self::new(
            ErrorCode::Unauthorized,
            "a valid credential is needed: send the header Authorization: Bearer TOKEN",
        );
        error.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        error
    }

    /// A fault of the service; its inside is in the log, under the request's id.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorCode::InternalError, "the service failed; its log says why under this request's id")
    }

    /// The service ends, and begins nothing new.
    #[must_use]
    pub fn closing() -> Self {
        let mut error = Self::new(ErrorCode::Overloaded, "the service is shutting down");
        error.retry_after_s = Some(5);
        error
    }

    /// The database can't be used for a while. A change that is answered so may have happened.
    #[must_use]
    pub fn no_database() -> Self {
        let sentence = "the service can't use its database now; try again soon";
        Self { retry_after_s: Some(NO_DATABASE_RETRY_S), ..Self::new(ErrorCode::Overloaded, sentence) }
    }

    /// The same error as the public may see it.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.is_public = true;
        self
    }

    /// The HTTP status that goes with the code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.body.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer's body, with the request's id where the caller may use it.
    #[must_use]
    pub fn render(mut self, request_id: &str) -> Vec<u8> {
        if !self.is_public {
            self.body.request_id = Some(request_id.to_owned());
        }
        serde_json::to_vec(&self.body).unwrap_or_default()
    }
}

/// Bytes of a field's name in an answer, which is the caller's own where no field is known by it.
const MAX_FIELD_BYTES: usize = 256;
/// Bytes of what is said of a field, which may quote its value.
const MAX_MESSAGE_BYTES: usize = 1024;

/// One problem of a request.
pub fn detail(field: impl Into<String>, message: impl Into<String>) -> ErrorDetail {
    ErrorDetail {
        field: json::cut(field.into(), MAX_FIELD_BYTES),
        message: json::cut(message.into(), MAX_MESSAGE_BYTES),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<cloudbox_store::Error> for ApiError {
    fn from(error: cloudbox_store::Error) -> Self {
        use cloudbox_store::Error;
        match error {
            Error::Taken { .. } | Error::Refused { .. } => Self::new(ErrorCode::Conflict, error.to_string()),
            Error::Missing { what } => Self::not_found(what),
            Error::Unavailable { .. } => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a request had no database");
                Self::no_database()
            }
            Error::Undecryptable { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "secret values are lost");
                Self::new(ErrorCode::InternalError, error.to_string())
            }
            Error::Unusable { .. } | Error::Database(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                Self::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_sentence_code_and_request_id() {
        let rendered = ApiError::not_found("project").render("r-1");
        assert_eq!(
            String::from_utf8(rendered).unwrap(),
            r#"{"error":"there is no such project","code":"NOT_FOUND","request_id":"r-1"}"#
        );
    }

    #[test]
    fn the_public_gets_no_request_id() {
        let rendered = ApiError::not_found("function").public().render("r-1");
        assert_eq!(
            String::from_utf8(rendered).unwrap(),
            r#"{"error":"there is no such function","code":"NOT_FOUND"}"#
        );
    }

    #[test]
    fn details_name_every_field_and_the_sentence_the_first() {
        let error =
            ApiError::invalid(vec![detail("timeout", "is too long"), detail("memory", "is too small")]);
        assert_eq!(error.body.error, "timeout is too long (and 1 more, see details)");
        assert_eq!(error.body.details.as_ref().unwrap().len(), 2);
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_missing_credential_says_which_kind_is_wanted() {
        let response = ApiError::unauthorized().into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn a_retry_is_told_in_seconds() {
        let mut error = ApiError::new(ErrorCode::Overloaded, "busy");
        error.retry_after_s = Some(2);
        assert_eq!(error.into_response().headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn store_errors_keep_their_inside() {
        let broken = cloudbox_store::Error::Unusable { why: "the disk of the database is full".to_owned() };
        let error = ApiError::from(broken);
        assert_eq!(error.body.code, ErrorCode::InternalError);
        assert!(!error.body.error.contains("database"));
        let taken = cloudbox_store::Error::Taken { what: "the name a".to_owned() };
        assert_eq!(ApiError::from(taken).body.code, ErrorCode::Conflict);
    }
}

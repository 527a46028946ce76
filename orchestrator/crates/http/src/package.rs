//! A package in a request's body: as the body itself, or as a part of a form. It goes to the disk as it comes.

use axum::extract::Request;
use bytes::Bytes;
use cloudbox_storage::{Package, Upload};
use cloudbox_types::ErrorCode;
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};
use multer::Multipart;

use crate::api::Api;
use crate::error::ApiError;
use crate::place::Place;

/// The form's field.
const FIELD: &str = "package";
/// Bytes around a form's package: boundaries, and the heads of its parts.
const FORM_BYTES: u64 = 64 << 10;
/// Media types of a body that is a package.
const MEDIA_TYPES: [&str; 10] = [
    "application/gzip",
    "application/x-gzip",
    "application/tar+gzip",
    "application/x-tgz",
    "application/x-gtar",
    "application/x-compressed-tar",
    "application/x-tar-gz",
    "application/zip",
    "application/x-zip-compressed",
    "application/octet-stream",
];

/// What a body is by its `Content-Type`.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Raw,
    Form { boundary: String },
    Other,
}

/// Whether a request's `Content-Type` is that of a package, or of a form that may have one.
#[must_use]
pub fn has_package(headers: &HeaderMap) -> bool {
    kind(headers) != Kind::Other
}

fn kind(headers: &HeaderMap) -> Kind {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if MEDIA_TYPES.contains(&essence.as_str()) {
        return Kind::Raw;
    }
    multer::parse_boundary(text).map_or(Kind::Other, |boundary| Kind::Form { boundary })
}

/// Receives and keeps the package of a request.
///
/// # Errors
/// `VALIDATION_ERROR`: no package, or one that is refused, with its reason; `PAYLOAD_TOO_LARGE`; `OVERLOADED`: too
/// many are being received.
pub async fn receive(api: &Api, request: Request) -> Result<Package, ApiError> {
    receive_whole(api, request).await.map_err(|mut error| {
        // The rest of the body is not read, so no other request can follow on this connection.
        error.headers.push((header::CONNECTION, HeaderValue::from_static("close")));
        error
    })
}

async fn receive_whole(api: &Api, mut request: Request) -> Result<Package, ApiError> {
    let limit = api.packages.limits().archive_bytes;
    let place = request.extensions_mut().remove::<Place>();
    if place.as_ref().is_some_and(|place| place.declared() > limit + FORM_BYTES) {
        return Err(too_large(limit));
    }
    let kind = kind(request.headers());
    let body = request.into_body().into_data_stream();
    let mut upload = api.packages.receive()?;
    match kind {
        Kind::Raw => write_all(&mut upload, body).await?,
        Kind::Form { boundary } => read_form(&mut upload, Multipart::new(body, boundary)).await?,
        Kind::Other => {
            let message = format!(
                "must be a package: send the bytes of a .tgz or .zip with Content-Type application/gzip or \
                 application/zip, or a form (multipart/form-data) with the field {FIELD}"
            );
            return Err(ApiError::invalid_field("body", message));
        }
    }
    if let Some(place) = place {
        place.enter()?;
    }
    Ok(api.packages.keep(upload).await?)
}

async fn read_form(upload: &mut Upload, mut form: Multipart<'_>) -> Result<(), ApiError> {
    let mut is_there = false;
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error))? {
        match field.name() {
            Some(FIELD) if !is_there => is_there = true,
            Some(FIELD) => return Err(ApiError::invalid_field(FIELD, "is there twice")),
            other => {
                let name = other.unwrap_or_default().to_owned();
                return Err(ApiError::invalid_field(
                    name,
                    format!("is not known; the form has one field, {FIELD}"),
                ));
            }
        }
        write_all(upload, field).await?;
    }
    if is_there { Ok(()) } else { Err(ApiError::invalid_field(FIELD, "is missing")) }
}

async fn write_all<E: std::error::Error>(
    upload: &mut Upload,
    mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<(), ApiError> {
    while let Some(piece) = pieces.next().await {
        upload.write(&piece.map_err(|error| unreadable(&error))?).await?;
    }
    if upload.bytes() == 0 {
        return Err(ApiError::invalid_field(FIELD, "is empty"));
    }
    Ok(())
}

fn unreadable(error: &dyn std::error::Error) -> ApiError {
    ApiError::invalid_field("body", format!("was not sent whole, or not in time: {error}"))
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(ErrorCode::PayloadTooLarge, format!("a package may have at most {limit} bytes"))
}

impl From<cloudbox_storage::Error> for ApiError {
    fn from(error: cloudbox_storage::Error) -> Self {
        use cloudbox_archive::Refused;
        use cloudbox_storage::Error;
        match error {
            Error::Refused(refused @ (Refused::ArchiveBytes { .. } | Refused::Bytes { .. })) => {
                Self::new(ErrorCode::PayloadTooLarge, refused.to_string())
            }
            Error::Refused(refused) => Self::invalid_field(FIELD, refused.to_string()),
            Error::Busy => {
                let mut error = Self::new(ErrorCode::Overloaded, error.to_string());
                error.retry_after_s = Some(2);
                error
            }
            Error::Unavailable => {
                let mut error = Self::new(ErrorCode::Overloaded, error.to_string());
                error.retry_after_s = Some(5);
                error
            }
            Error::Missing { .. } => Self::not_found("package"),
            Error::Damaged { .. } => Self::new(ErrorCode::InternalError, error.to_string()),
            Error::Io { .. } | Error::Place { .. } | Error::Unlisted { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "a package can't be kept or read");
                Self::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_by_their_media_type() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(text).unwrap());
            kind(&headers)
        };
        assert_eq!(of("Application/GZIP"), Kind::Raw);
        assert_eq!(of("application/zip; x=y"), Kind::Raw);
        assert_eq!(of("multipart/form-data; boundary=abc"), Kind::Form { boundary: "abc".to_owned() });
        assert_eq!(of("multipart/form-data"), Kind::Other);
        assert_eq!(of("application/json"), Kind::Other);
        assert!(!has_package(&HeaderMap::new()));
    }
}

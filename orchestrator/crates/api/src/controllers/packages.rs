//! Packages: a function's source as an archive.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use cloudbox_api_types::{ErrorBody, Package};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::Path;
use cloudbox_http::package::receive;
use cloudbox_storage::{Package as Kept, format_of};
use cloudbox_types::Function as Row;
use http::header;
use tokio_util::io::ReaderStream;

use super::functions;

/// Give a function an archive as its source, in place of `code`: the bytes of a `.tgz` or `.zip`, or a form with the
/// field `package`. A deploy makes a version of it.
#[utoipa::path(put, path = "/api/projects/{project}/functions/{function}/package", tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    request_body(description = "A `.tgz` or `.zip` of at most 50 MiB, or a form with it as the field `package`",
        content((Vec<u8> = "application/gzip"), (Vec<u8> = "application/zip"), (Object = "multipart/form-data"))),
    responses((status = 200, body = Package), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn put(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Package>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let kept = receive(&api, request).await?;
    become_source(&api, function, &kept).await?;
    Ok(Json(shown(kept)))
}

/// Read the archive that is a function's source: what the next deploy takes.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/package", tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    responses((status = 200, description = "The bytes that were uploaded",
        content((Vec<u8> = "application/gzip"), (Vec<u8> = "application/zip"))),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let name = function.settings.name.to_string();
    send(&api, function.settings.package, &name).await
}

/// Read the archive that a version was built from.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/versions/{number}/package",
    tag = "deployments",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("number" = i64, Path)),
    responses((status = 200, description = "The bytes that were uploaded",
        content((Vec<u8> = "application/gzip"), (Vec<u8> = "application/zip"))),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read_of_version(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, number)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let version = match number.parse() {
        Ok(number) => api.store.version(function.id, number).await?,
        Err(_) => None,
    };
    let version = version.ok_or_else(|| ApiError::not_found("version"))?;
    send(&api, version.package, &format!("{}-{}", function.settings.name, version.number)).await
}

/// Makes a package the function's source, which the next deployment builds.
///
/// # Errors
/// The store's.
pub async fn become_source(api: &Api, function: Row, kept: &Kept) -> Result<Row, ApiError> {
    let mut settings = function.settings.clone();
    settings.code = None;
    settings.package = Some(kept.digest.clone());
    functions::update(api, function, settings).await
}

/// A package as its users see it.
#[must_use]
pub fn shown(kept: Kept) -> Package {
    Package {
        sha256: kept.digest,
        bytes: kept.bytes,
        files: kept.files as u64,
        format: kept.format.extension().to_owned(),
    }
}

/// The bytes of a package, once they are known to be those that were uploaded.
async fn send(api: &Api, digest: Option<String>, name: &str) -> Result<Response, ApiError> {
    let digest = digest.ok_or_else(|| {
        let mut error = ApiError::not_found("package");
        error.body.error = "its source is no package but `code`".to_owned();
        error
    })?;
    let path = api.packages.find(&digest).await?;
    let format = format_of(&path)?;
    let file = tokio::fs::File::open(&path).await.map_err(|_| ApiError::internal())?;
    let bytes = file.metadata().await.map_err(|_| ApiError::internal())?.len();
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{}\"", format.extension())),
        (header::ETAG, format!("\"{digest}\"")),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

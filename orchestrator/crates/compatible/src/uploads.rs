//! Versions that are uploaded as archives and deployed at once.

use std::sync::Arc;

use axum::extract::{Request, State};
use cloudbox_api::controllers::answer::Made;
use cloudbox_api_types::{ErrorBody, UploadedVersion};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, Tenant, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::Path;
use cloudbox_http::package::receive;

use crate::at_once;

/// Upload a package, the field `package` of a form or the body itself; it becomes the function's next version, which
/// calls get from then on.
#[utoipa::path(post, path = "/api/functions/{function}/versions", tag = "dashboard",
    params(("function" = String, Path, description = "Id, or a name in the project that is meant")),
    request_body(description = "A `.tgz` or `.zip` of at most 50 MiB",
        content((Object = "multipart/form-data"), (Vec<u8> = "application/gzip"), (Vec<u8> = "application/zip"))),
    responses((status = 201, body = UploadedVersion, headers(("location" = String, description = "Where its package is read"))),
        (status = 422, body = ErrorBody, description = "The build failed"),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn upload(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(function): Path<String>,
    request: Request,
) -> Result<Made<UploadedVersion>, ApiError> {
    let function = access::function_meant(&api, caller, &project, &function).await?;
    let kept = receive(&api, request).await?;
    let (digest, bytes) = (kept.digest.clone(), kept.bytes);
    let (function, number) = at_once::deploy_package(&api, function, kept).await?;
    let version = api.store.version(function.id, number).await?;
    let version = version.ok_or_else(|| ApiError::not_found("version"))?;
    let path = format!(
        "/api/projects/{}/functions/{}/versions/{}/package",
        function.project_id, function.id, version.number
    );
    let made = UploadedVersion {
        id: version.number,
        function_id: function.id.0,
        version: version.number,
        is_active: function.active_version == Some(version.number),
        runtime: version.runtime,
        package_hash: digest,
        package_size: bytes,
        created_at: version.created_at,
    };
    Ok(Made { path, made })
}

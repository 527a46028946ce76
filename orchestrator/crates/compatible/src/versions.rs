//! A dashboard's way to versions: by the function's id alone, the version's number as its id.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api::controllers::{GONE, versions};
use cloudbox_api_types::version::{ListedVersion, Switched};
use cloudbox_api_types::{ErrorBody, List};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, Tenant, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{OptionalJson, Path, Query, page_request};
use cloudbox_types::Switch;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

/// Body of `switch-version`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchVersion {
    /// The version's `id`, as a number or a text.
    #[serde(rename = "versionId", alias = "version_id")]
    #[schema(value_type = i64, example = 3)]
    pub version_id: serde_json::Value,
}

/// List a function's versions, newest first.
#[utoipa::path(get, path = "/api/functions/{function}/versions", tag = "dashboard",
    params(("function" = String, Path, description = "Id, or a name in the project that is meant"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<ListedVersion>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(function): Path<String>,
    query: Query,
) -> Result<Json<List<ListedVersion>>, ApiError> {
    let function = access::function_meant(&api, caller, &project, &function).await?;
    let page = api.store.versions(function.id, page_request(&query)?).await?;
    Ok(Json(List::from_page(page, |row| ListedVersion::new(row, &function))))
}

/// Make a version the active one.
#[utoipa::path(post, path = "/api/functions/{function}/switch-version", tag = "dashboard",
    request_body = SwitchVersion,
    params(("function" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 200, body = Switched), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn switch(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(function): Path<String>,
    OptionalJson(body): OptionalJson<SwitchVersion>,
) -> Result<Json<Switched>, ApiError> {
    let function = access::function_meant(&api, caller, &project, &function).await?;
    let wrong = || ApiError::invalid_field("versionId", "must be the id of one of the function's versions");
    let number = match body.map(|body| body.version_id) {
        Some(serde_json::Value::Number(number)) => number.as_i64().ok_or_else(wrong)?,
        Some(serde_json::Value::String(text)) => versions::number(&text).map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let after = api.backend.switch(function.id, Switch::Activate(number), caller.name()).await?;
    let row = api.store.version(function.id, number).await?.ok_or_else(|| ApiError::not_found("version"))?;
    Ok(Json(Switched { success: true, active_version: number, version: ListedVersion::new(row, &after) }))
}

/// Delete a version that is not active and that no alias names.
#[utoipa::path(delete, path = "/api/functions/{function}/versions/{version}", tag = "dashboard",
    params(("function" = String, Path, description = "Id, or a name in the project that is meant"),
        ("version" = i64, Path, description = "The version's `id`")),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path((function, version)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let function = access::function_meant(&api, caller, &project, &function).await?;
    let number = versions::number(&version)?;
    api.backend.switch(function.id, Switch::Delete(number), caller.name()).await?;
    Ok(GONE)
}

//! Versions: their history, which one is active, how two of them differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::version::{Activated, Activation, FieldDiff, Version, VersionDiff, VersionRead};
use cloudbox_api_types::{ErrorBody, List};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Path, Query, page_request};
use cloudbox_types::{Function, Switch, Version as Row};
use http::StatusCode;
use similar::TextDiff;

use super::GONE;

/// How long a diff may look for the shortest one; after that it says what it has.
const DIFF_TIME: Duration = Duration::from_millis(500);

/// List a function's versions, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/versions", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<Version>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    query: Query,
) -> Result<Json<List<Version>>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let page = api.store.versions(function.id, page_request(&query)?).await?;
    Ok(Json(List::from_page(page, |row| Version::new(row, &function))))
}

/// Read a version with its source.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/versions/{version}", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("version" = i64, Path)),
    responses((status = 200, body = VersionRead), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, version)): Path<(String, String, String)>,
) -> Result<Json<VersionRead>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let row = find(&api, &function, &version).await?;
    let code = api.store.version_code(function.id, row.number).await?;
    Ok(Json(VersionRead { version: Version::new(row, &function), code }))
}

/// Make a version the active one. Once this answers, no later call gets another one.
#[utoipa::path(post, path = "/api/projects/{project}/functions/{function}/versions/{version}/activate",
    tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("version" = i64, Path)),
    responses((status = 200, body = Activated), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn activate(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, version)): Path<(String, String, String)>,
) -> Result<Json<Activated>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let number = number(&version)?;
    switched(&api, caller, function, Switch::Activate(number)).await.map(Json)
}

/// Make the version active again that was active before. Done again, it goes back further.
#[utoipa::path(post, path = "/api/projects/{project}/functions/{function}/rollback", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name")),
    responses((status = 200, body = Activated), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn roll_back(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
) -> Result<Json<Activated>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    switched(&api, caller, function, Switch::RollBack).await.map(Json)
}

/// Delete a version that is not active and that no alias names.
#[utoipa::path(delete, path = "/api/projects/{project}/functions/{function}/versions/{version}", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("version" = i64, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, version)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let number = number(&version)?;
    api.backend.switch(function.id, Switch::Delete(number), caller.name()).await?;
    Ok(GONE)
}

/// List which versions became the active one, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/activations", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<Activation>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn activations(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    query: Query,
) -> Result<Json<List<Activation>>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let page = api.store.activations(function.id, page_request(&query)?).await?;
    Ok(Json(List::from_page(page, Activation::from)))
}

/// Say how two versions differ.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/versions/{version}/diff/{other}",
    tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("version" = i64, Path, description = "The one"),
        ("other" = i64, Path, description = "The other")),
    responses((status = 200, body = VersionDiff), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn diff(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, one, other)): Path<(String, String, String, String)>,
) -> Result<Json<VersionDiff>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let (one, other) = (find(&api, &function, &one).await?, find(&api, &function, &other).await?);
    let code = |row: &Row| api.store.version_code(function.id, row.number);
    let (source, files) = match (code(&one).await?, code(&other).await?) {
        (Some(before), Some(after)) => (Some(unified(&one, before, &other, after).await?), None),
        _ => {
            let (before, after) = (api.backend.files(&one).await?, api.backend.files(&other).await?);
            (None, Some(differing(&before, &after)))
        }
    };
    Ok(Json(VersionDiff {
        from: one.number,
        to: other.number,
        settings: differing(&settings(&one), &settings(&other)),
        dependencies: differing(&one.dependencies, &other.dependencies),
        source,
        files,
    }))
}

/// Switches, and says between which versions.
///
/// # Errors
/// `CONFLICT` with the remedy, `NOT_FOUND`; the store's.
pub async fn switched(
    api: &Api,
    caller: Caller,
    before: Function,
    switch: Switch,
) -> Result<Activated, ApiError> {
    let after = api.backend.switch(before.id, switch, caller.name()).await?;
    let active_version = after.active_version.ok_or_else(ApiError::internal)?;
    Ok(Activated { active_version, previous_version: before.active_version })
}

/// The number that a path names.
///
/// # Errors
/// `NOT_FOUND` for what is none.
pub fn number(text: &str) -> Result<i64, ApiError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or_else(|| ApiError::not_found("version"))
}

async fn find(api: &Api, function: &Function, version: &str) -> Result<Row, ApiError> {
    let found = api.store.version(function.id, number(version)?).await?;
    found.ok_or_else(|| ApiError::not_found("version"))
}

fn settings(version: &Row) -> BTreeMap<String, String> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    BTreeMap::from([
        pair("runtime", &version.runtime),
        pair("language", version.language.as_str()),
        pair("entry_point", &version.entry_point),
        pair("handler_style", &version.handler_style),
    ])
}

fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<FieldDiff> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differ
        .map(|name| FieldDiff {
            name: name.clone(),
            from: before.get(name).cloned(),
            to: after.get(name).cloned(),
        })
        .collect()
}

/// Two sources that are long and alike in nothing take a while.
async fn unified(one: &Row, before: String, other: &Row, after: String) -> Result<String, ApiError> {
    let (from, to) = (format!("version {}", one.number), format!("version {}", other.number));
    let told = tokio::task::spawn_blocking(move || {
        let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(&before, &after);
        diff.unified_diff().context_radius(3).header(&from, &to).to_string()
    });
    told.await.map_err(|_| ApiError::internal())
}

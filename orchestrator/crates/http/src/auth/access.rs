//! The ways to a row: each takes the caller, checks the right, and only then answers the row.
//!
//! An administrator reaches everything; roles will decide here, and nowhere else.

use std::sync::Arc;

use cloudbox_dispatch::table::Entry;
use cloudbox_types::{Deployment, DeploymentId, Function, FunctionId, Project, ProjectId};

use super::Caller;
use crate::api::Api;
use crate::error::ApiError;

/// Whether the caller may make and list projects.
///
/// # Errors
/// `FORBIDDEN` where it may not.
pub const fn projects(caller: Caller) -> Result<(), ApiError> {
    match caller {
        Caller::Admin => Ok(()),
    }
}

/// A project by id or slug.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn project(api: &Api, caller: Caller, project: &str) -> Result<Project, ApiError> {
    let Caller::Admin = caller;
    let found = match id(project) {
        Some(id) => api.store.project(ProjectId(id)).await?,
        None => api.store.project_by_slug(project).await?,
    };
    found.ok_or_else(|| ApiError::not_found("project"))
}

/// A function by its project's id or slug and its own id or name.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn function(
    api: &Api,
    caller: Caller,
    project: &str,
    function: &str,
) -> Result<Function, ApiError> {
    let project = self::project(api, caller, project).await?;
    let found = match id(function) {
        Some(id) => api.store.function(FunctionId(id)).await?,
        None => api.store.function_by_name(project.id, function).await?,
    };
    api.backend.settled().await;
    let own = found.filter(|function| function.project_id == project.id);
    own.ok_or_else(|| ApiError::not_found("function"))
}

/// A function by its own id, in whichever project; or by its name in `project`.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn function_meant(
    api: &Api,
    caller: Caller,
    project: &str,
    function: &str,
) -> Result<Function, ApiError> {
    let Some(number) = id(function) else { return self::function(api, caller, project, function).await };
    let found = api.store.function(FunctionId(number)).await?;
    let found = found.ok_or_else(|| ApiError::not_found("function"))?;
    self::function(api, caller, &found.project_id.to_string(), function).await
}

/// A deployment of a function.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn deployment(api: &Api, caller: Caller, path: (&str, &str, &str)) -> Result<Deployment, ApiError> {
    let (project, function, deployment) = path;
    let function = self::function(api, caller, project, function).await?;
    let found = match id(deployment) {
        Some(id) => api.store.deployment(DeploymentId(id)).await?,
        None => None,
    };
    api.backend.settled().await;
    let own = found.filter(|deployment| deployment.function_id == function.id);
    own.ok_or_else(|| ApiError::not_found("deployment"))
}

/// A function to be called by a user of the API, out of memory.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn callable(
    api: &Api,
    caller: Caller,
    project: &str,
    function: &str,
) -> Result<Arc<Entry>, ApiError> {
    let Caller::Admin = caller;
    let found = api.table.find(project, function).await?;
    found.map(|(_, entry)| entry).ok_or_else(|| ApiError::not_found("function"))
}

/// A function to be called by anybody. One that is not public is not there, for who has no credential.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn public(
    api: &Api,
    caller: Option<Caller>,
    project: &str,
    name: &str,
) -> Result<Arc<Entry>, ApiError> {
    let found = api.table.find(project, name).await.map_err(ApiError::from)?;
    let entry = found.map(|(_, entry)| entry);
    let seen = entry.filter(|entry| entry.function.settings.is_public || caller.is_some());
    seen.ok_or_else(|| ApiError::not_found("function"))
}

/// As [`public`], for a function's id alone, in whichever project; or for its name in `project`.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn public_meant(
    api: &Api,
    caller: Option<Caller>,
    project: &str,
    function: &str,
) -> Result<Arc<Entry>, ApiError> {
    let Some(number) = id(function) else { return public(api, caller, project, function).await };
    let entry = api.table.find_by_id(FunctionId(number)).await?;
    let seen = entry.filter(|entry| entry.function.settings.is_public || caller.is_some());
    seen.ok_or_else(|| ApiError::not_found("function"))
}

fn id(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

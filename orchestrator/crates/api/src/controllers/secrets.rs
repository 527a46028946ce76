//! Secrets that all functions of a project get, and the change of the key that they are encrypted with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::{ErrorBody, List, NewSecret, ProjectSecret, SecretRotation};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{JsonObject, Path, Query, page_request};
use cloudbox_http::settings::environment::problem_of;
use cloudbox_store::SharedSecret;
use cloudbox_types::{FunctionId, Secret};
use http::StatusCode;

use super::GONE;

fn shown(secret: SharedSecret) -> ProjectSecret {
    ProjectSecret::new(secret.name, secret.created_at, secret.updated_at)
}

/// List a project's secrets; their values are masked.
#[utoipa::path(get, path = "/api/projects/{project}/secrets", tag = "secrets",
    params(("project" = String, Path, description = "Id or slug"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<ProjectSecret>), (status = "4XX", body = ErrorBody)),
    security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
    query: Query,
) -> Result<Json<List<ProjectSecret>>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let page = api.store.secrets(project.id, page_request(&query)?).await?;
    Ok(Json(List::from_page(page, shown)))
}

/// Read whether a project has a secret, and since when; its value is masked.
#[utoipa::path(get, path = "/api/projects/{project}/secrets/{name}", tag = "secrets",
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path)),
    responses((status = 200, body = ProjectSecret), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
) -> Result<Json<ProjectSecret>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let found = api.store.secret(project.id, &name).await?;
    found.map(|secret| Json(shown(secret))).ok_or_else(|| ApiError::not_found("secret"))
}

/// Set a secret of a project. All its functions have it from their next call on, where they have no variable of that name.
#[utoipa::path(put, path = "/api/projects/{project}/secrets/{name}", tag = "secrets", request_body = NewSecret,
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path)),
    responses((status = 200, body = ProjectSecret), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn put(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
    JsonObject(mut fields): JsonObject,
) -> Result<Json<ProjectSecret>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let value = fields.text("value");
    if value.is_none() && fields.is_fine() {
        fields.problem("value", "is missing");
    }
    if let Some(problem) = problem_of(&name, value.as_deref().unwrap_or_default()) {
        fields.problem("name", problem);
    }
    fields.finish()?;
    let changed = api.store.set_secret(project.id, &name, value.map(Secret::new)).await?;
    tell(&api, changed).await?;
    let found = api.store.secret(project.id, &name).await?;
    found.map(|secret| Json(shown(secret))).ok_or_else(|| ApiError::not_found("secret"))
}

/// Take a secret away from a project.
#[utoipa::path(delete, path = "/api/projects/{project}/secrets/{name}", tag = "secrets",
    params(("project" = String, Path, description = "Id or slug"), ("name" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let changed = api.store.set_secret(project.id, &name, None).await?;
    tell(&api, changed).await?;
    Ok(GONE)
}

/// Encrypt everything that older keys encrypted with the key of now. Older keys are not needed any more then.
#[utoipa::path(post, path = "/api/secrets/rotate", tag = "secrets",
    responses((status = 200, body = SecretRotation), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn rotate(caller: Caller, State(api): State<Arc<Api>>) -> Result<Json<SecretRotation>, ApiError> {
    access::projects(caller)?;
    let done = api.store.rotate_secrets().await?;
    tracing::info!(key.id = done.key_id, done.rotated, done.unreadable, "secret values were encrypted anew");
    Ok(Json(SecretRotation { key_id: done.key_id, rotated: done.rotated, unreadable: done.unreadable }))
}

/// Calls from now on see what was changed: sandboxes of before end with the calls that they have.
async fn tell(api: &Api, changed: Vec<FunctionId>) -> Result<(), ApiError> {
    for id in changed {
        let Some(function) = api.store.function(id).await.ok().flatten() else {
            // Deleted meanwhile, or its own values are lost: who calls it is told.
            continue;
        };
        let version = match function.active_version {
            Some(number) => api.store.version(id, number).await?,
            None => None,
        };
        api.backend.function_changed(function, version);
    }
    Ok(())
}

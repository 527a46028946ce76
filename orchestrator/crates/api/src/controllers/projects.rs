//! Projects.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::{ErrorBody, List, NewProject, Project, ProjectPatch};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Fields, JsonObject, Path, Query, page_request};
use cloudbox_store::{NewProject as NewRow, ProjectPatch as RowPatch};
use cloudbox_types::Name;
use http::StatusCode;

use super::GONE;
use super::answer::Made;

/// Make a project.
#[utoipa::path(post, path = "/api/projects", tag = "projects", request_body = NewProject,
    responses((status = 201, body = Project, headers(("location" = String, description = "Where it is read"))), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn create(
    caller: Caller,
    State(api): State<Arc<Api>>,
    JsonObject(mut fields): JsonObject,
) -> Result<Made<Project>, ApiError> {
    access::projects(caller)?;
    let name = fields.short_text("name", 1..=200);
    if name.is_none() && fields.is_fine() {
        fields.problem("name", "is missing");
    }
    let asked = slug(&mut fields);
    let description = fields.short_text("description", 0..=2000).unwrap_or_default();
    let name = name.unwrap_or_default();
    let made = asked.or_else(|| slug_of(&name));
    if made.is_none() && fields.is_fine() {
        fields.problem("slug", "is missing, and can't be made from this name");
    }
    fields.finish()?;
    let slug = made.ok_or_else(ApiError::internal)?;
    let project = api.store.create_project(NewRow { name, slug, description }).await?;
    Ok(Made { path: format!("/api/projects/{}", project.id), made: project.into() })
}

/// List projects.
#[utoipa::path(get, path = "/api/projects", tag = "projects",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<Project>), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    query: Query,
) -> Result<Json<List<Project>>, ApiError> {
    access::projects(caller)?;
    let page = api.store.projects(page_request(&query)?).await?;
    Ok(Json(List::from_page(page, Project::from)))
}

/// Read a project.
#[utoipa::path(get, path = "/api/projects/{project}", tag = "projects",
    params(("project" = String, Path, description = "Id or slug")),
    responses((status = 200, body = Project), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
) -> Result<Json<Project>, ApiError> {
    Ok(Json(access::project(&api, caller, &project).await?.into()))
}

/// Change a project.
#[utoipa::path(patch, path = "/api/projects/{project}", tag = "projects", request_body = ProjectPatch,
    params(("project" = String, Path, description = "Id or slug")),
    responses((status = 200, body = Project), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn change(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
    JsonObject(mut fields): JsonObject,
) -> Result<Json<Project>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let patch = RowPatch {
        name: fields.short_text("name", 1..=200),
        slug: slug(&mut fields),
        description: fields.short_text("description", 0..=2000),
    };
    fields.finish()?;
    let project = api.store.update_project(project.id, patch).await?;
    api.table.put_project(project.clone());
    Ok(Json(project.into()))
}

/// Delete a project with everything that is in it.
#[utoipa::path(delete, path = "/api/projects/{project}", tag = "projects",
    params(("project" = String, Path, description = "Id or slug")),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
) -> Result<StatusCode, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    api.store.delete_project(project.id).await?;
    api.backend.project_deleted(project.id);
    Ok(GONE)
}

fn slug(fields: &mut Fields) -> Option<Name> {
    Name::new(fields.text("slug")?).map_err(|error| fields.problem("slug", error.to_string())).ok()
}

/// `My shop!` becomes `my-shop`.
fn slug_of(name: &str) -> Option<Name> {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug: String = words.collect::<Vec<_>>().join("-").chars().take(63).collect();
    Name::new(slug.trim_end_matches('-')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_made_from_the_name() {
        for (name, slug) in [("My shop!", "my-shop"), ("  a  ", "a"), ("Ünïcode 1", "n-code-1")] {
            assert_eq!(slug_of(name).unwrap().as_str(), slug);
        }
        assert_eq!(slug_of("日本"), None);
        assert_eq!(slug_of("42"), None);
        let long = slug_of(&"ab ".repeat(60)).unwrap();
        assert!(long.as_str().len() <= 63);
    }
}

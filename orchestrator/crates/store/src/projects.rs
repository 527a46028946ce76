//! Projects.

use cloudbox_database::{Query, Row};
use cloudbox_types::{Name, Page, PageRequest, Project, ProjectId};
use jiff::Timestamp;

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::{SqlStore, committed, unless_taken};
use crate::store::{NewProject, ProjectPatch};

const INSERT: &str = "INSERT INTO projects (name, slug, description, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $4) RETURNING *";

const UPDATE: &str = "UPDATE projects SET name = COALESCE($2, name), slug = COALESCE($3, slug), \
     description = COALESCE($4, description), updated_at = $5 WHERE id = $1 RETURNING *";

pub(crate) const LIST: &str = "SELECT * FROM projects WHERE id > $1 ORDER BY id LIMIT $2";

impl SqlStore {
    pub(crate) async fn insert_project(&self, project: NewProject) -> Result<Project, Error> {
        let mut open = self.database.begin().await?;
        let query = Query::new(INSERT)
            .bind(project.name)
            .bind(project.slug.as_str())
            .bind(project.description)
            .bind(Timestamp::now().as_millisecond());
        let row = open
            .row(query)
            .await
            .map_err(|error| unless_taken(error, || format!("the slug {}", project.slug)))?;
        let made = row.ok_or(sqlx::Error::RowNotFound)?.project()?;
        committed(open, made).await
    }

    pub(crate) async fn list_projects(&self, page: PageRequest) -> Result<Page<Project>, Error> {
        let query = Query::new(LIST).bind(page.after.unwrap_or(0));
        self.list(query, page, "id", Row::project).await
    }

    pub(crate) async fn patch_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Error> {
        let mut open = self.database.begin().await?;
        let query = Query::new(UPDATE)
            .bind(id.0)
            .bind(patch.name)
            .bind(patch.slug.as_ref().map(Name::as_str))
            .bind(patch.description)
            .bind(Timestamp::now().as_millisecond());
        let taken = || patch.slug.map(|slug| format!("the slug {slug}")).unwrap_or_default();
        let row = open.row(query).await.map_err(|error| unless_taken(error, taken))?;
        let changed = row.ok_or(Error::Missing { what: "project" })?.project()?;
        committed(open, changed).await
    }
}

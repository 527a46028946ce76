//! Functions.

use cloudbox_database::{Query, Row};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{Function, FunctionId, FunctionStatus, Page, PageRequest, ProjectId, Version};
use jiff::Timestamp;

use crate::error::Error;
use crate::key::Owner;
use crate::rows::Read as _;
use crate::sql_store::{SqlStore, committed, unless_taken};
use crate::store::{FunctionPatch, NewFunction};

/// A row with an environment that is empty until the id is known, which encryption binds the values to.
const INSERT: &str = "INSERT INTO functions (name, description, runtime, language, code, entry_point, handler_style, \
     isolation, timeout_s, memory_mb, cpu_millis, tmp_mb, pids, dependencies, is_public, is_active, expose_errors, \
     egress, cors, min_instances, max_instances, concurrency, updated_at, \
     project_id, created_at, status, package, image, environment, revision, build_logs, invocation_count) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, \
     $23, $24, $23, $25, $26, $27, '{}', 1, '', 0) RETURNING id";

const UPDATE: &str = "UPDATE functions SET name = $1, description = $2, runtime = $3, language = $4, code = $5, \
     entry_point = $6, handler_style = $7, isolation = $8, timeout_s = $9, memory_mb = $10, cpu_millis = $11, \
     tmp_mb = $12, pids = $13, dependencies = $14, is_public = $15, is_active = $16, expose_errors = $17, \
     egress = $18, cors = $19, min_instances = $20, max_instances = $21, concurrency = $22, updated_at = $23, \
     environment = $24, package = $25, image = $26, revision = revision + $27, generation = generation + 1 \
     WHERE id = $28 AND revision = $29 AND min_instances = $30 AND max_instances = $31 RETURNING *";

const ENCRYPTED: &str =
    "UPDATE functions SET environment = $2, shared_environment = $3 WHERE id = $1 RETURNING *";

/// A few are enough to say who needs a runtime.
pub(crate) const ON_RUNTIME: &str = "SELECT functions.name AS name, versions.number AS number FROM versions \
     JOIN functions ON functions.id = versions.function_id WHERE versions.runtime = $1 \
     ORDER BY versions.function_id, versions.number LIMIT 10";

pub(crate) const DEPLOYED: &str = concat!(
    "SELECT functions.*, ",
    crate::versions::version_columns!(),
    " FROM functions JOIN versions ON versions.function_id = functions.id \
     AND versions.number = functions.active_version WHERE functions.id > $1 ORDER BY functions.id LIMIT $2"
);

/// By the index `functions_of_project`.
pub(crate) const LIST: &str =
    "SELECT * FROM functions WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3";

/// A statement whose first 22 placeholders are the settings and whose 23rd is the time.
fn with_settings(sql: &'static str, settings: &FunctionSettings) -> Query {
    let limits = settings.limits;
    Query::new(sql)
        .bind(settings.name.as_str())
        .bind(settings.description.as_str())
        .bind(settings.runtime.as_str())
        .bind(settings.language.as_str())
        .bind(settings.code.as_deref())
        .bind(settings.entry_point.as_str())
        .bind(settings.handler_style.as_str())
        .bind(settings.isolation.as_str())
        .bind(limits.timeout_s)
        .bind(limits.memory_mb)
        .bind(limits.cpu_millis)
        .bind(limits.tmp_mb)
        .bind(limits.pids)
        .bind(serde_json::json!(settings.dependencies).to_string())
        .bind(settings.is_public)
        .bind(settings.is_active)
        .bind(settings.expose_errors)
        .bind(serde_json::json!(settings.egress).to_string())
        .bind(settings.cors.as_ref().map(ToString::to_string))
        .bind(settings.min_instances)
        .bind(settings.max_instances)
        .bind(settings.concurrency)
        .bind(Timestamp::now().as_millisecond())
}

fn image_of(settings: &FunctionSettings) -> Option<String> {
    settings.image.as_ref().map(|image| serde_json::json!(image).to_string())
}

impl SqlStore {
    fn to_function(&self) -> impl Fn(&Row) -> Result<Function, Error> {
        |row| row.function(&self.key)
    }

    pub(crate) async fn insert_function(&self, function: NewFunction) -> Result<Function, Error> {
        let settings = &function.settings;
        let mut open = self.database.begin().await?;
        let query = with_settings(INSERT, settings)
            .bind(function.project_id.0)
            .bind(FunctionStatus::Draft.as_str())
            .bind(settings.package.as_deref())
            .bind(image_of(settings));
        let row = open.row(query).await.map_err(|error| match error.as_database_error() {
            Some(cause) if cause.is_foreign_key_violation() => Error::Missing { what: "project" },
            _ => unless_taken(error, || format!("the name {}", settings.name)),
        })?;
        let id = FunctionId(row.ok_or(sqlx::Error::RowNotFound)?.get("id")?);
        let owner = Owner { project: function.project_id, function: id };
        let shared = self.shared_of(&mut open, function.project_id).await?;
        let query = Query::new(ENCRYPTED)
            .bind(id.0)
            .bind(self.key.encrypt(owner, &settings.environment))
            .bind(self.key.encrypt(owner, &shared));
        let made = open.row(query).await?.ok_or(sqlx::Error::RowNotFound)?.function(&self.key)?;
        committed(open, made).await
    }

    pub(crate) async fn function_by_id(&self, id: FunctionId) -> Result<Option<Function>, Error> {
        let query = Query::new("SELECT * FROM functions WHERE id = $1").bind(id.0);
        self.find(query, self.to_function()).await
    }

    pub(crate) async fn function_named(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<Option<Function>, Error> {
        let query = Query::new("SELECT * FROM functions WHERE project_id = $1 AND name = $2")
            .bind(project.0)
            .bind(name);
        self.find(query, self.to_function()).await
    }

    pub(crate) async fn list_functions(
        &self,
        project: ProjectId,
        page: PageRequest,
    ) -> Result<Page<Function>, Error> {
        let query = Query::new(LIST).bind(project.0).bind(page.after.unwrap_or(0));
        self.list(query, page, "id", |row| row.function_shown(&self.key)).await
    }

    pub(crate) async fn list_deployed(&self, page: PageRequest) -> Result<Page<(Function, Version)>, Error> {
        let query = Query::new(DEPLOYED).bind(page.after.unwrap_or(0));
        let read = |row: &Row| match row.function(&self.key) {
            Ok(function) => Ok(Some((function, row.version()?))),
            // Whoever calls it is told; the others are called as ever.
            Err(error @ Error::Undecryptable { .. }) => {
                tracing::error!(%error, "a function can't be called");
                Ok(None)
            }
            Err(error) => Err(error),
        };
        let Page { items, next } = self.list(query, page, "id", read).await?;
        Ok(Page { items: items.into_iter().flatten().collect(), next })
    }

    pub(crate) async fn patch_function(
        &self,
        id: FunctionId,
        patch: FunctionPatch,
    ) -> Result<Function, Error> {
        let mut open = self.database.begin().await?;
        let query = Query::new("SELECT project_id FROM functions WHERE id = $1").bind(id.0);
        let row = open.row(query).await?.ok_or(Error::Missing { what: "function" })?;
        let owner = Owner { project: ProjectId(row.get("project_id")?), function: id };
        let query = with_settings(UPDATE, &patch.settings)
            .bind(self.key.encrypt(owner, &patch.settings.environment))
            .bind(patch.settings.package.as_deref())
            .bind(image_of(&patch.settings))
            .bind(i64::from(!patch.keeps_sandboxes))
            .bind(id.0)
            .bind(patch.expected_revision)
            .bind(patch.expected_scale.min_instances)
            .bind(patch.expected_scale.max_instances);
        let row = open
            .row(query)
            .await
            .map_err(|error| unless_taken(error, || format!("the name {}", patch.settings.name)))?;
        let changed = row.ok_or_else(|| Error::Refused {
            why: "the function was changed by another request meanwhile; read it and send the change again"
                .to_owned(),
        })?;
        let changed = changed.function(&self.key)?;
        committed(open, changed).await
    }

    pub(crate) async fn list_versions_on(&self, runtime: &str) -> Result<Vec<(String, i64)>, Error> {
        let rows = self.database.rows(Query::new(ON_RUNTIME).bind(runtime)).await?;
        rows.iter().map(|row| Ok((row.get("name")?, row.get("number")?))).collect()
    }
}

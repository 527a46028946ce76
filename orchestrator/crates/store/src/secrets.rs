//! Secrets that all functions of a project get, and the change of the key.

use cloudbox_database::{Query, Row, Transaction};
use cloudbox_types::{FunctionId, Page, PageRequest, ProjectId, Secret};
use jiff::Timestamp;

use crate::error::Error;
use crate::key::{Environment, Owner};
use crate::rows::Read as _;
use crate::sql_store::{SqlStore, committed};
use crate::store::{Rotation, SharedSecret};

/// Bytes of all names and values of a project, as for a function's own environment.
const MAX_BYTES: usize = 64 << 10;
/// Rows that are encrypted anew between two looks for more.
const BATCH: i64 = 500;

/// Holds the project, so that no function is made meanwhile that would miss a change.
const HOLD: &str = "UPDATE projects SET updated_at = updated_at WHERE id = $1";

const SET: &str = "INSERT INTO project_secrets (project_id, name, value, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $4) \
     ON CONFLICT (project_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";

const UNSET: &str = "DELETE FROM project_secrets WHERE project_id = $1 AND name = $2";

const SHARE: &str = "UPDATE functions SET shared_environment = $2, revision = revision + 1, generation = generation + 1, \
     updated_at = $3 WHERE id = $1";

pub(crate) const ALL: &str = "SELECT * FROM project_secrets WHERE project_id = $1 ORDER BY id";

pub(crate) const LIST: &str =
    "SELECT * FROM project_secrets WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3";

pub(crate) const ENCRYPTED: &str = "SELECT id, project_id, environment, shared_environment FROM functions \
     WHERE id > $1 ORDER BY id LIMIT $2";

/// Not where they were changed meanwhile: then it was with the key of now.
const ANEW: &str = "UPDATE functions SET environment = $2, shared_environment = $3 \
     WHERE id = $1 AND environment = $4 AND shared_environment = $5";

pub(crate) const SECRETS: &str = "SELECT * FROM project_secrets WHERE id > $1 ORDER BY id LIMIT $2";

const SECRET_ANEW: &str = "UPDATE project_secrets SET value = $2 WHERE id = $1 AND value = $3";

/// Whom a project's own secrets are bound to: no function has this number.
const fn of_project(project: ProjectId) -> Owner {
    Owner { project, function: FunctionId(0) }
}

fn shown(row: &Row) -> Result<SharedSecret, Error> {
    Ok(SharedSecret {
        name: row.get("name")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

impl SqlStore {
    pub(crate) async fn put_secret(
        &self,
        project: ProjectId,
        name: &str,
        value: Option<Secret<String>>,
    ) -> Result<Vec<FunctionId>, Error> {
        let now = Timestamp::now().as_millisecond();
        let mut open = self.database.begin().await?;
        let what = if let Some(value) = value {
            let secret = Environment::from([(name.to_owned(), value)]);
            let query = Query::new(HOLD).bind(project.0);
            if open.execute(query).await? == 0 {
                return Err(Error::Missing { what: "project" });
            }
            let text = self.key.encrypt(of_project(project), &secret);
            open.execute(Query::new(SET).bind(project.0).bind(name).bind(text).bind(now)).await?
        } else {
            open.execute(Query::new(HOLD).bind(project.0)).await?;
            open.execute(Query::new(UNSET).bind(project.0).bind(name)).await?
        };
        if what == 0 {
            return Err(Error::Missing { what: "secret" });
        }
        let shared = self.secrets_in(&mut open, project).await?;
        let bytes: usize = shared.iter().map(|(name, value)| name.len() + value.expose().len()).sum();
        if bytes > MAX_BYTES {
            let why = format!(
                "the project's secrets would have {bytes} bytes in all, and the limit is {MAX_BYTES}"
            );
            return Err(Error::Refused { why });
        }
        let query = Query::new("SELECT id FROM functions WHERE project_id = $1 ORDER BY id").bind(project.0);
        let mut functions = Vec::new();
        for row in open.rows(query).await? {
            let function = FunctionId(row.get("id")?);
            let text = self.key.encrypt(Owner { project, function }, &shared);
            open.execute(Query::new(SHARE).bind(function.0).bind(text).bind(now)).await?;
            functions.push(function);
        }
        committed(open, functions).await
    }

    /// The secrets that a function that is being made gets.
    pub(crate) async fn shared_of(
        &self,
        open: &mut Transaction,
        project: ProjectId,
    ) -> Result<Environment, Error> {
        open.execute(Query::new(HOLD).bind(project.0)).await?;
        self.secrets_in(open, project).await
    }

    async fn secrets_in(&self, open: &mut Transaction, project: ProjectId) -> Result<Environment, Error> {
        let mut all = Environment::new();
        for row in open.rows(Query::new(ALL).bind(project.0)).await? {
            all.extend(self.key.decrypt(of_project(project), &row.get::<String>("value")?)?);
        }
        Ok(all)
    }

    pub(crate) async fn list_secrets(
        &self,
        project: ProjectId,
        page: PageRequest,
    ) -> Result<Page<SharedSecret>, Error> {
        let query = Query::new(LIST).bind(project.0).bind(page.after.unwrap_or(0));
        self.list(query, page, "id", shown).await
    }

    pub(crate) async fn secret_named(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<Option<SharedSecret>, Error> {
        let query = Query::new("SELECT * FROM project_secrets WHERE project_id = $1 AND name = $2");
        self.find(query.bind(project.0).bind(name), shown).await
    }

    pub(crate) async fn rotate(&self) -> Result<Rotation, Error> {
        let mut done = Rotation { key_id: self.key.id().to_owned(), ..Rotation::default() };
        let mut after = 0_i64;
        loop {
            let rows = self.database.rows(Query::new(ENCRYPTED).bind(after).bind(BATCH)).await?;
            for row in &rows {
                after = row.get("id")?;
                self.rotate_function(row, &mut done).await?;
            }
            if rows.is_empty() {
                break;
            }
        }
        after = 0;
        loop {
            let rows = self.database.rows(Query::new(SECRETS).bind(after).bind(BATCH)).await?;
            for row in &rows {
                after = row.get("id")?;
                self.rotate_secret(row, &mut done).await?;
            }
            if rows.is_empty() {
                return Ok(done);
            }
        }
    }

    async fn rotate_function(&self, row: &Row, done: &mut Rotation) -> Result<(), Error> {
        let (own, shared): (String, String) = (row.get("environment")?, row.get("shared_environment")?);
        if self.key.is_current(&own) && self.key.is_current(&shared) {
            return Ok(());
        }
        let owner = row.owner()?;
        let anew = |text: &str| Ok::<_, Error>(self.key.encrypt(owner, &self.key.decrypt(owner, text)?));
        let (Ok(new_own), Ok(new_shared)) = (anew(&own), anew(&shared)) else {
            done.unreadable += 1;
            return Ok(());
        };
        let query =
            Query::new(ANEW).bind(owner.function.0).bind(new_own).bind(new_shared).bind(own).bind(shared);
        let mut open = self.database.begin().await?;
        done.rotated += open.execute(query).await?;
        committed(open, ()).await
    }

    async fn rotate_secret(&self, row: &Row, done: &mut Rotation) -> Result<(), Error> {
        let text: String = row.get("value")?;
        if self.key.is_current(&text) {
            return Ok(());
        }
        let owner = of_project(ProjectId(row.get("project_id")?));
        let Ok(secret) = self.key.decrypt(owner, &text) else {
            done.unreadable += 1;
            return Ok(());
        };
        let id: i64 = row.get("id")?;
        let query = Query::new(SECRET_ANEW).bind(id).bind(self.key.encrypt(owner, &secret)).bind(text);
        let mut open = self.database.begin().await?;
        done.rotated += open.execute(query).await?;
        committed(open, ()).await
    }
}

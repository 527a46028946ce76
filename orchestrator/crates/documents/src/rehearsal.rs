//! A dry run's documents: operations on a copy in memory, which sees its own changes and is gone afterwards.
//!
//! An entity is copied when it is first used. What others change meanwhile isn't seen.

use std::collections::HashSet;
use std::sync::Arc;

use cloudbox_database::{Connections, Database, Query, Row};
use cloudbox_types::ProjectId;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::sync::Mutex;

use crate::operation::Operation;
use crate::run::{Desk, NewRow, Usage};
use crate::{Error, Quota, invalid};

/// Bytes of the entities that one dry run may use: they are in memory.
const MAX_COPIED_BYTES: u64 = 64 << 20;

/// The same tables as in the file.
pub(crate) const TABLES: &str = include_str!("../../../../migrations/sqlite/0002_documents.sql");

/// A project's documents for one dry run.
pub struct Rehearsal {
    database: Arc<Database>,
    project: ProjectId,
    copy: Mutex<Option<Copy>>,
}

/// What was copied so far.
struct Copy {
    database: Database,
    entities: HashSet<String>,
    bytes: u64,
}

impl Rehearsal {
    /// Of this project, in the database that is read.
    #[must_use]
    pub fn new(database: Arc<Database>, project: ProjectId) -> Self {
        Self { database, project, copy: Mutex::new(None) }
    }

    /// Carries out an operation; its answer is JSON.
    ///
    /// # Errors
    /// As of the store's, or an entity is too large for a dry run.
    pub async fn run(&self, operation: &Operation, quota: &Quota) -> Result<String, Error> {
        let mut copy = self.copy.lock().await;
        if copy.is_none() {
            *copy = Some(self.begin().await?);
        }
        let copy = copy.as_mut().unwrap_or_else(|| unreachable!("it was made above"));
        if !copy.entities.contains(&operation.entity) {
            self.fetch(copy, &operation.entity).await?;
            copy.entities.insert(operation.entity.clone());
        }
        Desk { database: &copy.database, project: self.project, quota }.run(operation).await
    }

    /// An empty copy, which knows how much of its quota the project uses.
    async fn begin(&self) -> Result<Copy, Error> {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect("sqlite::memory:")
            .await?;
        sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&pool).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        let database = Database::new(Connections::Memory(pool));
        let query = "SELECT documents, bytes FROM document_totals WHERE project_id = $1";
        let used = match self.database.row(Query::new(query).bind(self.project.0)).await? {
            Some(row) => Usage { documents: row.get("documents")?, bytes: row.get("bytes")? },
            None => Usage::default(),
        };
        let mut open = database.begin().await?;
        let query = "INSERT INTO document_totals (project_id, documents, bytes) VALUES ($1, $2, $3)";
        open.execute(Query::new(query).bind(self.project.0).bind(used.documents).bind(used.bytes)).await?;
        open.commit().await?;
        Ok(Copy { database, entities: HashSet::new(), bytes: 0 })
    }

    /// Copies an entity, in its order.
    async fn fetch(&self, copy: &mut Copy, entity: &str) -> Result<(), Error> {
        let quota = Quota::default();
        let from = Desk { database: &self.database, project: self.project, quota: &quota };
        let to = Desk { database: &copy.database, ..from };
        let mut rows = Vec::new();
        let mut bytes = copy.bytes;
        let keep = |row: &Row| -> Result<bool, sqlx::Error> {
            bytes += row.get::<i64>("bytes")?.unsigned_abs();
            rows.push(to.insert(&NewRow {
                entity,
                id: &row.get::<String>("id")?,
                body: &row.get::<String>("body")?,
                bytes: row.get("bytes")?,
                created_at: row.get("created_at")?,
                updated_at: row.get("updated_at")?,
            }));
            Ok(bytes < MAX_COPIED_BYTES)
        };
        if !self.database.rows_while(from.all(entity), keep).await? {
            return invalid(format!(
                "the documents of {entity} are too large for a dry run, which copies the entities that it uses: at most \
                 {MAX_COPIED_BYTES} bytes together"
            ));
        }
        let mut open = copy.database.begin().await?;
        for row in rows {
            open.execute(row).await?;
        }
        open.commit().await?;
        copy.bytes = bytes;
        Ok(())
    }
}

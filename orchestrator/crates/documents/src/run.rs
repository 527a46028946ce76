//! Operations on the documents of a database. Answers are JSON, as text.

use cloudbox_database::{Database, Query, Row, Transaction};
use cloudbox_types::ProjectId;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::filter::Filter;
use crate::operation::{Action, List, Operation};
use crate::statement::{Dialect, Statement};
use crate::{Error, Quota, invalid};

/// Documents that one operation may change.
const MAX_CHANGED: usize = 1000;
/// Documents that are in memory at once while many are changed.
const CHANGED_AT_ONCE: i64 = 32;

/// Makes the row of totals where there is none, and holds it in either case: writers of a project come one by one.
const HOLD_TOTALS: &str = "INSERT INTO document_totals (project_id, documents, bytes) VALUES ($1, 0, 0) \
     ON CONFLICT (project_id) DO UPDATE SET documents = document_totals.documents RETURNING documents, bytes";
const ADD_TO_TOTALS: &str =
    "UPDATE document_totals SET documents = documents + $2, bytes = bytes + $3 WHERE project_id = $1";

/// Where an operation works: one project's documents in one database, within its quota.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// Where they are kept.
    pub database: &'a Database,
    /// Whose.
    pub project: ProjectId,
    /// What it may use.
    pub quota: &'a Quota,
}

impl Desk<'_> {
    /// Carries out an operation; its answer is JSON.
    ///
    /// # Errors
    /// What is wrong with it, what is used up, or the database's.
    pub async fn run(self, operation: &Operation) -> Result<String, Error> {
        let entity = operation.entity.as_str();
        match &operation.action {
            Action::Find { list, is_one } => {
                let found = self.find(entity, list).await?;
                Ok(match (is_one, found.first()) {
                    (false, _) => format!("[{}]", found.join(",")),
                    (true, Some(document)) => document.clone(),
                    (true, None) => "null".to_owned(),
                })
            }
            Action::Count(filter) => {
                let query = self.select("SELECT COUNT(*) AS found", entity, filter).finish();
                let row = self.database.row(query).await?.ok_or(sqlx::Error::RowNotFound)?;
                Ok(row.get::<i64>("found")?.to_string())
            }
            Action::Create { id, fields } => self.create(entity, id.as_deref(), fields).await,
            Action::Update { filter, changes, is_many } => {
                self.update(entity, filter, changes, *is_many).await
            }
            Action::Delete { filter, is_many } => self.delete(entity, filter, *is_many).await,
        }
    }

    fn dialect(self) -> Dialect {
        if self.database.is_postgres() { Dialect::Postgres } else { Dialect::Sqlite }
    }

    /// A statement over the documents that fit: of this project and this entity, whatever the filter says.
    fn select(self, what: &'static str, entity: &str, filter: &Filter) -> Statement {
        let mut statement = Statement::new(self.dialect(), what);
        statement.push(" FROM documents");
        self.restrict(&mut statement, entity, filter);
        statement
    }

    fn restrict(self, statement: &mut Statement, entity: &str, filter: &Filter) {
        statement.push(" WHERE project_id = ").value(self.project.0).push(" AND entity = ").value(entity);
        statement.push(" AND ").filter(filter);
    }

    pub(crate) fn list(self, entity: &str, list: &List) -> Query {
        let mut statement = Statement::new(self.dialect(), "SELECT id, created_at, updated_at, bytes, ");
        statement.body().push(" AS body FROM documents");
        self.restrict(&mut statement, entity, &list.filter);
        statement.order(&list.sort).push(" LIMIT ").value(list.limit).push(" OFFSET ").value(list.offset);
        statement.finish()
    }

    /// Every document of an entity.
    pub(super) fn all(self, entity: &str) -> Query {
        let filter = Filter::everything();
        self.list(entity, &List { filter, sort: Vec::new(), limit: u32::MAX, offset: 0 })
    }

    async fn find(self, entity: &str, list: &List) -> Result<Vec<String>, Error> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let limit = self.quota.result_bytes;
        let keep = |row: &Row| -> Result<bool, sqlx::Error> {
            let document = written(row)?;
            bytes += document.len() as u64 + 1;
            found.push(document);
            Ok(bytes < limit)
        };
        if self.database.rows_while(self.list(entity, list), keep).await? {
            return Ok(found);
        }
        invalid(format!(
            "the documents found have more than {limit} bytes; ask for fewer with limit and offset"
        ))
    }

    /// Begins a change: the transaction, and what the project has.
    async fn begin(self) -> Result<(Transaction, Usage), Error> {
        let mut open = self.database.begin().await?;
        let held =
            open.row(Query::new(HOLD_TOTALS).bind(self.project.0)).await.map_err(|error| {
                match error.as_database_error() {
                    Some(cause) if cause.is_foreign_key_violation() => Error::NoProject,
                    _ => error.into(),
                }
            })?;
        let held = held.ok_or(sqlx::Error::RowNotFound)?;
        Ok((open, Usage { documents: held.get("documents")?, bytes: held.get("bytes")? }))
    }

    /// Ends a change that added so much, or took it away.
    async fn commit(self, mut open: Transaction, held: &Usage, added: Usage) -> Result<(), Error> {
        let counted = |number: i64| u64::try_from(number).unwrap_or(0);
        let (documents, bytes) = (held.documents + added.documents, held.bytes + added.bytes);
        if added.documents > 0 && counted(documents) > self.quota.documents {
            return Err(Error::Quota {
                what: "the project",
                found: format!("{documents} documents"),
                limit: self.quota.documents,
                setting: "documents.per_project",
            });
        }
        if added.bytes > 0 && counted(bytes) > self.quota.project_bytes {
            return Err(Error::Quota {
                what: "the project",
                found: format!("{bytes} bytes of documents"),
                limit: self.quota.project_bytes,
                setting: "documents.bytes_per_project",
            });
        }
        let add = Query::new(ADD_TO_TOTALS).bind(self.project.0).bind(added.documents).bind(added.bytes);
        open.execute(add).await?;
        Ok(open.commit().await?)
    }

    /// The text of a body, within its quota, and its length.
    fn body(self, fields: &Map<String, Value>) -> Result<(String, i64), Error> {
        let text = serde_json::json!(fields).to_string();
        if text.len() as u64 > self.quota.document_bytes {
            return Err(Error::Quota {
                what: "the document",
                found: format!("{} bytes", text.len()),
                limit: self.quota.document_bytes,
                setting: "documents.bytes_per_document",
            });
        }
        let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
        Ok((text, bytes))
    }

    async fn create(
        self,
        entity: &str,
        id: Option<&str>,
        fields: &Map<String, Value>,
    ) -> Result<String, Error> {
        let (body, bytes) = self.body(fields)?;
        let id = id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        let now = Timestamp::now();
        let (mut open, held) = self.begin().await?;
        let row = NewRow {
            entity,
            id: &id,
            body: &body,
            bytes,
            created_at: now.as_millisecond(),
            updated_at: now.as_millisecond(),
        };
        open.execute(self.insert(&row)).await.map_err(|error| match error.as_database_error() {
            Some(cause) if cause.is_unique_violation() => {
                Error::Taken { entity: entity.to_owned(), id: id.clone() }
            }
            _ => error.into(),
        })?;
        self.commit(open, &held, Usage { documents: 1, bytes }).await?;
        Ok(document(&id, &body, now, now))
    }

    pub(super) fn insert(self, row: &NewRow<'_>) -> Query {
        let mut statement = Statement::new(
            self.dialect(),
            "INSERT INTO documents (project_id, entity, id, body, bytes, created_at, updated_at) VALUES (",
        );
        statement.value(self.project.0).push(", ").value(row.entity).push(", ").value(row.id).push(", ");
        statement.body_value(row.body.to_owned()).push(", ").value(row.bytes).push(", ");
        statement.value(row.created_at).push(", ").value(row.updated_at).push(")");
        statement.finish()
    }

    async fn update(
        self,
        entity: &str,
        filter: &Filter,
        changes: &Map<String, Value>,
        is_many: bool,
    ) -> Result<String, Error> {
        let (mut open, held) = self.begin().await?;
        let (mut after, mut changed, mut added) = (0_i64, 0_usize, Usage::default());
        let mut last = "null".to_owned();
        loop {
            let mut statement = Statement::new(self.dialect(), "SELECT seq, id, bytes, created_at, ");
            statement.body().push(" AS body FROM documents");
            self.restrict(&mut statement, entity, filter);
            let at_once = if is_many { CHANGED_AT_ONCE } else { 2 };
            statement.push(" AND seq > ").value(after).push(" ORDER BY seq LIMIT ").value(at_once);
            let rows = open.rows(statement.finish()).await?;
            changed += rows.len();
            check_count("update", changed, is_many)?;
            for row in &rows {
                after = row.get("seq")?;
                let (document, more) = self.change(&mut open, row, changes).await?;
                added.bytes += more;
                last = document;
            }
            if !is_many || rows.is_empty() {
                break;
            }
        }
        self.commit(open, &held, added).await?;
        Ok(if is_many { changed.to_string() } else { last })
    }

    /// Changes one document; as JSON, and how many bytes it grew by.
    async fn change(
        self,
        open: &mut Transaction,
        row: &Row,
        changes: &Map<String, Value>,
    ) -> Result<(String, i64), Error> {
        let mut fields: Map<String, Value> = serde_json::from_str(&row.get::<String>("body")?)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        fields.extend(changes.clone());
        let (body, bytes) = self.body(&fields)?;
        let now = Timestamp::now();
        let mut statement = Statement::new(self.dialect(), "UPDATE documents SET body = ");
        statement.body_value(body.clone()).push(", bytes = ").value(bytes);
        statement.push(", updated_at = ").value(now.as_millisecond());
        statement.push(" WHERE seq = ").value(row.get::<i64>("seq")?);
        open.execute(statement.finish()).await?;
        let document = document(&row.get::<String>("id")?, &body, time(row, "created_at")?, now);
        Ok((document, bytes - row.get::<i64>("bytes")?))
    }

    async fn delete(self, entity: &str, filter: &Filter, is_many: bool) -> Result<String, Error> {
        let (mut open, held) = self.begin().await?;
        if !is_many {
            let mut statement = self.select("SELECT seq", entity, filter);
            statement.push(" LIMIT 2");
            check_count("delete", open.rows(statement.finish()).await?.len(), false)?;
        }
        let mut statement = Statement::new(self.dialect(), "DELETE FROM documents");
        self.restrict(&mut statement, entity, filter);
        statement.push(" RETURNING bytes");
        let gone = open.rows(statement.finish()).await?;
        let mut added = Usage::default();
        for row in &gone {
            added = Usage { documents: added.documents - 1, bytes: added.bytes - row.get::<i64>("bytes")? };
        }
        self.commit(open, &held, added).await?;
        Ok(if is_many { gone.len().to_string() } else { (!gone.is_empty()).to_string() })
    }
}

/// What a project has of documents, or what an operation adds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) documents: i64,
    pub(super) bytes: i64,
}

/// A document to be written.
pub(super) struct NewRow<'a> {
    pub(super) entity: &'a str,
    pub(super) id: &'a str,
    pub(super) body: &'a str,
    pub(super) bytes: i64,
    /// Milliseconds since 1970.
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

fn check_count(what: &str, found: usize, is_many: bool) -> Result<(), Error> {
    if !is_many && found > 1 {
        return invalid(format!(
            "the filter of {what} fits several documents; name one by its id, or use {what}Many"
        ));
    }
    if is_many && what == "update" && found > MAX_CHANGED {
        return invalid(format!("updateMany changes at most {MAX_CHANGED} documents; narrow the filter"));
    }
    Ok(())
}

fn time(row: &Row, column: &str) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A row as the function sees it.
pub(super) fn written(row: &Row) -> Result<String, sqlx::Error> {
    let (created, updated) = (time(row, "created_at")?, time(row, "updated_at")?);
    Ok(document(&row.get::<String>("id")?, &row.get::<String>("body")?, created, updated))
}

/// `{id, …fields, created_at, updated_at}`. The body is an object's text, so its fields are between its braces. Times
/// have three digits of the second always, so that they sort as text.
fn document(id: &str, body: &str, created_at: Timestamp, updated_at: Timestamp) -> String {
    let fields = body.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let comma = if fields.trim().is_empty() { "" } else { "," };
    let id = Value::from(id);
    format!(
        "{{\"id\":{id}{comma}{fields},\"created_at\":\"{created_at:.3}\",\"updated_at\":\"{updated_at:.3}\"}}"
    )
}

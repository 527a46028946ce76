//! A store in one of the two databases, and what its parts have in common.

use std::sync::Arc;

use cloudbox_database::{Database, Query, Row, Transaction};
use cloudbox_types::{Page, PageRequest};
use parking_lot::Mutex;

use crate::error::Error;
use crate::grown::Grown;
use crate::key::EnvironmentKey;
use crate::rows;

/// A store in one of the two databases.
pub(crate) struct SqlStore {
    pub(crate) database: Arc<Database>,
    pub(crate) key: EnvironmentKey,
    /// Whose records may have become too many.
    pub(crate) grown: Mutex<Grown>,
}

impl SqlStore {
    /// The one item that a query finds, where there is one.
    pub(crate) async fn find<T>(
        &self,
        query: Query,
        item: impl FnOnce(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.database.row(query).await?.as_ref().map(item).transpose()
    }

    /// A page of what a query finds; its last placeholder is the limit, and `cursor` the column that pages go by.
    pub(crate) async fn list<T>(
        &self,
        query: Query,
        page: PageRequest,
        cursor: &str,
        item: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Page<T>, Error> {
        let found = self.database.rows(query.bind(rows::probe(page))).await?;
        rows::page(found, page, cursor, item)
    }

    /// Deletes by a statement with the id.
    pub(crate) async fn delete(&self, sql: &'static str, id: i64, what: &'static str) -> Result<(), Error> {
        let mut open = self.database.begin().await?;
        let deleted = open.execute(Query::new(sql).bind(id)).await?;
        open.commit().await?;
        if deleted == 0 { Err(Error::Missing { what }) } else { Ok(()) }
    }
}

/// The error of a change that took a name which has to be unique.
pub(crate) fn unless_taken(error: sqlx::Error, what: impl FnOnce() -> String) -> Error {
    match error.as_database_error() {
        Some(cause) if cause.is_unique_violation() => Error::Taken { what: what() },
        _ => error.into(),
    }
}

/// Commits and gives back what was made.
pub(crate) async fn committed<T>(open: Transaction, made: T) -> Result<T, Error> {
    open.commit().await?;
    Ok(made)
}

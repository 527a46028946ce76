//! Connections and transactions. Only this file and who opens a database tell the two apart.

use std::sync::Arc;

use futures::TryStreamExt as _;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Postgres, Sqlite};

use crate::patience::{For, Patience};
use crate::presence::Presence;
use crate::query::Query;
use crate::row::Row;

/// Runs a query on a connection or pool of one of the two databases.
macro_rules! run {
    ($query:expr, $database:ty, $method:ident, $on:expr) => {{
        let Query { sql, values } = $query;
        sqlx::query_with(sql, Query::arguments::<$database>(values)?).$method($on).await
    }};
}

/// The connections.
pub enum Connections {
    /// A SQLite file.
    Sqlite {
        /// One connection: SQLite has one writer at a time, and waiting here is fair and never `SQLITE_BUSY`.
        writer: SqlitePool,
        /// See the last committed state, also while the writer writes.
        readers: SqlitePool,
        /// The files that they have open.
        presence: Presence,
    },
    /// One connection to a database that is nowhere else, and gone with it.
    Memory(SqlitePool),
    /// A PostgreSQL server.
    Postgres(PgPool),
}

/// A database, and how it was lately.
pub struct Database {
    pub(crate) connections: Connections,
    /// Of queries. Apart from changes, since a database may be locked, full or read only for those alone.
    queries: Patience,
    changes: Arc<Patience>,
}

impl Database {
    /// Over open connections.
    #[must_use]
    pub fn new(connections: Connections) -> Self {
        Self { connections, queries: Patience::default(), changes: Arc::default() }
    }

    /// Whether the last change failed, and not for its own fault.
    #[must_use]
    pub fn changes_failed(&self) -> bool {
        self.changes.is_out()
    }

    /// The rows of a query that changes nothing.
    ///
    /// # Errors
    /// The driver's.
    pub async fn rows(&self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        self.queries.query(self.fetch(query)).await
    }

    /// How the database would carry out a query: its steps, with the indexes that they use. For tests.
    ///
    /// # Errors
    /// The driver's.
    pub async fn plan(&self, query: Query) -> Result<String, sqlx::Error> {
        let steps = self.rows(query.explained(self.is_postgres())).await?;
        let column = if self.is_postgres() { "QUERY PLAN" } else { "detail" };
        let steps: Result<Vec<String>, _> = steps.iter().map(|row| row.get(column)).collect();
        Ok(steps?.join("; "))
    }

    /// Whether it is PostgreSQL.
    #[must_use]
    pub const fn is_postgres(&self) -> bool {
        matches!(self.connections, Connections::Postgres(_))
    }

    /// The rows of a query, however long it takes.
    ///
    /// # Errors
    /// The driver's.
    pub async fn fetch(&self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        match &self.connections {
            Connections::Sqlite { readers, presence, .. } => {
                presence.check()?;
                Ok(run!(query, Sqlite, fetch_all, readers)?.into_iter().map(Row::Sqlite).collect())
            }
            Connections::Memory(pool) => {
                Ok(run!(query, Sqlite, fetch_all, pool)?.into_iter().map(Row::Sqlite).collect())
            }
            Connections::Postgres(pool) => {
                Ok(run!(query, Postgres, fetch_all, pool)?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Gives the rows of a query that changes nothing to `keep`, one by one, until that says no; whether it never did.
    ///
    /// # Errors
    /// The driver's.
    pub async fn rows_while(
        &self,
        query: Query,
        keep: impl FnMut(&Row) -> Result<bool, sqlx::Error>,
    ) -> Result<bool, sqlx::Error> {
        self.queries.query(self.stream(query, keep)).await
    }

    async fn stream(
        &self,
        Query { sql, values }: Query,
        mut keep: impl FnMut(&Row) -> Result<bool, sqlx::Error>,
    ) -> Result<bool, sqlx::Error> {
        match &self.connections {
            Connections::Sqlite { readers: pool, .. } | Connections::Memory(pool) => {
                if let Connections::Sqlite { presence, .. } = &self.connections {
                    presence.check()?;
                }
                let mut rows = sqlx::query_with(sql, Query::arguments::<Sqlite>(values)?).fetch(pool);
                while let Some(row) = rows.try_next().await? {
                    if !keep(&Row::Sqlite(row))? {
                        return Ok(false);
                    }
                }
            }
            Connections::Postgres(pool) => {
                let mut rows = sqlx::query_with(sql, Query::arguments::<Postgres>(values)?).fetch(pool);
                while let Some(row) = rows.try_next().await? {
                    if !keep(&Row::Postgres(row))? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The one row of a query that changes nothing, where there is one.
    ///
    /// # Errors
    /// The driver's.
    pub async fn row(&self, query: Query) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(query).await?.pop())
    }

    /// Begins to write. What isn't committed is undone when the transaction is dropped.
    ///
    /// # Errors
    /// The driver's.
    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        self.begin_for(For::Request).await
    }

    /// As [`Database::begin`], for work that nobody waits for.
    ///
    /// # Errors
    /// The driver's.
    pub async fn begin_for(&self, whom: For) -> Result<Transaction, sqlx::Error> {
        let open = self.changes.begin(whom, self.open()).await?;
        Ok(Transaction { open, patience: Arc::clone(&self.changes), whom })
    }

    async fn open(&self) -> Result<Open, sqlx::Error> {
        match &self.connections {
            // The write lock at once: one that reads first could not get it later, whatever the busy timeout is.
            Connections::Sqlite { writer, presence, .. } => {
                presence.check()?;
                Ok(Open::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?))
            }
            Connections::Memory(pool) => Ok(Open::Sqlite(pool.begin().await?)),
            Connections::Postgres(pool) => Ok(Open::Postgres(pool.begin().await?)),
        }
    }

    /// Closes all connections, after those who use one are done.
    pub async fn close(&self) {
        match &self.connections {
            Connections::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Connections::Memory(pool) => pool.close().await,
            Connections::Postgres(pool) => pool.close().await,
        }
    }
}

/// Changes that happen together or not at all.
pub struct Transaction {
    open: Open,
    patience: Arc<Patience>,
    whom: For,
}

enum Open {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// The rows of a query, or of a change with `RETURNING`.
    ///
    /// # Errors
    /// The driver's.
    pub async fn rows(&mut self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        let Self { open, patience, whom } = self;
        patience.go_on(*whom, open.rows(query)).await
    }

    /// The one row, where there is one.
    ///
    /// # Errors
    /// The driver's.
    pub async fn row(&mut self, query: Query) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(query).await?.pop())
    }

    /// Changes rows; how many.
    ///
    /// # Errors
    /// The driver's.
    pub async fn execute(&mut self, query: Query) -> Result<u64, sqlx::Error> {
        let Self { open, patience, whom } = self;
        patience.go_on(*whom, open.execute(query)).await
    }

    /// Keeps the changes.
    ///
    /// # Errors
    /// The driver's.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let Self { open, patience, .. } = self;
        patience.end(open.commit()).await
    }
}

impl Open {
    async fn rows(&mut self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(open) => {
                Ok(run!(query, Sqlite, fetch_all, &mut **open)?.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(open) => {
                Ok(run!(query, Postgres, fetch_all, &mut **open)?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    async fn execute(&mut self, query: Query) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(open) => Ok(run!(query, Sqlite, execute, &mut **open)?.rows_affected()),
            Self::Postgres(open) => Ok(run!(query, Postgres, execute, &mut **open)?.rows_affected()),
        }
    }

    async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(open) => open.commit().await,
            Self::Postgres(open) => open.commit().await,
        }
    }
}

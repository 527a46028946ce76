//! The two databases behind one face: queries with their values in, rows out.
//!
//! All SQL of this crate uses `$1` placeholders and types that both know (BIGINT, TEXT, BOOLEAN, double), so each
//! statement is written once. Only this file and `open` tell the two apart.

use std::sync::Arc;

use futures::TryStreamExt as _;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Arguments, Decode, Encode, Postgres, Row as _, SqlSafeStr, SqlStr, Sqlite, Type};

use crate::patience::{For, Patience};
use crate::presence::Presence;

/// One value of a query. The absent ones keep their type, since PostgreSQL asks for it.
pub(crate) enum Value {
    Bool(bool),
    Integer(Option<i64>),
    Real(f64),
    Text(Option<String>),
}

macro_rules! values {
    ($($type:ty, $value:ident => $made:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

values! {
    bool, value => Self::Bool(value);
    i64, value => Self::Integer(Some(value));
    Option<i64>, value => Self::Integer(value);
    // SQLite keeps what isn't a number as NULL.
    f64, value => Self::Real(if value.is_finite() { value } else { 0.0 });
    u32, value => Self::Integer(Some(i64::from(value)));
    // A counter over 2^63 is none; the columns are signed.
    u64, value => Self::Integer(Some(i64::try_from(value).unwrap_or(i64::MAX)));
    String, value => Self::Text(Some(without_nul(value)));
    &str, value => Self::Text(Some(without_nul(value.to_owned())));
    Option<String>, value => Self::Text(value.map(without_nul));
    Option<&str>, value => Self::Text(value.map(|text| without_nul(text.to_owned())));
}

/// PostgreSQL refuses NUL in text, and functions may print it. So that one such byte can't stop all records, it
/// becomes the replacement character, in both databases.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// A statement with its values, in the placeholders' order.
pub(crate) struct Query {
    sql: SqlStr,
    values: Vec<Value>,
}

impl Query {
    /// A statement without values so far.
    pub(crate) fn new(sql: impl SqlSafeStr) -> Self {
        Self { sql: sql.into_sql_str(), values: Vec::new() }
    }

    /// A statement with its values.
    pub(crate) fn of(sql: impl SqlSafeStr, values: Vec<Value>) -> Self {
        Self { sql: sql.into_sql_str(), values }
    }

    /// Adds the value of the next placeholder.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The same values for another text.
    #[cfg(test)]
    pub(crate) fn map_text<S: SqlSafeStr>(self, text: impl FnOnce(&str) -> S) -> Self {
        Self { sql: text(self.sql.as_str()).into_sql_str(), ..self }
    }

    /// The values as a driver wants them.
    fn arguments<DB>(values: Vec<Value>) -> Result<DB::Arguments, sqlx::Error>
    where
        DB: sqlx::Database,
        bool: for<'q> Encode<'q, DB> + Type<DB>,
        f64: for<'q> Encode<'q, DB> + Type<DB>,
        Option<i64>: for<'q> Encode<'q, DB> + Type<DB>,
        Option<String>: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let mut arguments = DB::Arguments::default();
        for value in values {
            match value {
                Value::Bool(value) => arguments.add(value),
                Value::Integer(value) => arguments.add(value),
                Value::Real(value) => arguments.add(value),
                Value::Text(value) => arguments.add(value),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column.
    pub(crate) fn get<T>(&self, column: &str) -> Result<T, sqlx::Error>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

/// Runs a query on a connection or pool of one of the two databases.
macro_rules! run {
    ($query:expr, $database:ty, $method:ident, $on:expr) => {{
        let Query { sql, values } = $query;
        sqlx::query_with(sql, Query::arguments::<$database>(values)?).$method($on).await
    }};
}

/// The connections.
pub(crate) enum Connections {
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
    Postgres(PgPool),
}

/// A database, and how it was lately.
pub(crate) struct Database {
    connections: Connections,
    /// Of queries. Apart from changes, since a database may be locked, full or read only for those alone.
    queries: Patience,
    changes: Arc<Patience>,
}

impl Database {
    /// Over open connections.
    pub(crate) fn new(connections: Connections) -> Self {
        Self { connections, queries: Patience::default(), changes: Arc::default() }
    }

    /// Whether the last change failed, and not for its own fault.
    pub(crate) fn changes_failed(&self) -> bool {
        self.changes.is_out()
    }

    /// The rows of a query that changes nothing.
    pub(crate) async fn rows(&self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        self.queries.query(self.fetch(query)).await
    }

    /// Whether it is PostgreSQL.
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.connections, Connections::Postgres(_))
    }

    /// The rows of a query, however long it takes.
    pub(crate) async fn fetch(&self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
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
    pub(crate) async fn rows_while(
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
    pub(crate) async fn row(&self, query: Query) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(query).await?.pop())
    }

    /// Begins to write. What isn't committed is undone when the transaction is dropped.
    pub(crate) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        self.begin_for(For::Request).await
    }

    /// As [`Database::begin`], for work that nobody waits for.
    pub(crate) async fn begin_for(&self, whom: For) -> Result<Transaction, sqlx::Error> {
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
    pub(crate) async fn close(&self) {
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
pub(crate) struct Transaction {
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
    pub(crate) async fn rows(&mut self, query: Query) -> Result<Vec<Row>, sqlx::Error> {
        let Self { open, patience, whom } = self;
        patience.go_on(*whom, open.rows(query)).await
    }

    /// The one row, where there is one.
    pub(crate) async fn row(&mut self, query: Query) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(query).await?.pop())
    }

    /// Changes rows; how many.
    pub(crate) async fn execute(&mut self, query: Query) -> Result<u64, sqlx::Error> {
        let Self { open, patience, whom } = self;
        patience.go_on(*whom, open.execute(query)).await
    }

    /// Keeps the changes.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
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

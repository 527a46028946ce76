//! What a database answers.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

/// One row of an answer.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// There is no such column, or its value is of another type.
    pub fn get<T>(&self, column: &str) -> Result<T, sqlx::Error>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
    /// A time, from a column of milliseconds since 1970.
    ///
    /// # Errors
    /// As of [`Row::get`], or no time has that number.
    pub fn time(&self, column: &str) -> Result<Timestamp, sqlx::Error> {
        Timestamp::from_millisecond(self.get(column)?).map_err(|error| unreadable(column, error))
    }

    /// An unsigned number, of any width.
    ///
    /// # Errors
    /// As of [`Row::get`], or the number doesn't fit.
    pub fn count<T>(&self, column: &str) -> Result<T, sqlx::Error>
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        T::try_from(self.get::<i64>(column)?).map_err(|error| unreadable(column, error))
    }

    /// What a column holds as JSON.
    ///
    /// # Errors
    /// As of [`Row::get`], or the JSON is of another shape.
    pub fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, sqlx::Error> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|error| unreadable(column, error))
    }

    /// One of the words that the types write with `as_str`.
    ///
    /// # Errors
    /// As of [`Row::get`], or the word isn't known.
    pub fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, sqlx::Error> {
        serde_json::from_value(self.get::<String>(column)?.into()).map_err(|error| unreadable(column, error))
    }
}

/// A value that this release can't read, in a column that it names.
#[must_use]
pub fn unreadable(column: &str, source: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(source) }
}

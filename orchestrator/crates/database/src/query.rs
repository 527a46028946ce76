//! Statements with their values.

use sqlx::{Arguments, AssertSqlSafe, Encode, SqlSafeStr, SqlStr, Type};

/// One value of a query. The absent ones keep their type, since PostgreSQL asks for it.
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(Option<i64>),
    /// A finite number.
    Real(f64),
    /// A text without NUL.
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
pub struct Query {
    pub(crate) sql: SqlStr,
    pub(crate) values: Vec<Value>,
}

impl Query {
    /// A statement without values so far.
    #[must_use]
    pub fn new(sql: impl SqlSafeStr) -> Self {
        Self { sql: sql.into_sql_str(), values: Vec::new() }
    }

    /// A statement with its values.
    #[must_use]
    pub fn of(sql: impl SqlSafeStr, values: Vec<Value>) -> Self {
        Self { sql: sql.into_sql_str(), values }
    }

    /// Adds the value of the next placeholder.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The same statement, for a database to say how it would carry it out.
    pub(crate) fn explained(self, is_postgres: bool) -> Self {
        let word = if is_postgres { "EXPLAIN" } else { "EXPLAIN QUERY PLAN" };
        let text = format!("{word} {}", self.sql.as_str());
        Self { sql: AssertSqlSafe(text).into_sql_str(), ..self }
    }

    /// The values as a driver wants them.
    pub(crate) fn arguments<DB>(values: Vec<Value>) -> Result<DB::Arguments, sqlx::Error>
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

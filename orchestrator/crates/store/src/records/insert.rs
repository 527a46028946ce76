//! Batches of records on their way into the database.
//!
//! Under load this is most of what a call costs besides the call itself. So a batch is one statement that gives no rows
//! back, what it adds to the counts is known without asking, and only a batch of which something was there already,
//! after a crash, is looked at row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cloudbox_database::{For, Query, Transaction};
use cloudbox_types::{ErrorCode, Record, RecordStatus};
use serde::Serialize;
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::inline_records;
use crate::sql_store::{SqlStore, committed};

/// The columns in the order of [`bind`].
const COLUMNS: &str = "id, project_id, function_id, version, created_at, status, code, error, method, path, \
     http_status, execution_time_ms, memory_bytes, cpu_time_ms, response_bytes, logs, is_warm, trigger_kind, driver, \
     egress, host_calls, timing";
/// How many these are.
const WIDTH: usize = 22;
/// Rows of one statement. At most 512, since SQLite takes 32,766 values and PostgreSQL 65,535; and only these sizes, so
/// that a connection keeps four prepared statements and not one for each size of a batch.
const SIZES: [usize; 4] = [512, 64, 8, 1];
/// The statements of a size each. SQLite looks a numbered place up in a list of all of them, so there they have no numbers.
static SQLITE: LazyLock<[String; 4]> =
    LazyLock::new(|| SIZES.map(|rows| insert_sql(rows, |_| "?".to_owned())));
static POSTGRES: LazyLock<[String; 4]> =
    LazyLock::new(|| SIZES.map(|rows| insert_sql(rows, |place| format!("${place}"))));
/// How often a batch is tried.
const ATTEMPTS: u32 = 5;

const COUNT: &str = "UPDATE functions SET invocation_count = invocation_count + $2 WHERE id = $1";

const ADD_TO_TOTALS: &str =
    "UPDATE totals SET invocations = invocations + $1 + $2, succeeded = succeeded + $1, failed = failed + $2";

/// Inserts rows whose id is new.
fn insert_sql(rows: usize, place: impl Fn(usize) -> String) -> String {
    let row = |row: usize| {
        let values: Vec<String> = (1..=WIDTH).map(|column| place(row * WIDTH + column)).collect();
        format!("({})", values.join(", "))
    };
    let values: Vec<String> = (0..rows).map(row).collect();
    format!("INSERT INTO records ({COLUMNS}) VALUES {} ON CONFLICT (id) DO NOTHING", values.join(", "))
}

/// `$1, $2, …`
fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// The batch in parts of [`SIZES`], the largest first, each with its statement.
fn in_sizes<'a>(
    inserts: &'static [String; 4],
    mut records: &'a [&'a Record],
) -> impl Iterator<Item = (&'static str, &'a [&'a Record])> {
    std::iter::from_fn(move || {
        let which = SIZES.iter().position(|&size| size <= records.len())?;
        let (part, rest) = records.split_at(SIZES[which]);
        records = rest;
        Some((inserts[which].as_str(), part))
    })
}

/// A part of a record as JSON text.
fn json(part: &impl Serialize) -> String {
    serde_json::to_string(part).expect("parts of a record have no keys but text")
}

fn bind(query: Query, record: &Record) -> Query {
    query
        .bind(record.id.to_string())
        .bind(record.project_id.0)
        .bind(record.function_id.0)
        .bind(record.version)
        .bind(record.created_at.as_millisecond())
        .bind(record.status.as_str())
        .bind(record.code.map(ErrorCode::as_str))
        .bind(record.error.as_deref())
        .bind(record.method.as_str())
        .bind(record.path.as_str())
        .bind(u32::from(record.http_status))
        .bind(record.execution_time_ms)
        .bind(record.memory_bytes)
        .bind(record.cpu_time_ms)
        .bind(record.response_bytes)
        .bind(record.logs.as_str())
        .bind(record.is_warm)
        .bind(record.trigger.as_str())
        .bind(record.driver.as_str())
        .bind((!record.egress.is_empty()).then(|| json(&record.egress)))
        .bind((!record.host_calls.is_empty()).then(|| json(&record.host_calls)))
        .bind(record.timing.map(|timing| json(&timing)))
}

/// Whether another try can succeed: two transactions waited for one another and PostgreSQL ended this one.
fn is_passing(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|cause| matches!(cause.code().as_deref(), Some("40P01" | "40001")))
}

/// What became of a batch.
enum Inserted {
    All,
    /// Something of it was there already: nothing was changed.
    Partly,
}

impl SqlStore {
    pub(crate) async fn insert_records(&self, records: &[Record]) -> Result<(), Error> {
        let mut known = BTreeSet::new();
        for _ in 1..ATTEMPTS {
            match self.try_insert(records, &known).await {
                Ok(Inserted::All) => {
                    self.note_grown(records);
                    return Ok(());
                }
                Ok(Inserted::Partly) => known = self.known(records).await?,
                Err(Error::Database(error)) if is_passing(&error) => {
                    tracing::debug!(%error, "a batch of records is written again");
                }
                Err(error) => return Err(error),
            }
        }
        self.try_insert(records, &known).await?;
        self.note_grown(records);
        Ok(())
    }

    fn note_grown(&self, records: &[Record]) {
        let (inline, stored): (Vec<&Record>, Vec<&Record>) =
            records.iter().partition(|record| record.is_inline());
        let functions = stored.into_iter().map(|record| record.function_id);
        self.grown.lock().note(functions, inline.into_iter().map(|record| record.project_id));
    }

    /// Keeps those whose id isn't known and whose function is there.
    async fn try_insert(&self, records: &[Record], known: &BTreeSet<String>) -> Result<Inserted, Error> {
        if records.is_empty() {
            return Ok(Inserted::All);
        }
        let mut open = self.database.begin_for(For::Background).await?;
        let inline = records.iter().filter(|record| record.is_inline());
        let (mut succeeded, mut failed) = inline_records::insert(&mut open, inline).await?;
        let functions = functions_of(&mut open, self.database.is_postgres(), records).await?;
        let mut ids = BTreeSet::new();
        let is_new = |record: &&Record| {
            functions.contains(&record.function_id.0)
                && ids.insert(record.id)
                && (known.is_empty() || !known.contains(&record.id.to_string()))
        };
        let new: Vec<&Record> = records.iter().filter(is_new).collect();
        let inserts: &[String; 4] = if self.database.is_postgres() { &POSTGRES } else { &SQLITE };
        for (sql, part) in in_sizes(inserts, &new) {
            let query = part.iter().fold(Query::new(sql), |query, record| bind(query, record));
            if open.execute(query).await? < part.len() as u64 {
                return Ok(Inserted::Partly);
            }
        }
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for record in new {
            *counts.entry(record.function_id.0).or_default() += 1;
            *if record.status == RecordStatus::Success { &mut succeeded } else { &mut failed } += 1;
        }
        for (function, count) in counts {
            open.execute(Query::new(COUNT).bind(function).bind(count)).await?;
        }
        open.execute(Query::new(ADD_TO_TOTALS).bind(succeeded).bind(failed)).await?;
        committed(open, Inserted::All).await
    }

    /// Which of these are kept already.
    async fn known(&self, records: &[Record]) -> Result<BTreeSet<String>, Error> {
        let mut known = BTreeSet::new();
        for part in records.chunks(SIZES[0]) {
            let sql = format!("SELECT id FROM records WHERE id IN ({})", places(part.len()));
            let query = Query::new(AssertSqlSafe(sql));
            let query = part.iter().fold(query, |query, record| query.bind(record.id.to_string()));
            for row in self.database.rows(query).await? {
                known.insert(row.get("id")?);
            }
        }
        Ok(known)
    }
}

/// Which functions of these records are there, and stay there until the transaction ends.
async fn functions_of(
    open: &mut Transaction,
    is_postgres: bool,
    records: &[Record],
) -> Result<BTreeSet<i64>, Error> {
    let wanted: BTreeSet<i64> =
        records.iter().filter(|record| !record.is_inline()).map(|record| record.function_id.0).collect();
    let wanted: Vec<i64> = wanted.into_iter().collect();
    let mut there = BTreeSet::new();
    for part in wanted.chunks(SIZES[0]) {
        // SQLite has one writer at a time, and this is it.
        let lock = if is_postgres { " FOR KEY SHARE" } else { "" };
        let sql = format!("SELECT id FROM functions WHERE id IN ({}) ORDER BY id{lock}", places(part.len()));
        let query = part.iter().fold(Query::new(AssertSqlSafe(sql)), |query, id| query.bind(*id));
        for row in open.rows(query).await? {
            there.insert(row.get("id")?);
        }
    }
    Ok(there)
}

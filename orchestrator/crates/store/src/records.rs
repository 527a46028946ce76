//! Records of invocations, and the counts over them.

use std::collections::BTreeMap;

use cloudbox_database::{For, Query, Row};
use cloudbox_types::{ErrorCode, FunctionId, Page, PageRequest, Record, RecordStatus};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::inline_records;
use crate::rows::Read as _;
use crate::sql_store::{SqlStore, committed};
use crate::store::{RecordFilter, Totals};

/// The columns in the order of [`bind`].
const COLUMNS: &str = "id, project_id, function_id, version, created_at, status, code, error, method, path, \
     http_status, execution_time_ms, memory_bytes, cpu_time_ms, response_bytes, logs, is_warm, trigger_kind, driver, \
     egress, host_calls";
/// How many these are.
const WIDTH: usize = 21;
/// Rows of one statement. At most 512, since SQLite takes 32,766 values and PostgreSQL 65,535; and only these sizes, so
/// that a connection keeps four prepared statements and not one for each size of a batch.
const SIZES: [usize; 4] = [512, 64, 8, 1];
/// How often a batch is tried that met the deletion of one of its functions.
const ATTEMPTS: u32 = 5;

const COUNT: &str = "UPDATE functions SET invocation_count = invocation_count + $2 WHERE id = $1";

const ADD_TO_TOTALS: &str =
    "UPDATE totals SET invocations = invocations + $1 + $2, succeeded = succeeded + $1, failed = failed + $2";

/// Records in the order in which they were kept, which is nearly the order of their times.
const PRUNE_BY_AGE: &str = "DELETE FROM records WHERE seq IN (SELECT seq FROM records ORDER BY seq LIMIT $2) \
     AND created_at < $1";

const PRUNE_BY_COUNT: &str = "DELETE FROM records WHERE seq IN \
     (SELECT seq FROM records WHERE function_id = $1 ORDER BY seq DESC LIMIT $3 OFFSET $2)";

/// Records that one transaction deletes: nobody waits long for its lock.
const PRUNED_AT_ONCE: i64 = 1000;

/// Inserts rows whose function is there and whose id is new, and gives back those. Each row has its place in the batch
/// behind its values, since a database may join in any order, and `seq` has to follow the batch's.
fn insert_sql(rows: usize) -> String {
    let row = |row: usize| {
        let values: Vec<String> = (1..=WIDTH).map(|column| format!("${}", row * WIDTH + column)).collect();
        format!("({}, {row})", values.join(", "))
    };
    let values: Vec<String> = (0..rows).map(row).collect();
    let chosen: Vec<String> = (1..=WIDTH).map(|column| format!("column{column}")).collect();
    // column3 is function_id.
    format!(
        "INSERT INTO records ({COLUMNS}) SELECT {} FROM (VALUES {}) AS new \
         WHERE column3 IN (SELECT id FROM functions) ORDER BY column{} \
         ON CONFLICT (id) DO NOTHING RETURNING function_id, status",
        chosen.join(", "),
        values.join(", "),
        WIDTH + 1
    )
}

/// The batch in parts of [`SIZES`], the largest first.
fn in_sizes(mut records: &[Record]) -> impl Iterator<Item = &[Record]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|&size| size <= records.len())?;
        let (part, rest) = records.split_at(size);
        records = rest;
        Some(part)
    })
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
        .bind((!record.egress.is_empty()).then(|| serde_json::json!(record.egress).to_string()))
        .bind((!record.host_calls.is_empty()).then(|| serde_json::json!(record.host_calls).to_string()))
}

/// The text of a list, newest first, with the conditions that are asked for and no others: so the index that fits is
/// used. A time bounds `seq` too, by the index over times; older rows aren't looked at.
pub(crate) fn list_query(function: FunctionId, filter: &RecordFilter, after: Option<i64>) -> Query {
    let mut conditions = String::from("function_id = $1 AND seq < $2");
    let mut places = 2;
    let mut place = || {
        places += 1;
        places
    };
    if filter.status.is_some() {
        conditions += &format!(" AND status = ${}", place());
    }
    if filter.since.is_some() {
        let since = place();
        conditions += &format!(
            " AND created_at >= ${since} AND seq >= \
             (SELECT MIN(seq) FROM records WHERE function_id = $1 AND created_at >= ${since})"
        );
    }
    let text = format!("SELECT * FROM records WHERE {conditions} ORDER BY seq DESC LIMIT ${}", place());
    let mut query = Query::new(AssertSqlSafe(text)).bind(function.0).bind(after.unwrap_or(i64::MAX));
    if let Some(status) = filter.status {
        query = query.bind(status.as_str());
    }
    if let Some(since) = filter.since {
        query = query.bind(since.as_millisecond());
    }
    query
}

/// Whether another try can succeed: a function was deleted between the look and the insert, or two transactions
/// waited for one another and PostgreSQL ended this one.
fn is_passing(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|cause| {
        cause.is_foreign_key_violation() || matches!(cause.code().as_deref(), Some("40P01" | "40001"))
    })
}

impl SqlStore {
    pub(crate) async fn insert_records(&self, records: &[Record]) -> Result<(), Error> {
        for _ in 1..ATTEMPTS {
            match self.try_insert_records(records).await {
                Err(Error::Database(error)) if is_passing(&error) => {
                    tracing::debug!(%error, "a batch of records is written again");
                }
                ended => return ended,
            }
        }
        self.try_insert_records(records).await
    }

    async fn try_insert_records(&self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let mut open = self.database.begin_for(For::Background).await?;
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        let inline = records.iter().filter(|record| record.is_inline());
        let (mut succeeded, mut failed) = inline_records::insert(&mut open, inline).await?;
        for chunk in in_sizes(records) {
            let query = Query::new(AssertSqlSafe(insert_sql(chunk.len())));
            for row in open.rows(chunk.iter().fold(query, bind)).await? {
                *counts.entry(row.get("function_id")?).or_default() += 1;
                if row.get::<String>("status")? == RecordStatus::Success.as_str() {
                    succeeded += 1;
                } else {
                    failed += 1;
                }
            }
        }
        for (function, count) in counts {
            open.execute(Query::new(COUNT).bind(function).bind(count)).await?;
        }
        open.execute(Query::new(ADD_TO_TOTALS).bind(succeeded).bind(failed)).await?;
        committed(open, ()).await
    }

    pub(crate) async fn delete_oldest(
        &self,
        before: Option<Timestamp>,
        keep: Option<u32>,
    ) -> Result<u64, Error> {
        let mut deleted = 0;
        if let Some(before) = before {
            let query = Query::new(PRUNE_BY_AGE).bind(before.as_millisecond()).bind(PRUNED_AT_ONCE);
            deleted += self.prune(query).await?;
        }
        if let Some(keep) = keep {
            let busy = Query::new("SELECT id FROM functions WHERE invocation_count > $1").bind(keep);
            for row in self.database.rows(busy).await? {
                let query = Query::new(PRUNE_BY_COUNT).bind(row.get::<i64>("id")?);
                deleted += self.prune(query.bind(keep).bind(PRUNED_AT_ONCE)).await?;
            }
        }
        let before = before.map(Timestamp::as_millisecond);
        deleted += self.prune_inline(before, keep, PRUNED_AT_ONCE).await?;
        Ok(deleted)
    }

    pub(crate) async fn list_records(
        &self,
        function: FunctionId,
        filter: &RecordFilter,
        page: PageRequest,
    ) -> Result<Page<Record>, Error> {
        self.list(list_query(function, filter, page.after), page, "seq", Row::record).await
    }

    pub(crate) async fn read_totals(&self) -> Result<Totals, Error> {
        let totals = self.find(Query::new("SELECT * FROM totals"), |row| {
            Ok(Totals {
                invocations: row.get("invocations")?,
                succeeded: row.get("succeeded")?,
                failed: row.get("failed")?,
            })
        });
        Ok(totals.await?.unwrap_or_default())
    }
}

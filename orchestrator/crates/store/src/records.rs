//! Records of invocations, and the counts over them.

mod insert;
pub(crate) mod prune;

use cloudbox_database::{Query, Row};
use cloudbox_types::{FunctionId, Page, PageRequest, Record, RecordStatus};
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::listed::{Cursor, Listed, bound, newest_first};
use crate::rows::Read as _;
use crate::sql_store::SqlStore;
use crate::store::{RecordFilter, Totals};

/// Before the newest.
const FIRST: Cursor = (i64::MAX, i64::MAX);

const PLACE: &str = "SELECT created_at FROM records WHERE seq = $1";

const NEWEST: &str = "SELECT COALESCE(MAX(seq), 0) AS newest FROM records";

/// Records of one look at what was kept.
const AT_ONCE: u32 = 1000;

/// By the order in which all functions' records were kept, so that what was looked at before isn't looked at again: the `+`
/// keeps both databases from taking an index of the function's.
pub(crate) fn after_query(
    function: FunctionId,
    status: Option<RecordStatus>,
    (after, newest): (i64, i64),
) -> Query {
    let condition = if status.is_some() { " AND status = $5" } else { "" };
    let text = format!(
        "SELECT * FROM records WHERE seq > $2 AND seq <= $3 AND +function_id = $1{condition} ORDER BY seq LIMIT $4"
    );
    let query = Query::new(AssertSqlSafe(text)).bind(function.0).bind(after).bind(newest).bind(AT_ONCE);
    match status {
        Some(status) => query.bind(status.as_str()),
        None => query,
    }
}

const OF_FUNCTION: Listed =
    Listed { select: "SELECT * FROM records", owner: "function_id", by_status: "records_by_status" };

pub(crate) fn list_query(
    function: FunctionId,
    filter: &RecordFilter,
    cursor: Cursor,
    is_postgres: bool,
) -> Query {
    let text = newest_first(&OF_FUNCTION, filter, is_postgres);
    bound(Query::new(AssertSqlSafe(text)).bind(function.0), filter, cursor)
}

impl SqlStore {
    /// Where a page begins whose cursor is this record's number, by a statement that finds its time. None where the record
    /// is gone: it was the oldest, and with it went whatever was older.
    pub(crate) async fn cursor(
        &self,
        place: &'static str,
        after: Option<i64>,
    ) -> Result<Option<Cursor>, Error> {
        let Some(seq) = after else { return Ok(Some(FIRST)) };
        let time = self.find(Query::new(place).bind(seq), |row| Ok(row.get("created_at")?)).await?;
        Ok(time.map(|time| (time, seq)))
    }

    pub(crate) async fn list_records(
        &self,
        function: FunctionId,
        filter: &RecordFilter,
        page: PageRequest,
    ) -> Result<Page<Record>, Error> {
        match self.cursor(PLACE, page.after).await? {
            Some(cursor) => {
                let query = list_query(function, filter, cursor, self.database.is_postgres());
                self.list(query, page, "seq", Row::record).await
            }
            None => Ok(Page { items: Vec::new(), next: None }),
        }
    }

    pub(crate) async fn list_records_after(
        &self,
        function: FunctionId,
        status: Option<RecordStatus>,
        after: Option<i64>,
    ) -> Result<Page<Record>, Error> {
        let newest = self.find(Query::new(NEWEST), |row| Ok(row.get("newest")?)).await?.unwrap_or(0);
        let Some(after) = after else { return Ok(Page { items: Vec::new(), next: Some(newest) }) };
        let rows = self.database.rows(after_query(function, status, (after, newest))).await?;
        let items: Vec<Record> = rows.iter().map(Row::record).collect::<Result<_, _>>()?;
        let is_all = items.len() < AT_ONCE as usize;
        let last = rows.last().map(|row| row.get("seq")).transpose()?;
        // Never back, where the newest was deleted meanwhile.
        Ok(Page { items, next: Some(last.filter(|_| !is_all).unwrap_or(newest).max(after)) })
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

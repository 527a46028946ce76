//! Records of invocations, and the counts over them.

mod insert;
pub(crate) mod prune;

use cloudbox_database::{Query, Row};
use cloudbox_types::{FunctionId, Page, PageRequest, Record, RecordStatus};
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::SqlStore;
use crate::store::{RecordFilter, Totals};

/// Where a page begins: the time and the number of the record before it.
type Cursor = (i64, i64);

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

/// What kinds of lists of records have in common.
pub(crate) struct Listed {
    /// Which columns of which table.
    pub select: &'static str,
    /// Whose a record is.
    pub owner: &'static str,
    /// The index for lists of one status.
    pub by_status: &'static str,
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

/// The text of a list, newest first, with the conditions that are asked for and no others: so the index that fits is used,
/// from the cursor down to the oldest that is wanted, and nothing else is looked at. SQLite has no statistics, and would
/// take the narrower of two indexes. The first placeholder is the owner, the last one the limit.
pub(crate) fn newest_first(listed: &Listed, filter: &RecordFilter, is_postgres: bool) -> String {
    let mut places = 3;
    let mut place = || {
        places += 1;
        places
    };
    let Listed { select, owner, by_status } = listed;
    let mut text = (*select).to_owned();
    if filter.status.is_some() && !is_postgres {
        text += &format!(" INDEXED BY {by_status}");
    }
    text += &format!(" WHERE {owner} = $1 AND (created_at, seq) < ($2, $3)");
    if filter.status.is_some() {
        text += &format!(" AND status = ${}", place());
    }
    if filter.since.is_some() {
        text += &format!(" AND created_at >= ${}", place());
    }
    text + &format!(" ORDER BY created_at DESC, seq DESC LIMIT ${}", place())
}

/// The values of such a list but for the owner and the limit.
pub(crate) fn bound(query: Query, filter: &RecordFilter, (time, seq): Cursor) -> Query {
    let mut query = query.bind(time).bind(seq);
    if let Some(status) = filter.status {
        query = query.bind(status.as_str());
    }
    if let Some(since) = filter.since {
        query = query.bind(since.as_millisecond());
    }
    query
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

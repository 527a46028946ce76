//! Records of invocations, and the counts over them.

mod insert;

use cloudbox_database::{Query, Row};
use cloudbox_types::{FunctionId, Page, PageRequest, Record};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::SqlStore;
use crate::store::{RecordFilter, Totals};

/// Records in the order in which they were kept, which is nearly the order of their times.
const PRUNE_BY_AGE: &str = "DELETE FROM records WHERE seq IN (SELECT seq FROM records ORDER BY seq LIMIT $2) \
     AND created_at < $1";

const PRUNE_BY_COUNT: &str = "DELETE FROM records WHERE seq IN \
     (SELECT seq FROM records WHERE function_id = $1 ORDER BY seq DESC LIMIT $3 OFFSET $2)";

/// Records that one transaction deletes: nobody waits long for its lock.
const PRUNED_AT_ONCE: i64 = 1000;

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

impl SqlStore {
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

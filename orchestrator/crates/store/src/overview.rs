//! What a dashboard shows: numbered pages, the newest calls of all functions, counts.

use cloudbox_database::{Query, Row};
use cloudbox_types::{FunctionId, Name, Record, RecordStatus};
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::SqlStore;
use crate::store::{NumberedPage, Overview};

pub(crate) const NEWEST: &str = "SELECT records.*, functions.name AS function_name FROM records \
     JOIN functions ON functions.id = records.function_id ORDER BY records.seq DESC LIMIT $1";

pub(crate) const FUNCTIONS: &str = "SELECT COUNT(*) AS functions, \
     COALESCE(CAST(SUM(CASE WHEN is_active THEN 1 ELSE 0 END) AS BIGINT), 0) AS active FROM functions";

pub(crate) const AVERAGE: &str = "SELECT CAST(COALESCE(AVG(execution_time_ms), 0) AS DOUBLE PRECISION) AS average FROM \
     (SELECT execution_time_ms FROM records ORDER BY seq DESC LIMIT 1000) AS newest";

/// Those of one way to end are one part of the index by status; those that failed are two parts.
const FAILED: [RecordStatus; 2] = [RecordStatus::Error, RecordStatus::Timeout];

/// How many records a list of numbered pages has.
pub(crate) fn count_query(function: FunctionId, succeeded: Option<bool>) -> Query {
    let text = match succeeded {
        None => "SELECT COUNT(*) AS count FROM records WHERE function_id = $1",
        Some(true) => "SELECT COUNT(*) AS count FROM records WHERE function_id = $1 AND status = $2",
        Some(false) => "SELECT COUNT(*) AS count FROM records WHERE function_id = $1 AND status IN ($2, $3)",
    };
    of_kind(Query::new(text).bind(function.0), succeeded)
}

/// A numbered page: what comes before it is passed over in the index, which has all that its place is found by.
pub(crate) fn page_query(function: FunctionId, page: NumberedPage) -> Query {
    let order = "ORDER BY created_at DESC, seq DESC";
    let part = |filter| format!("SELECT created_at, seq FROM records WHERE function_id = $1{filter}");
    let (keys, limit) = match page.succeeded {
        None => (part(""), 2),
        Some(true) => (part(" AND status = $2"), 3),
        Some(false) => (format!("{} UNION ALL {}", part(" AND status = $2"), part(" AND status = $3")), 4),
    };
    let offset = limit + 1;
    let text = format!(
        "SELECT * FROM records WHERE seq IN (SELECT seq FROM ({keys} {order} LIMIT ${limit} OFFSET ${offset}) AS page) {order}"
    );
    let query = of_kind(Query::new(AssertSqlSafe(text)).bind(function.0), page.succeeded);
    query.bind(page.limit).bind(page.offset)
}

fn of_kind(query: Query, succeeded: Option<bool>) -> Query {
    match succeeded {
        None => query,
        Some(true) => query.bind(RecordStatus::Success.as_str()),
        Some(false) => FAILED.iter().fold(query, |query, status| query.bind(status.as_str())),
    }
}

impl SqlStore {
    pub(crate) async fn records_by_number(
        &self,
        function: FunctionId,
        page: NumberedPage,
    ) -> Result<(Vec<Record>, i64), Error> {
        // Beside one another: counting takes as long as all that it counts, and a page much less.
        let count = self.find(count_query(function, page.succeeded), |row| Ok(row.get("count")?));
        let rows = async { Ok(self.database.rows(page_query(function, page)).await?) };
        let (count, rows) = tokio::try_join!(count, rows)?;
        let records = rows.iter().map(Row::record).collect::<Result<_, _>>()?;
        Ok((records, count.unwrap_or_default()))
    }

    pub(crate) async fn newest(&self, limit: u32) -> Result<Vec<(Record, Name)>, Error> {
        let rows = self.database.rows(Query::new(NEWEST).bind(limit)).await?;
        rows.iter().map(|row| Ok((row.record()?, row.name("function_name")?))).collect()
    }

    pub(crate) async fn read_overview(&self) -> Result<Overview, Error> {
        let counts = self.find(Query::new(FUNCTIONS), |row| Ok((row.get("functions")?, row.get("active")?)));
        let average_ms = self.find(Query::new(AVERAGE), |row| Ok(row.get("average")?));
        let (counts, average_ms) = tokio::try_join!(counts, average_ms)?;
        let (functions, active) = counts.unwrap_or_default();
        Ok(Overview { functions, active, average_ms: average_ms.unwrap_or_default() })
    }
}

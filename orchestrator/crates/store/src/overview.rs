//! What a dashboard shows: numbered pages, the newest calls of all functions, counts.

use cloudbox_database::{Query, Row};
use cloudbox_types::{FunctionId, Name, Record, RecordStatus};
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::SqlStore;
use crate::store::{NumberedPage, Overview};

const NEWEST: &str = "SELECT records.*, functions.name AS function_name FROM records \
     JOIN functions ON functions.id = records.function_id ORDER BY records.seq DESC LIMIT $1";

const FUNCTIONS: &str = "SELECT COUNT(*) AS functions, \
     COALESCE(CAST(SUM(CASE WHEN is_active THEN 1 ELSE 0 END) AS BIGINT), 0) AS active FROM functions";

const AVERAGE: &str = "SELECT CAST(COALESCE(AVG(execution_time_ms), 0) AS DOUBLE PRECISION) AS average FROM \
     (SELECT execution_time_ms FROM records ORDER BY seq DESC LIMIT 1000) AS newest";

impl SqlStore {
    pub(crate) async fn records_by_number(
        &self,
        function: FunctionId,
        page: NumberedPage,
    ) -> Result<(Vec<Record>, i64), Error> {
        let condition = match page.succeeded {
            None => "$2 <> ''",
            Some(true) => "status = $2",
            Some(false) => "status <> $2",
        };
        let matching = |what: &str, end: &str| {
            let text = format!("SELECT {what} FROM records WHERE function_id = $1 AND {condition}{end}");
            Query::new(AssertSqlSafe(text)).bind(function.0).bind(RecordStatus::Success.as_str())
        };
        let count = self.find(matching("COUNT(*) AS count", ""), |row| Ok(row.get("count")?)).await?;
        let query = matching("*", " ORDER BY seq DESC LIMIT $3 OFFSET $4").bind(page.limit).bind(page.offset);
        let rows = self.database.rows(query).await?;
        let records = rows.iter().map(Row::record).collect::<Result<_, _>>()?;
        Ok((records, count.unwrap_or_default()))
    }

    pub(crate) async fn newest(&self, limit: u32) -> Result<Vec<(Record, Name)>, Error> {
        let rows = self.database.rows(Query::new(NEWEST).bind(limit)).await?;
        rows.iter().map(|row| Ok((row.record()?, row.name("function_name")?))).collect()
    }

    pub(crate) async fn read_overview(&self) -> Result<Overview, Error> {
        let counts = self.find(Query::new(FUNCTIONS), |row| Ok((row.get("functions")?, row.get("active")?)));
        let (functions, active) = counts.await?.unwrap_or_default();
        let average_ms = self.find(Query::new(AVERAGE), |row| Ok(row.get("average")?)).await?;
        Ok(Overview { functions, active, average_ms: average_ms.unwrap_or_default() })
    }
}

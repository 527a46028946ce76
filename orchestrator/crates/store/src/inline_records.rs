//! Records of calls whose code is stored nowhere: a project's own, beside those of its functions.

use cloudbox_database::{For, Query, Transaction};
use cloudbox_types::{Page, PageRequest, ProjectId, Record, RecordStatus};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::sql_store::{SqlStore, committed};
use crate::store::RecordFilter;

/// A record whose project is there and whose id is new.
const INSERT: &str = "INSERT INTO inline_records (id, project_id, created_at, status, record) \
     SELECT $1, id, $3, $4, $5 FROM projects WHERE id = $2 ON CONFLICT (id) DO NOTHING";

const PRUNE_BY_AGE: &str = "DELETE FROM inline_records WHERE seq IN \
     (SELECT seq FROM inline_records ORDER BY seq LIMIT $2) AND created_at < $1";

const PRUNE_BY_COUNT: &str = "DELETE FROM inline_records WHERE seq IN \
     (SELECT seq FROM inline_records WHERE project_id = $1 ORDER BY seq DESC LIMIT $3 OFFSET $2)";

const CROWDED: &str = "SELECT project_id FROM inline_records GROUP BY project_id HAVING COUNT(*) > $1";

/// Keeps them; how many succeeded and failed of those that are new.
pub(crate) async fn insert<'a>(
    open: &mut Transaction,
    records: impl Iterator<Item = &'a Record>,
) -> Result<(i64, i64), Error> {
    let (mut succeeded, mut failed) = (0, 0);
    for record in records {
        let query = Query::new(INSERT)
            .bind(record.id.to_string())
            .bind(record.project_id.0)
            .bind(record.created_at.as_millisecond())
            .bind(record.status.as_str())
            .bind(serde_json::json!(record).to_string());
        let added = i64::try_from(open.execute(query).await?).unwrap_or_default();
        if record.status == RecordStatus::Success {
            succeeded += added;
        } else {
            failed += added;
        }
    }
    Ok((succeeded, failed))
}

impl SqlStore {
    pub(crate) async fn list_inline_records(
        &self,
        project: ProjectId,
        filter: &RecordFilter,
        page: PageRequest,
    ) -> Result<Page<Record>, Error> {
        let mut text = "SELECT seq, record FROM inline_records WHERE project_id = $1 AND seq < $2 \
             AND created_at >= $3"
            .to_owned();
        let since = filter.since.map_or(i64::MIN, Timestamp::as_millisecond);
        let status = filter.status.map(RecordStatus::as_str);
        text += if status.is_some() { " AND status = $4" } else { "" };
        text += if status.is_some() { " ORDER BY seq DESC LIMIT $5" } else { " ORDER BY seq DESC LIMIT $4" };
        let query = Query::new(AssertSqlSafe(text)).bind(project.0).bind(page.after.unwrap_or(i64::MAX));
        let query = query.bind(since);
        let query = match status {
            Some(status) => query.bind(status),
            None => query,
        };
        self.list(query, page, "seq", |row| Ok(row.json("record")?)).await
    }

    pub(crate) async fn prune_inline(
        &self,
        before: Option<i64>,
        keep: Option<u32>,
        at_once: i64,
    ) -> Result<u64, Error> {
        let mut deleted = 0;
        if let Some(before) = before {
            deleted += self.prune(Query::new(PRUNE_BY_AGE).bind(before).bind(at_once)).await?;
        }
        if let Some(keep) = keep {
            for row in self.database.rows(Query::new(CROWDED).bind(keep)).await? {
                let query = Query::new(PRUNE_BY_COUNT).bind(row.get::<i64>("project_id")?);
                deleted += self.prune(query.bind(keep).bind(at_once)).await?;
            }
        }
        Ok(deleted)
    }

    pub(crate) async fn prune(&self, query: Query) -> Result<u64, Error> {
        let mut open = self.database.begin_for(For::Background).await?;
        let deleted = open.execute(query).await?;
        committed(open, deleted).await
    }
}

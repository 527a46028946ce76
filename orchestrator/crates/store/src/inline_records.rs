//! Records of calls whose code is stored nowhere: a project's own, beside those of its functions.

use cloudbox_database::{Query, Transaction};
use cloudbox_types::{Page, PageRequest, ProjectId, Record, RecordStatus};
use sqlx::AssertSqlSafe;

use crate::error::Error;
use crate::listed::{Listed, bound, newest_first};
use crate::sql_store::SqlStore;
use crate::store::RecordFilter;

/// A record whose project is there and whose id is new.
const INSERT: &str = "INSERT INTO inline_records (id, project_id, created_at, status, record) \
     SELECT $1, id, $3, $4, $5 FROM projects WHERE id = $2 ON CONFLICT (id) DO NOTHING";

pub(crate) const BY_AGE: &str = "DELETE FROM inline_records WHERE seq IN \
     (SELECT seq FROM inline_records ORDER BY seq LIMIT $2) AND created_at < $1";

/// The newest record of a project beyond those that stay.
pub(crate) const LAST: &str = "SELECT created_at, seq FROM inline_records WHERE project_id = $1 \
     ORDER BY created_at DESC, seq DESC LIMIT 1 OFFSET $2";

/// The oldest records of a project, up to that one.
pub(crate) const UP_TO: &str = "DELETE FROM inline_records WHERE seq IN (SELECT seq FROM inline_records \
     WHERE project_id = $1 AND (created_at, seq) <= ($2, $3) ORDER BY created_at, seq LIMIT $4)";

const PLACE: &str = "SELECT created_at FROM inline_records WHERE seq = $1";

const OF_PROJECT: Listed = Listed {
    select: "SELECT seq, record FROM inline_records",
    owner: "project_id",
    by_status: "inline_records_by_status",
};

pub(crate) fn list_query(
    project: ProjectId,
    filter: &RecordFilter,
    cursor: (i64, i64),
    is_postgres: bool,
) -> Query {
    let text = newest_first(&OF_PROJECT, filter, is_postgres);
    bound(Query::new(AssertSqlSafe(text)).bind(project.0), filter, cursor)
}

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
        let Some(cursor) = self.cursor(PLACE, page.after).await? else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let query = list_query(project, filter, cursor, self.database.is_postgres());
        self.list(query, page, "seq", |row| Ok(row.json("record")?)).await
    }
}

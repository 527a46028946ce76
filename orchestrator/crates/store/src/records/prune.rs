//! What goes: old records, and those of functions that are deleted. A transaction deletes hundreds at most, so that
//! nobody waits long for its lock, and what is to go is looked for before it begins.

use std::collections::BTreeSet;

use cloudbox_database::{For, Query};
use cloudbox_types::{FunctionId, ProjectId};
use jiff::Timestamp;

use crate::error::Error;
use crate::sql_store::{SqlStore, committed};

/// Records that one transaction of SQLite deletes: all other changes wait for it, as it knows one writer.
const AT_ONCE_ALONE: i64 = 250;
/// The same of PostgreSQL, where changes go on beside it.
const AT_ONCE_BESIDE: i64 = 1000;

/// Records in the order in which they were kept, which is nearly the order of their times.
pub(crate) const BY_AGE: &str = "DELETE FROM records WHERE seq IN (SELECT seq FROM records ORDER BY seq LIMIT $2) \
     AND created_at < $1";

/// The newest record of a function beyond those that stay.
pub(crate) const LAST: &str = "SELECT created_at, seq FROM records WHERE function_id = $1 \
     ORDER BY created_at DESC, seq DESC LIMIT 1 OFFSET $2";

/// The oldest records of a function, up to that one.
pub(crate) const UP_TO: &str = "DELETE FROM records WHERE seq IN (SELECT seq FROM records \
     WHERE function_id = $1 AND (created_at, seq) <= ($2, $3) ORDER BY created_at, seq LIMIT $4)";

/// With an order, so that PostgreSQL doesn't look for them from one end of the table.
pub(crate) const SOME: &str = "DELETE FROM records WHERE seq IN \
     (SELECT seq FROM records WHERE function_id = $1 ORDER BY created_at, seq LIMIT $2)";

pub(crate) const SOME_INLINE: &str = "DELETE FROM inline_records WHERE seq IN \
     (SELECT seq FROM inline_records WHERE project_id = $1 ORDER BY created_at, seq LIMIT $2)";

const OFTEN_CALLED: &str = "SELECT id FROM functions WHERE invocation_count > $1";
const IS_OFTEN_CALLED: &str = "SELECT id FROM functions WHERE id = $1 AND invocation_count > $2";
const OF_PROJECT: &str = "SELECT id FROM functions WHERE project_id = $1 ORDER BY id";
const PROJECTS: &str = "SELECT id FROM projects";

/// How an owner's records beyond a number of them are found and deleted.
struct Crowd {
    last: &'static str,
    up_to: &'static str,
}

const OF_FUNCTIONS: Crowd = Crowd { last: LAST, up_to: UP_TO };
const OF_PROJECTS: Crowd = Crowd { last: crate::inline_records::LAST, up_to: crate::inline_records::UP_TO };

impl SqlStore {
    /// Records that one transaction deletes.
    fn at_once(&self) -> i64 {
        if self.database.is_postgres() { AT_ONCE_BESIDE } else { AT_ONCE_ALONE }
    }

    /// Deletes some of what is to go; 0 when nothing is left of it.
    pub(crate) async fn delete_oldest(
        &self,
        before: Option<Timestamp>,
        keep: Option<u32>,
    ) -> Result<u64, Error> {
        if let Some(before) = before.map(Timestamp::as_millisecond) {
            for sql in [BY_AGE, crate::inline_records::BY_AGE] {
                let deleted = self.delete_some(Query::new(sql).bind(before).bind(self.at_once())).await?;
                if deleted > 0 {
                    return Ok(deleted);
                }
            }
        }
        match keep {
            Some(keep) => self.delete_crowded(keep).await,
            None => Ok(0),
        }
    }

    /// Looks at one owner after the other until something was deleted.
    async fn delete_crowded(&self, keep: u32) -> Result<u64, Error> {
        self.begin_with_all(keep).await?;
        loop {
            let (function, project) = {
                let grown = self.grown.lock();
                (grown.functions.first().copied(), grown.projects.first().copied())
            };
            let deleted = match (function, project) {
                (Some(id), _) => {
                    let often = Query::new(IS_OFTEN_CALLED).bind(id).bind(keep);
                    let is_often = self.database.row(often).await?.is_some();
                    if is_often { self.delete_of(&OF_FUNCTIONS, id, keep).await? } else { 0 }
                }
                (None, Some(id)) => self.delete_of(&OF_PROJECTS, id, keep).await?,
                (None, None) => return Ok(0),
            };
            // Less than a whole part is the last of them.
            if i64::try_from(deleted).unwrap_or(i64::MAX) < self.at_once() {
                let mut grown = self.grown.lock();
                match function {
                    Some(id) => grown.functions.remove(&id),
                    None => project.is_some_and(|id| grown.projects.remove(&id)),
                };
            }
            if deleted > 0 {
                return Ok(deleted);
            }
        }
    }

    async fn begin_with_all(&self, keep: u32) -> Result<(), Error> {
        if self.grown.lock().is_begun {
            return Ok(());
        }
        let mut ids = [BTreeSet::new(), BTreeSet::new()];
        for (query, ids) in
            [Query::new(OFTEN_CALLED).bind(keep), Query::new(PROJECTS)].into_iter().zip(&mut ids)
        {
            for row in self.database.rows(query).await? {
                ids.insert(row.get::<i64>("id")?);
            }
        }
        let [functions, projects] = ids;
        let mut grown = self.grown.lock();
        grown.functions.extend(functions);
        grown.projects.extend(projects);
        grown.is_begun = true;
        Ok(())
    }

    async fn delete_of(&self, crowd: &Crowd, owner: i64, keep: u32) -> Result<u64, Error> {
        let last = Query::new(crowd.last).bind(owner).bind(keep);
        let found: Option<(i64, i64)> =
            self.find(last, |row| Ok((row.get("created_at")?, row.get("seq")?))).await?;
        let Some((time, seq)) = found else { return Ok(0) };
        self.delete_some(Query::new(crowd.up_to).bind(owner).bind(time).bind(seq).bind(self.at_once())).await
    }

    async fn delete_some(&self, query: Query) -> Result<u64, Error> {
        let mut open = self.database.begin_for(For::Background).await?;
        let deleted = open.execute(query).await?;
        committed(open, deleted).await
    }

    /// Deletes a function's records, part by part, then the function with whatever came meanwhile.
    pub(crate) async fn delete_function_of(&self, id: FunctionId) -> Result<(), Error> {
        self.delete_records_of(SOME, &[id.0]).await?;
        self.delete("DELETE FROM functions WHERE id = $1", id.0, "function").await
    }

    /// The same with all functions of a project.
    pub(crate) async fn delete_project_of(&self, id: ProjectId) -> Result<(), Error> {
        let rows = self.database.rows(Query::new(OF_PROJECT).bind(id.0)).await?;
        let functions: Vec<i64> = rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
        self.delete_records_of(SOME, &functions).await?;
        self.delete_records_of(SOME_INLINE, &[id.0]).await?;
        self.delete("DELETE FROM projects WHERE id = $1", id.0, "project").await
    }

    async fn delete_records_of(&self, some: &'static str, owners: &[i64]) -> Result<(), Error> {
        let mut left = owners.iter().peekable();
        while left.peek().is_some() {
            let mut open = self.database.begin().await?;
            let mut room = self.at_once();
            while let Some(&&owner) = left.peek()
                && room > 0
            {
                let deleted = open.execute(Query::new(some).bind(owner).bind(room)).await?;
                // A look counts, too.
                room -= i64::try_from(deleted).unwrap_or(room).max(1);
                if room > 0 {
                    left.next();
                }
            }
            open.commit().await?;
        }
        Ok(())
    }
}

//! Which nodes live, and the deployments of those that don't.
//!
//! Times are the database's own, so that nodes' clocks may differ.

use std::time::Duration;

use cloudbox_database::Query;

use crate::error::Error;
use crate::sql_store::{SqlStore, committed};

pub(crate) const UNFINISHED: &str =
    "SELECT * FROM deployments WHERE status = 'building' ORDER BY function_id";

/// A deployment without a node was begun by a release that noted none.
pub(crate) const OF_NODE: &str = "SELECT * FROM deployments WHERE status = 'building' AND node IN ($1, '') \
     ORDER BY function_id";

pub(crate) const ABANDONED: &str = "SELECT * FROM deployments WHERE status = 'building' \
     AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = deployments.node) ORDER BY function_id";

const NOTE: &str = "INSERT INTO nodes (id, seen_at) VALUES ($1, clock_timestamp()) \
     ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()";

const FORGET: &str = "DELETE FROM nodes WHERE seen_at <= clock_timestamp() - $1 * INTERVAL '1 millisecond'";

impl SqlStore {
    pub(crate) async fn end_unfinished(&self, node: &str, error: &str) -> Result<u64, Error> {
        let query = match self.database.is_postgres() {
            true => Query::new(OF_NODE).bind(node),
            false => Query::new(UNFINISHED),
        };
        let mut open = self.database.begin().await?;
        let ended = self.end_found(&mut open, query, error).await?;
        committed(open, ended).await
    }

    pub(crate) async fn note_node(&self, node: &str) -> Result<bool, Error> {
        if !self.database.is_postgres() {
            return Ok(false);
        }
        let mut open = self.database.begin().await?;
        open.execute(Query::new(NOTE).bind(node)).await?;
        committed(open, true).await
    }

    pub(crate) async fn end_abandoned(&self, silent: Duration, error: &str) -> Result<u64, Error> {
        if !self.database.is_postgres() {
            return Ok(0);
        }
        let mut open = self.database.begin().await?;
        let millis = i64::try_from(silent.as_millis()).unwrap_or(i64::MAX);
        open.execute(Query::new(FORGET).bind(millis)).await?;
        let ended = self.end_found(&mut open, Query::new(ABANDONED), error).await?;
        committed(open, ended).await
    }
}

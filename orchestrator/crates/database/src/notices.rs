//! What a PostgreSQL server tells of changes as they are committed (`LISTEN`), on a connection of its own.

use sqlx::postgres::PgListener;

use crate::database::{Connections, Database};

/// The channel that is listened to, and its connection.
pub struct Notices {
    listener: PgListener,
}

impl Database {
    /// Begins to listen; none for SQLite, where nobody else changes anything.
    ///
    /// # Errors
    /// The driver's.
    pub async fn listen(&self, channel: &str) -> Result<Option<Notices>, sqlx::Error> {
        let Connections::Postgres(pool) = &self.connections else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(channel).await?;
        Ok(Some(Notices { listener }))
    }
}

impl Notices {
    /// The next notice, when there is one; none where some may have been missed, since the connection was lost and is back.
    ///
    /// # Errors
    /// The connection is lost, and can't be had again.
    pub async fn next(&mut self) -> Result<Option<String>, sqlx::Error> {
        Ok(self.listener.try_recv().await?.map(|notice| notice.payload().to_owned()))
    }
}

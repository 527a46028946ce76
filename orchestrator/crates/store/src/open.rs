//! Opens a database: the URL, the connections' settings, the migrations, and sentences for what can go wrong.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_database::{Connections, Database, Presence};
use parking_lot::Mutex;
use sqlx::Connection;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::Error;
use crate::key::EnvironmentKey;
use crate::sql_store::SqlStore;
use crate::store::Store;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../../../migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("../../../migrations/postgres");

/// How long the pools wait for a connection, and try to make one. `patience` is shorter for who waits for an answer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a PostgreSQL server may take to answer at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for a lock of another process, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// To what SQLite cuts its log after somebody's long read made it longer.
const WAL_BYTES: &str = "16777216";
const SQLITE_READERS: u32 = 4;
/// One of them hears what other nodes change.
const POSTGRES_CONNECTIONS: u32 = 17;
/// No statement of ours takes longer unless something is wrong; a lock is held for milliseconds.
const POSTGRES_TIMEOUTS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '60s'; SET synchronous_commit = 'on'";

/// Opens `sqlite:///path/file.db`, a plain path, or `postgres://user:password@host/database`, and brings its tables
/// up to date. A SQLite file that isn't there is made; its folder has to be there.
///
/// # Errors
/// [`Error::Unusable`] with the remedy: a wrong URL, a server that can't be reached, a file that can't be written or
/// is damaged, a database of a newer release. The text holds no password.
pub async fn open(url: &str, key: EnvironmentKey) -> Result<Arc<dyn Store>, Error> {
    let database = if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        open_postgres(url).await?
    } else if let Some(path) = url.strip_prefix("sqlite:") {
        open_sqlite(path.strip_prefix("//").unwrap_or(path)).await?
    } else if let Some((scheme, _)) = url.split_once("://") {
        return Err(unusable(format!(
            "{scheme:?} is not a kind of database known here; \
             give sqlite:///path/to/file.db or postgres://user:password@host/database"
        )));
    } else {
        open_sqlite(url).await?
    };
    Ok(Arc::new(SqlStore { database: Arc::new(database), key, grown: Mutex::default() }))
}

fn unusable(why: String) -> Error {
    Error::Unusable { why }
}

pub(crate) async fn open_sqlite(path: &str) -> Result<Database, Error> {
    if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
        return Err(unusable(format!(
            "the SQLite URL has to name a file and nothing else, such as sqlite:///var/lib/cloudbox/cloudbox.db; \
             got {path:?}"
        )));
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("trusted_schema", "OFF")
        .pragma("temp_store", "MEMORY")
        .pragma("journal_size_limit", WAL_BYTES);
    let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_TIMEOUT);
    let failed = |error: &sqlx::Error| unusable(sqlite_sentence(path, error));

    // For ever: a writer that is closed when idle would have to checkpoint and open again.
    let writer = pool(1)
        .idle_timeout(None)
        .max_lifetime(None)
        // A full disk ends a transaction by itself. The driver's own end of it fails then, and no other one could be
        // begun on this connection: it is given up. The ping comes back when the driver's end is through.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(|error| failed(&error))?;
    SQLITE_MIGRATIONS.run(&writer).await.map_err(|error| migration_failed(error, failed))?;
    // One stays for ever: with the last connection the log would go, and come back as another file.
    let readers = pool(SQLITE_READERS)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(|error| failed(&error))?;
    let presence = Presence::of(Path::new(path)).map_err(|error| failed(&error.into()))?;
    Ok(Database::new(Connections::Sqlite { writer, readers, presence }))
}

fn sqlite_sentence(path: &str, error: &sqlx::Error) -> String {
    // The primary result code: the low byte of SQLite's extended one.
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(5 | 6) => format!("{path} is locked by another program; end it, then start again"),
        Some(8) => format!("{path} can't be written; make it and its folder writable for this user"),
        Some(10 | 13) => {
            format!("reading or writing {path} failed; check the disk and its free space ({error})")
        }
        Some(11) => format!("{path} is damaged; restore it from a backup, or move it away to begin anew"),
        Some(14) => {
            format!(
                "{path} can't be opened; make its folder, and let this user write there, or name another file"
            )
        }
        Some(26) => {
            format!("{path} is not a SQLite database, or is damaged; name another file or restore a backup")
        }
        _ => format!(
            "{path} can't be used as a SQLite database ({error}); name another file or restore a backup"
        ),
    }
}

pub(crate) async fn open_postgres(url: &str) -> Result<Database, Error> {
    // The parser's error could quote the URL, and with it the password.
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        unusable(
            "the PostgreSQL URL can't be read; write postgres://user:password@host:port/database, with special \
             characters of the password percent-encoded"
                .to_owned(),
        )
    })?;
    let whereto = format!("PostgreSQL at {}:{}", options.get_host(), options.get_port());
    let failed = |error: &sqlx::Error| unusable(postgres_sentence(&whereto, error));
    // The pool would try again and again where nobody listens; one connection of its own says it at once.
    let first = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
    let first = first.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(|error| failed(&error))?;
    first.close().await.map_err(|error| failed(&error))?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(POSTGRES_TIMEOUTS).execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(options.application_name("cloudbox"))
        .await
        .map_err(|error| failed(&error))?;
    POSTGRES_MIGRATIONS.run(&pool).await.map_err(|error| migration_failed(error, failed))?;
    Ok(Database::new(Connections::Postgres(pool)))
}

fn postgres_sentence(whereto: &str, error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => {
            format!("{whereto} doesn't answer; check that host and port are right and no firewall is between")
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            format!(
                "{whereto} can't be reached ({error}); check that it runs and that host and port are right"
            )
        }
        sqlx::Error::Database(error) => {
            let advice = match error.code().as_deref() {
                Some("28P01" | "28000") => "check user and password of the URL",
                Some("3D000") => "make the database with createdb, or name another one",
                Some("42501") => "let the user create tables: GRANT CREATE ON SCHEMA public",
                Some("53300") => "raise its max_connections or end other clients",
                _ => "see the server's log",
            };
            format!("{whereto} refuses ({}); {advice}", error.message())
        }
        _ => format!("{whereto} can't be used ({error}); see the server's log"),
    }
}

fn migration_failed(error: MigrateError, failed: impl Fn(&sqlx::Error) -> Error) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(&error),
        MigrateError::VersionMissing(number) => unusable(format!(
            "it was made by a newer release (migration {number} is not known here); \
             use that release or a newer one, or restore a backup from before its upgrade"
        )),
        MigrateError::VersionMismatch(number) => unusable(format!(
            "its migration {number} differs from this release's; use the release that made it, or restore a backup"
        )),
        error => unusable(format!("its tables can't be brought up to date ({error}); restore a backup")),
    }
}

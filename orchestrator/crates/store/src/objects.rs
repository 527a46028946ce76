//! Which kept objects rows refer to, and who is about to write such a row. Several nodes may share an object store.
//!
//! Who is about to refer to an object holds it first, then looks whether somebody removes it. Who removes one says so
//! first, then looks whether somebody needs it. Each says before it looks, so that at least one of two sees the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudbox_database::{Database, Query, Row};
use cloudbox_types::{Image, Language};
use jiff::Timestamp;

use crate::error::Error;

/// What the database knows of kept objects.
#[derive(Clone)]
pub struct Objects {
    database: Arc<Database>,
}

/// What rows refer to, each by its SHA-256 in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Artefacts of versions.
    pub artefacts: BTreeSet<String>,
    /// Packages of functions and of versions.
    pub packages: BTreeSet<String>,
    /// Images that versions run in, with their languages.
    pub images: Vec<(Language, Image)>,
}

/// What objects can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// What a version runs.
    Artefact,
    /// What a function or version was uploaded as.
    Package,
}

impl ObjectKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Artefact => "artefact",
            Self::Package => "package",
        }
    }

    /// Counts the rows that need an object of this name ($2), holds ($1, $2, $3) among them. One statement: a hold is
    /// given up only after the row that it was for.
    pub(crate) const fn needed(self) -> &'static str {
        match self {
            Self::Artefact => {
                "SELECT (SELECT COUNT(*) FROM object_holds \
                 WHERE kind = $1 AND name = $2 AND NOT is_removal AND expires_at > $3) \
                 + (SELECT COUNT(*) FROM versions WHERE digest = $2) AS count"
            }
            Self::Package => {
                "SELECT (SELECT COUNT(*) FROM object_holds \
                 WHERE kind = $1 AND name = $2 AND NOT is_removal AND expires_at > $3) \
                 + (SELECT COUNT(*) FROM versions WHERE package = $2) \
                 + (SELECT COUNT(*) FROM functions WHERE package = $2) AS count"
            }
        }
    }
}

const INSERT: &str = "INSERT INTO object_holds (kind, name, is_removal, expires_at) VALUES ($1, $2, $3, $4) \
     RETURNING id";

const DELETE: &str = "DELETE FROM object_holds WHERE id = $1";

const DELETE_OLD: &str = "DELETE FROM object_holds WHERE expires_at <= $1";

pub(crate) const HELD: &str = "SELECT COUNT(*) AS count FROM object_holds \
     WHERE kind = $1 AND name = $2 AND NOT is_removal AND expires_at > $3";

pub(crate) const GOING: &str = "SELECT COUNT(*) AS count FROM object_holds \
     WHERE kind = $1 AND name = $2 AND is_removal AND expires_at > $3";

const ARTEFACTS: &str = "SELECT DISTINCT digest AS name FROM versions";

const IMAGES: &str = "SELECT DISTINCT language, image FROM versions WHERE image IS NOT NULL";

const PACKAGES: &str = "SELECT package AS name FROM versions WHERE package IS NOT NULL \
     UNION SELECT package AS name FROM functions WHERE package IS NOT NULL";

impl Objects {
    pub(crate) const fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// What rows refer to now.
    ///
    /// # Errors
    /// The database's.
    pub async fn references(&self) -> Result<References, Error> {
        let names = async |sql: &'static str| {
            let rows = self.database.rows(Query::new(sql)).await?;
            rows.iter().map(|row| Ok(row.get("name")?)).collect::<Result<BTreeSet<String>, Error>>()
        };
        let (artefacts, packages) = (names(ARTEFACTS).await?, names(PACKAGES).await?);
        let images = self.database.rows(Query::new(IMAGES)).await?;
        let images = images.iter().map(|row| Ok((row.word("language")?, row.json("image")?)));
        Ok(References { artefacts, packages, images: images.collect::<Result<_, Error>>()? })
    }

    /// Holds an object until then, or until the number is released. Whoever uses it has to ask [`Objects::is_going`]
    /// after it.
    ///
    /// # Errors
    /// The database's.
    pub async fn hold(&self, kind: ObjectKind, name: &str, until: Timestamp) -> Result<i64, Error> {
        self.note(kind, name, false, until).await
    }

    /// Gives up a hold, or ends a removal.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&self, number: i64) -> Result<(), Error> {
        let mut open = self.database.begin().await?;
        open.execute(Query::new(DELETE).bind(number)).await?;
        Ok(open.commit().await?)
    }

    /// Whether a node removes the object just now.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_going(&self, kind: ObjectKind, name: &str) -> Result<bool, Error> {
        self.is_noted(GOING, kind, name).await
    }

    /// Whether a node holds the object just now.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_held(&self, kind: ObjectKind, name: &str) -> Result<bool, Error> {
        self.is_noted(HELD, kind, name).await
    }

    async fn is_noted(&self, sql: &'static str, kind: ObjectKind, name: &str) -> Result<bool, Error> {
        let query = Query::new(sql).bind(kind.as_str()).bind(name).bind(now());
        Ok(self.count(query).await? > 0)
    }

    /// Begins to remove an object: the number to be released when that is done; none where a row or a node needs it.
    /// A removal that is not done by then is over.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin_removal(
        &self,
        kind: ObjectKind,
        name: &str,
        until: Timestamp,
    ) -> Result<Option<i64>, Error> {
        let number = self.note(kind, name, true, until).await?;
        let query = Query::new(kind.needed()).bind(kind.as_str()).bind(name).bind(now());
        match self.count(query).await {
            Ok(0) => Ok(Some(number)),
            needed => {
                self.release(number).await?;
                needed.map(|_| None)
            }
        }
    }

    /// What this database is called, where several share an object store; made at the first time.
    ///
    /// # Errors
    /// The database's.
    pub async fn installation(&self) -> Result<String, Error> {
        let mut open = self.database.begin().await?;
        let made = format!("{:032x}", rand::random::<u128>());
        let insert = "INSERT INTO installation (one, id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
        open.execute(Query::new(insert).bind(made)).await?;
        let row = open.row(Query::new("SELECT id FROM installation")).await?;
        let id = row.ok_or(Error::Missing { what: "installation" })?.get("id")?;
        open.commit().await?;
        Ok(id)
    }

    async fn note(
        &self,
        kind: ObjectKind,
        name: &str,
        is_removal: bool,
        until: Timestamp,
    ) -> Result<i64, Error> {
        let mut open = self.database.begin().await?;
        open.execute(Query::new(DELETE_OLD).bind(now())).await?;
        let query = Query::new(INSERT).bind(kind.as_str()).bind(name).bind(is_removal);
        let row = open.row(query.bind(until.as_millisecond())).await?;
        let number = row.ok_or(sqlx::Error::RowNotFound)?.get("id")?;
        open.commit().await?;
        Ok(number)
    }

    async fn count(&self, query: Query) -> Result<i64, Error> {
        let row: Option<Row> = self.database.row(query).await?;
        Ok(row.ok_or(sqlx::Error::RowNotFound)?.get("count")?)
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

//! Why the store could not answer.

use cloudbox_database::Outage;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name or slug is taken.
    #[error("{what} is taken")]
    Taken {
        /// Such as `the name hello`.
        what: String,
    },
    /// There is no such row.
    #[error("there is no such {what}")]
    Missing {
        /// `project`, `function`, `version`, `deployment`.
        what: &'static str,
    },
    /// The state doesn't allow it.
    #[error("{why}")]
    Refused {
        /// A sentence for the user.
        why: String,
    },
    /// A secret value can't be decrypted: its key is lost, or its row was changed.
    #[error("secret values of {} can't be decrypted: {}", whose(*function_id), lost(missing_key.as_deref()))]
    Undecryptable {
        /// Whose; 0 for those of a project.
        function_id: i64,
        /// The id of the key that is not in the ring, where that is why.
        missing_key: Option<String>,
    },
    /// The database can't be opened or migrated.
    #[error("the database can't be used: {why}")]
    Unusable {
        /// What is wrong, and the remedy.
        why: String,
    },
    /// The database can't be used now, and may be again. A change that ends so may have happened.
    #[error("the database can't be used now: {outage}")]
    Unavailable {
        /// What keeps it from working.
        outage: Outage,
        /// What its driver said.
        source: sqlx::Error,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

fn whose(function_id: i64) -> String {
    if function_id == 0 { "the project".to_owned() } else { format!("function {function_id}") }
}

fn lost(missing_key: Option<&str>) -> String {
    missing_key.map_or_else(
        || "they were changed in the database; set them again".to_owned(),
        |id| format!("key {id} is lost; name it in CLOUDBOX_SECRET_KEYS_OLD, or set them again"),
    )
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match Outage::of(&error) {
            Some(outage) => Self::Unavailable { outage, source: error },
            None => Self::Database(error),
        }
    }
}

impl Error {
    /// Whether another try, later, may well succeed.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

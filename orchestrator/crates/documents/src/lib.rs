//! Documents: what functions keep through `context.db`, JSON objects of a project by entity.
//!
//! `operation` and `filter` read what a function wants, `statement` says it in each database's SQL, with every value
//! bound, and `run` does it. A `rehearsal` does it on a copy in memory, which is gone afterwards.

mod filter;
mod operation;
mod rehearsal;
mod run;
mod statement;
#[cfg(test)]
mod tests;

pub use filter::{Field, Filter, Side, Test};
pub use operation::{Action, List, MAX_LIST, Operation};
pub use rehearsal::Rehearsal;
pub use run::Desk;

/// What a project's documents may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Documents of a project.
    pub documents: u64,
    /// Bytes of one document, as JSON.
    pub document_bytes: u64,
    /// Bytes of all documents of a project.
    pub project_bytes: u64,
    /// Bytes of the documents that one operation gives.
    pub result_bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            documents: 100_000,
            document_bytes: 256 << 10,
            project_bytes: 256 << 20,
            result_bytes: 4 << 20,
        }
    }
}

/// Why an operation on documents failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The function asked for what can't be.
    #[error("{why}")]
    Invalid {
        /// A sentence for its author.
        why: String,
    },
    /// There is a document of this id.
    #[error("{entity} has a document with the id {id:?}")]
    Taken {
        /// Of which entity.
        entity: String,
        /// Which id.
        id: String,
    },
    /// A quota is used up.
    #[error("{what} would have {found}; the limit is {limit} ({setting})")]
    Quota {
        /// Such as `the document`.
        what: &'static str,
        /// With its unit.
        found: String,
        /// In the same unit.
        limit: u64,
        /// The operator's setting.
        setting: &'static str,
    },
    /// The project was deleted meanwhile.
    #[error("there is no such project")]
    NoProject,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// The error of what can't be asked for.
fn invalid<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Invalid { why: why.into() })
}

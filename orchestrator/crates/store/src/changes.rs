//! What other nodes change of what calls get: heard of as it is committed, and how to find out what was missed.

use cloudbox_database::{Notices, Query};
use cloudbox_types::{FunctionId, ProjectId};

use crate::error::Error;
use crate::sql_store::SqlStore;

/// The channel that the triggers of `0012_changes.sql` tell.
const CHANNEL: &str = "cloudbox_changes";

const GENERATIONS: &str = "SELECT id, project_id, generation FROM functions";

/// A change that some node has made, perhaps this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Calls of a function get something else.
    Function {
        /// Whose it is.
        project: ProjectId,
        /// Which.
        function: FunctionId,
        /// Its generation after the change; none where it is gone.
        generation: Option<i64>,
    },
    /// A project has another name, or is gone.
    Project(ProjectId),
    /// Anything: notices were lost.
    Any,
}

impl Change {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let kind = words.next()?;
        let project = ProjectId(words.next()?.parse().ok()?);
        match kind {
            "project" => Some(Self::Project(project)),
            "function" => {
                let function = FunctionId(words.next()?.parse().ok()?);
                let generation = words.next()?;
                let generation = if generation == "-" { None } else { Some(generation.parse().ok()?) };
                Some(Self::Function { project, function, generation })
            }
            _ => None,
        }
    }
}

/// The changes from when it was asked for on.
pub struct Changes {
    notices: Notices,
}

impl Changes {
    /// The next one, when there is one.
    ///
    /// # Errors
    /// The database can't be reached; ask for the changes anew, and look for those that were missed.
    pub async fn next(&mut self) -> Result<Change, Error> {
        // What a newer release tells is not understood, but it is a change.
        Ok(self.notices.next().await?.and_then(|text| Change::read(&text)).unwrap_or(Change::Any))
    }
}

/// How often what calls get of a function has been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Which function.
    pub function: FunctionId,
    /// Whose it is.
    pub project: ProjectId,
    /// Counts up with each change.
    pub number: i64,
}

impl SqlStore {
    pub(crate) async fn listen(&self) -> Result<Option<Changes>, Error> {
        Ok(self.database.listen(CHANNEL).await?.map(|notices| Changes { notices }))
    }

    pub(crate) async fn list_generations(&self) -> Result<Vec<Generation>, Error> {
        let rows = self.database.rows(Query::new(GENERATIONS)).await?;
        let read = |row: &cloudbox_database::Row| {
            Ok(Generation {
                function: FunctionId(row.get("id")?),
                project: ProjectId(row.get("project_id")?),
                number: row.get("generation")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_or_are_any_change() {
        let function =
            |generation| Change::Function { project: ProjectId(1), function: FunctionId(7), generation };
        for (text, change) in [
            ("function 1 7 12", Some(function(Some(12)))),
            ("function 1 7 -", Some(function(None))),
            ("project 3", Some(Change::Project(ProjectId(3)))),
            ("function 1", None),
            ("function 1 7 x", None),
            ("secret 1", None),
            ("", None),
        ] {
            assert_eq!(Change::read(text), change, "{text:?}");
        }
    }
}

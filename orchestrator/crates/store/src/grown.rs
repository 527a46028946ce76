//! Whose records may have become too many.

use std::collections::BTreeSet;

use cloudbox_types::{FunctionId, ProjectId};

/// Who may have more records than are to stay: whoever got one since the last look, and at the first look everybody.
#[derive(Debug, Default)]
pub(crate) struct Grown {
    /// Whether everybody was looked for.
    pub(crate) is_begun: bool,
    pub(crate) functions: BTreeSet<i64>,
    pub(crate) projects: BTreeSet<i64>,
}

impl Grown {
    /// Notes that they got records.
    pub(crate) fn note(
        &mut self,
        functions: impl Iterator<Item = FunctionId>,
        projects: impl Iterator<Item = ProjectId>,
    ) {
        self.functions.extend(functions.map(|id| id.0));
        self.projects.extend(projects.map(|id| id.0));
    }
}

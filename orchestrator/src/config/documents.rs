//! The section of functions' documents.

use cloudbox_documents::Quota;
use serde::Deserialize;

/// `[documents]`: what functions may keep through `context.db`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Documents {
    /// Documents of a project.
    pub per_project: u64,
    /// Bytes of all documents of a project, as JSON.
    pub bytes_per_project: u64,
    /// Bytes of one document, as JSON.
    pub bytes_per_document: u64,
    /// Operations that one call may make.
    pub operations_per_call: u32,
}

impl Default for Documents {
    fn default() -> Self {
        let quota = Quota::default();
        Self {
            per_project: quota.documents,
            bytes_per_project: quota.project_bytes,
            bytes_per_document: quota.document_bytes,
            operations_per_call: 1000,
        }
    }
}

impl Documents {
    /// As the store wants it.
    #[must_use]
    pub fn quota(&self) -> Quota {
        Quota {
            documents: self.per_project,
            document_bytes: self.bytes_per_document,
            project_bytes: self.bytes_per_project,
            ..Quota::default()
        }
    }
}

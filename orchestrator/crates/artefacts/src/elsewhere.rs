//! Where artefacts are that other nodes made.

use std::sync::Arc;

use cloudbox_storage::Remote;

use crate::artefact::Bounds;

/// The object store, and what an artefact from there may be.
#[derive(Debug)]
pub struct Elsewhere {
    pub(crate) remote: Arc<Remote>,
    pub(crate) bounds: Bounds,
    /// Held by whoever fetches: many sandboxes that start at once fetch an artefact once.
    pub(crate) fetching: tokio::sync::Mutex<()>,
}

impl Elsewhere {
    /// Artefacts of at most these bounds in an object store.
    #[must_use]
    pub fn new(remote: Arc<Remote>, bounds: Bounds) -> Self {
        Self { remote, bounds, fetching: tokio::sync::Mutex::default() }
    }
}

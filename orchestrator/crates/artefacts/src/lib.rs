//! What builds leave, kept by its digest: artefacts, which sandboxes run, and sets of installed dependencies, which
//! artefacts share.
//!
//! A build's workspace is read as what a stranger left: regular files only, bounded ([`collect`]). The [`CodeStore`] has
//! each artefact whole or not at all, and fetches from the object store what another node made.

mod artefact;
mod code_store;
mod dependency_store;
mod elsewhere;
mod error;
mod regular;
mod remote_code;
mod unfinished;

pub use artefact::{Artefact, Bounds, Shared, collect};
pub use code_store::CodeStore;
pub use dependency_store::{DependencyStore, InstalledSet, key};
pub use elsewhere::Elsewhere;
pub use error::Error;
pub use regular::{not_regular, open_regular};
pub use remote_code::{FOLDER as ARTEFACTS, digest_of_object};
pub use unfinished::remove_all;

/// Where a build says which file is to be loaded; no part of the artefact.
pub const MAIN_NOTE: &str = ".cloudbox-main";

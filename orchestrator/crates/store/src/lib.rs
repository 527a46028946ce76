//! What is kept: projects, functions, versions, deployments, records and documents, in SQLite or PostgreSQL.
//!
//! One interface, [`Store`], and one implementation in SQL that both databases understand (`answers`); what differs
//! between them is in the crate `database` and in `open`. One story test (`tests/story.rs`) holds both to the same behaviour.

mod answers;
mod changes;
mod deployments;
pub mod error;
mod functions;
mod grown;
mod inline_records;
mod key;
mod listed;
mod nodes;
mod objects;
mod open;
mod overview;
mod projects;
mod records;
mod rows;
mod secrets;
mod sql_store;
pub mod store;
mod switch;
#[cfg(test)]
mod tests;
mod versions;

pub use changes::{Change, Changes, Generation};
pub use cloudbox_database::Outage;
pub use error::Error;
pub use key::{EnvironmentKey, InvalidKey};
pub use objects::{ObjectKind, Objects, References};
pub use open::open;
pub use store::{
    Begin, FunctionPatch, NewFunction, NewProject, NewVersion, NumberedPage, Overview, ProjectPatch,
    RecordFilter, Rotation, SharedSecret, Store, Totals,
};

//! What is kept: projects, functions, versions, deployments and records, in SQLite or PostgreSQL.
//!
//! One interface, [`Store`], two implementations that share their SQL's text where they can, and one story test
//! (`tests/story.rs`) that both pass.

pub mod error;
pub mod store;

pub use error::Error;
pub use store::{
    FunctionPatch, NewFunction, NewProject, NewVersion, ProjectPatch, RecordFilter, Store, Totals,
};

//! The two databases behind one face: queries with their values in, rows out.
//!
//! All SQL uses `$1` placeholders and types that both know (BIGINT, TEXT, BOOLEAN, double), so each statement is
//! written once.

mod database;
mod notices;
pub mod outage;
mod patience;
mod presence;
mod query;
mod row;

pub use database::{Connections, Database, Transaction};
pub use notices::Notices;
pub use outage::Outage;
pub use patience::For;
pub use presence::Presence;
pub use query::{Query, Value};
pub use row::{Row, unreadable};

//! Stand-in.
mod call;
pub use call::{Call, Failure, Outcome, Success};

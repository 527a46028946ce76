//! The one way to run a function: what goes in, and what comes out.

mod call;

pub use call::{Call, Failure, Outcome, Success};

//! The pool against a fake driver, with paused time.

mod backoff;
mod cost;
mod drain;
mod harness;
mod isolation;
mod lease;
mod queue;
mod random;
mod room;
mod spares;

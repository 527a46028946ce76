//! The pool against a fake driver, with paused time.

mod ahead;
mod backoff;
mod burst;
mod cost;
mod drain;
mod fair;
mod fake;
mod harness;
#[path = "../../../protocol/tests/support/invoke.rs"]
mod invoke;
mod isolation;
mod lease;
mod queue;
mod random;
mod restore;
mod room;
mod scale;
mod shared;
mod spare_room;
mod spares;

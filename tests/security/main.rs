//! Attacks, each named by its row in the table of SPECIFICATION.md: the required outcome, and a healthy function, healthy
//! neighbours and a healthy machine afterwards.

#![expect(clippy::unwrap_used, reason = "a test may end where its stage can't be set")]

mod builds;
mod egress;
mod escape;
mod http;
mod layers;
mod output;
mod packages;
mod protocol;
mod resources;
mod secrets;
mod state;
mod uploads;

//! Harness of the tests over HTTP: a real service as a child process, callers of its API, and what it must leave behind:
//! nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a harness ends a test where its stage can't be set, and says what it skips"
)]

pub mod answer;
pub mod api;
pub mod client;
pub mod conformance;
pub mod images;
pub mod index;
pub mod leftovers;
pub mod machine;
pub mod pack;
pub mod postgres;
pub mod registry;
pub mod s3;
pub mod service;
pub mod silent;
pub mod site;
pub mod stage;

pub use answer::Answer;
pub use api::Api;
pub use images::TestImage;
pub use machine::Driver;
pub use service::{Home, Plan, Service};
pub use stage::{Language, Stage};

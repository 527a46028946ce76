//! The product over HTTP: real services, on both drivers and both databases.

#![expect(clippy::unwrap_used, reason = "a test may end where its stage can't be set")]

#[path = "integration/builds.rs"]
mod builds;
#[path = "integration/concurrent.rs"]
mod concurrent;
#[path = "integration/conformance.rs"]
mod conformance;
#[path = "integration/dependencies.rs"]
mod dependencies;
#[path = "integration/documents.rs"]
mod documents;
#[path = "integration/garbage.rs"]
mod garbage;
#[path = "integration/images.rs"]
mod images;
#[path = "integration/inline.rs"]
mod inline;
#[path = "integration/lifecycle.rs"]
mod lifecycle;
#[path = "integration/lists.rs"]
mod lists;
#[path = "integration/mirrors.rs"]
mod mirrors;
#[path = "integration/nodes.rs"]
mod nodes;
#[path = "integration/packages.rs"]
mod packages;
#[path = "integration/peers.rs"]
mod peers;
#[path = "integration/platform.rs"]
mod platform;
#[path = "integration/program.rs"]
mod program;
#[path = "integration/refusals.rs"]
mod refusals;
#[path = "integration/routes.rs"]
mod routes;
#[path = "integration/scaling.rs"]
mod scaling;
#[path = "integration/secrets.rs"]
mod secrets;
#[path = "integration/spares.rs"]
mod spares;
#[path = "integration/story.rs"]
mod story;
#[path = "integration/streams.rs"]
mod streams;
#[path = "integration/toolchains.rs"]
mod toolchains;
#[path = "integration/typescript.rs"]
mod typescript;
#[path = "integration/uploads.rs"]
mod uploads;
#[path = "integration/versions.rs"]
mod versions;

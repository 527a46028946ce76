//! The two drivers of sandboxes: containers of a Docker daemon, and the machine's own namespaces and cgroups.
//!
//! What a sandbox is, and all that the two have in common, is in `cloudbox-sandbox`.

pub mod docker;
pub mod native;
mod self_test;

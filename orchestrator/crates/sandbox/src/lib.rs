//! Isolated sandboxes behind one interface: the Docker driver and the native driver.
//!
//! Knows no SQL, no HTTP and no functions: a sandbox is a root file system, limits, a program, and a folder of code.

mod confinement;
pub mod docker;
pub mod driver;
pub mod error;
mod handover;
pub mod kills;
pub mod launch;
pub mod link;
pub mod live;
pub mod native;
pub mod remains;
pub mod run_dir;
mod self_test;
pub mod slot;
pub mod spec;
mod staged;
mod tmp;
mod uids;

pub use cloudbox_cgroup::Ceiling;
pub use driver::{
    Exit, Layer, LayerState, Sandbox, SandboxDriver, SandboxFault, SandboxFaultKind, Stats, SweepReport,
};
pub use error::Error;
pub use launch::{AfterCall, Launch, LaunchError};
pub use spec::{CodeDir, Instance, Network, Program, RootFs, SandboxId, SandboxSpec, Workspace};

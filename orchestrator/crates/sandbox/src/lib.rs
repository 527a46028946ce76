//! Isolated sandboxes behind one interface, and what its drivers have in common.
//!
//! Knows no SQL, no HTTP and no functions: a sandbox is a root file system, limits, a program, and a folder of code.

pub mod background;
pub mod confinement;
pub mod driver;
pub mod error;
pub mod handover;
pub mod images;
pub mod launch;
pub mod link;
pub mod live;
pub mod remains;
pub mod run_dir;
pub mod slot;
mod sockets;
pub mod spec;
mod staged;
pub mod tmp;
pub mod uids;

pub use cloudbox_cgroup::Ceiling;
pub use cloudbox_egress::Gate;
pub use driver::{
    Exit, Heard, Image, Layer, LayerState, Sandbox, SandboxDriver, SandboxFault, SandboxFaultKind, Shared,
    SharedSandbox, Stats, SweepReport,
};
pub use error::Error;
pub use images::{BuildOrder, Credentials, ImageFacts, ImageHost};
pub use launch::{AfterCall, Launch, LaunchError};
pub use spec::{CodeDir, Instance, Network, Program, RootFs, SandboxId, SandboxSpec, Workspace};

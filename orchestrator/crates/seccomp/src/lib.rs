//! Which system calls code in a sandbox may make: the table `profile.toml`, and what is made of it.
//!
//! Three forms with one meaning: [`Profile::verdict`] says it, [`Program`] does it in the kernel (the init loads it as the
//! last thing before the runtime, in both drivers), and [`Profile::docker`] says it to a Docker daemon. An architecture
//! other than the machine's, and x32, have no form: the process is killed.

mod action;
mod arch;
mod blocks;
mod docker;
mod profile;
mod program;

pub use action::{Action, Errno};
pub use arch::Arch;
pub use profile::Profile;
pub use program::{Instruction, Program};

//! What every program in a sandbox is denied, in both drivers: the same filter, and the same rules for files and networks.

use std::sync::LazyLock;

use cloudbox_protocol::control::Confinement;
use cloudbox_seccomp::{Arch, Profile, Program};

use crate::{SandboxSpec, Workspace};

/// The filter; empty on an architecture that has none, where the init then starts nothing.
static FILTER: LazyLock<Vec<u64>> = LazyLock::new(|| {
    Arch::native().map(|arch| Program::new(Profile::get(), arch).to_words()).unwrap_or_default()
});

/// For a sandbox that is made so.
pub fn of(spec: &SandboxSpec) -> Confinement {
    Confinement {
        filter: FILTER.clone(),
        is_workspace_writable: matches!(spec.workspace, Workspace::Writable(_)),
    }
}

/// The profile for a Docker daemon on this machine.
pub fn docker_profile() -> Option<String> {
    Arch::native().map(|arch| Profile::get().docker(arch))
}

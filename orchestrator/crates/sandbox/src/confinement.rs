//! What every program in a sandbox is denied, in both drivers: the same filter, and the same rules for files and networks.

use std::sync::LazyLock;

use cloudbox_protocol::control::Confinement;
use cloudbox_seccomp::{Arch, Profile, Program};

use crate::{Layer, SandboxSpec, Workspace};

/// The filter; empty on an architecture that has none, where the init then starts nothing.
static FILTER: LazyLock<Vec<u64>> = LazyLock::new(|| {
    Arch::native().map(|arch| Program::new(Profile::get(), arch).to_words()).unwrap_or_default()
});

/// For a sandbox that is made so.
pub(crate) fn of(spec: &SandboxSpec) -> Confinement {
    Confinement {
        filter: FILTER.clone(),
        is_workspace_writable: matches!(spec.workspace, Workspace::Writable(_)),
    }
}

/// The profile for a Docker daemon on this machine.
pub(crate) fn docker_profile() -> Option<String> {
    Arch::native().map(|arch| Profile::get().docker(arch))
}

/// Whether there is a filter for this machine.
pub(crate) fn seccomp_layer() -> Layer {
    let is_active = !FILTER.is_empty();
    let why = "there is no filter of system calls for this architecture";
    Layer::mandatory("seccomp", is_active, if is_active { "" } else { why })
}

/// As an init found it, where one has looked.
pub(crate) fn landlock_layer(abi: Option<u32>) -> Layer {
    let detail = match abi {
        None => "it is not known before the first sandbox".to_owned(),
        Some(0) => "the kernel has no Landlock (5.13), or does not have it in its list of lsm=".to_owned(),
        Some(version) => format!("version {version} of the kernel's interface"),
    };
    Layer::optional("landlock", abi.is_some_and(|version| version > 0), detail)
}

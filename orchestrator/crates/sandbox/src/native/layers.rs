//! Which layers of the isolation hold here: found out by making a sandbox, not by asking the kernel's version.

use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_types::Limits;

use super::Driver;
use crate::confinement;
use crate::link::Kernel;
use crate::{Error, Layer, Network, RootFs, Sandbox, SandboxSpec, Workspace};

/// What the init has set up wherever a sandbox came up at all.
const PROVEN: [&str; 9] = [
    "user_namespace",
    "mount_namespace",
    "pid_namespace",
    "network_namespace",
    "pivot_root",
    "read_only_root",
    "capabilities",
    "no_new_privs",
    "rlimits",
];

/// This machine can't, and why.
pub(super) fn unavailable(reason: impl Into<String>) -> Error {
    Error::Unavailable { driver: "native", reason: reason.into() }
}

/// As root there must be cgroups.
pub(super) fn no_cgroups(error: &cloudbox_cgroup::Error) -> Error {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    unavailable(format!(
        "the layers cgroup_memory and cgroup_pids are missing ({error}{source}); mount the cgroup hierarchy \
         writable, or delegate a group to the service"
    ))
}

/// What to do about a step of the set-up that the kernel refused.
fn remedy(step: &str) -> &'static str {
    match step {
        "user_namespace" => {
            "allow user namespaces (user.max_user_namespaces, kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns) or run the service as root"
        }
        "read_only_root" | "rootfs" | "workspace" => "a kernel of 5.12 or newer is needed for mount_setattr",
        "close_range" => "a kernel of 5.11 or newer is needed",
        _ => "run the service with CAP_SYS_ADMIN (outside a restricted container), or use the Docker driver",
    }
}

impl Driver {
    /// Makes and ends a sandbox with an empty root.
    pub(super) async fn probe(&self) -> Result<Vec<Layer>, Error> {
        let seccomp = confinement::seccomp_layer();
        if seccomp.is_refused() {
            return Err(unavailable(format!("the layer seccomp is missing ({})", seccomp.detail)));
        }
        let empty = self.run_dir.empty_folder()?;
        let spec = SandboxSpec {
            rootfs: RootFs { name: "probe".to_owned(), path: empty, digest: String::new() },
            limits: Limits::default(),
            workspace: Workspace::Slot,
            mounts: Vec::new(),
            network: Network::None,
            max_file_bytes: 1 << 20,
            channel: ChannelLimits::default(),
        };
        let (mut live, kernel) = self.make(&spec).await.map_err(|error| match error {
            Error::Setup { step, message } => {
                unavailable(format!("the layer {step} is missing ({message}); {}", remedy(&step)))
            }
            other => other,
        })?;
        let can_freeze = live.freeze(true).and_then(|()| live.freeze(false));
        live.kill().await;
        Ok(self.list(&kernel, seccomp, &can_freeze))
    }

    fn list(&self, kernel: &Kernel, seccomp: Layer, can_freeze: &Result<(), Error>) -> Vec<Layer> {
        let mut layers: Vec<Layer> = PROVEN.map(|name| Layer::mandatory(name, true, "")).to_vec();
        let no_group = "no cgroup is delegated to the service's user";
        for name in ["cgroup_memory", "cgroup_cpu", "cgroup_pids"] {
            layers.push(Layer::mandatory(
                name,
                self.has_cgroups,
                if self.has_cgroups { "" } else { no_group },
            ));
        }
        let why = can_freeze.as_ref().err().map(ToString::to_string).unwrap_or_default();
        layers.push(Layer::optional("cgroup_freeze", can_freeze.is_ok(), why));
        let has_own_users = self.uids.is_some();
        let why = if has_own_users { "" } else { "only root can give each sandbox its own user" };
        layers.push(Layer::optional("uid_isolation", has_own_users, why));
        let can_mount = self.run_dir.can_mount();
        let why = if can_mount { "" } else { "only root can mount; code is copied" };
        layers.push(Layer::optional("code_mounts", can_mount, why));
        let is_whole = !kernel.missing.iter().any(|name| name.starts_with("proc"));
        let why = if is_whole { "" } else { "the kernel gives no /proc of processes alone (5.8)" };
        layers.push(Layer::optional("proc_subset", is_whole, why));
        layers.push(confinement::landlock_layer(Some(kernel.landlock_abi)));
        layers.push(seccomp);
        layers
    }
}

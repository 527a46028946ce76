//! Which layers of the isolation hold here: found out by making a sandbox, not by asking the kernel's version.

use super::Shared;
use crate::self_test::{self, Files};
use cloudbox_sandbox::link::Kernel;
use cloudbox_sandbox::{Error, Layer};

/// This machine can't, and why.
pub(super) fn unavailable(reason: impl Into<String>) -> Error {
    Error::Unavailable { driver: "native", reason: reason.into() }
}

/// A reason with what is behind it.
pub(super) fn no_cgroups(error: &cloudbox_cgroup::Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
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
        "seccomp" => "a kernel with CONFIG_SECCOMP_FILTER is needed, which the service may use",
        _ => "run the service with CAP_SYS_ADMIN (outside a restricted container), or use the Docker driver",
    }
}

/// A sandbox that can't even be set up lacks the layer that its set-up stopped at.
fn named(error: Error) -> Error {
    match error {
        Error::Setup { step, message } => {
            unavailable(format!("the layer {step} is missing ({message}); {}", remedy(&step)))
        }
        other => other,
    }
}

impl Shared {
    /// Has a throw-away sandbox tried from inside.
    pub(super) async fn test(&self, init: &std::path::Path) -> Result<Vec<Layer>, Error> {
        let files = Files::lay(&self.run_dir, init)?;
        let (live, kernel) = self.make(&self_test::spec(&files)).await.map_err(named)?;
        let outcome = self_test::run(Box::new(live), &files, kernel.landlock_abi).await.map_err(named)?;
        let groups = if self.has_cgroups {
            cloudbox_layers::of_cgroup(&self.hierarchy, &self.parent)
        } else {
            Vec::new()
        };
        let is_unbounded = self.has_cgroups && !cloudbox_layers::has_bounded_swap(&groups);
        let mut layers = outcome.layers(&[], !is_unbounded);
        layers.extend(self.seen_from_outside(&kernel));
        layers.extend(groups);
        Ok(layers)
    }

    fn seen_from_outside(&self, kernel: &Kernel) -> [Layer; 4] {
        let or = |holds: bool, seen: &'static str, missing: &'static str| if holds { seen } else { missing };
        let has_own_users = self.uids.is_some();
        let can_mount = self.run_dir.can_mount();
        let is_whole = !kernel.missing.iter().any(|name| name.starts_with("proc"));
        let groups = match &self.no_cgroups {
            None => format!("cgroups {}", self.hierarchy.version()),
            Some(why) => {
                format!("{why}; mount the cgroup hierarchy writable, or delegate a group to the service")
            }
        };
        [
            Layer::mandatory("cgroup_cpu", self.has_cgroups, groups),
            Layer::optional(
                "uid_isolation",
                has_own_users,
                or(
                    has_own_users,
                    "each sandbox has a user of its own",
                    "sandboxes have the service's user; only root can give each its own",
                ),
            ),
            Layer::optional(
                "code_mounts",
                can_mount,
                or(can_mount, "code is mounted", "code is copied into sandboxes; only root can mount it"),
            ),
            Layer::optional(
                "proc_subset",
                is_whole,
                or(
                    is_whole,
                    "/proc has processes alone",
                    "the kernel gives no /proc of processes alone (5.8)",
                ),
            ),
        ]
    }
}

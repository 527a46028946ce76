//! The layers that are found from inside: which of them a driver must have, and what to do about a missing one.

/// A layer that the probe reports.
pub(super) struct Expected {
    pub name: &'static str,
    pub is_mandatory: bool,
    /// What to do, as the end of a sentence.
    pub remedy: &'static str,
}

/// For what an ordinary kernel gives to whoever may ask.
const UNRESTRICTED: &str =
    "run the service outside of restricted containers, and a Docker daemon with its standard runtime";
/// For what our own code sets up.
const REPORT: &str =
    "use an init and a service of one release, and a Docker daemon with its standard runtime";
const GROUPS: &str = "mount the cgroup hierarchy writable, or delegate a group to the service";

const fn mandatory(name: &'static str, remedy: &'static str) -> Expected {
    Expected { name, is_mandatory: true, remedy }
}

const fn optional(name: &'static str, remedy: &'static str) -> Expected {
    Expected { name, is_mandatory: false, remedy }
}

/// In the order in which they are listed.
pub(super) const FROM_INSIDE: [Expected; 23] = [
    mandatory(
        "user_namespace",
        "allow user namespaces (user.max_user_namespaces), or run the service as root",
    ),
    mandatory("mount_namespace", UNRESTRICTED),
    mandatory("pid_namespace", UNRESTRICTED),
    mandatory("network_namespace", UNRESTRICTED),
    optional("ipc_namespace", UNRESTRICTED),
    optional("uts_namespace", UNRESTRICTED),
    optional("cgroup_namespace", UNRESTRICTED),
    mandatory("pivot_root", REPORT),
    mandatory("read_only_root", REPORT),
    mandatory(
        "code_read_only",
        "keep the data dir where the service may mount, or where a Docker daemon sees it",
    ),
    mandatory("tmp_noexec", REPORT),
    optional("tmp_limit", REPORT),
    optional("proc_masked", "a kernel of 5.8 or newer gives a /proc of processes alone"),
    mandatory("not_root", REPORT),
    mandatory("capabilities", REPORT),
    mandatory("no_new_privs", REPORT),
    mandatory("seccomp", "a kernel with CONFIG_SECCOMP_FILTER is needed, which the service may use"),
    mandatory("socket_families", REPORT),
    mandatory("init_protected", REPORT),
    optional("landlock", "boot a kernel of 5.13 or newer, with landlock in its list of lsm="),
    mandatory("rlimits", REPORT),
    mandatory("cgroup_pids", GROUPS),
    mandatory("cgroup_memory", GROUPS),
];

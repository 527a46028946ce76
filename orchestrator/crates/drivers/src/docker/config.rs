//! What a sandbox's container may do: every field, in one place.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum as Propagation, MountType, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use cloudbox_protocol::control::SOCKET_PATH;

use super::labels;
use cloudbox_sandbox::spec::{Instance, Network, SandboxId, SandboxSpec, Workspace};

/// The program that every image has as PID 1.
pub(super) const INIT: &str = "/cloudbox/init";
/// Where code is.
const WORKSPACE: &str = "/workspace";
/// Files and folders in `/tmp`.
const TMP_INODES: u32 = 4096;
/// Before the service (0) when the host is out of memory, after nothing of the host.
const OOM_SCORE: i64 = 500;
/// Against 1024 of everything else on the host.
const CPU_SHARES: i64 = 256;
/// What a quota of CPU time is of.
const CPU_PERIOD_US: i64 = 100_000;

/// What differs from sandbox to sandbox besides its [`SandboxSpec`].
pub(super) struct Container<'a> {
    pub instance: &'a Instance,
    pub id: &'a SandboxId,
    pub spec: &'a SandboxSpec,
    /// The image's id.
    pub image: &'a str,
    /// User and group.
    pub uid: u32,
    /// The folder with the control socket, on the host.
    pub channel: &'a Path,
    /// The file that becomes `/etc/hosts`, on the host: without a network the daemon leaves that one empty.
    pub hosts: Option<&'a Path>,
    /// The folder that becomes the workspace, on the host, and whether mounts made in it later are to appear inside.
    pub workspace: (&'a Path, bool),
    pub engine: &'a Engine,
}

/// What is the same for all sandboxes of a driver.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    /// A seccomp profile as JSON; none: the daemon's own.
    pub seccomp: Option<String>,
    /// The OCI runtime; none: the daemon's default.
    pub runtime: Option<String>,
    /// The cgroup over all sandboxes.
    pub cgroup_parent: String,
    /// Whether the daemon maps users into a range of its own, in which there are no ids as high as ours.
    pub has_remapped_users: bool,
    /// Version 2 has no swappiness per group.
    pub has_cgroup_v2: bool,
}

impl Container<'_> {
    /// The container's name: seen in `docker ps`, unique over all lives of all instances.
    pub fn name(&self) -> String {
        let instance: String = self.instance.id.chars().take(8).collect();
        format!("cloudbox-{instance}-{}", self.id)
    }

    /// All that the daemon is told. Nothing of it comes from a function's author.
    pub fn body(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            user: Some(format!("{0}:{0}", self.uid)),
            entrypoint: Some(vec![INIT.to_owned()]),
            cmd: Some(vec![]),
            working_dir: Some(WORKSPACE.to_owned()),
            hostname: Some("sandbox".to_owned()),
            // The channel is a socket of our own, so the daemon carries no stream.
            open_stdin: Some(false),
            stdin_once: Some(false),
            attach_stdin: Some(false),
            attach_stdout: Some(false),
            attach_stderr: Some(false),
            tty: Some(false),
            env: Some(vec![]),
            network_disabled: Some(self.spec.network == Network::None),
            labels: Some(labels(self.instance, self.id)),
            stop_signal: Some("SIGKILL".to_owned()),
            stop_timeout: Some(0),
            host_config: Some(self.host_config()),
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        let memory = i64::from(self.spec.limits.memory_mb) << 20;
        HostConfig {
            network_mode: Some(self.network_mode().to_owned()),
            runtime: self.engine.runtime.clone(),
            privileged: Some(false),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(self.security_options()),
            readonly_rootfs: Some(true),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), self.tmp_options())])),
            mounts: Some(self.mounts()),
            ipc_mode: Some("none".to_owned()),
            userns_mode: self.engine.has_remapped_users.then(|| "host".to_owned()),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            cgroup_parent: Some(self.engine.cgroup_parent.clone()),
            memory: Some(memory),
            // As much as without swap: so there is none.
            memory_swap: Some(memory),
            memory_swappiness: (!self.engine.has_cgroup_v2).then_some(0),
            oom_kill_disable: Some(false),
            oom_score_adj: Some(OOM_SCORE),
            // Not as a number of CPUs, which a daemon refuses where it is more than it has.
            cpu_period: Some(CPU_PERIOD_US),
            cpu_quota: Some(i64::from(self.spec.limits.cpu_millis) * CPU_PERIOD_US / 1000),
            cpu_shares: Some(CPU_SHARES),
            pids_limit: Some(i64::from(self.spec.limits.pids)),
            ulimits: Some(ulimits(self.spec.max_file_bytes)),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            // The init is ours, and we remove a container after its last counters were read.
            init: Some(false),
            auto_remove: Some(false),
            ..HostConfig::default()
        }
    }

    const fn network_mode(&self) -> &'static str {
        match self.spec.network {
            Network::None => "none",
            Network::Host => "host",
        }
    }

    fn security_options(&self) -> Vec<String> {
        let mut options = vec!["no-new-privileges:true".to_owned()];
        options.extend(self.engine.seccomp.as_ref().map(|profile| format!("seccomp={profile}")));
        options
    }

    /// It belongs to the sandbox's user, since runc before 1.2 gives it the mode that the image's folder has.
    fn tmp_options(&self) -> String {
        let size = self.spec.limits.tmp_bytes();
        let owner = self.uid;
        format!("rw,noexec,nosuid,nodev,size={size},nr_inodes={TMP_INODES},mode=1777,uid={owner},gid={owner}")
    }

    fn mounts(&self) -> Vec<Mount> {
        let channel = Path::new(SOCKET_PATH).parent().unwrap_or(Path::new("/run/cloudbox"));
        let (workspace, takes_mounts) = self.workspace;
        let is_read_only = self.spec.workspace == Workspace::Slot;
        let mut mounts = vec![
            bind(self.channel, channel, true, Propagation::RPRIVATE),
            bind(
                workspace,
                Path::new(WORKSPACE),
                is_read_only,
                if takes_mounts { Propagation::RSLAVE } else { Propagation::RPRIVATE },
            ),
        ];
        mounts.extend(
            self.hosts.map(|hosts| bind(hosts, Path::new("/etc/hosts"), true, Propagation::RPRIVATE)),
        );
        let further = self.spec.mounts.iter();
        mounts.extend(further.map(|(host, inside)| bind(host, inside, true, Propagation::RPRIVATE)));
        mounts
    }
}

/// Not recursive: what is mounted beneath the folder would not be read only with it.
fn bind(source: &Path, target: &Path, is_read_only: bool, propagation: Propagation) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.display().to_string()),
        read_only: Some(is_read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(propagation),
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

/// No limit of processes here: the kernel counts that one per user over the whole host; the cgroup's is exact.
fn ulimits(max_file_bytes: u64) -> Vec<ResourcesUlimits> {
    let file = i64::try_from(max_file_bytes).unwrap_or(i64::MAX);
    [
        ("core", 0, 0),
        ("nofile", 1024, 1024),
        ("fsize", file, file),
        ("memlock", 65_536, 65_536),
        ("msgqueue", 0, 0),
        ("rtprio", 0, 0),
        ("nice", 0, 0),
        ("sigpending", 256, 256),
        ("stack", 8 << 20, 64 << 20),
    ]
    .map(|(name, soft, hard)| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(soft),
        hard: Some(hard),
    })
    .to_vec()
}

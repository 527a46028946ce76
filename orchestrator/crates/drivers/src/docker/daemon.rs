//! The way to the daemon, and what of it matters for the isolation.

use std::time::Duration;

use bollard::models::{SystemInfo, SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum};
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::time::timeout;

use cloudbox_sandbox::driver::Layer;
use cloudbox_sandbox::error::Error;

/// Where the daemon listens unless the settings say otherwise.
const SOCKET: &str = "/var/run/docker.sock";
/// Seconds that the daemon may take to begin an answer; the import of a large image is the slowest.
const TIMEOUT_S: u64 = 180;
/// How long it may take to tell about itself.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// The first runc of each line that closes the escapes through masked paths and /dev/console (November 2025).
const SAFE_RUNC: [(u32, u32, u32); 3] = [(1, 2, 8), (1, 3, 3), (1, 4, 0)];
/// The first engine whose own filter refuses the socket families that write into the page cache of others' files.
const SAFE_ENGINE: (u32, u32, u32) = (29, 4, 2);

/// Storage drivers that share what images have in common, and are kept up.
const LAYERED: [&str; 5] = ["overlay2", "overlayfs", "fuse-overlayfs", "btrfs", "zfs"];

/// A daemon that answers.
#[derive(Debug)]
pub(super) struct Daemon {
    /// The client; it makes a connection per request, so a daemon that was away is found again by itself.
    pub docker: Docker,
    /// What isolates.
    pub layers: Vec<Layer>,
    /// Whether cgroups are made through systemd, where a parent is named as a slice.
    pub has_systemd_cgroups: bool,
    /// Whether the daemon maps users into a range of its own.
    pub has_remapped_users: bool,
    /// Whether the second version of cgroups is used, which knows no swappiness per group.
    pub has_cgroup_v2: bool,
}

impl Daemon {
    /// Connects to `socket`, a path or `unix://` URL.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: nobody is there, or it is a daemon that can't give each sandbox a user;
    /// [`Error::Silent`]: somebody is there and doesn't answer.
    pub async fn connect(socket: Option<&str>) -> Result<Self, Error> {
        let socket = socket.unwrap_or(SOCKET);
        if !socket.starts_with('/') && !socket.starts_with("unix://") {
            return Err(unavailable(format!(
                "{socket} is no local socket. Sandboxes share folders with the daemon, so it must run on this machine: \
                 give its socket, such as unix://{SOCKET}"
            )));
        }
        let unreachable = |error: bollard::errors::Error| {
            unavailable(format!(
                "no daemon answers at {socket} ({error}). Start Docker, let this user reach its socket, or choose \
                 the native driver"
            ))
        };
        let docker =
            Docker::connect_with_unix(socket, TIMEOUT_S, API_DEFAULT_VERSION).map_err(unreachable)?;
        let asking = async {
            let docker = docker.negotiate_version().await?;
            let info = docker.info().await?;
            Ok((docker, info))
        };
        let silent = |_| Error::Silent { socket: socket.to_owned(), seconds: FIRST_ANSWER.as_secs() };
        let (docker, info) = timeout(FIRST_ANSWER, asking).await.map_err(silent)?.map_err(unreachable)?;
        if has_option(&info, "name=rootless") {
            return Err(unavailable(
                "the daemon is rootless, and can't give each sandbox a user of its own. Choose the native driver, \
                 which needs no root"
                    .to_owned(),
            ));
        }
        let runc = runc_version(&docker, &info).await;
        let layers = layers(&info, runc.as_deref());
        tracing::info!(
            docker.version = info.server_version.as_deref().unwrap_or("unknown"),
            docker.runc = runc.as_deref().unwrap_or("unknown"),
            docker.cgroups = ?info.cgroup_version,
            docker.storage = info.driver.as_deref().unwrap_or("unknown"),
            "connected to the Docker daemon"
        );
        Ok(Self {
            has_systemd_cgroups: info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::SYSTEMD),
            has_remapped_users: has_option(&info, "name=userns"),
            has_cgroup_v2: info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_2),
            docker,
            layers,
        })
    }
}

/// Nothing that a remedy sentence doesn't belong to.
pub(super) fn unavailable(reason: String) -> Error {
    Error::Unavailable { driver: "docker", reason }
}

/// The daemon reports runc's version with its other parts; old ones only its commit.
async fn runc_version(docker: &Docker, info: &SystemInfo) -> Option<String> {
    let parts = docker.version().await.ok()?.components.unwrap_or_default();
    let named = parts.into_iter().find(|part| part.name == "runc").map(|part| part.version);
    named.or_else(|| info.runc_commit.as_ref().and_then(|commit| commit.id.clone()))
}

/// Everything that `/health` shows of this driver.
fn layers(info: &SystemInfo, runc: Option<&str>) -> Vec<Layer> {
    let has_option = |name| has_option(info, name);
    let engine = info.server_version.as_deref();
    let is_v2 = info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_2);
    let limit = |name, is_there: Option<bool>, missing: &str| {
        let is_active = is_there != Some(false);
        Layer::mandatory(name, is_active, if is_active { "the daemon can set it" } else { missing })
    };
    let optional = |name, is_active, seen: &str, missing: &str| {
        Layer::optional(name, is_active, if is_active { seen } else { missing })
    };
    let has_seccomp = has_option("name=seccomp") && !has_option("profile=unconfined");
    let storage = info.driver.as_deref().unwrap_or("unknown");
    vec![
        limit("daemon_memory", info.memory_limit, "its kernel has no memory controller; boot one that has"),
        limit(
            "cgroup_cpu",
            info.cpu_cfs_quota,
            "its kernel has no CPU quotas; boot one with CONFIG_CFS_BANDWIDTH",
        ),
        limit("daemon_pids", info.pids_limit, "its kernel has no pids controller; boot one that has"),
        limit(
            "daemon_seccomp",
            Some(has_seccomp),
            "it was built or started without seccomp; use a standard build",
        ),
        optional("apparmor", has_option("name=apparmor"), "the daemon's profile", "the host has no AppArmor"),
        optional("cgroup_v2", is_v2, "cgroups v2", "the host uses cgroups version 1; boot it with version 2"),
        optional(
            "live_restore",
            info.live_restore_enabled == Some(true),
            "containers outlive the daemon",
            "a restart of the daemon ends every sandbox; set live-restore in daemon.json",
        ),
        optional(
            "storage_driver",
            LAYERED.contains(&storage),
            storage,
            &format!("{storage} copies or is out of care; overlay2 is the standard one"),
        ),
        versioned("runc", runc, "update it to 1.2.8, 1.3.3 or later", is_safe_runc),
        versioned("engine", engine, "update it to 29.4.2 or later", |version| version >= SAFE_ENGINE),
    ]
}

/// The daemon writes them as `name=seccomp,profile=default`.
fn has_option(info: &SystemInfo, name: &str) -> bool {
    let options = info.security_options.iter().flatten();
    options.into_iter().any(|option| option.split(',').any(|part| part == name))
}

/// A layer that holds from some version on.
fn versioned(
    name: &'static str,
    version: Option<&str>,
    remedy: &str,
    is_safe: impl Fn((u32, u32, u32)) -> bool,
) -> Layer {
    let is_active = version.and_then(parse_version).is_some_and(is_safe);
    let detail = match version {
        Some(version) if is_active => format!("version {version}"),
        Some(version) => format!("{version} has known escapes: {remedy}"),
        None => format!("its version is unknown and perhaps has known escapes: {remedy}"),
    };
    Layer::optional(name, is_active, detail)
}

/// Within its own line of releases, or of a later line.
fn is_safe_runc(version: (u32, u32, u32)) -> bool {
    let line = SAFE_RUNC.iter().find(|safe| (safe.0, safe.1) == (version.0, version.1));
    line.map_or(version > SAFE_RUNC[2], |safe| version >= *safe)
}

/// The three leading numbers of something like `1.1.5+ds1` or `v20.10.24-ce`.
fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let digits = text.trim_start_matches('v');
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let mut numbers = digits[..end].split('.').map(|part| part.parse().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    Some((major, minor, numbers.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests;

//! The machine without its isolation: kernel, limits of the process, disk, memory, data dir, toolchains.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access, geteuid};

use super::{Check, State, existing};
use crate::app;
use crate::config::Config;

const GROUP: &str = "machine";
/// `mount_setattr(2)`.
const OLDEST_KERNEL: (u32, u32) = (5, 12);
/// Descriptors: a sandbox takes about ten, a connection one.
const ENOUGH_FILES: u64 = 4096;
/// MB of disk below which bundles and builds are likely to fail.
const ENOUGH_DISK_MB: u64 = 2048;
/// MB of memory below which there is room for a few sandboxes at most.
const ENOUGH_MEMORY_MB: u64 = 512;

/// Everything but the runtimes.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    vec![
        user(),
        kernel(),
        cgroups(),
        files(),
        memory(),
        disk(&config.data_dir),
        data_dir(&config.data_dir),
        init(config),
    ]
}

fn check(name: &str, is_good: bool, otherwise: State, detail: String) -> Check {
    Check::new(GROUP, name, if is_good { State::Ok } else { otherwise }, detail)
}

fn user() -> Check {
    let user = geteuid();
    let detail = if user.is_root() {
        "root".to_owned()
    } else {
        format!("user {user}; only root can give each sandbox a user of its own, and mount code")
    };
    check("user", user.is_root(), State::Warning, detail)
}

fn kernel() -> Check {
    let release = nix::sys::utsname::uname()
        .map_or_else(|errno| errno.to_string(), |uname| uname.release().to_string_lossy().into_owned());
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or_default());
    let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let is_new = version >= OLDEST_KERNEL;
    let detail = if is_new { release } else { format!("{release}; native sandboxes need 5.12 or newer") };
    check("kernel", is_new, State::Warning, detail)
}

fn cgroups() -> Check {
    match cloudbox_cgroup::hierarchy::Hierarchy::detect() {
        Ok(hierarchy) => check("cgroups", true, State::Ok, hierarchy.version().to_owned()),
        Err(why) => check("cgroups", false, State::Missing, format!("{why}; mount the cgroup hierarchy")),
    }
}

fn files() -> Check {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
    let is_enough = soft >= ENOUGH_FILES;
    let remedy = if is_enough { "" } else { "; raise it (ulimit -n, LimitNOFILE=)" };
    check("open files", is_enough, State::Warning, format!("{soft}{remedy}"))
}

fn memory() -> Check {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes =
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default();
    let free = kilobytes >> 10;
    check("memory", free >= ENOUGH_MEMORY_MB, State::Warning, format!("{free} MB are available"))
}

fn disk(data_dir: &Path) -> Check {
    let folder = existing(data_dir);
    let free = statvfs(folder).map_or(0, |found| (found.blocks_available() * found.fragment_size()) >> 20);
    let is_enough = free >= ENOUGH_DISK_MB;
    check("disk", is_enough, State::Warning, format!("{free} MB are free at {}", folder.display()))
}

/// Nobody else may read it: keys and artefacts are in it.
fn data_dir(path: &Path) -> Check {
    let shown = path.display();
    if access(existing(path), AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return check(
            "data dir",
            false,
            State::Missing,
            format!("{shown} can't be written to; set --data-dir"),
        );
    }
    match std::fs::metadata(path) {
        Err(_) => check("data dir", true, State::Ok, format!("{shown} will be made")),
        Ok(found) if found.mode() & 0o077 != 0 => {
            let detail = format!("{shown} can be read by others; run chmod 700 on it");
            check("data dir", false, State::Warning, detail)
        }
        Ok(found) if found.uid() != geteuid().as_raw() => {
            let detail = format!("{shown} belongs to user {}; run the service as that user", found.uid());
            check("data dir", false, State::Warning, detail)
        }
        Ok(_) => check("data dir", true, State::Ok, shown.to_string()),
    }
}

fn init(config: &Config) -> Check {
    match app::init_path(config) {
        Ok(path) => check("init", true, State::Ok, path.display().to_string()),
        Err(error) => check("init", false, State::Missing, error.to_string()),
    }
}

/// The toolchains that bundles can be made from. `bundles_dir` is empty: the service's own is not touched.
pub(super) async fn runtimes(config: &Config, bundles_dir: &Path) -> Vec<Check> {
    const GROUP: &str = "runtimes";
    let Ok(init) = app::init_path(config) else { return Vec::new() };
    let catalogue = match app::open_catalogue(config, bundles_dir.to_owned(), (None, true), init).await {
        Ok(catalogue) => catalogue,
        Err(error) => return vec![Check::new(GROUP, "definitions", State::Missing, format!("{error:#}"))],
    };
    let mut checks = Vec::new();
    for language in cloudbox_types::Language::ALL {
        let serves = |runtime: &cloudbox_bundles::RuntimeInfo| runtime.languages.contains(&language);
        let found: Vec<String> = catalogue
            .runtimes()
            .into_iter()
            .filter(serves)
            .filter_map(|runtime| runtime.toolchain.map(|version| format!("{} ({version})", runtime.name)))
            .collect();
        let check = if found.is_empty() {
            let detail = "no toolchain was found; install one to deploy functions in it";
            Check::new(GROUP, &language.to_string(), State::Warning, detail)
        } else {
            Check::new(GROUP, &language.to_string(), State::Ok, found.join(", "))
        };
        checks.push(check);
    }
    checks
}

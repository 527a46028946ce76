//! Where cgroups are mounted here, and where ours go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cloudbox_types::Limits;

use crate::{Ceiling, Error};
use crate::{Cgroup, failed, files, v1, v2};

/// Without these a sandbox has no limits.
const REQUIRED: [&str; 4] = ["memory", "cpu", "cpuacct", "pids"];

/// The service's own group, beside its sandboxes'.
const LEAF: &str = "server";
/// How systemd marks a group that it leaves to the service in it (`Delegate=yes`); the second, since 251, for users.
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// The machine's cgroups.
#[derive(Clone, Debug)]
pub enum Hierarchy {
    /// The second version, with controllers: its mount point.
    V2(PathBuf),
    /// The first version: the mount point per controller, `freezer` and `unified` included where they exist.
    V1(BTreeMap<String, PathBuf>),
}

impl Hierarchy {
    /// Looks at what is mounted.
    ///
    /// # Errors
    /// A sentence: which controller is missing.
    pub fn detect() -> Result<Self, String> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        Self::from_mounts(&mounts, |root| {
            std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default()
        })
    }

    fn from_mounts(mounts: &str, controllers: impl Fn(&Path) -> String) -> Result<Self, String> {
        let mut v1 = BTreeMap::new();
        for line in mounts.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let (Some(point), mut right) = (left.split(' ').nth(4).map(PathBuf::from), right.split(' '))
            else {
                continue;
            };
            match (right.next(), right.nth(1)) {
                (Some("cgroup2"), _) => {
                    let controllers = controllers(&point);
                    let has = |name| controllers.split_whitespace().any(|controller| controller == name);
                    if ["memory", "cpu", "pids"].into_iter().all(has) {
                        return Ok(Self::V2(point));
                    }
                    v1.insert("unified".to_owned(), point);
                }
                (Some("cgroup"), Some(options)) => {
                    v1.extend(options.split(',').map(|option| (option.to_owned(), point.clone())));
                }
                _ => {}
            }
        }
        match REQUIRED.into_iter().find(|name| !v1.contains_key(*name)) {
            Some(missing) => Err(format!("the cgroup controller {missing} is not mounted")),
            None => Ok(Self::V1(v1)),
        }
    }

    /// `v1` or `v2`.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        match self {
            Self::V2(_) => "v2",
            Self::V1(_) => "v1",
        }
    }

    /// The cgroup at `path`, relative to the mount points; it may not exist yet.
    #[must_use]
    pub fn group(&self, path: &str) -> Box<dyn Cgroup> {
        match self {
            Self::V2(root) => Box::new(v2::Group::new(&root.join(path))),
            Self::V1(roots) => Box::new(v1_group(roots, |_| Some(path.to_owned()))),
        }
    }

    /// Where a group of ours may be made. In the first version that is below the root group, and without root below the
    /// service's own. In the second it is below the service's own group where that was
    /// delegated to it, else below the root group where that is the machine's. In the first case only leaves may have
    /// processes: the service moves to one.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut groups = parse_membership(&text);
        let Self::V2(root) = self else {
            let is_root = rustix::process::geteuid().is_root();
            // Delegated to a user is at most the group that the service was started in, the same in every controller.
            let own = if is_root { String::new() } else { groups.remove("memory").unwrap_or_default() };
            return Path::new(&own).join(name).display().to_string();
        };
        let mut own = PathBuf::from(groups.remove("unified").unwrap_or_default());
        if own.file_name().is_some_and(|last| last == LEAF) {
            // Started by what an earlier life has moved there, too.
            own.pop();
        }
        let folder = root.join(&own);
        let is_machine_root = !root.join("cgroup.type").exists();
        if is_machine_root && rustix::process::geteuid().is_root() && !is_marked(&folder) {
            return name.to_owned();
        }
        let leaf = folder.join(LEAF);
        if std::fs::create_dir_all(&leaf).is_ok() {
            for pid in files::processes(&folder) {
                // Those that ended meanwhile need not be moved.
                let _ = files::set(&leaf, "cgroup.procs", &pid.to_string());
            }
            let _ = files::set(&folder, "cgroup.subtree_control", "+cpu +memory +pids");
            let _ = files::set(&leaf, "cpu.weight", v2::SERVICE_WEIGHT);
        }
        own.join(name).display().to_string()
    }

    /// Makes a sandbox's cgroup at `path`, with its limits before any process is in it.
    ///
    /// # Errors
    /// The kernel refused; nothing is left then.
    pub fn create(&self, path: &str, limits: &Limits) -> Result<Box<dyn Cgroup>, Error> {
        self.make(path, |group| {
            if let Self::V1(roots) = self {
                v1::deny_devices(roots.get("devices").map(|root| root.join(path)).as_deref())?;
            }
            group.set_limits(limits)
        })
    }

    /// Makes the cgroup above all sandboxes' cgroups at `path`, bounded by `ceiling` where there is one.
    ///
    /// # Errors
    /// The kernel refused; nothing is left then.
    pub fn create_parent(&self, path: &str, ceiling: Option<&Ceiling>) -> Result<(), Error> {
        self.make(path, |group| ceiling.map_or(Ok(()), |ceiling| group.set_ceiling(ceiling))).map(drop)
    }

    fn make(
        &self,
        path: &str,
        bound: impl FnOnce(&dyn Cgroup) -> Result<(), Error>,
    ) -> Result<Box<dyn Cgroup>, Error> {
        match self {
            Self::V2(_) => {
                let controllers = ["cpu", "memory", "pids"].map(str::to_owned).to_vec();
                let hierarchy = cgroups_rs::fs::hierarchies::auto();
                cgroups_rs::fs::Cgroup::new_with_specified_controllers(hierarchy, path, Some(controllers))
                    .map_err(|error| failed(format!("making {path}"), error))?;
            }
            Self::V1(roots) => v1_group(roots, |_| Some(path.to_owned())).create()?,
        }
        let group = self.group(path);
        if let Err(error) = bound(group.as_ref()) {
            let _ = group.remove();
            return Err(error);
        }
        Ok(group)
    }

    /// The cgroup that a process is in, such as a container's first process.
    ///
    /// # Errors
    /// The process is gone, or in no group of its own.
    pub fn of_process(&self, pid: i32) -> Result<Box<dyn Cgroup>, Error> {
        self.found(pid, |own| Some(own.to_owned()))
    }

    /// The cgroup above the one that a process is in, such as the slice of a container.
    ///
    /// # Errors
    /// The process is gone, or its group has no other above.
    pub fn above_process(&self, pid: i32) -> Result<Box<dyn Cgroup>, Error> {
        self.found(pid, |own| Some(own.rsplit_once('/')?.0.to_owned()))
    }

    /// The group that `place` makes of the one that a process is in; it must not be the root.
    fn found(&self, pid: i32, place: impl Fn(&str) -> Option<String>) -> Result<Box<dyn Cgroup>, Error> {
        let path = format!("/proc/{pid}/cgroup");
        let text =
            std::fs::read_to_string(&path).map_err(|error| failed(format!("reading {path}"), error))?;
        let own = parse_membership(&text);
        let of = |name: &str| place(own.get(name)?).filter(|path| !path.is_empty());
        let needed = if matches!(self, Self::V2(_)) { "unified" } else { "memory" };
        let Some(path) = of(needed) else {
            let why = format!("process {pid} is in no group of its own");
            return Err(failed("finding a process's group", why));
        };
        Ok(match self {
            Self::V2(root) => Box::new(v2::Group::new(&root.join(path))),
            // Elsewhere the process may be in a group that it shares, such as its engine's: that one must never be
            // frozen or killed.
            Self::V1(roots) => Box::new(v1_group(roots, |name| of(name).filter(|own| *own == path))),
        })
    }

    /// The names of the groups below `path`.
    #[must_use]
    pub fn below(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = self.folders(path).flat_map(|folder| sub_folders(&folder)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Removes the group at `path` and those below it, where no process is in them.
    ///
    /// # Errors
    /// One is not empty.
    pub fn remove(&self, path: &str) -> Result<(), Error> {
        self.folders(path).try_for_each(|folder| files::remove(&folder))
    }

    fn folders(&self, path: &str) -> impl Iterator<Item = PathBuf> {
        let roots: Vec<PathBuf> = match self {
            Self::V2(root) => vec![root.clone()],
            // All of them: container engines make their groups everywhere.
            Self::V1(roots) => BTreeSet::from_iter(roots.values().cloned()).into_iter().collect(),
        };
        roots.into_iter().map(move |root| root.join(path))
    }
}

/// Whether whoever makes groups here has left this one to the processes in it.
fn is_marked(folder: &Path) -> bool {
    let is_set = |name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(folder, name, &mut value).is_ok_and(|len| &value[..len] == b"1")
    };
    DELEGATED.into_iter().any(is_set)
}

/// The folders of a group; where it is not in the freezer's or the unified hierarchy, it goes without.
fn v1_group(roots: &BTreeMap<String, PathBuf>, path: impl Fn(&str) -> Option<String>) -> v1::Group {
    let optional = |name: &str| Some(roots.get(name)?.join(path(name)?));
    // `detect` has seen the required ones; a group that is in none of them would be at the root, which
    // `of_process` refuses by the memory controller.
    let folder = |name: &str| optional(name).unwrap_or_else(|| PathBuf::from("/nonexistent"));
    v1::Group::new(v1::Folders {
        memory: folder("memory"),
        cpu: folder("cpu"),
        cpuacct: folder("cpuacct"),
        pids: folder("pids"),
        devices: optional("devices"),
        freezer: optional("freezer"),
        unified: optional("unified"),
    })
}

/// Per controller, the path of `/proc/<pid>/cgroup` without its first slash.
fn parse_membership(text: &str) -> BTreeMap<String, String> {
    let mut groups = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(names), Some(path)) = (parts.next(), parts.next()) else { continue };
        let path = path.trim_start_matches('/').to_owned();
        for name in names.split(',') {
            groups.insert(if name.is_empty() { "unified".to_owned() } else { name.to_owned() }, path.clone());
        }
    }
    groups
}

fn sub_folders(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_LINES: &str = "\
32 31 0:29 / /c/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /c/memory rw shared:3 - cgroup cgroup rw,memory
39 31 0:36 / /c/pids rw - cgroup cgroup rw,pids
41 31 0:38 / /c/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn the_hybrid_hierarchy_counts_as_the_first_version() {
        let found = Hierarchy::from_mounts(V1_LINES, |_| String::new()).unwrap();
        let Hierarchy::V1(roots) = found else { panic!("{found:?}") };
        assert_eq!(roots["cpuacct"], Path::new("/c/cpu"));
        assert_eq!(roots["unified"], Path::new("/c/unified"));
    }

    #[test]
    fn controllers_decide_for_the_second_version() {
        let found = Hierarchy::from_mounts(V1_LINES, |_| "cpu io memory pids".to_owned()).unwrap();
        assert_eq!(found.version(), "v2");
    }

    #[test]
    fn a_missing_controller_is_named() {
        let error = Hierarchy::from_mounts("", |_| String::new()).unwrap_err();
        assert!(error.contains("memory"), "{error}");
    }

    #[test]
    fn a_process_is_in_one_group_per_controller() {
        let groups = parse_membership("4:memory:/docker/x\n2:cpu,cpuacct:/y\n0::/\n");
        assert_eq!((groups["memory"].as_str(), groups["cpuacct"].as_str()), ("docker/x", "y"));
        assert_eq!(groups["unified"], "");
    }
}

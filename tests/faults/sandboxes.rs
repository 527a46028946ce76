//! The sandboxes of a service as the machine shows them: folders, processes, containers.

use std::fs;

use cloudbox_tests::{Home, machine};

/// The names of all sandboxes that a service has a folder for.
pub fn ids(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.data().join("run")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).collect()
}

/// The machine soon has nothing of these sandboxes any more: within ten seconds, where it is not busy with others.
pub async fn are_gone(home: &Home, ids: &[String]) {
    for _ in 0..600 {
        if left_of(home, ids).is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(left_of(home, ids), Vec::<String>::new());
}

/// What the machine still has of sandboxes.
fn left_of(home: &Home, ids: &[String]) -> Vec<String> {
    let mut left: Vec<String> =
        self::ids(home).into_iter().filter(|id| ids.contains(id)).map(|id| format!("folder {id}")).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    left.extend(ids.iter().filter(|id| mounts.contains(id.as_str())).map(|id| format!("mount {id}")));
    let containers = machine::docker("/containers/json?all=1").unwrap_or_default();
    left.extend(ids.iter().filter(|id| containers.contains(id.as_str())).map(|id| format!("container {id}")));
    for process in processes(home) {
        if ids.iter().any(|id| process.cgroup.contains(id.as_str())) {
            left.push(format!("process {} {}", process.pid, process.command));
        }
    }
    left
}

/// A process in a sandbox.
#[derive(Debug)]
pub struct Process {
    /// As the host sees it.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// What it was started with, or calls itself.
    pub command: String,
    /// Where it is, in every hierarchy.
    pub cgroup: String,
}

impl Process {
    /// Whether its sandbox is frozen, by whichever freezer the machine has.
    pub fn is_frozen(&self) -> bool {
        let says = |place: &str, group: &str, file: &str, word: &str| {
            let path = format!("/sys/fs/cgroup{place}{group}/{file}");
            fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line == word))
        };
        self.cgroup.lines().any(|line| match line.splitn(3, ':').collect::<Vec<_>>()[..] {
            [_, "freezer", group] => says("/freezer", group, "freezer.state", "FROZEN"),
            [_, "", group] => {
                ["", "/unified"].iter().any(|place| says(place, group, "cgroup.events", "frozen 1"))
            }
            _ => false,
        })
    }
}

/// All processes in sandboxes of a service.
pub fn processes(home: &Home) -> Vec<Process> {
    let id = fs::read_to_string(home.data().join("instance-id")).unwrap_or_default();
    let id = id.get(..8).unwrap_or("none");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let read = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
        };
        let (cgroup, status) = (read("cgroup"), read("status"));
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
        // A zombie is no more than an entry that its parent has not taken yet.
        let is_zombie = status.lines().any(|line| line.starts_with("State:\tZ"));
        if let Some(parent) = parent
            && cgroup.contains(id)
            && !is_zombie
        {
            found.push(Process { pid, parent, command: read("cmdline"), cgroup });
        }
    }
    found
}

/// The runtime that calls itself `title`, and its init.
pub fn runtime_and_init(home: &Home, title: &str) -> (i32, i32) {
    let found = processes(home).into_iter().find(|process| process.command.starts_with(title));
    let found = found.unwrap_or_else(|| panic!("no runtime is called {title}: {:#?}", processes(home)));
    (found.pid, found.parent)
}

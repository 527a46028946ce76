//! What a service may not leave behind: processes, containers, cgroups, mounts, files of its sandboxes.
//!
//! A service's data folder has a name of its own, and its instance id stands in the names of what it makes outside; so
//! what holds either is its property.

use std::fs;
use std::path::Path;

use crate::machine;

/// Everything that is left of an instance, a line for each; empty when all is well.
#[must_use]
pub fn of(home: &Path) -> Vec<String> {
    let name = home.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let data = home.join("data");
    let id = fs::read_to_string(data.join("instance-id")).unwrap_or_default().trim().to_owned();
    let mut left = processes(&name);
    left.extend(mounts(&name));
    left.extend(files(&data.join("run")));
    // A service that never came as far as an instance has made nothing outside of its folder.
    if id.len() >= 8 {
        left.extend(containers(&id));
        left.extend(cgroups(&id[..8]));
    }
    left
}

/// Processes that run in the data folder, or in a sandbox that was made from it.
fn processes(name: &str) -> Vec<String> {
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid.parse::<u32>().is_err() || pid == std::process::id().to_string() {
            continue;
        }
        let read = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        // A mount of the run folder that is shared with the whole machine is no sign of a process: those are looked
        // for among the mounts. A sandbox has its own root, so its mounts are the sandbox's own.
        let has_own_root =
            fs::read_link(entry.path().join("ns/mnt")).ok() != fs::read_link("/proc/self/ns/mnt").ok();
        let is_ours = read("cmdline").contains(name) || has_own_root && read("mountinfo").contains(name);
        if is_ours {
            left.push(format!("process {pid}: {}", read("cmdline")));
        }
    }
    left
}

fn mounts(name: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter(|line| line.contains(name)).map(|line| format!("mount {line}")).collect()
}

fn files(run_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(run_dir).into_iter().flatten().flatten();
    entries.map(|entry| format!("file {}", entry.path().display())).collect()
}

fn containers(id: &str) -> Vec<String> {
    let filter = format!("%7B%22label%22%3A%5B%22cloudbox.instance%3D{id}%22%5D%7D");
    let Ok(answer) = machine::docker(&format!("/containers/json?all=1&filters={filter}")) else {
        return Vec::new();
    };
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    if body == "[]" { Vec::new() } else { vec![format!("containers {body}")] }
}

fn cgroups(id: &str) -> Vec<String> {
    let mut left = Vec::new();
    let mut folders = vec![Path::new("/sys/fs/cgroup").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            // Links lead to controllers that are walked under their own name.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().contains(id) {
                left.push(format!("cgroup {}", entry.path().display()));
            } else {
                folders.push(entry.path());
            }
        }
    }
    left
}

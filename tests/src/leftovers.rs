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
    let full_id = fs::read_to_string(data.join("instance-id")).unwrap_or_default().trim().to_owned();
    // A service that never came as far as an instance has made nothing outside of its folder.
    let id = full_id.get(..8).unwrap_or_default();
    let mut left = processes(&name, id);
    left.extend(mounts(&name));
    left.extend(files(&data.join("run")));
    if !id.is_empty() {
        left.extend(containers(&full_id));
        left.extend(cgroups(id));
    }
    left
}

/// Processes that were started with the data folder, work in it, or are in a cgroup of the instance.
fn processes(name: &str, id: &str) -> Vec<String> {
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
        let link = |file: &str| fs::read_link(entry.path().join(file)).unwrap_or_default();
        // Killed with its sandbox: without memory nothing of it runs any more, and its entry goes by itself, or when the
        // machine's init takes it.
        if !read("status").contains("VmSize:") {
            continue;
        }
        let is_inside =
            ["cwd", "root", "exe"].map(link).iter().any(|path| path.to_string_lossy().contains(name));
        let is_grouped = !id.is_empty() && read("cgroup").contains(id);
        if is_inside || is_grouped || read("cmdline").contains(name) {
            left.push(format!("process {pid}: {} {}", read("cmdline"), read("status")));
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
    let listed: Vec<serde_json::Value> = serde_json::from_str(body).unwrap_or_default();
    let is_there = |container: &&serde_json::Value| {
        // Docker 20.10 may list what it doesn't know any more: see the driver's `remove.rs`.
        let path = format!("/containers/{}/json", container["Id"].as_str().unwrap_or_default());
        !machine::docker(&path).is_ok_and(|answer| answer.contains("404 Not Found"))
    };
    listed.iter().filter(is_there).map(|container| format!("container {container}")).collect()
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

//! The end of a group where the kernel has no `cgroup.kill`: in the first version without a unified hierarchy, processes
//! are frozen, killed one by one, and thawed. Where there is no first version, or no root, this is skipped.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]
#![expect(clippy::print_stderr, reason = "what can't run here says so")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cloudbox_cgroup::Cgroup;
use cloudbox_cgroup::hierarchy::Hierarchy;
use cloudbox_types::Limits;

/// A group of the first version, without the unified hierarchy.
fn group() -> Option<(Hierarchy, String, Box<dyn Cgroup>)> {
    let Ok(Hierarchy::V1(mut roots)) = Hierarchy::detect() else {
        eprintln!("skipped: cgroups of the first version are not here");
        return None;
    };
    roots.remove("unified");
    if !rustix::process::geteuid().is_root() || !roots.contains_key("freezer") {
        eprintln!("skipped: no root, or no freezer");
        return None;
    }
    let hierarchy = Hierarchy::V1(roots);
    let path = format!("cloudbox-unit-{:08x}", rand_name());
    let group = hierarchy.create(&path, &Limits::default()).unwrap();
    Some((hierarchy, path, group))
}

fn rand_name() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u32
}

/// A shell in the group, which waits for a line before it does as told.
#[expect(clippy::disallowed_methods, reason = "processes to be ended")]
fn shell(group: &dyn Cgroup, script: &str) -> Child {
    let script = format!("read go; {script}");
    let mut child = Command::new("/bin/sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    group.add(i32::try_from(child.id()).unwrap()).unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"go\n").unwrap();
    child
}

/// Waits until the shell has written a line.
fn is_up(child: &mut Child) {
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
}

#[tokio::test]
async fn whoever_forks_and_ignores_signals_is_ended_with_all_children() {
    let Some((hierarchy, path, group)) = group() else { return };
    let mut busy = shell(group.as_ref(), "trap '' TERM HUP INT; echo; while :; do (sleep 60 &); done");
    let mut idle = shell(group.as_ref(), "echo; sleep 60 & sleep 60");
    is_up(&mut busy);
    is_up(&mut idle);
    tokio::time::sleep(Duration::from_millis(50)).await;
    cloudbox_cgroup::end(group.as_ref()).await.unwrap();
    assert!(group.is_empty());
    assert!(!busy.wait().unwrap().success() && !idle.wait().unwrap().success());
    hierarchy.remove(&path).unwrap();
    assert!(group.stats().is_err() || hierarchy.below("").iter().all(|name| *name != path));
}

#[tokio::test]
async fn a_frozen_group_stands_still_and_is_ended_as_it_is() {
    let Some((hierarchy, path, group)) = group() else { return };
    let mut child = shell(group.as_ref(), "echo; while :; do :; done");
    is_up(&mut child);
    group.freeze(true).unwrap();
    // The freezer may still be at it when its file was written.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = group.stats().unwrap().cpu_us;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(group.stats().unwrap().cpu_us, before);
    assert!(child.try_wait().unwrap().is_none() && !group.is_empty());
    cloudbox_cgroup::end(group.as_ref()).await.unwrap();
    assert!(!child.wait().unwrap().success());
    hierarchy.remove(&path).unwrap();
}

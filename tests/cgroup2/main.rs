//! What only a machine with cgroup v2 alone can show: limits and counters of the second version, groups that end as one,
//! and where the service puts its groups. `make test-cgroup2` runs these in its virtual machine.

#![expect(clippy::unwrap_used, reason = "a test may end where its stage can't be set")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudbox_tests::{Driver, Language, Service, Stage};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};

/// Where the hierarchy is mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// A child that takes memory without end, while the handler waits for it.
const CHILD_BOMB: &str = "\
import os
def handler(data, context):
    pid = os.fork()
    if pid == 0:
        held = []
        while True:
            held.append(bytearray(1 << 20))
    return os.waitpid(pid, 0)[1]
";

/// As many processes as there may be.
const FORKS: &str = "\
import os, time
def handler(data, context):
    children = []
    try:
        while len(children) < 1000:
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            children.append(pid)
    except OSError as error:
        return {'errno': error.errno, 'children': len(children)}
    finally:
        for pid in children:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-cgroup2 runs it in its machine"]
async fn root_started_in_the_root_group() {
    enter(Path::new(ROOT));
    let stage = Stage::start(Driver::Native).await.unwrap();
    assert_eq!(instance_group(&stage.service).parent().unwrap(), Path::new(ROOT));
    plays(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-cgroup2 runs it in its machine"]
async fn root_started_in_a_delegated_group() {
    let group = Path::new(ROOT).join("delegated");
    std::fs::create_dir(&group).unwrap();
    std::fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+cpu +memory +pids").unwrap();
    // As systemd marks the group of a service with `Delegate=yes`.
    rustix::fs::setxattr(&group, "trusted.delegate", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    enter(&group);
    let stage = Stage::start(Driver::Native).await.unwrap();
    assert_eq!(group_of(stage.pid()), group.join("server"), "a group with groups below has no processes");
    assert_eq!(instance_group(&stage.service).parent().unwrap(), group);
    plays(stage).await;
    // The service has moved whoever started it, too: the next one finds the same place.
    let again = Service::start(Driver::Native).await;
    assert_eq!(group_of(again.pid()), group.join("server"));
    assert_eq!(instance_group(&again).parent().unwrap(), group);
    again.stop().await;
    enter(Path::new(ROOT));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-cgroup2 runs it in its machine"]
async fn rootless_started_in_a_delegated_group() {
    let group = Path::new(ROOT).join("plain");
    let stage = Stage::start(Driver::Native).await.unwrap();
    assert_eq!(group_of(stage.pid()), group.join("server"));
    assert_eq!(instance_group(&stage.service).parent().unwrap(), group);
    plays(stage).await;
}

/// Calls, limits and their ends, in three languages, with the groups looked at from outside.
async fn plays(stage: Stage) {
    for language in Language::ALL {
        let name = format!("exits-{}", language.extension());
        stage.deploy(&name, language, "exits", &json!({ "memory": 96 })).await;
        let answer: Value = stage.call(&name, &json!({ "way": "none" })).await.with(200).json();
        assert_eq!(answer["response"], "none", "{language:?}");
    }
    limits_are_set(&stage);
    idle_ones_are_frozen(&stage).await;
    let settings = json!({ "memory": 96 });
    stage.deploy_code("bomb", Language::Python, CHILD_BOMB, &settings).await;
    let _ = stage.call("bomb", &Value::Null).await.error(ErrorCode::OutOfMemory);
    stage.deploy_code("forks", Language::Python, FORKS, &settings).await;
    for _ in 0..2 {
        let answer: Value = stage.call("forks", &Value::Null).await.with(200).json();
        let (errno, children) = (&answer["response"]["errno"], &answer["response"]["children"]);
        assert_eq!(errno.as_i64(), Some(11), "{answer}");
        assert!((1..256).contains(&children.as_i64().unwrap()), "{answer}");
    }
    stage.is_healthy().await;
    stage.stop().await;
}

/// Every sandbox's group has what security demands of it.
#[track_caller]
fn limits_are_set(stage: &Stage) {
    let groups = below(&instance_group(&stage.service));
    assert!(groups.len() >= 3, "{groups:?}");
    for group in groups {
        let read =
            |name: &str| std::fs::read_to_string(group.join(name)).unwrap_or_default().trim().to_owned();
        for (file, value) in [
            ("memory.oom.group", "1"),
            ("memory.swap.max", "0"),
            ("cgroup.max.depth", "0"),
            ("cgroup.max.descendants", "0"),
        ] {
            assert_eq!(read(file), value, "{file} of {}", group.display());
        }
        for file in ["memory.max", "pids.max"] {
            assert!(read(file).parse::<u64>().is_ok(), "{file} of {} is {:?}", group.display(), read(file));
        }
        assert!(read("cpu.max").ends_with(" 100000"), "{}", read("cpu.max"));
        assert!(read("memory.peak").parse::<u64>().is_ok_and(|peak| peak > 0), "since 5.19");
    }
}

/// The three that were called stand still a moment later, and the next calls find them awake.
async fn idle_ones_are_frozen(stage: &Stage) {
    let is_frozen = |group: &PathBuf| {
        std::fs::read_to_string(group.join("cgroup.events")).is_ok_and(|events| events.contains("frozen 1"))
    };
    let mut frozen = 0;
    for _ in 0..200 {
        frozen = below(&instance_group(&stage.service)).iter().filter(|group| is_frozen(group)).count();
        if frozen >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(frozen >= 3, "{frozen} groups are frozen");
    for language in Language::ALL {
        let name = format!("exits-{}", language.extension());
        let _ = stage.call(&name, &json!({ "way": "none" })).await.with(200);
    }
}

/// The group above all sandboxes' groups of this service.
#[track_caller]
fn instance_group(service: &Service) -> PathBuf {
    let id = std::fs::read_to_string(service.home().data().join("instance-id")).unwrap();
    let name = format!("cloudbox-{}", id.trim());
    let mut folders = vec![PathBuf::from(ROOT)];
    while let Some(folder) = folders.pop() {
        if folder.join(&name).is_dir() {
            return folder.join(&name);
        }
        folders.extend(below(&folder));
    }
    panic!("{name} is nowhere")
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn group_of(pid: u32) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    Path::new(ROOT).join(text.trim().strip_prefix("0::/").unwrap())
}

/// Moves this process, and with it what it will start.
fn enter(group: &Path) {
    std::fs::write(group.join("cgroup.procs"), std::process::id().to_string()).unwrap();
}

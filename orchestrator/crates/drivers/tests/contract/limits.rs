//! The kernel holds the limits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudbox_sandbox::SandboxFaultKind;
use cloudbox_types::Limits;

use super::fixture::{CEILING, Fixture, ask, call, load, shim, soon};

pub async fn processes_are_bounded(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let started: u32 = ask(sandbox.as_mut(), "forks 100").await.parse().unwrap();
    assert!((1..24).contains(&started), "{started} processes");
    sandbox.kill().await;
}

pub async fn the_temporary_folder_is_bounded(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let found = ask(sandbox.as_mut(), "fill /tmp/file 20").await;
    assert!(found.ends_with("StorageFull"), "{found}");
    assert_eq!(ask(sandbox.as_mut(), "list /tmp").await, "file");
    sandbox.kill().await;
}

pub async fn a_bind_sizes_the_temporary_folder(fixture: &Fixture) {
    for (tmp_mb, fits, is_too_much) in [(4, 3, 6), (16, 14, 20)] {
        let mut sandbox = fixture.create(&fixture.spec()).await;
        sandbox.start(&shim(), soon()).await.unwrap();
        let limits = Limits { tmp_mb, ..fixture.spec().limits };
        sandbox.bind(&limits, &fixture.code()).await.unwrap();
        sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
        let found = ask(sandbox.as_mut(), &format!("fill /tmp/a {fits}")).await;
        assert!(!found.contains("StorageFull"), "{tmp_mb} MB: {found}");
        let found = ask(sandbox.as_mut(), &format!("fill /tmp/b {is_too_much}")).await;
        assert!(found.ends_with("StorageFull"), "{tmp_mb} MB: {found}");
        sandbox.kill().await;
    }
}

pub async fn a_bind_sets_the_limits(fixture: &Fixture) {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    sandbox.start(&shim(), soon()).await.unwrap();
    let raised = Limits { memory_mb: 256, ..fixture.spec().limits };
    sandbox.bind(&raised, &fixture.code()).await.unwrap();
    sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
    assert_eq!(ask(sandbox.as_mut(), "allocate 128").await, "allocated");
    let fault = call(sandbox.as_mut(), "allocate 200", soon()).await.unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::OutOfMemory), "{:?}", fault.kind);
    sandbox.kill().await;
}

pub async fn all_together_have_a_ceiling(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    // As root: elsewhere there may be no groups at all.
    let path = format!("cloudbox-{}", fixture.instance.id);
    let Some(groups) = Groups::find(&path) else { return };
    assert_eq!(groups.memory(""), CEILING.memory_bytes);
    assert_eq!(groups.pids(""), CEILING.pids.to_string());
    let below: Vec<String> = groups.below();
    assert_eq!(below.len(), 1, "{below:?}");
    assert_eq!(groups.memory(&below[0]), fixture.spec().limits.memory_bytes());
    assert_eq!(groups.pids(&below[0]), fixture.spec().limits.pids.to_string());
    sandbox.kill().await;
}

/// The groups of an instance, in either version of cgroups.
struct Groups {
    memory: (PathBuf, &'static str),
    pids: PathBuf,
}

impl Groups {
    fn find(path: &str) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let v1 = Self {
            memory: (root.join("memory").join(path), "memory.limit_in_bytes"),
            pids: root.join("pids").join(path),
        };
        let v2 = Self { memory: (root.join(path), "memory.max"), pids: root.join(path) };
        [v1, v2].into_iter().find(|groups| groups.pids.is_dir())
    }

    fn memory(&self, below: &str) -> u64 {
        let (folder, name) = &self.memory;
        std::fs::read_to_string(folder.join(below).join(name)).unwrap().trim().parse().unwrap()
    }

    fn pids(&self, below: &str) -> String {
        let text = std::fs::read_to_string(self.pids.join(below).join("pids.max")).unwrap();
        text.trim().to_owned()
    }

    fn below(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.pids).unwrap().flatten();
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }
}

pub async fn frozen_it_uses_no_cpu(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    sandbox.freeze(true).unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_millis(200);
    let before = sandbox.stats().unwrap().cpu_us;
    let fault = call(sandbox.as_mut(), "spin", deadline).await.unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::Deadline), "{:?}", fault.kind);
    let used = sandbox.stats().unwrap().cpu_us - before;
    assert!(used < 50_000, "{used} µs");
    // Frozen as it is.
    sandbox.kill().await;
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    sandbox.freeze(true).unwrap();
    sandbox.freeze(false).unwrap();
    assert_eq!(ask(sandbox.as_mut(), "echo thawed").await, "thawed");
    sandbox.kill().await;
}

pub async fn what_it_used_is_counted(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    ask(sandbox.as_mut(), "allocate 20").await;
    let stats = sandbox.stats().unwrap();
    assert!(stats.memory_peak_bytes > 20 << 20 && stats.cpu_us > 0, "{stats:?}");
    sandbox.kill().await;
    assert!(sandbox.stats().is_err(), "a sandbox that is gone has no counters");
}

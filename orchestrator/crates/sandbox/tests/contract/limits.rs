//! The kernel holds the limits.

use std::time::Duration;

use cloudbox_sandbox::SandboxFaultKind;
use cloudbox_types::Limits;

use super::fixture::{Fixture, ask, call, load, shim, soon};

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
    assert!(stats.memory_bytes > 20 << 20 && stats.memory_peak_bytes >= stats.memory_bytes, "{stats:?}");
    assert!(stats.cpu_us > 0 && stats.oom_kills == 0, "{stats:?}");
    sandbox.kill().await;
    assert!(sandbox.stats().is_err(), "a sandbox that is gone has no counters");
}

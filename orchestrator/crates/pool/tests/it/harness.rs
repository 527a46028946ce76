//! What the tests share: targets, calls, and a pool over a fake driver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fake::{FakeDriver, Script};
use bytes::Bytes;
use cloudbox_pool::{Lease, LeaseError, Pool, Reason, Settings, SpareSpec, Start, Target, TargetKey};
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_protocol::message::FunctionInfo;
use cloudbox_protocol::{Answer, Invoke, Load, Reply, Request};
use cloudbox_sandbox::{AfterCall, CodeDir, Launch, Program, RootFs, SandboxFault};
use cloudbox_types::{FunctionId, Limits, ProjectId};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// A start takes 100 ms in all, a kill 5 ms, a call 10 ms.
pub fn script() -> Script {
    Script {
        create: 70 * MS,
        start: 20 * MS,
        load: 10 * MS,
        exchange: 10 * MS,
        kill: 5 * MS,
        ..Script::default()
    }
}

pub fn settings() -> Settings {
    Settings { memory_budget_mb: 64 * 100, max_sandboxes: 100, max_starts_at_once: 8, ..Settings::default() }
}

pub fn open(settings: Settings) -> (FakeDriver, Arc<Pool>) {
    let driver = FakeDriver::new(script());
    let pool = Pool::open(Arc::new(driver.clone()), settings);
    (driver, pool)
}

/// The function's number is also its project's, unless said otherwise; 64 MB, 10 instances.
pub fn target(function: i64, version: i64) -> Target {
    Target {
        key: TargetKey { project: ProjectId(function), function: FunctionId(function), version, revision: 1 },
        launch: launch(function, version, 64),
        restore: None,
        min_instances: 0,
        max_instances: 10,
        is_root_shared: true,
        told_seats: Arc::default(),
    }
}

pub fn of(target: Target) -> Arc<Target> {
    Arc::new(target)
}

pub fn launch(function: i64, version: i64, memory_mb: u32) -> Launch {
    Launch {
        seal: None,
        rootfs: rootfs(),
        program: program(),
        starts_before_code: true,
        out_of_memory_mark: None,
        limits: Limits { memory_mb, ..Limits::default() },
        max_file_bytes: 1 << 20,
        code: CodeDir { path: format!("/code/{function}/{version}").into(), is_executable: false },
        load: Load {
            nonce: String::new(),
            code_dir: "/workspace".to_owned(),
            main: "index.js".to_owned(),
            entry_point: "handler".to_owned(),
            handler_style: "auto".to_owned(),
            isolation: cloudbox_types::Isolation::Version,
            concurrency: 1,
            env: BTreeMap::new(),
            function: FunctionInfo {
                id: function,
                name: format!("f{function}"),
                project_id: function,
                version,
                memory_mb,
            },
        },
        channel: ChannelLimits::default(),
        after_call: AfterCall::Keep,
        egress: None,
    }
}

/// With several calls at once in each sandbox.
pub fn shared(target: Target, concurrency: u32) -> Target {
    let Target { launch, .. } = target;
    let load = Load { concurrency, ..launch.load };
    Target { launch: Launch { load, ..launch }, ..target }
}

pub fn rootfs() -> RootFs {
    RootFs {
        name: "nodejs20".to_owned(),
        path: "/bundles/nodejs20".into(),
        digest: "d1".to_owned(),
        base: None,
    }
}

pub fn program() -> Program {
    Program {
        argv: vec!["/usr/bin/node".to_owned()],
        env: BTreeMap::new(),
        cwd: None,
        has_fixed_threads: false,
    }
}

pub fn spares(count: u32) -> SpareSpec {
    SpareSpec {
        rootfs: rootfs(),
        program: Some(program()),
        limits: Limits { memory_mb: 64, ..Limits::default() },
        is_tmp_fixed: false,
        max_file_bytes: 1 << 20,
        channel: ChannelLimits::default(),
        count,
        most: count,
    }
}

pub fn invoke(path: &str) -> Invoke {
    Invoke { path: path.to_owned(), timeout_ms: 30_000, ..crate::invoke::invoke() }
}

pub async fn exchange(lease: &mut Lease, path: &str) -> Result<Reply<Answer>, SandboxFault> {
    let deadline = Instant::now() + 30 * SECOND;
    lease.exchange(Request::without_host(invoke(path), Bytes::from_static(b"hi")), deadline).await
}

/// Leases and calls once.
pub async fn call(pool: &Arc<Pool>, target: &Arc<Target>, path: &str) -> Result<Start, LeaseError> {
    let mut lease = pool.lease(target).await?;
    // What the call itself brings is the book's business.
    drop(exchange(&mut lease, path).await);
    Ok(lease.start())
}

pub fn spawn_call(
    pool: &Arc<Pool>,
    target: &Arc<Target>,
    path: &'static str,
) -> JoinHandle<Result<Start, LeaseError>> {
    let (pool, target) = (Arc::clone(pool), Arc::clone(target));
    tokio::spawn(async move { call(&pool, &target, path).await })
}

/// Lets everything that is due at this moment happen, and a little more.
pub async fn settle() {
    sleep(MS).await;
}

/// Drains, and checks that nothing is left.
pub async fn finish(driver: &FakeDriver, pool: &Arc<Pool>) {
    pool.drain(Instant::now() + SECOND).await;
    let book = driver.book();
    assert_eq!(book.live, 0, "every sandbox is killed");
    assert_eq!(book.memory_mb, 0);
    for entry in &book.entries {
        let loads = &entry.loads;
        assert!(loads.iter().all(|load| *load == loads[0]), "a sandbox serves one version: {entry:?}");
        assert_eq!(loads.len().saturating_sub(1), entry.restarts as usize, "a load per start: {entry:?}");
        assert!(entry.binds <= 1, "a sandbox is bound once: {entry:?}");
    }
    let after = pool.snapshot();
    assert_eq!((after.idle, after.busy, after.generic, after.draining, after.queued), (0, 0, 0, 0, 0));
    assert_eq!(after.memory_mb, 0);
}

pub fn reason(error: &LeaseError) -> Option<(Reason, u32)> {
    match error {
        LeaseError::Overloaded { reason, retry_after_s } => Some((*reason, *retry_after_s)),
        LeaseError::Launch(_) | LeaseError::Closing => None,
    }
}

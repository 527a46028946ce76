//! The self-test of a driver: a throw-away sandbox that holds the init alone, which tries from inside what must not be
//! possible there. What it found becomes the driver's layers; a driver without a mandatory one refuses to work.

mod files;

use std::collections::BTreeMap;
use std::time::Duration;

use cloudbox_layers::{Missing, Outcome};
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_protocol::probe::{Question, WORD};
use cloudbox_types::Limits;
use tokio::time::Instant;

use cloudbox_sandbox::driver::{Sandbox, SandboxFaultKind};
use cloudbox_sandbox::{Error, Layer, Network, Program, SandboxSpec, Workspace};
pub(crate) use files::Files;

/// Where the init is in every root.
const INIT: &str = "/cloudbox/init";
/// The longest that the probe may take, on a machine that has much else to do.
const WITHIN: Duration = Duration::from_secs(60);
/// Of the largest file that the sandbox may write.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// What the sandbox is made with.
const LIMITS: Limits = Limits { timeout_s: 20, memory_mb: 64, cpu_millis: 1000, tmp_mb: 8, pids: 64 };
/// What it is bound with: less, so that it is seen that limits can change, and that it is the cgroup that holds them
/// and not a limit per user.
const BOUND: Limits = Limits { memory_mb: 24, pids: 24, ..LIMITS };

/// The sandbox of the test.
pub(crate) fn spec(files: &Files) -> SandboxSpec {
    SandboxSpec {
        rootfs: files.rootfs.clone(),
        limits: LIMITS,
        workspace: Workspace::Slot,
        mounts: Vec::new(),
        network: Network::None,
        max_file_bytes: MAX_FILE_BYTES,
        channel: ChannelLimits::default(),
    }
}

/// Has the init try everything in a sandbox that was made by [`spec`], and ends the sandbox.
///
/// # Errors
/// The program can't be started as confined as it must be.
pub(crate) async fn run(
    mut sandbox: Box<dyn Sandbox>,
    files: &Files,
    landlock_abi: u32,
) -> Result<Outcome, Error> {
    let tried = attempt(sandbox.as_mut(), files, landlock_abi).await;
    sandbox.kill().await;
    tried
}

async fn attempt(sandbox: &mut dyn Sandbox, files: &Files, landlock_abi: u32) -> Result<Outcome, Error> {
    sandbox.bind(&BOUND, &files.code).await?;
    let frozen = sandbox.freeze(true).and_then(|()| sandbox.freeze(false));
    let question = Question {
        namespaces: files::own_namespaces(),
        hidden: files.code.path.display().to_string(),
        landlock_abi,
        max_file_bytes: MAX_FILE_BYTES,
        tmp_bytes: u64::from(LIMITS.tmp_mb) << 20,
        pids: BOUND.pids,
        memory_bytes: BOUND.memory_bytes(),
    };
    let question = serde_json::to_string(&question).unwrap_or_default();
    let argv = vec![INIT.to_owned(), WORD.to_owned(), question];
    let program = Program { argv, env: BTreeMap::new(), cwd: None, has_fixed_threads: false };
    let (logs, end, is_ended_by_memory) = match sandbox.run(&program, Instant::now() + WITHIN).await {
        Ok(exit) => (exit.logs, "the test's program didn't say".to_owned(), exit.is_out_of_memory),
        Err(fault) => {
            if let SandboxFaultKind::Host(error @ Error::Setup { .. }) = fault.kind {
                return Err(error);
            }
            let is_memory = matches!(fault.kind, SandboxFaultKind::OutOfMemory);
            (fault.logs, format!("the test broke off: {}", fault.kind), is_memory)
        }
    };
    let frozen = frozen.map_err(|error| error.to_string());
    Ok(Outcome::new(&logs.into_text(), end, is_ended_by_memory, frozen))
}

/// Logs what a self-test found that began at `started`, and refuses a weak driver.
///
/// # Errors
/// [`Error::Weak`].
pub(crate) fn judge(
    driver: &'static str,
    layers: &[Layer],
    is_weak_allowed: bool,
    started: Instant,
) -> Result<(), Error> {
    cloudbox_layers::judge(driver, layers, is_weak_allowed, started.elapsed()).map_err(weak(driver))
}

/// Before anything is made: refuses what is known to be weak.
///
/// # Errors
/// [`Error::Weak`].
pub(crate) fn refuse_weak(
    driver: &'static str,
    layers: &[Layer],
    is_weak_allowed: bool,
) -> Result<(), Error> {
    cloudbox_layers::refuse_weak(layers, is_weak_allowed).map_err(weak(driver))
}

fn weak(driver: &'static str) -> impl Fn(Missing) -> Error {
    move |Missing(missing)| Error::Weak { driver, missing }
}

//! The one way to run a function: `admit -> lease -> exchange -> settle -> record`.
//!
//! Public calls, `execute`, and every door that is added later end here.

mod opening;
mod rooted;
mod surviving;
mod target;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_artefacts::CodeStore;
use cloudbox_bundles::Catalogue;
use cloudbox_egress::Broker;
use cloudbox_images::AbsentImages;
use cloudbox_pool::{Lease, LeaseError, Pool, Start, Target};
use cloudbox_protocol::{Request, stream};
use cloudbox_sandbox::SandboxDriver;
use cloudbox_turns::step;
use cloudbox_types::limits::Ranges;
use cloudbox_types::{InvocationId, Timing, with_causes};
use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use opening::Opening;
use rooted::Roots;
pub use target::TargetError;

use crate::call::{Call, Outcome};
use crate::failure::Failure;
use crate::recorder::Recorder;
use crate::services::{InvocationHost, Services};
use crate::settle::{self, Settled};
use crate::timing::{self, Begun};

/// What bounds a call besides the function's own limits.
#[derive(Clone)]
pub struct Settings {
    /// Bytes of a result.
    pub max_response_bytes: usize,
    /// Bytes of a result that is streamed.
    pub max_stream_bytes: u64,
    /// Bytes of what one call prints.
    pub max_log_bytes: usize,
    /// What functions may ask for.
    pub ranges: Ranges,
    /// Where the artefacts of versions are.
    pub code: Arc<CodeStore>,
    /// Makes images that other nodes have.
    pub images: Arc<AbsentImages>,
    /// The way out of sandboxes; none where there is none.
    pub broker: Option<Arc<Broker>>,
}

/// Sandboxes that are started for one call at most, where it takes none of them.
const MAX_STARTED: u32 = 2;

/// Runs functions.
pub struct Dispatcher {
    pool: Arc<Pool>,
    roots: Roots,
    recorder: Arc<Recorder>,
    services: Arc<Services>,
    settings: Settings,
    /// Calls under way: they end, and are recorded, even where their caller has gone away.
    calls: TaskTracker,
}

impl Dispatcher {
    /// A dispatcher over a pool.
    #[must_use]
    pub fn new(
        pool: Arc<Pool>,
        driver: Arc<dyn SandboxDriver>,
        catalogue: Arc<Catalogue>,
        recorder: Arc<Recorder>,
        services: Arc<Services>,
        settings: Settings,
    ) -> Arc<Self> {
        let roots = Roots { driver, catalogue, images: Arc::clone(&settings.images) };
        Arc::new(Self { pool, roots, recorder, services, settings, calls: TaskTracker::new() })
    }

    /// Runs one call to its end, or to the beginning of a streamed answer where its caller takes one. Dropping the future
    /// doesn't end the call: who pays for it may rely on its record.
    pub async fn invoke(self: &Arc<Self>, call: Call) -> Outcome {
        let (id, version) = (InvocationId::generate(), call.version());
        let dispatcher = Arc::clone(self);
        let (opening, opened) = Opening::new();
        let counted = self.calls.token();
        // Boxed where it is made: it is several kilobytes that nobody should move about.
        let running = Box::pin(async move {
            let _counted = counted;
            AssertUnwindSafe(dispatcher.run(id, call, &opening)).catch_unwind().await
        });
        let ended = match surviving::beginning_or_end(opened, running).await {
            Ok(begun) => return begun,
            Err(ended) => ended,
        };
        ended.unwrap_or_else(|_| {
            tracing::error!(invocation.id = %id, "a call panicked");
            Outcome::refused(id, version, Failure::internal())
        })
    }

    async fn run(&self, id: InvocationId, call: Call, opening: &Opening) -> Outcome {
        let begun = Begun { id, accepted: Timestamp::now(), at: Instant::now() };
        if let Err(failure) = admit(&call) {
            return Outcome::refused(id, call.version(), failure);
        }
        let target = match self.target(&call.entry).await {
            Ok(target) => target,
            Err(TargetError::NotYet) => {
                let why = "The function's runtime is being made ready on this machine; try again soon";
                return Outcome::refused(id, call.version(), Failure::overloaded(why, 10));
            }
            Err(TargetError::Driver(cloudbox_sandbox::Error::Unavailable { .. })) => {
                return Outcome::refused(id, call.version(), settle::unavailable());
            }
            Err(TargetError::Image(why)) => {
                let name = &call.entry.function.settings.name;
                let message =
                    format!("Function {name} can't be started on this node: {}", with_causes(&*why));
                return Outcome::refused(id, call.version(), Failure::overloaded(message, 10));
            }
            Err(error) => {
                tracing::error!(invocation.id = %id, error = &error as &dyn std::error::Error,
                    "the runtime of a version can't be used");
                return Outcome::refused(id, call.version(), Failure::internal());
            }
        };
        step().await;
        let settled = match self.attempt(begun, &call, &target, opening).await {
            Ok(settled) => settled,
            Err(error) => {
                let timing = timing::of_refusal(&error, begun);
                match settle::refused(error, &call) {
                    // What never reached a sandbox is no invocation: it is answered, but not recorded.
                    Err(failure) => return Outcome::refused(id, call.version(), failure).with_timing(timing),
                    Ok(settled) => settled.with_timing(timing),
                }
            }
        }
        .ended_after(begun.at.elapsed());
        if let Some(watch) = &call.entry.watch {
            watch.count(settled.is_error());
        }
        self.recorder.record(settled.record(id, begun.accepted, &call, self.roots.driver.name())).await;
        settled.outcome(id, call.version())
    }

    /// The call on a sandbox; on another one where that ended before any code could see it, as an idle one may have before the
    /// call came. Of those that were started for it there are two at most, and none begins after the call's time: what may have
    /// begun is not begun again.
    async fn attempt(
        &self,
        begun: Begun,
        call: &Call,
        target: &Arc<Target>,
        opening: &Opening,
    ) -> Result<Settled, LeaseError> {
        let mut started = 0;
        loop {
            let lease = self.pool.lease(target).await?;
            started += u32::from(lease.start() == Start::Cold);
            let settled = self.exchange(begun, call, target, lease, opening).await;
            if !settled.is_untaken() || started == MAX_STARTED || begun.at.elapsed() > call.timeout() {
                return Ok(settled);
            }
            tracing::info!(invocation.id = %begun.id, "the sandbox ended before it took the call; another one gets it");
        }
    }

    /// The call itself, with what it used.
    async fn exchange(
        &self,
        begun: Begun,
        call: &Call,
        target: &Target,
        mut lease: Lease,
        opening: &Opening,
    ) -> Settled {
        let timeout = call.timeout();
        let invoke = call.invoke(begun.id, begun.accepted, timeout, self.settings.max_response_bytes);
        let host = InvocationHost::new(&self.services, call.context(begun.id), call.upload.clone());
        let (outlet, inlet, seal) =
            match call.may_stream.then(|| stream::stream(self.settings.max_stream_bytes)) {
                Some((outlet, inlet, seal)) => (Some(outlet), Some(inlet), Some(seal)),
                None => (None, None, None),
            };
        let request = Request { invoke, body: call.body.clone(), host: Arc::clone(&host) as _, outlet };
        let cpu_before = lease.cpu_us().unwrap_or_default();
        let began = Instant::now();
        let timing = timing::until(began, begun, lease.waited());
        let is_warm = lease.start() == Start::Warm;
        let (exchanged, refused) = tokio::join!(
            lease.exchange(request, began + timeout),
            opening.watch(inlet, |success| Outcome::begun(
                begun.id,
                call.version(),
                is_warm,
                timing::so_far(timing, began),
                success
            )),
        );
        let exchanged = exchanged.map_err(|fault| target.launch.explain(fault));
        let elapsed = began.elapsed();
        let used = lease.stats().unwrap_or_default();
        let load_logs = lease.take_load_logs();
        let attempts = lease.take_attempts();
        let cpu_us = used.cpu_us.saturating_sub(cpu_before);
        lease.spent(Duration::from_micros(cpu_us));
        drop(lease);
        host.end().await;
        step().await;
        settle::exchanged(exchanged, load_logs, call)
            .with_usage(elapsed, used, cpu_us)
            .with_start(is_warm)
            .with_timing(Timing { exec_us: timing::micros(elapsed), ..timing })
            .with_stream(seal, refused)
            .with_attempts(attempts)
            .with_host_calls(host.take_made())
    }

    /// Waits until every call has ended.
    pub async fn ended(&self) {
        self.calls.close();
        self.calls.wait().await;
    }
}

/// Whether the function takes calls at all.
fn admit(call: &Call) -> Result<(), Failure> {
    let function = &call.entry.function;
    if !function.settings.is_active {
        return Err(Failure::disabled(function));
    }
    if call.entry.version.is_none() {
        return Err(Failure::not_deployed(function));
    }
    Ok(())
}

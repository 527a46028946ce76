//! From a function's entry to what the pool needs to bring its version up.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_pool::{SpareSpec, Target, TargetKey};
use cloudbox_protocol::FrameLimits;
use cloudbox_protocol::channel::ChannelLimits;

use super::Dispatcher;
use super::rooted::Roots;
use crate::table::Entry;

/// As long as a call may wait for a sandbox: whoever waits longer for a runtime had better come again.
pub(super) const TARGET_WITHIN: Duration = Duration::from_secs(10);

/// Why a version can't be brought up at all.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The runtime's bundle is still being made.
    #[error("the runtime is still being made")]
    NotYet,
    /// There is no version.
    #[error("the function has no version")]
    NoVersion,
    /// Its runtime can't be made on this machine.
    #[error("the runtime's bundle can't be used")]
    Bundle(#[from] cloudbox_bundles::Error),
    /// The image that it runs in can't be had on this machine.
    #[error("the version's image can't be had")]
    Image(#[source] Arc<cloudbox_images::Error>),
    /// The driver can't use the bundle.
    #[error("the driver can't use the runtime's bundle")]
    Driver(#[from] cloudbox_sandbox::Error),
}

impl Dispatcher {
    /// The pool's target, made once per entry. A bundle that has to be made first goes on being made when the wait
    /// for it is over.
    pub(super) async fn target(&self, entry: &Entry) -> Result<Arc<Target>, TargetError> {
        if let Some(target) = entry.target.get() {
            return Ok(Arc::clone(target));
        }
        let making = entry.target.get_or_try_init(|| self.make_target(entry));
        tokio::time::timeout(TARGET_WITHIN, making).await.map_err(|_| TargetError::NotYet)?.cloned()
    }

    async fn make_target(&self, entry: &Entry) -> Result<Arc<Target>, TargetError> {
        let version = entry.version.as_ref().ok_or(TargetError::NoVersion)?;
        let function = &entry.function;
        let bundle = self.roots.have(version).await?;
        let mut launch = cloudbox_deploy::launch_of(
            function,
            version,
            &bundle,
            self.settings.code.folder(),
            self.channel_limits(),
        );
        cloudbox_deploy::open_egress(&mut launch, function, self.settings.broker.as_ref());
        launch.seal = Some(self.settings.code.seal(&version.digest));
        Ok(Arc::new(Target {
            key: TargetKey {
                project: function.project_id,
                function: function.id,
                version: version.number,
                revision: function.revision,
            },
            launch,
            restore: Some(self.roots.restore(function.id, version)),
            min_instances: function.settings.min_instances,
            max_instances: function.settings.max_instances,
            is_root_shared: version.image.is_none(),
            told_seats: Arc::default(),
        }))
    }

    /// Generic spares of a runtime, for functions with the default limits: at least `count`, and at most `most` where
    /// that many are asked for.
    ///
    /// # Errors
    /// The runtime can't be made, or the driver can't use it.
    pub async fn spare(&self, runtime: &str, count: u32, most: u32) -> Result<SpareSpec, TargetError> {
        let Roots { driver, catalogue, .. } = &self.roots;
        let bundle = catalogue.bundle(runtime).await?;
        driver.prepare(&bundle.run).await?;
        let limits = self.settings.ranges.usual();
        Ok(SpareSpec {
            rootfs: bundle.run.clone(),
            program: bundle.starts_before_code().then(|| bundle.program(&limits)),
            limits,
            is_tmp_fixed: !driver.can_resize_tmp(),
            max_file_bytes: cloudbox_deploy::MAX_FILE_BYTES,
            channel: self.channel_limits(),
            count,
            most,
        })
    }

    /// Has a spare ready for a function's first call.
    pub async fn foresee(&self, entry: &Entry) {
        // Why it can't be brought up is told to whoever calls it.
        if let Ok(target) = self.target(entry).await {
            self.pool.foresee(&target);
        }
    }

    /// Holds a function's `min_instances` up, if that is still wanted once it is known how.
    pub async fn keep_warm(&self, entry: &Entry, is_wanted: impl Fn() -> bool) {
        match self.target(entry).await {
            Ok(target) if is_wanted() => self.pool.keep_warm(&target),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(function.id = %entry.function.id, error = &error as &dyn std::error::Error,
                    "a function can't be kept warm");
            }
        }
    }

    fn channel_limits(&self) -> ChannelLimits {
        ChannelLimits {
            frame: FrameLimits { body: self.settings.max_response_bytes, ..FrameLimits::default() },
            logs: self.settings.max_log_bytes,
        }
    }
}

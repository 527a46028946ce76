//! The service's parts, how they come up, and how they go down.
//!
//! Up: data folder, database, driver, what earlier lives left, runtimes, functions, pool. Down, in the other order:
//! calls end, sandboxes are removed, records are flushed, the database is closed.

mod backend;
mod driver;
mod start;

use std::sync::Arc;
use std::time::Duration;

use cloudbox_bundles::Catalogue;
use cloudbox_deploy::Deployer;
use cloudbox_pool::Pool;
use cloudbox_store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::dispatch::Dispatcher;
use crate::recorder::Recorder;
use crate::table::Table;

pub use backend::Shared;
pub use driver::Driver;

/// The running service, shared by every request.
pub struct App {
    /// The settings that it was started with.
    pub config: Config,
    /// Its folder, locked.
    pub data_dir: DataDir,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// The functions in memory.
    pub table: Arc<Table>,
    /// The runtimes.
    pub catalogue: Arc<Catalogue>,
    /// What isolates functions.
    pub driver: Driver,
    /// The warm sandboxes.
    pub pool: Arc<Pool>,
    /// Where records go.
    pub recorder: Arc<Recorder>,
    /// The one way to run a function.
    pub dispatcher: Arc<Dispatcher>,
    /// From source to version.
    pub deployer: Arc<Deployer>,
    /// When it was ready.
    pub started_at: Instant,
    /// Cancelled when the service begins to shut down.
    pub closing: CancellationToken,
    /// Deployments and everything else that runs in the background.
    tasks: TaskTracker,
}

impl App {
    /// Ends everything: no call that was accepted is lost, and nothing of ours is left.
    pub async fn close(&self) {
        self.closing.cancel();
        let grace = Duration::from_secs(self.config.drain_timeout_s);
        let deadline = Instant::now() + grace;
        tracing::info!("waiting for running calls");
        self.dispatcher.drain(grace).await;
        self.pool.drain(deadline).await;
        self.recorder.close().await;
        self.tasks.close();
        if tokio::time::timeout_at(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "deployments are broken off; the next start ends them");
        }
        self.driver.close().await;
        self.store.close().await;
    }
}

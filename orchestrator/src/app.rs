//! The service's parts, how they come up, and how they go down.
//!
//! Up: data folder, database, driver, what earlier lives left, runtimes, functions, pool. Down, in the other order:
//! calls end, sandboxes are removed, records are flushed, the database is closed.

mod alive;
mod backend;
mod cores;
mod driver;
mod ending;
mod images;
mod nodes;
mod pool;
mod running_mark;
mod scale;
mod services;
mod start;
mod switch;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use cloudbox_bundles::Catalogue;
use cloudbox_deploy::Deployer;
use cloudbox_dispatch::recorder::Recorder;
use cloudbox_dispatch::table::Table;
use cloudbox_dispatch::{Dispatcher, Inline};
use cloudbox_egress::Broker;
use cloudbox_pool::Pool;
use cloudbox_store::Store;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::data_dir::DataDir;
use running_mark::RunningMark;

pub use backend::Shared;
pub use driver::{Driver, Settings as DriverSettings};
pub use ending::{BREAK_OFF, Ending};
pub(crate) use pool::ceiling;
pub(crate) use start::{init_path, open_catalogue};

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
    /// Code that comes with a call.
    pub inline: Arc<Inline>,
    /// The way out of sandboxes; none where it is switched off.
    pub broker: Option<Arc<Broker>>,
    /// When it was ready.
    pub started_at: Instant,
    /// How it is told to end.
    pub ending: Ending,
    mark: RunningMark,
    /// Deployments and everything else that runs in the background.
    tasks: TaskTracker,
}

impl App {
    /// The first half of the end: calls and deployments that were accepted go on for the grace period, and are broken
    /// off after it. When this returns, each call has its answer and its record, and no sandbox of the pool is left.
    pub async fn drain(&self) {
        self.ending.begin(Duration::from_secs(self.config.drain_timeout_s));
        tracing::info!("waiting for running calls");
        if self.ending.patience(self.dispatcher.ended()).await.is_none() {
            tracing::warn!("calls that still run are broken off");
        }
        if self.ending.patience(self.pool.drain(self.ending.deadline())).await.is_none() {
            self.pool.drain(Instant::now()).await;
        }
        if timeout(BREAK_OFF, self.dispatcher.ended()).await.is_err() {
            tracing::error!("calls don't end, not even broken off");
        }
        self.inline.clear();
        self.tasks.close();
        if self.ending.patience(self.tasks.wait()).await.is_none() {
            tracing::warn!(tasks = self.tasks.len(), "deployments are broken off; the next start ends them");
            self.ending.cutoff.cancel();
            drop(timeout(BREAK_OFF, self.tasks.wait()).await);
        }
        // Nobody waits for a bundle any more, and who makes one would go on by itself.
        let catalogue = Arc::clone(&self.catalogue);
        drop(tokio::task::spawn_blocking(move || catalogue.end()).await);
    }

    /// The second half, when nobody asks any more: records are in the store, and nothing of ours is left.
    pub async fn close(&self) {
        self.recorder.close().await;
        self.driver.close().await;
        self.store.close().await;
        self.mark.remove();
    }
}

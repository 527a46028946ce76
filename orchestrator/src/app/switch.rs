//! Changes of which versions calls get: in the store first, then in memory, and nobody reads the one without the other.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_dispatch::table::Failed;
use cloudbox_store::Error;
use cloudbox_types::{Function, FunctionId, Switch, Version};

use super::App;

/// Who ends a split whose version failed.
const BY_ITSELF: &str = "canary";
/// Between two tries to note that a split has ended.
const PAUSE: Duration = Duration::from_secs(1);

impl App {
    /// Switches. After this, no call gets what was before.
    pub(super) async fn switch(
        self: &Arc<Self>,
        function: FunctionId,
        switch: &Switch,
        author: &str,
    ) -> Result<Function, Error> {
        let _switching = self.deployer.switching().await;
        let switched = self.store.switch(function, switch, author).await;
        let (function, version) = match switched {
            Err(error) if error.is_passing() => {
                // It may have happened all the same.
                if let Ok(Some(function)) = self.store.function(function).await {
                    let version = self.active_version(&function).await?;
                    self.function_changed(function, version);
                }
                return Err(error);
            }
            switched => switched?,
        };
        self.function_changed(function.clone(), version);
        self.fetch_named(function.id).await;
        Ok(function)
    }

    /// Reads what a function's aliases name, so that no call has to wait for the database; what can't be read now is read by
    /// the first one.
    pub(super) async fn fetch_named(self: &Arc<Self>, function: FunctionId) {
        if let Ok(Some(entry)) = self.table.find_by_id(function).await
            && self.table.fetch_named(&entry).await.is_ok()
        {
            self.keep_warm(&entry);
        }
    }

    /// The version that calls get of a function as it was read.
    pub(super) async fn active_version(&self, function: &Function) -> Result<Option<Version>, Error> {
        match function.active_version {
            Some(number) => self.store.version(function.id, number).await,
            None => Ok(None),
        }
    }

    /// A deployment has made a version, which is the active one unless the deployment said otherwise.
    pub(super) fn version_made(self: &Arc<Self>, function: &Function, version: &Version) {
        if function.active_version == Some(version.number) {
            self.function_changed(function.clone(), Some(version.clone()));
        }
    }

    /// Notes the splits that failed, as they fail. Calls have left them by then.
    pub(super) async fn end_failed_splits(self: &Arc<Self>) {
        let Some(mut failed) = self.table.failed_splits() else { return };
        while let Some(Failed { function, alias, split, note }) = failed.recv().await {
            tracing::warn!(function.id = %function, %alias, version = note.version, reason = note.reason,
                "a canary is rolled back");
            metrics::counter!("cloudbox_canary_rollbacks_total").increment(1);
            let switch = Switch::EndSplit { alias, split, note };
            loop {
                match self.switch(function, &switch, BY_ITSELF).await {
                    Err(error) if error.is_passing() => tokio::time::sleep(PAUSE).await,
                    Err(Error::Missing { .. }) | Ok(_) => break,
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "a canary's end can't be noted"
                        );
                        break;
                    }
                }
            }
        }
    }
}

//! What nothing refers to any more goes: when somebody asks, and in the background.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_api_types::{CollectGarbage, Garbage, GarbageItem};
use cloudbox_deploy::{Error, Fate, Found, Order, Place, Report};
use tokio::runtime::Handle;

use super::App;

/// Items that an answer names.
const MAX_ITEMS: usize = 1000;

impl App {
    /// Removes what nothing refers to, each time the interval is over.
    pub(super) async fn keep_tidy(self: &Arc<Self>) {
        let storage = &self.config.storage;
        if storage.gc_interval_s == 0 {
            return;
        }
        let order = Order { is_dry: false, grace: Duration::from_secs(storage.gc_grace_s) };
        loop {
            tokio::time::sleep(Duration::from_secs(storage.gc_interval_s)).await;
            match self.tidy(order).await {
                Ok(Some(report)) => report.notes.iter().for_each(|note| tracing::warn!("{note}")),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "what nothing needs stays for now"
                    );
                }
            }
        }
    }

    /// The same for somebody who asks; none where the service ends.
    pub(super) async fn collect_garbage(
        self: &Arc<Self>,
        asked: CollectGarbage,
    ) -> Result<Option<Garbage>, Error> {
        let grace = asked.grace_s.unwrap_or(self.config.storage.gc_grace_s);
        let order = Order { is_dry: asked.dry_run, grace: Duration::from_secs(grace) };
        Ok(self.tidy(order).await?.map(|report| shown(asked.dry_run, report)))
    }

    /// On a thread of its own: it reads and removes whole folders.
    async fn tidy(self: &Arc<Self>, order: Order) -> Result<Option<Report>, Error> {
        let app = Arc::clone(self);
        let work = move || {
            app.forget_roots();
            let tidying = app.deployer.collect_garbage(order);
            Handle::current().block_on(app.ending.closing.run_until_cancelled(tidying))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(tidied) => tidied.transpose(),
            Err(panic) => {
                tracing::error!(error = &panic as &dyn std::error::Error, "tidying up was broken off");
                Ok(None)
            }
        }
    }
}

impl App {
    /// Ends the spares of runtimes that aren't here any more. It reads files.
    pub(super) fn forget_roots(&self) {
        match self.catalogue.image_roots(&[]) {
            Ok(mut roots) => {
                roots.extend(self.catalogue.roots());
                self.pool.retain_roots(&roots);
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "spares of removed runtimes stay");
            }
        }
    }
}

fn shown(dry_run: bool, report: Report) -> Garbage {
    let mut all = Garbage { dry_run, notes: report.notes, ..Garbage::default() };
    for found in &report.found {
        let (count, bytes) = match &found.fate {
            Fate::Removed => (&mut all.removed, Some(&mut all.removed_bytes)),
            Fate::Removable => (&mut all.removable, Some(&mut all.removable_bytes)),
            Fate::Waiting(_) => (&mut all.waiting, Some(&mut all.waiting_bytes)),
            Fate::Failed(_) => (&mut all.failed, None),
            Fate::Needed => continue,
        };
        *count += 1;
        if let Some(bytes) = bytes {
            *bytes += found.bytes;
        }
    }
    all.items = report.found.into_iter().take(MAX_ITEMS).map(item).collect();
    all
}

fn item(found: Found) -> GarbageItem {
    let (state, waits_s, error) = match found.fate {
        Fate::Removed => ("removed", None, None),
        Fate::Removable => ("removable", None, None),
        Fate::Waiting(left) => ("waiting", Some(left.as_secs() + 1), None),
        Fate::Needed => ("needed", None, None),
        Fate::Failed(why) => ("failed", None, Some(why)),
    };
    let place = match found.place {
        Place::Node => "node",
        Place::Store => "object_store",
    };
    GarbageItem {
        kind: found.item.kind.as_str().to_owned(),
        name: found.item.name,
        place: place.to_owned(),
        bytes: found.bytes,
        state: state.to_owned(),
        waits_s,
        error,
    }
}

//! How many sandboxes a function has: as many as its settings say, as soon as they say so.

use std::sync::Arc;

use cloudbox_api_types::{InstanceCounts, VersionInstances};
use cloudbox_dispatch::table::Entry;
use cloudbox_pool::Instances;
use cloudbox_types::{Function, FunctionId, Version};

use super::App;

impl App {
    /// A function has other settings or another active version: calls see it from now on, and sandboxes of before
    /// end with the calls that they have.
    pub(super) fn function_changed(self: &Arc<Self>, function: Function, version: Option<Version>) {
        if version.is_some() {
            self.pool.share(function.project_id, true);
        }
        let (app, id) = (Arc::clone(self), function.id);
        let noted = self.table.put(function, version);
        if let Some(entry) = &noted {
            self.follow(entry);
            self.keep_warm(entry);
        }
        self.tasks.spawn(async move {
            let closing = app.ending.closing.clone();
            closing.run_until_cancelled(app.foresee(id, noted)).await
        });
    }

    /// Has all ready that the first call needs.
    async fn foresee(self: &Arc<Self>, id: FunctionId, noted: Option<Arc<Entry>>) {
        let entry = match noted {
            Some(entry) => entry,
            // The first one of its project: that is read with it, or else by its first call. Or it is gone.
            None => match self.table.find_by_id(id).await {
                Ok(Some(entry)) => {
                    self.follow(&entry);
                    self.keep_warm(&entry);
                    entry
                }
                _ => return,
            },
        };
        self.dispatcher.foresee(&entry).await;
    }

    /// Has the pool hold no more than what calls of this entry get.
    fn follow(&self, entry: &Arc<Entry>) {
        let function = &entry.function;
        self.pool.retire(function.id, &entry.keys());
        self.pool.scale(function.id, function.settings.scale());
    }

    /// Holds `min_instances` of each version up that calls get without its number.
    pub(super) fn keep_warm(self: &Arc<Self>, entry: &Arc<Entry>) {
        if entry.function.settings.min_instances == 0 {
            return;
        }
        for entry in entry.standing() {
            let app = Arc::clone(self);
            self.tasks.spawn(async move {
                let closing = app.ending.closing.clone();
                closing.run_until_cancelled(app.hold_warm(&entry)).await;
            });
        }
    }

    /// Holds one version up. It may take a bundle, so the function may be another one by then, or be gone: then it is
    /// not this entry's to say, and what was held in the very moment of the change is put right.
    async fn hold_warm(self: &Arc<Self>, entry: &Entry) {
        let now = || self.table.known(entry.function.id);
        let is_current = || now().is_some_and(|now| is_same(&now, entry));
        self.dispatcher.keep_warm(entry, is_current).await;
        match now() {
            None => self.pool.retire(entry.function.id, &[]),
            Some(now) if !is_same(&now, entry) => {
                self.follow(&now);
                self.keep_warm(&now);
            }
            Some(_) => {}
        }
    }

    /// The sandboxes of a function on this node; a version under two revisions is there twice.
    pub(super) fn instances(&self, function: FunctionId) -> Vec<VersionInstances> {
        let of_version = |instances: Instances| VersionInstances {
            version: instances.key.version,
            counts: InstanceCounts {
                total: instances.starting + instances.idle + instances.busy,
                starting: instances.starting,
                idle: instances.idle,
                frozen: instances.frozen,
                busy: instances.busy,
                draining: instances.draining,
                waiting_calls: instances.queued,
            },
        };
        self.pool.instances(function).into_iter().map(of_version).collect()
    }
}

fn is_same(now: &Entry, entry: &Entry) -> bool {
    now.function.generation == entry.function.generation
}

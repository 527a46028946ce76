//! How many sandboxes a function may have, and has.

use std::collections::BTreeMap;

use cloudbox_types::Function;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change; what is left out stays. Each field has two names, of which one may be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScalingPatch {
    /// Sandboxes kept warm.
    #[schema(maximum = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_instances: Option<u32>,
    /// Sandboxes at most.
    #[schema(minimum = 1, maximum = 1000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<u32>,
    /// Calls at once in one sandbox.
    #[schema(minimum = 1, maximum = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// The same as `min_instances`.
    #[schema(maximum = 100)]
    #[serde(rename = "minInstances", skip_serializing_if = "Option::is_none")]
    pub min_instances_too: Option<u32>,
    /// The same as `max_instances`.
    #[schema(minimum = 1, maximum = 1000)]
    #[serde(rename = "maxInstances", skip_serializing_if = "Option::is_none")]
    pub max_instances_too: Option<u32>,
    /// The same as `concurrency`.
    #[schema(minimum = 1, maximum = 100)]
    #[serde(rename = "targetConcurrency", skip_serializing_if = "Option::is_none")]
    pub target_concurrency: Option<u32>,
}

/// How many sandboxes a function may have, and has on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scaling {
    /// Sandboxes kept warm, of each version that calls get without its number.
    pub min_instances: u32,
    /// Sandboxes at most, of each version.
    pub max_instances: u32,
    /// Calls at once in one sandbox.
    pub concurrency: u32,
    /// The same as `min_instances`.
    #[serde(rename = "minInstances")]
    pub min_instances_too: u32,
    /// The same as `max_instances`.
    #[serde(rename = "maxInstances")]
    pub max_instances_too: u32,
    /// The same as `concurrency`.
    #[serde(rename = "targetConcurrency")]
    pub target_concurrency: u32,
    /// The version that calls get; null before the first deploy.
    pub active_version: Option<i64>,
    /// All of its sandboxes on the node that answers.
    pub instances: InstanceCounts,
    /// The same by version, those with sandboxes or waiting calls.
    pub versions: Vec<VersionInstances>,
}

/// Sandboxes by state, and the calls that wait for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceCounts {
    /// Those that come up, serve or wait.
    pub total: u32,
    /// Those that are coming up.
    pub starting: u32,
    /// Those that wait for a call.
    pub idle: u32,
    /// Of the idle ones, those whose processes are stopped until the next call.
    pub frozen: u32,
    /// Those that have a call.
    pub busy: u32,
    /// Those that are being ended; `total` leaves them out.
    pub draining: u32,
    /// Calls that wait for a sandbox.
    pub waiting_calls: u32,
}

/// The same, of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionInstances {
    /// Which one.
    pub version: i64,
    /// As in `instances`.
    #[serde(flatten)]
    pub counts: InstanceCounts,
}

impl Scaling {
    /// What a function is given, with its sandboxes, whose versions may repeat.
    #[must_use]
    pub fn new(function: &Function, instances: Vec<VersionInstances>) -> Self {
        let settings = &function.settings;
        let (mut all, mut by_version) = (InstanceCounts::default(), BTreeMap::<_, InstanceCounts>::new());
        for VersionInstances { version, counts } in instances {
            all.add(counts);
            by_version.entry(version).or_default().add(counts);
        }
        by_version.retain(|_, counts| *counts != InstanceCounts::default());
        Self {
            min_instances: settings.min_instances,
            max_instances: settings.max_instances,
            concurrency: settings.concurrency,
            min_instances_too: settings.min_instances,
            max_instances_too: settings.max_instances,
            target_concurrency: settings.concurrency,
            active_version: function.active_version,
            instances: all,
            versions: by_version
                .into_iter()
                .map(|(version, counts)| VersionInstances { version, counts })
                .collect(),
        }
    }
}

impl InstanceCounts {
    fn add(&mut self, more: Self) {
        self.total += more.total;
        self.starting += more.starting;
        self.idle += more.idle;
        self.frozen += more.frozen;
        self.busy += more.busy;
        self.draining += more.draining;
        self.waiting_calls += more.waiting_calls;
    }
}

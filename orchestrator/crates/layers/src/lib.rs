//! The layers of a sandbox's isolation: which of them a driver must have, and what the findings of a self-test mean.
//!
//! Knows neither driver: both hand in what their sandbox printed and what they see from outside.

mod expected;
mod layer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cloudbox_cgroup::hierarchy::Hierarchy;
use cloudbox_protocol::probe::Finding;

pub use layer::{Layer, LayerState};

/// A driver would work, but not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// What was found out of a sandbox, from inside and from outside.
#[derive(Debug)]
pub struct Outcome {
    /// By the layer's name.
    findings: BTreeMap<String, Finding>,
    /// Why there are no more findings.
    end: String,
    is_ended_by_memory: bool,
    /// Whether it stopped and went on; else why not.
    frozen: Result<(), String>,
}

impl Outcome {
    /// From what the probe printed, a finding per line; `end` says why there are no more.
    #[must_use]
    pub fn new(text: &str, end: String, is_ended_by_memory: bool, frozen: Result<(), String>) -> Self {
        let findings = text.lines().filter_map(|line| serde_json::from_str::<Finding>(line).ok());
        let findings = findings.map(|finding| (finding.name.clone(), finding)).collect();
        Self { findings, end, is_ended_by_memory, frozen }
    }

    /// The layers that a program can find out about from inside, and freezing. A driver may have exceptions: layers that
    /// it does without, and why.
    #[must_use]
    pub fn layers(mut self, exceptions: &[(&str, &str)], has_bounded_swap: bool) -> Vec<Layer> {
        self.explain_memory(has_bounded_swap);
        let mut layers = Vec::new();
        for expected in expected::FROM_INSIDE {
            let (is_active, seen) = match self.findings.get(expected.name) {
                Some(finding) => (finding.is_active, finding.detail.as_str()),
                None => (false, self.end.as_str()),
            };
            let exception = exceptions.iter().find(|(name, _)| *name == expected.name);
            let detail = match exception {
                _ if is_active => seen.to_owned(),
                Some((_, why)) => (*why).to_owned(),
                None => format!("{seen}; {}", expected.remedy),
            };
            let is_mandatory = expected.is_mandatory && exception.is_none();
            layers.push(Layer { is_mandatory, ..Layer::mandatory(expected.name, is_active, detail) });
        }
        let frozen = match &self.frozen {
            Ok(()) => "stops and goes on".to_owned(),
            Err(error) => format!("{error}; idle sandboxes go on running"),
        };
        layers.push(Layer::optional("cgroup_freeze", self.frozen.is_ok(), frozen));
        layers
    }

    /// The last attempt ends more than itself where the kernel ends groups, and nothing where it may swap.
    fn explain_memory(&mut self, has_bounded_swap: bool) {
        const NAME: &str = "cgroup_memory";
        let is_found = self.findings.get(NAME).is_some_and(|finding| finding.is_active);
        let detail = if self.is_ended_by_memory && !is_found {
            "all of a sandbox beyond its limit was ended"
        } else if !is_found && self.findings.contains_key(NAME) && !has_bounded_swap {
            "set, but what is beyond it goes to the swap space"
        } else {
            return;
        };
        let finding = Finding { name: NAME.to_owned(), is_active: true, detail: detail.to_owned() };
        self.findings.insert(NAME.to_owned(), finding);
    }
}

/// What the cgroup at `path` has beyond its limits.
#[must_use]
pub fn of_cgroup(hierarchy: &Hierarchy, path: &str) -> Vec<Layer> {
    let (memory, unified) = match hierarchy {
        Hierarchy::V2(root) => (Some(root), Some(root)),
        Hierarchy::V1(roots) => (roots.get("memory"), roots.get("unified")),
    };
    let has =
        |root: Option<&PathBuf>, name: &str| root.is_some_and(|root| root.join(path).join(name).exists());
    let bounds = has(memory, "memory.swap.max") || has(memory, "memory.memsw.limit_in_bytes");
    let swap = match (has_swap(), bounds) {
        (_, true) => "no sandbox swaps",
        (false, false) => "the machine has no swap space",
        (true, false) => {
            "sandboxes swap beyond their memory; boot the kernel with swapaccount=1, or use swapoff"
        }
    };
    let or =
        |is_there: bool, seen: &'static str, missing: &'static str| if is_there { seen } else { missing };
    let kills = has(unified, "cgroup.kill");
    let ends_groups = has(memory, "memory.oom.group");
    vec![
        Layer::optional("cgroup_swap", bounds || !has_swap(), swap),
        Layer::optional(
            "cgroup_kill",
            kills,
            or(
                kills,
                "one write ends a sandbox",
                "the kernel has none (5.14); sandboxes are ended process by process",
            ),
        ),
        Layer::optional(
            "cgroup_oom_group",
            ends_groups,
            or(
                ends_groups,
                "a sandbox beyond its memory is ended as a whole",
                "the machine uses cgroups version 1; sandboxes beyond their memory are ended by the service",
            ),
        ),
    ]
}

/// Whether what sandboxes swap is bounded, or there is nothing to swap to.
#[must_use]
pub fn has_bounded_swap(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| layer.name == "cgroup_swap" && layer.is_active())
}

fn has_swap() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

/// Isolation fails closed: without a mandatory layer there is no driver, unless the operator allows it.
///
/// # Errors
/// [`Missing`] with the layers and their remedies.
pub fn refuse_weak(layers: &[Layer], is_allowed: bool) -> Result<(), Missing> {
    let missing: Vec<String> = layers
        .iter()
        .filter(|layer| layer.is_refused())
        .map(|layer| format!("{} ({})", layer.name, layer.detail))
        .collect();
    if missing.is_empty() || is_allowed { Ok(()) } else { Err(Missing(missing.join(", "))) }
}

/// Logs what was found, and refuses a weak driver. `took` is how long the self-test was.
///
/// # Errors
/// As [`refuse_weak`].
pub fn judge(
    driver: &'static str,
    layers: &[Layer],
    is_weak_allowed: bool,
    took: Duration,
) -> Result<(), Missing> {
    refuse_weak(layers, is_weak_allowed)?;
    for layer in layers.iter().filter(|layer| !layer.is_active()) {
        if layer.is_mandatory {
            tracing::warn!(sandbox.driver = driver, layer.name, layer.detail, "a mandatory layer is missing");
        } else {
            tracing::info!(sandbox.driver = driver, layer.name, layer.detail, "a layer is missing");
        }
    }
    tracing::info!(
        sandbox.driver = driver,
        layers.active = layers.iter().filter(|layer| layer.is_active()).count(),
        duration_ms = took.as_millis(),
        "the self-test is done"
    );
    Ok(())
}

#[cfg(test)]
mod tests;

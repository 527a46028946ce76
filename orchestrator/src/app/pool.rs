//! How much the pool may hold, and which generic spares it begins with.

use std::time::Duration;

use cloudbox_bundles::RuntimeInfo;
use cloudbox_pool::{Settings, SpareSpec};
use cloudbox_sandbox::Ceiling;

use super::{App, cores};
use crate::config::Config;

/// Generic spares per language, where the settings don't say.
const DEFAULT_SPARES: u32 = 2;

impl App {
    /// The generic spares that the settings ask for; a runtime that can't be made costs its own spares and no more.
    pub(super) async fn make_spares(&self) -> Vec<SpareSpec> {
        let mut specs = Vec::new();
        for runtime in self.catalogue.runtimes() {
            let Some((count, most)) = self.spares_of(&runtime) else { continue };
            match self.dispatcher.spare(&runtime.name, count, most).await {
                Ok(spec) => specs.push(spec),
                Err(error) => {
                    tracing::warn!(
                        runtime = runtime.name,
                        error = &error as &dyn std::error::Error,
                        "no spares"
                    );
                }
            }
        }
        specs
    }

    /// How many spares of this runtime are held, at least and at most: what the settings say, else the default number for
    /// the newest one of each language, and as many as are asked for. None for all others: demand makes theirs.
    fn spares_of(&self, runtime: &RuntimeInfo) -> Option<(u32, u32)> {
        let count = |set: usize| u32::try_from(set).unwrap_or(u32::MAX);
        if let Some(set) = self.config.pool.spares.get(&runtime.name) {
            return Some((count(*set), count(*set)));
        }
        let serves_by_default = runtime.languages.iter().any(|language| {
            self.catalogue.resolve(*language, None).is_ok_and(|resolved| resolved.runtime == runtime.name)
        });
        let most = count(self.config.pool.max_spares);
        serves_by_default.then_some((DEFAULT_SPARES.min(most), most))
    }
}

/// The pool's limits, as the settings and the machine have them.
pub(super) fn settings(config: &Config) -> Settings {
    let seconds = Duration::from_secs;
    Settings {
        memory_budget_mb: config
            .pool
            .memory_budget_mb
            .unwrap_or_else(|| (memory_mb() / 2).min(ceiling(config).memory_bytes >> 20)),
        max_sandboxes: u32::try_from(config.pool.max_sandboxes).unwrap_or(u32::MAX),
        cores: cores::count(),
        has_no_core_to_spare: cores::has_none_to_spare,
        this_cpu: cores::this_one,
        max_starts_at_once: cores::count(),
        project_percent: config.pool.project_percent,
        queue_len: config.pool.queue_len,
        queue_wait: seconds(config.pool.queue_wait_s),
        start_timeout: seconds(config.pool.start_timeout_s),
        idle_timeout: seconds(config.pool.idle_timeout_s),
        freeze_after: Duration::from_millis(config.pool.freeze_after_ms),
        max_learned_spares: u32::try_from(config.pool.max_spares).unwrap_or(u32::MAX),
        max_prepared: u32::try_from(config.pool.max_prepared).unwrap_or(u32::MAX),
        ..Settings::default()
    }
}

/// Of a machine's memory, what is left to the service and all others; of a small one, a quarter.
const LEFT_MB: u64 = 2048;

/// What all sandboxes together may use: the last wall, behind the pool's budget.
pub(crate) fn ceiling(config: &Config) -> Ceiling {
    let machine = memory_mb();
    let all_but_some = machine - LEFT_MB.min(machine / 4);
    let memory_mb = config.limits.total_memory_mb.unwrap_or(all_but_some);
    Ceiling { memory_bytes: memory_mb << 20, pids: config.limits.total_pids }
}

/// The machine's memory, in MB; 8192 where the kernel doesn't tell.
fn memory_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total_kb = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    total_kb.map_or(8192, |kb| kb / 1024)
}

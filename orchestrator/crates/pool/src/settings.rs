//! The pool's limits.

use std::time::Duration;

use crate::spare_spec::SpareSpec;

/// The limits of one pool.
#[derive(Clone, Debug)]
pub struct Settings {
    /// MB: the sum of the memory limits of all sandboxes that live.
    pub memory_budget_mb: u64,
    /// Sandboxes that live at once.
    pub max_sandboxes: u32,
    /// Percent of both that one project's sandboxes may hold while there are other projects; 100 for all.
    pub project_percent: u32,
    /// The machine's cores: as many sandboxes of a version start for its calls without asking whether that pays.
    pub cores: u32,
    /// Whether all cores have something to run; asked for when another sandbox is thought of.
    pub has_no_core_to_spare: fn() -> bool,
    /// The CPU that the caller runs on.
    pub this_cpu: fn() -> usize,
    /// Sandboxes that are created at once; giving code to a spare is not counted.
    pub max_starts_at_once: u32,
    /// Calls that wait, per version of a function, besides those for which a start is under way.
    pub queue_len: usize,
    /// How long a call waits for a sandbox to become free or to begin its start.
    pub queue_wait: Duration,
    /// How long a start may take.
    pub start_timeout: Duration,
    /// After how long without a call a sandbox ends.
    pub idle_timeout: Duration,
    /// After how long without a call a sandbox is frozen: long enough that a busy one never is, since thawing costs a call
    /// some 50 microseconds.
    pub freeze_after: Duration,
    /// Calls after which a sandbox is replaced, if it has reached `min_age`.
    pub max_calls: u32,
    /// Age before which a sandbox is not replaced for its calls: at thousands of them a second it would be every other
    /// second, and half of all calls would run code that its runtime has not compiled yet.
    pub min_age: Duration,
    /// Age at which a sandbox is replaced.
    pub max_age: Duration,
    /// Generic sandboxes to hold ready.
    pub spares: Vec<SpareSpec>,
    /// Generic sandboxes that are held at most of a kind that `spares` doesn't have and starts asked for; 0 for none.
    pub max_learned_spares: u32,
    /// Sandboxes with code that are held ready at most of a version whose calls have each a sandbox of its own; 0 for none.
    pub max_prepared: u32,
}

impl Default for Settings {
    /// For a machine with 8 GB; the times and counts are those of `SPECIFICATION.md`.
    fn default() -> Self {
        Self {
            memory_budget_mb: 4096,
            max_sandboxes: 256,
            project_percent: 100,
            cores: 4,
            has_no_core_to_spare: || false,
            this_cpu: || 0,
            max_starts_at_once: 4,
            queue_len: 1000,
            queue_wait: Duration::from_secs(10),
            start_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            freeze_after: Duration::from_millis(25),
            max_calls: 10_000,
            min_age: Duration::from_secs(60),
            max_age: Duration::from_secs(3600),
            spares: Vec::new(),
            max_learned_spares: 0,
            max_prepared: 0,
        }
    }
}

//! What happened to the sandboxes of a fake driver.

use cloudbox_protocol::Load;

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Every sandbox that was asked for, in that order.
    pub entries: Vec<Entry>,
    /// Those that live: asked for, and neither failed nor killed.
    pub live: usize,
    /// The most that lived at once.
    pub live_peak: usize,
    /// MB of those that live.
    pub memory_mb: u64,
    /// The most that it was.
    pub memory_peak_mb: u64,
    /// Those between `create`'s begin and end.
    pub creating: usize,
    /// The most of them at once.
    pub creating_peak: usize,
}

/// One sandbox.
#[derive(Clone, Debug)]
pub struct Entry {
    /// MB, as bound.
    pub memory_mb: u32,
    /// How often it was bound.
    pub binds: u32,
    /// What was loaded into it.
    pub loads: Vec<Load>,
    /// How many exchanges were answered.
    pub answered: u32,
    /// Whether it serves another exchange.
    pub is_clean: bool,
    /// Whether a process waits, or waited, for its program.
    pub is_armed: bool,
    /// Whether the last call left something running.
    pub has_survivors: bool,
    /// How often it was restarted.
    pub restarts: u32,
    /// Whether its processes are stopped.
    pub is_frozen: bool,
    /// Calls that share it at this moment.
    pub sharing: u32,
    /// The most of them at once.
    pub sharing_peak: u32,
    /// Whether it lives.
    pub is_alive: bool,
}

impl Book {
    pub(super) fn charge(&mut self, less_mb: u32, more_mb: u32) {
        self.memory_mb = self.memory_mb + u64::from(more_mb) - u64::from(less_mb);
        self.memory_peak_mb = self.memory_peak_mb.max(self.memory_mb);
    }
}

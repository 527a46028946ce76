//! The pool's figures, for `/health`, the metrics, and who asks for one function's.

use crate::target::TargetKey;

/// Counts of one moment, and totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sandboxes that are coming up, spares included.
    pub starting: u32,
    /// Generic spares that are ready.
    pub generic: u32,
    /// Sandboxes with code that wait for a call.
    pub idle: u32,
    /// Of these, those that serve one call each, and are held ready for it.
    pub prepared: u32,
    /// Leased sandboxes.
    pub busy: u32,
    /// Sandboxes that are being killed.
    pub draining: u32,
    /// Calls that wait for a sandbox.
    pub queued: u32,
    /// MB that all sandboxes are charged.
    pub memory_mb: u64,
    /// MB that they may be charged.
    pub memory_budget_mb: u64,
    /// Totals since the start.
    pub totals: Totals,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Leases that found a sandbox idle, or got one that another call gave back.
    pub warm_leases: u64,
    /// Leases that waited for a start.
    pub cold_leases: u64,
    /// Starts for a version, those from a spare included.
    pub starts: u64,
    /// Of `starts`, those from a spare.
    pub spare_starts: u64,
    /// Starts for which a spare would have suited, and none was ready.
    pub spare_misses: u64,
    /// Of `warm_leases`, those of a sandbox that serves one call and was held ready for it.
    pub prepared_leases: u64,
    /// Leases of a sandbox that serves one call, for which none was held ready.
    pub prepared_misses: u64,
    /// Starts that failed, of versions and of spares.
    pub failed_starts: u64,
    /// Sandboxes that were ended to make room for others.
    pub evictions: u64,
    /// Sandboxes that were ended since they were old, had served enough calls, or were idle too long.
    pub recycled: u64,
    /// Sandboxes that were ended since a call did not end well.
    pub faults: u64,
    /// Leases refused with [`crate::LeaseError::Overloaded`].
    pub overloaded: u64,
}

/// The sandboxes of one version under one revision, and the calls that wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instances {
    /// Which version.
    pub key: TargetKey,
    /// Those that are coming up.
    pub starting: u32,
    /// Those that wait for a call.
    pub idle: u32,
    /// Of these, those whose processes are stopped.
    pub frozen: u32,
    /// Those that have a call.
    pub busy: u32,
    /// Those that are being ended.
    pub draining: u32,
    /// Calls that wait for one.
    pub queued: u32,
}

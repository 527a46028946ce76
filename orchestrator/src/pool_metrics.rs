//! The pool's series, brought up to date when somebody looks.

use cloudbox_pool::Snapshot;
use metrics::{counter, gauge};

/// Says what each series is.
pub fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!("cloudbox_pool_sandboxes", "Sandboxes, by state");
    describe_gauge!("cloudbox_pool_queued_calls", "Calls that wait for a sandbox");
    describe_gauge!("cloudbox_pool_memory_bytes", "Memory that all sandboxes may use by their limits");
    describe_gauge!("cloudbox_pool_memory_budget_bytes", "What that sum may come to");
    describe_counter!("cloudbox_pool_leases_total", "Calls that got a sandbox, by warm and cold start");
    describe_counter!("cloudbox_pool_starts_total", "Sandboxes that were given a version's code");
    describe_counter!(
        "cloudbox_pool_spare_starts_total",
        "Of those, the ones that came from a generic spare"
    );
    describe_counter!("cloudbox_pool_spare_misses_total", "Starts for which no generic spare was ready");
    describe_counter!(
        "cloudbox_pool_prepared_leases_total",
        "Calls with a sandbox of their own that found one ready with the code loaded"
    );
    describe_counter!("cloudbox_pool_prepared_misses_total", "Such calls that found none");
    describe_counter!("cloudbox_pool_failed_starts_total", "Starts that failed");
    describe_counter!("cloudbox_pool_evictions_total", "Sandboxes ended to make room for others");
    describe_counter!("cloudbox_pool_recycled_total", "Sandboxes ended for their age, use or idleness");
    describe_counter!("cloudbox_pool_faults_total", "Sandboxes ended since a call did not end well");
    describe_counter!("cloudbox_pool_overloaded_total", "Calls refused since there was no room");
}

/// Writes a snapshot into the series.
#[expect(clippy::cast_precision_loss, reason = "a float holds every count that a machine comes to")]
pub fn record(snapshot: &Snapshot) {
    let states = [
        ("starting", snapshot.starting),
        ("generic", snapshot.generic),
        ("idle", snapshot.idle.saturating_sub(snapshot.prepared)),
        ("prepared", snapshot.prepared),
        ("busy", snapshot.busy),
        ("draining", snapshot.draining),
    ];
    for (state, count) in states {
        gauge!("cloudbox_pool_sandboxes", "state" => state).set(f64::from(count));
    }
    gauge!("cloudbox_pool_queued_calls").set(f64::from(snapshot.queued));
    gauge!("cloudbox_pool_memory_bytes").set((snapshot.memory_mb << 20) as f64);
    gauge!("cloudbox_pool_memory_budget_bytes").set((snapshot.memory_budget_mb << 20) as f64);
    let totals = &snapshot.totals;
    counter!("cloudbox_pool_leases_total", "start" => "warm").absolute(totals.warm_leases);
    counter!("cloudbox_pool_leases_total", "start" => "cold").absolute(totals.cold_leases);
    counter!("cloudbox_pool_starts_total").absolute(totals.starts);
    counter!("cloudbox_pool_spare_starts_total").absolute(totals.spare_starts);
    counter!("cloudbox_pool_spare_misses_total").absolute(totals.spare_misses);
    counter!("cloudbox_pool_prepared_leases_total").absolute(totals.prepared_leases);
    counter!("cloudbox_pool_prepared_misses_total").absolute(totals.prepared_misses);
    counter!("cloudbox_pool_failed_starts_total").absolute(totals.failed_starts);
    counter!("cloudbox_pool_evictions_total").absolute(totals.evictions);
    counter!("cloudbox_pool_recycled_total").absolute(totals.recycled);
    counter!("cloudbox_pool_faults_total").absolute(totals.faults);
    counter!("cloudbox_pool_overloaded_total").absolute(totals.overloaded);
}

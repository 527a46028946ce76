//! Leases of warm sandboxes: admission, queues, generic spares, eviction and drain.

//! Leases of warm sandboxes: admission, queues, generic spares, eviction and drain.
//!
//! A sandbox moves through `Starting -> Generic -> Idle -> Busy -> Idle | Draining -> Dead`. Each state is a place that
//! owns it: a start's task, [`spares`], a [`fleet`]'s idle stack, a [`Lease`], a kill's task; one that several calls share
//! is busy in its fleet, and each lease has a [`seat`] of it. So nothing can be in two
//! states, and what a state must not do is not to be had there. The permit that travels with a sandbox counts it
//! against the limits until it is dead.
//!
//! One short lock holds the pool's state; no lock is held over an await. Whatever runs in the background is tracked,
//! and [`Pool::drain`] waits for it.

pub mod error;
pub mod lease;
pub mod pool;
pub mod settings;
pub mod snapshot;
pub mod spare_spec;
pub mod target;

mod backoff;
mod budget;
mod core;
mod effects;
mod fleet;
mod queue;
mod rotation;
mod seat;
mod slot;
mod spares;
mod start;
mod state;

pub use error::{LeaseError, Reason};
pub use lease::{Lease, Waited};
pub use pool::Pool;
pub use settings::Settings;
pub use slot::Start;
pub use snapshot::{Instances, Snapshot};
pub use spare_spec::SpareSpec;
pub use target::{Restore, Restoring, Target, TargetKey};

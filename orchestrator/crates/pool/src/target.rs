//! What a lease is for: a version of a function, with its settings.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use cloudbox_sandbox::{Launch, LaunchError};
use cloudbox_types::{FunctionId, ProjectId};

/// The key of reuse: a sandbox that loaded one key never serves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey {
    /// The function's project.
    pub project: ProjectId,
    /// The function.
    pub function: FunctionId,
    /// The version's number.
    pub version: i64,
    /// Counts changes of settings and environment.
    pub revision: i64,
}

/// What a start waits for: the root is there again, or why it can't be.
pub type Restoring<'a> = Pin<Box<dyn Future<Output = Result<(), LaunchError>> + Send + 'a>>;

/// Brings a version's root back where it is gone: images can be removed behind the service's back.
pub trait Restore: fmt::Debug + Send + Sync {
    /// Has the root there again; what takes too long goes on without whoever asked.
    fn restore(&self) -> Restoring<'_>;
}

/// A version that can be leased.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who it is.
    pub key: TargetKey,
    /// How it comes up.
    pub launch: Launch,
    /// Brings its root back; none where it can't be gone.
    pub restore: Option<Arc<dyn Restore>>,
    /// Sandboxes that stay up without calls, after [`crate::Pool::keep_warm`].
    pub min_instances: u32,
    /// Sandboxes at most; 0 counts as 1.
    pub max_instances: u32,
    /// Whether versions of other functions start from the same root: then demand makes spares for it.
    pub is_root_shared: bool,
    /// Calls that one of its sandboxes takes at once, as the last one that came up has told; 0 until then.
    pub told_seats: Arc<AtomicU32>,
}

impl Target {
    /// MB that one of its sandboxes is charged.
    pub(crate) const fn memory_mb(&self) -> u64 {
        self.launch.limits.memory_mb as u64
    }

    /// Sandboxes at most.
    pub(crate) fn cap(&self) -> u32 {
        self.max_instances.max(1)
    }
}

//! The share of calls that each project may have under way, so that no project's flood is another one's refusal.

use std::sync::Arc;

use cloudbox_types::{ErrorCode, IdMap, ProjectId};
use parking_lot::Mutex;

use crate::failure::Failure;

/// Seconds after which a project that was refused may have ended a call.
const RETRY_AFTER_S: u32 = 1;

/// Calls under way, by project.
#[derive(Clone, Debug)]
pub struct Shares {
    open: Arc<Mutex<IdMap<ProjectId, usize>>>,
    max: usize,
}

impl Shares {
    /// At most `max` calls of a project.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { open: Arc::default(), max }
    }

    /// Counts a call in.
    ///
    /// # Errors
    /// `RATE_LIMITED`: the project has as many as it may.
    pub fn enter(&self, project: ProjectId) -> Result<Share, Failure> {
        let mut open = self.open.lock();
        let count = open.entry(project).or_default();
        if *count >= self.max {
            let message = format!(
                "This project has {} calls under way, its limit (http.max_calls_per_project)",
                self.max
            );
            return Err(Failure {
                retry_after_s: Some(RETRY_AFTER_S),
                ..Failure::new(ErrorCode::RateLimited, message)
            });
        }
        *count += 1;
        Ok(Share { shares: self.clone(), project })
    }
}

/// One call under way; counted out when it is dropped.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    project: ProjectId,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.shares.open.lock();
        if let Some(count) = open.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_share_and_others_theirs() {
        let shares = Shares::new(2);
        let (one, other) = (ProjectId(1), ProjectId(2));
        let held = [shares.enter(one).unwrap(), shares.enter(one).unwrap()];
        let refused = shares.enter(one).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_s), (ErrorCode::RateLimited, Some(RETRY_AFTER_S)));
        let _ = shares.enter(other).unwrap();
        drop(held);
        assert!(shares.enter(one).is_ok());
        assert!(shares.open.lock().is_empty());
    }
}

//! A user id for each sandbox, so that what the kernel counts per user (keys, pending signals, message queues) is
//! shared by no two of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// The first id; 100,000 and more belong to nobody on an ordinary host.
const FIRST: u32 = 100_000;
/// How many ids there are: more than containers fit on one machine.
const COUNT: u32 = 60_000;

/// The ids that are not in use.
#[derive(Debug, Default)]
pub(super) struct Uids {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: BTreeSet<u32>,
    next: u32,
}

/// An id; free again when dropped. Group id and user id are the same number.
#[derive(Debug)]
pub(super) struct Uid {
    id: u32,
    uids: Arc<Uids>,
}

impl Uids {
    /// An id that no other sandbox has, and none had lately; none where all are taken.
    pub fn take(self: &Arc<Self>) -> Option<Uid> {
        let mut state = self.state.lock();
        let id = (0..COUNT)
            .map(|step| FIRST + (state.next + step) % COUNT)
            .find(|id| !state.taken.contains(id))?;
        state.taken.insert(id);
        state.next = (id - FIRST + 1) % COUNT;
        Some(Uid { id, uids: Arc::clone(self) })
    }
}

impl Uid {
    /// The number.
    pub const fn id(&self) -> u32 {
        self.id
    }
}

impl Drop for Uid {
    fn drop(&mut self) {
        self.uids.state.lock().taken.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_have_one_id_and_a_freed_one_is_not_the_next() {
        let uids = Arc::new(Uids::default());
        let first = uids.take().expect("a free id");
        let second = uids.take().expect("a free id");
        assert_eq!(first.id(), FIRST);
        assert_ne!(first.id(), second.id());
        drop(first);
        assert_ne!(uids.take().expect("a free id").id(), FIRST);
    }

    #[test]
    fn all_can_be_taken_and_come_back() {
        let uids = Arc::new(Uids::default());
        let mut all: Vec<Uid> = (0..COUNT).map_while(|_| uids.take()).collect();
        assert_eq!(all.len(), COUNT as usize);
        assert!(uids.take().is_none());
        let freed = all.swap_remove(7).id();
        assert_eq!(uids.take().map(|uid| uid.id()), Some(freed));
    }
}

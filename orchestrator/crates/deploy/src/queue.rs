//! Whose turn it is to build: a few at once, the others wait, and projects take turns.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cloudbox_types::ProjectId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A queue of builds.
#[derive(Debug)]
pub struct Queue {
    /// How many may wait.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Turns that nobody has.
    free: usize,
    next: u64,
    /// The projects that wait, the next one first.
    rotation: VecDeque<ProjectId>,
    waiting: BTreeMap<ProjectId, VecDeque<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    wake: oneshot::Sender<Turn>,
}

/// As many wait already as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} deployments wait to be built already; deploy again later")]
pub struct Full {
    /// How many wait.
    pub waiting: usize,
}

/// A place in the queue, given up when dropped.
#[derive(Debug)]
pub struct Place {
    /// Tells places apart.
    pub(crate) id: u64,
    queue: Arc<Queue>,
    turn: oneshot::Receiver<Turn>,
}

/// A turn to build, passed on when dropped.
#[derive(Debug)]
pub struct Turn(Option<Arc<Queue>>);

impl Queue {
    /// A queue of which `parallel` build at once, and at most `limit` wait.
    #[must_use]
    pub fn new(parallel: usize, limit: usize) -> Arc<Self> {
        let state = State { free: parallel.max(1), ..State::default() };
        Arc::new(Self { limit, state: Mutex::new(state) })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// There is none.
    pub fn enter(self: &Arc<Self>, project: ProjectId) -> Result<Place, Full> {
        let waiting = self.waiting();
        if self.state.lock().free == 0 && waiting >= self.limit {
            return Err(Full { waiting });
        }
        Ok(self.enter_always(project))
    }

    /// Takes a place where there may be none: for who is bounded by something else.
    #[must_use]
    pub fn enter_always(self: &Arc<Self>, project: ProjectId) -> Place {
        let (wake, turn) = oneshot::channel();
        let mut state = self.state.lock();
        state.next += 1;
        let id = state.next;
        if state.free > 0 {
            state.free -= 1;
            drop(state);
            // Its receiver is below.
            let _ = wake.send(Turn(Some(Arc::clone(self))));
        } else {
            let waiters = state.waiting.entry(project).or_default();
            let is_first = waiters.is_empty();
            waiters.push_back(Waiter { id, wake });
            if is_first {
                state.rotation.push_back(project);
            }
        }
        Place { id, queue: Arc::clone(self), turn }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting.values().map(VecDeque::len).sum()
    }

    /// How many turns away a place is, 1 for the next one; none for one that doesn't wait.
    #[must_use]
    pub fn distance(&self, id: u64) -> Option<usize> {
        let state = self.state.lock();
        let find = |(project, waiters): (&ProjectId, &VecDeque<Waiter>)| {
            let round = waiters.iter().position(|waiter| waiter.id == id)?;
            Some((*project, round))
        };
        let (project, round) = state.waiting.iter().find_map(find)?;
        let rank = state.rotation.iter().position(|other| *other == project)?;
        let before = state.rotation.iter().enumerate().map(|(at, other)| {
            let all = state.waiting.get(other).map_or(0, VecDeque::len);
            all.min(if at < rank { round + 1 } else { round })
        });
        Some(before.sum::<usize>() + 1)
    }

    /// Gives a turn to who is next.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            let Some(project) = state.rotation.pop_front() else {
                state.free += 1;
                return;
            };
            let Some(waiters) = state.waiting.get_mut(&project) else { continue };
            let waiter = waiters.pop_front();
            if waiters.is_empty() {
                state.waiting.remove(&project);
            } else {
                state.rotation.push_back(project);
            }
            drop(state);
            let Some(waiter) = waiter else { continue };
            match waiter.wake.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // It went away at this moment: the turn is still ours.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    fn leave(&self, id: u64) {
        let mut state = self.state.lock();
        let found = state.waiting.iter().find(|(_, waiters)| waiters.iter().any(|waiter| waiter.id == id));
        let Some(project) = found.map(|(project, _)| *project) else { return };
        let is_empty = state.waiting.get_mut(&project).is_none_or(|waiters| {
            waiters.retain(|waiter| waiter.id != id);
            waiters.is_empty()
        });
        if is_empty {
            state.waiting.remove(&project);
            state.rotation.retain(|other| *other != project);
        }
    }
}

impl Place {
    /// Waits for the turn. Can be broken off and asked again.
    pub async fn turn(&mut self) -> Turn {
        match (&mut self.turn).await {
            Ok(turn) => turn,
            // The queue outlives its places, and gives each one its turn.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.leave(self.id);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ProjectId = ProjectId(1);
    const TWO: ProjectId = ProjectId(2);

    #[tokio::test]
    async fn projects_take_turns() {
        let queue = Queue::new(1, 10);
        let first = queue.enter(ONE).unwrap().turn().await;
        let (mut a, mut b, mut c) =
            (queue.enter(ONE).unwrap(), queue.enter(ONE).unwrap(), queue.enter(TWO).unwrap());
        assert_eq!([&a, &c, &b].map(|place| queue.distance(place.id)), [Some(1), Some(2), Some(3)]);
        drop(first);
        let turn = a.turn().await;
        assert_eq!((queue.distance(a.id), queue.distance(c.id)), (None, Some(1)));
        drop(turn);
        drop(c.turn().await);
        drop(b.turn().await);
        assert_eq!(queue.waiting(), 0);
        drop(queue.enter(TWO).unwrap().turn().await);
    }

    #[tokio::test]
    async fn it_is_bounded_and_who_leaves_makes_room() {
        let queue = Queue::new(2, 1);
        let turns = [queue.enter(ONE).unwrap().turn().await, queue.enter(ONE).unwrap().turn().await];
        let waiting = queue.enter(TWO).unwrap();
        assert_eq!(queue.enter(ONE).unwrap_err(), Full { waiting: 1 });
        let inline = queue.enter_always(ONE);
        drop((waiting, inline));
        let mut next = queue.enter(ONE).unwrap();
        drop(turns);
        let turn = next.turn().await;
        drop((turn, next));
        assert_eq!(queue.state.lock().free, 2);
    }

    #[tokio::test]
    async fn a_turn_that_nobody_took_is_passed_on() {
        let queue = Queue::new(1, 10);
        let first = queue.enter(ONE).unwrap().turn().await;
        let (gone, mut other) = (queue.enter(ONE).unwrap(), queue.enter(TWO).unwrap());
        drop(first);
        drop(gone);
        drop(other.turn().await);
        assert_eq!(queue.state.lock().free, 1);
    }
}

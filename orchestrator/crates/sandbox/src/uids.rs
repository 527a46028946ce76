//! A user of its own for each sandbox: limits, keys and signals that go by user are not shared.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many there are.
const COUNT: u32 = 60_000;

/// Which users are taken.
#[derive(Debug)]
pub struct Uids {
    first: u32,
    taken: Mutex<HashSet<u32>>,
}

/// A user, given back when dropped.
#[derive(Debug)]
pub struct Uid {
    number: u32,
    all: Arc<Uids>,
}

impl Uids {
    /// All of those from `first` on are free.
    pub fn new(first: u32) -> Self {
        Self { first, taken: Mutex::default() }
    }

    /// One that no sandbox of this service has; picked at random, since another service may run here, too.
    pub fn take(self: &Arc<Self>) -> Uid {
        let mut taken = self.taken.lock();
        loop {
            let number = self.first + rand::random::<u32>() % COUNT;
            if taken.insert(number) {
                return Uid { number, all: self.clone() };
            }
        }
    }
}

impl Uid {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Uid {
    fn drop(&mut self) {
        self.all.taken.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests;

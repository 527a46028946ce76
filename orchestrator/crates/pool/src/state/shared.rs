//! Sandboxes that several calls share: each call has a seat, and the sandbox is settled and idle when none is taken.

use tokio::time::Instant;

use super::{Admission, State, Verdict};
use crate::effects::Effects;
use crate::fleet::Fleet;
use crate::seat::{Hold, Open, Seat};
use crate::slot::{Slot, Start};
use crate::target::TargetKey;

impl State {
    /// A seat beside other calls, else the first of a sandbox that was idle; where none of these can be shared, an idle
    /// one as a whole.
    pub(super) fn take(&mut self, key: TargetKey, now: Instant, effects: &mut Effects) -> Option<Admission> {
        let fleet = self.fleets.get_mut(&key)?;
        if let Some(seat) = fleet.take_seat(now) {
            return Some(Admission::Leased(Hold::Seat(seat)));
        }
        while let Some(slot) = fleet.take_idle(now) {
            let Some(shared) = slot.shared.clone() else {
                return Some(Admission::Leased(Hold::Whole(slot)));
            };
            let mut open = Open::new(fleet.next_open(), slot, shared);
            fleet.busy -= 1;
            // Who shares it finds it running.
            if open.slot.sandbox.is_clean() && open.slot.thaw().is_ok() {
                let seat = open.sit(now);
                fleet.open.push(open);
                return Some(Admission::Leased(Hold::Seat(seat)));
            }
            self.totals.faults += 1;
            effects.kill(key, open.slot);
        }
        None
    }

    /// A sandbox that can be shared takes calls that wait; it comes back where nobody did.
    pub(super) fn open_for_waiting(
        &mut self,
        key: TargetKey,
        slot: Slot,
        start: Start,
        now: Instant,
    ) -> Option<Slot> {
        let (Some(fleet), Some(shared)) = (self.fleets.get_mut(&key), slot.shared.clone()) else {
            return Some(slot);
        };
        let number = fleet.next_open();
        fleet.open.push(Open::new(number, slot, shared));
        let given = fleet.seat_waiting(start, now);
        self.count_leases(key, start, given);
        let fleet = self.fleets.get_mut(&key)?;
        let is_empty = |open: &mut Open| open.calls == 0 && !open.is_closed;
        fleet.open.pop_if(is_empty).map(|open| open.slot)
    }

    fn count_leases(&mut self, key: TargetKey, start: Start, given: u32) {
        let total = match start {
            Start::Warm => &mut self.totals.warm_leases,
            Start::Cold => &mut self.totals.cold_leases,
        };
        *total += u64::from(given);
        if let Some(fleet) = self.fleets.get_mut(&key).filter(|_| start == Start::Warm) {
            (0..given).for_each(|_| fleet.pace.served());
        }
    }

    /// A call gives its seat back.
    pub fn leave(
        &mut self,
        key: TargetKey,
        seat: Seat,
        verdict: Verdict,
        now: Instant,
        effects: &mut Effects,
    ) {
        let is_closing = self.is_closing;
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a lease of it is out");
        let Some(at) = fleet.open.iter().position(|open| open.number == seat.number) else { return };
        // The end of one process says so to each of its calls.
        let verdict = match verdict {
            Verdict::Died if fleet.open[at].is_closed => Verdict::Failed,
            verdict => verdict,
        };
        let (is_over, is_first) = (fleet.standing() > fleet.target.cap(), fleet.closing() == 0);
        let born = fleet.open[at].slot.born;
        // One at a time: what one gives up may be enough.
        let is_yielding = is_first && self.must_yield(key, born, now);
        self.note(key, verdict, (seat.leased_at, seat.cpu), now, effects);
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a lease of it is out");
        let open = &mut fleet.open[at];
        if verdict == Verdict::Unused {
            open.unsit(seat);
        } else {
            open.calls -= 1;
        }
        // They are as old as each other, often, and are to end one after the other.
        let is_worn = is_first && open.slot.is_worn(&self.settings, now);
        if !std::mem::replace(&mut open.is_closed, true) {
            match verdict {
                Verdict::Dirty | Verdict::Died | Verdict::Failed => self.totals.faults += 1,
                _ if is_worn || is_over => self.totals.recycled += 1,
                _ if is_yielding => self.totals.evictions += 1,
                _ => open.is_closed = is_closing,
            }
        }
        if open.is_closed {
            if open.calls == 0 {
                effects.kill(key, fleet.open.remove(at).slot);
            }
            if is_yielding {
                self.rotation.turn(key);
            }
            return self.want(key, now, effects);
        }
        let given = fleet.seat_waiting(Start::Warm, now);
        self.count_leases(key, Start::Warm, given);
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while it has sandboxes");
        if fleet.open.get(at).is_some_and(|open| open.calls == 0) {
            let slot = fleet.open.remove(at).slot;
            return self.renew(key, slot, now, effects);
        }
        self.want(key, now, effects);
    }
}

impl Fleet {
    /// A seat in a sandbox that has calls already: of the one that has the fewest.
    fn take_seat(&mut self, now: Instant) -> Option<Seat> {
        // One that ended with its calls: these say so, and find it closed.
        let free = self.open.iter_mut().filter(|open| open.has_seat() && open.is_clean());
        free.min_by_key(|open| open.calls).map(|open| open.sit(now))
    }

    /// Gives seats to calls that wait, as long as there are both; how many.
    fn seat_waiting(&mut self, start: Start, now: Instant) -> u32 {
        let mut given = 0;
        while !self.queue.is_empty() {
            let Some(seat) = self.take_seat(now) else { break };
            match self.queue.give(Hold::Seat(seat), start) {
                None => given += 1,
                Some(Hold::Seat(seat)) => {
                    let open = self.open.iter_mut().find(|open| open.number == seat.number);
                    if let Some(open) = open {
                        open.unsit(seat);
                    }
                }
                Some(Hold::Whole(_)) => {}
            }
        }
        given
    }

    fn next_open(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }
}

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
        let this_cpu = self.settings.this_cpu;
        let fleet = self.fleets.get_mut(&key)?;
        if let Some(seat) = fleet.take_seat(now) {
            return Some(Admission::Leased(Hold::Seat(seat)));
        }
        while let Some(slot) = fleet.take_idle(now, this_cpu()) {
            let Some(shared) = slot.shared.clone() else {
                fleet.busy += 1;
                return Some(Admission::Leased(Hold::Whole(slot)));
            };
            let mut open = Open::new(fleet.next_open(), slot, shared);
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
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a lease of it is out");
        let Some(at) = fleet.open.iter().position(|open| open.number == seat.number) else { return };
        // The end of one process says so to each of its calls.
        let verdict = match verdict {
            Verdict::Died if fleet.open[at].is_closed => Verdict::Failed,
            verdict => verdict,
        };
        self.note(key, verdict, (seat.leased_at, seat.cpu), now, effects);
        self.close_if_due(key, at, verdict, now);
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a lease of it is out");
        let open = &mut fleet.open[at];
        if verdict == Verdict::Unused {
            open.unsit(seat);
        } else {
            open.calls -= 1;
        }
        let given = fleet.seat_waiting(Start::Warm, now);
        self.count_leases(key, Start::Warm, given);
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while it has sandboxes");
        if fleet.open[at].calls > 0 {
            return self.want(key, now, effects);
        }
        let open = fleet.open.remove(at);
        if open.is_closed {
            effects.kill(key, open.slot);
            return self.want(key, now, effects);
        }
        self.renew(key, open.slot, now, effects);
    }

    /// A shared sandbox takes no further call where one failed in it, and where it would not be kept after a call of its own.
    fn close_if_due(&mut self, key: TargetKey, at: usize, verdict: Verdict, now: Instant) {
        let fleet = self.fleets.get(&key).expect("the caller has it");
        let open = &fleet.open[at];
        if open.is_closed {
            return;
        }
        // One after the other: they are as old as each other, often, and what one gives up may be enough.
        let is_first = fleet.closing() == 0;
        let is_worn = is_first && open.slot.is_worn(&self.settings, now);
        let is_over = fleet.standing() > fleet.target.cap();
        let is_yielding = is_first && self.must_yield(key, open.slot.born, now);
        let total = match verdict {
            Verdict::Dirty | Verdict::Died | Verdict::Failed => Some(&mut self.totals.faults),
            _ if is_worn || is_over => Some(&mut self.totals.recycled),
            _ if is_yielding => Some(&mut self.totals.evictions),
            _ => None,
        };
        let is_due = total.is_some() || self.is_closing;
        if let Some(total) = total {
            *total += 1;
        }
        if is_yielding {
            self.rotation.turn(key);
        }
        if let Some(fleet) = self.fleets.get_mut(&key) {
            fleet.open[at].is_closed = is_due;
        }
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

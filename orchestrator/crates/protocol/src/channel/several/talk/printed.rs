//! What the code prints: a call's own, and what can't be told whose it is.

use tokio::net::unix::pipe;

use super::super::super::outbox::Seat;
use super::Table;
use crate::frame::MAX_OUTPUT_BYTES;
use crate::log_pipe::{drain, read_some};
use crate::logs::Logs;

impl Table {
    /// Adds to the logs of a call, as long as those of all calls leave room; what finds none, of about `len` bytes, is counted.
    pub(super) fn with_logs(&mut self, seat: Seat, len: usize, push: impl FnOnce(&mut Logs)) {
        let Some(call) = self.calls.get(&seat) else { return };
        let mut logs = call.logs.lock();
        if self.log_bytes >= self.log_limit {
            return logs.cut(len);
        }
        let before = logs.weight();
        push(&mut logs);
        self.log_bytes += logs.weight() - before;
    }

    /// Takes some of what is in the log pipe. False at its end.
    pub(super) fn log(&mut self, pipe: &pipe::Receiver) -> bool {
        let mut came = Logs::new(MAX_OUTPUT_BYTES);
        let is_open = read_some(pipe, &mut came) != Some(0);
        self.give_to_oldest(&came);
        is_open
    }

    /// Takes all that is in the log pipe now.
    pub(super) fn drain(&mut self, pipe: &pipe::Receiver) {
        let mut came = Logs::new(self.log_limit);
        drain(pipe, &mut came);
        self.give_to_oldest(&came);
    }

    /// What is nobody's goes to whoever runs for longest.
    fn give_to_oldest(&mut self, came: &Logs) {
        let bytes = came.as_bytes();
        if let Some(oldest) = self.calls.keys().next().copied().filter(|_| !bytes.is_empty()) {
            self.with_logs(oldest, bytes.len(), |logs| logs.push(bytes));
        }
    }
}

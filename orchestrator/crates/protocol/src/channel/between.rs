//! What can be said of a channel between two exchanges.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, timeout};

use super::fault::FaultKind;
use super::parts::loaded;
use super::{Channel, State};
use crate::frame::Frame;

/// How often it is looked whether somebody still reads.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// For a look that doesn't wait.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Whether anybody can read what is written to this pipe.
pub(super) fn has_reader(requests: &pipe::Sender) -> bool {
    let mut pipe = [PollFd::new(requests, PollFlags::empty())];
    let polled = rustix::event::poll(&mut pipe, Some(&NOW));
    polled.is_err() || !pipe[0].revents().contains(PollFlags::ERR)
}

/// Waits until nobody can read it, or for so long.
pub(super) async fn nobody_reads(requests: &pipe::Sender, within: Duration) {
    let until = Instant::now() + within;
    while has_reader(requests) && Instant::now() < until {
        sleep(LOOK_EVERY).await;
    }
}

impl Channel {
    /// Whether another exchange may follow: the last one was answered, and no byte came after it. Where calls have
    /// processes of their own, [`Channel::settled`] has to come first.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.is_spent() && (self.state == State::Ending || self.stray().is_none())
    }

    /// Whether it is known that no exchange may follow, without a look at what came since the last one: the next one begins with
    /// that.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        match self.state {
            State::Idle => !self.answers.buffer().is_empty(),
            // What the shim says at the end of the call's process may be there already.
            State::Ending => false,
            State::Broken => true,
        }
    }

    /// Whether nothing of the last request was written.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        self.written == Some(0)
    }

    /// After an answered exchange: waits until the shim says that the process of the call is gone, where calls have one.
    /// Whether it said so, and nothing else, in that time. It may be forged: who relies on it counts processes.
    pub async fn settled(&mut self, patience: Duration) -> bool {
        if self.state != State::Ending {
            return self.state == State::Idle;
        }
        self.state = State::Broken;
        let said = timeout(patience, Frame::read(&mut self.answers, self.limits.frame)).await;
        if matches!(said, Ok(Ok(frame)) if loaded(&frame, self.forks.as_ref()).is_ok()) {
            self.state = State::Idle;
        }
        self.state == State::Idle
    }

    /// Whether it is certain that nobody has read a byte of the last request, and nobody can any more: it lies in the
    /// pipe as it was written, and the pipe has no reader.
    #[must_use]
    pub fn is_untaken(&self) -> bool {
        let lies_there = |written: usize| {
            let left = rustix::io::ioctl_fionread(&self.requests);
            written == 0 || left.is_ok_and(|left| left == written as u64) && !has_reader(&self.requests)
        };
        self.written.is_some_and(lies_there)
    }

    /// Waits until nobody can read requests, or for so long.
    pub async fn nobody_reads(&self, within: Duration) {
        nobody_reads(&self.requests, within).await;
    }

    /// Whether there is something to read now, or an end to be seen: an answer, and logs.
    pub(super) fn pending(&self) -> [bool; 2] {
        let is_read = !self.answers.buffer().is_empty();
        let Ok(answers) = self.answers.get_ref().descriptor() else { return [true; 2] };
        let mut pipes =
            [PollFd::from_borrowed_fd(answers, PollFlags::IN), PollFd::new(&*self.logs, PollFlags::IN)];
        match rustix::event::poll(&mut pipes, Some(&NOW)) {
            Ok(_) => [is_read || !pipes[0].revents().is_empty(), !pipes[1].revents().is_empty()],
            Err(_) => [true; 2],
        }
    }

    /// What came out of turn: bytes, or the end of the stream.
    pub(super) fn stray(&self) -> Option<FaultKind> {
        if !self.answers.buffer().is_empty() {
            return Some(FaultKind::tainted("bytes between two calls"));
        }
        match self.answers.get_ref().try_read(&mut [0; 1]) {
            Ok(0) => Some(FaultKind::Ended),
            Ok(_) => Some(FaultKind::tainted("bytes between two calls")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(FaultKind::Ended),
        }
    }
}

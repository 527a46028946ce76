//! The pipe that a sandbox's answers come through, and two ways to wait for them.
//!
//! A quick function answers before the poller could even be told to look: from the pipe over the poller to a task takes
//! longer than the function. So the thread that has written a request waits for the answer itself, for a moment: it goes
//! to sleep right after it woke the runtime, which the kernel takes as a hint to run that on the same CPU, and is woken
//! by the answer and nobody else. Meanwhile the pipe is not watched by the poller, which would otherwise be woken as well.
//!
//! What doesn't come in that moment is waited for as everything is. A function that isn't quick costs a thread that
//! moment only now and then: after each answer that was late or didn't come, more calls than before go the other way at once.
//! One late answer among many quick ones changes nothing: its process may have waited for a CPU. Calls that go the other way
//! overlap, so that a runtime for each of them wants to run and all of them are late.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;
use tokio::time::Instant;

use super::near::Near;

/// How long the thread waits at most. Beyond the kernel's next tick (4 ms with most kernels): an end before it would have the
/// clock set and set back for each call, which costs more than a quick function.
const MOMENT: Duration = Duration::from_millis(5);
/// What is waited for so. Other tasks of the thread wait as long, so who takes longer is waited for otherwise next time.
const QUICK: Duration = Duration::from_micros(300);
/// Quick answers in a row after which a late one is taken for the machine's.
const FORGIVEN_AFTER: u32 = 8;
/// The most calls in a row for which nobody waits so.
const MAX_SKIPPED: u32 = 63;
/// Bytes read at once: room for them is made in advance.
const STEP: usize = 128 << 10;

/// The reading end.
#[derive(Debug)]
pub(super) struct Answers {
    end: End,
    /// What the code prints comes through it.
    logs: Arc<pipe::Receiver>,
    /// Whether nothing was printed until all of the answer was there, as far as one look told.
    is_quiet: bool,
    /// Where the process behind it runs.
    near: Near,
    /// Whether the next read may have the thread wait.
    is_prompt: bool,
    /// Whether the last answer that was waited for so was not quick.
    is_late: bool,
    /// Answers in a row that were quick.
    quick: u32,
    /// Calls that go by before the thread waits again.
    skip: u32,
    /// The same, after the next one in vain.
    next_skip: u32,
}

/// The pipe, whether the poller watches it or not.
#[derive(Debug)]
enum End {
    Unwatched(OwnedFd),
    Watched(pipe::Receiver),
    /// It was lost on the way from the one to the other.
    Gone,
}

impl End {
    fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::Unwatched(pipe) => Ok(pipe.as_fd()),
            Self::Watched(pipe) => Ok(pipe.as_fd()),
            Self::Gone => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Takes what is there, without waiting.
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let pipe = self.descriptor()?;
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut *bytes))?)
    }

    /// Takes what is there into a buffer; false where nothing is.
    fn read_into(&self, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        match self.read(buffer.initialize_unfilled_to(buffer.remaining().min(STEP))) {
            Ok(len) => {
                buffer.advance(len);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Answers {
    pub(super) fn new(pipe: pipe::Receiver, logs: Arc<pipe::Receiver>) -> Self {
        Self {
            end: End::Watched(pipe),
            logs,
            is_quiet: false,
            near: Near::default(),
            is_prompt: false,
            is_late: false,
            quick: 0,
            // The first call of a program is seldom quick, and many programs have only one.
            skip: 1,
            next_skip: 0,
        }
    }

    /// A request is about to be written to a function: its answer may come at once.
    pub(super) fn expect(&mut self) {
        if self.skip > 0 {
            self.skip -= 1;
            self.near.go();
            return;
        }
        self.end = match std::mem::replace(&mut self.end, End::Gone) {
            End::Watched(pipe) => pipe.into_nonblocking_fd().map_or(End::Gone, End::Unwatched),
            unwatched => unwatched,
        };
        self.is_prompt = true;
        self.near.come();
    }

    /// Whether the next request has the thread wait.
    pub(super) const fn waits_next(&self) -> bool {
        self.skip == 0
    }

    /// Says which process of the host's answers.
    pub(super) fn keep_near(&mut self, pid: i32) {
        self.near = Near::of(pid);
    }

    /// A frame came. What follows it may take its time, and others have something to do meanwhile.
    pub(super) fn has_come(&mut self) {
        if std::mem::take(&mut self.is_prompt) {
            if !self.is_late {
                self.quick += 1;
                self.next_skip /= 2;
            } else if std::mem::take(&mut self.quick) < FORGIVEN_AFTER {
                self.skip_more();
            }
        } else {
            self.is_quiet = false;
        }
    }

    /// Whether the last answer came at once, whole, and before anything was printed: nothing of its call is in the pipe for logs.
    pub(super) const fn came_without_logs(&self) -> bool {
        self.is_quiet
    }

    /// Has more calls than last time go the other way: so many more than a quick one takes back that who is quick every
    /// other time is soon not waited for, either.
    fn skip_more(&mut self) {
        self.next_skip = (2 * self.next_skip + 3).min(MAX_SKIPPED);
        self.skip = self.next_skip;
    }

    pub(super) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        self.end.descriptor()
    }

    /// Takes what is there, without waiting.
    pub(super) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.end.read(bytes)
    }

    /// Waits a moment on this thread; whether there is something to be read. What is printed meanwhile is waited for, too, and
    /// looked at after the answer: the code prints before it answers.
    fn comes_at_once(&mut self) -> io::Result<bool> {
        let began = Instant::now();
        let mut pipes = [
            PollFd::from_borrowed_fd(self.end.descriptor()?, PollFlags::IN),
            PollFd::new(&*self.logs, PollFlags::IN),
        ];
        let mut comes = come(&mut pipes, MOMENT);
        self.is_quiet = comes && pipes[1].revents().is_empty();
        if comes && pipes[0].revents().is_empty() {
            comes = come(&mut pipes[..1], MOMENT.saturating_sub(began.elapsed()));
        }
        self.is_late = began.elapsed() > QUICK;
        Ok(comes)
    }

    /// Has the poller watch the pipe from now on.
    fn watch(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_prompt) {
            self.quick = 0;
            self.skip_more();
        }
        self.near.go();
        self.end = match std::mem::replace(&mut self.end, End::Gone) {
            End::Unwatched(pipe) => End::Watched(pipe::Receiver::from_owned_fd_unchecked(pipe)?),
            watched => watched,
        };
        Ok(())
    }
}

/// Whether one of these can be read within so long, less than a second.
fn come(pipes: &mut [PollFd<'_>], within: Duration) -> bool {
    let within = Timespec { tv_sec: 0, tv_nsec: within.subsec_nanos().into() };
    rustix::event::poll(pipes, Some(&within)).is_ok_and(|ready| ready > 0)
}

impl AsyncRead for Answers {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let answers = self.get_mut();
        // Of an answer in several pieces, what was printed between them is not known.
        answers.is_quiet = false;
        if let End::Unwatched(_) = answers.end {
            let may_be_there = !answers.is_prompt || answers.comes_at_once()?;
            if may_be_there && answers.end.read_into(buffer)? {
                return Poll::Ready(Ok(()));
            }
            answers.watch()?;
        }
        match &mut answers.end {
            End::Watched(pipe) => Pin::new(pipe).poll_read(cx, buffer),
            End::Unwatched(_) | End::Gone => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_thread_waits_for_who_is_quick_and_the_poller_for_the_others() {
        let (mut sender, receiver) = pipe::pipe().expect("a pipe");
        let (_, logs) = pipe::pipe().expect("a pipe");
        let mut answers = Answers::new(receiver, Arc::new(logs));
        let mut byte = [0];

        answers.expect();
        assert!(!answers.is_prompt, "the first one may take longer");
        answers.expect();
        assert!(answers.is_prompt);
        sender.write_all(b"1").await.expect("there is room");
        answers.read_exact(&mut byte).await.expect("it is there");
        answers.has_come();
        assert!(matches!(answers.end, End::Unwatched(_)), "nobody else has to look");

        for skipped in [3, 9, 21] {
            answers.expect();
            assert!(answers.is_prompt);
            let waits = async {
                tokio::select! { biased; _ = answers.read_exact(&mut byte) => false, () = async {} => true }
            };
            assert!(waits.await, "nothing came in the moment");
            assert!(matches!(answers.end, End::Watched(_)));
            for _ in 0..skipped {
                answers.expect();
                assert!(!answers.is_prompt, "the next {skipped} go the other way at once");
            }
        }
        sender.write_all(b"2").await.expect("there is room");
        answers.expect();
        answers.read_exact(&mut byte).await.expect("it is there");
        assert_eq!(&byte, b"2");
    }

    #[tokio::test]
    async fn one_late_answer_among_many_quick_ones_is_forgiven() {
        let (_sender, receiver) = pipe::pipe().expect("a pipe");
        let (_, logs) = pipe::pipe().expect("a pipe");
        let mut answers = Answers::new(receiver, Arc::new(logs));
        answers.skip = 0;
        let mut come = |is_late, times| {
            for _ in 0..times {
                (answers.is_prompt, answers.is_late) = (true, is_late);
                answers.has_come();
            }
            answers.skip
        };
        assert_eq!(come(false, FORGIVEN_AFTER), 0);
        assert_eq!(come(true, 1), 0);
        assert_eq!(come(false, FORGIVEN_AFTER - 1), 0);
        assert_eq!(come(true, 1), 3, "too soon after the last one");
        come(false, FORGIVEN_AFTER);
        assert_eq!(come(true, 2), 3, "quick ones take back what was skipped");
    }
}

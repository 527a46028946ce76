//! The pipe with what the code prints: read while a call runs, emptied at its end, and never waited for.

use std::future::Future;
use std::mem::MaybeUninit;

use rustix::io::Errno;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

use crate::logs::Logs;

/// Bytes read at once, on the stack.
const LOG_STEP: usize = 16 << 10;
/// The most that a pipe of an unprivileged process holds.
const PIPE_BYTES: usize = 1 << 20;

/// The deadline passed before the work was done.
pub(crate) struct Expired;

/// Runs `work` while it reads the logs, so that a full pipe never stalls the code that prints.
pub(crate) async fn with_logs<T>(
    work: impl Future<Output = T>,
    pipe: &pipe::Receiver,
    logs: &mut Logs,
    deadline: Instant,
) -> Result<T, Expired> {
    let expired = sleep_until(deadline);
    tokio::pin!(work, expired);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = &mut expired => return Err(Expired),
            ready = pipe.readable(), if is_open => is_open = ready.is_ok() && read_some(pipe, logs) != Some(0),
        }
    }
}

/// Takes what the pipe holds now, without waiting: what is in it when this begins, and at most as much again as it
/// can hold. Processes that print without end would otherwise never let the service go on.
///
/// The pipe itself is asked: the poller may not have looked since the answer came.
pub(crate) fn drain(pipe: &pipe::Receiver, logs: &mut Logs) {
    let mut taken = 0;
    // Most pipes are empty: the room is not cleared for them.
    let mut step = [MaybeUninit::uninit(); LOG_STEP];
    while taken < PIPE_BYTES {
        match rustix::io::read(pipe, &mut step) {
            Err(Errno::INTR) => {}
            Ok(([], _)) | Err(_) => return,
            Ok((came, _)) => {
                logs.push(came);
                taken += came.len();
            }
        }
    }
}

/// How many bytes came; 0 at the end of the stream, none where there is nothing now.
pub(crate) fn read_some(pipe: &pipe::Receiver, logs: &mut Logs) -> Option<usize> {
    let mut step = [0; LOG_STEP];
    let len = pipe.try_read(&mut step).ok()?;
    logs.push(&step[..len]);
    Some(len)
}

//! The frame reader under libFuzzer: `scripts/fuzz SECONDS`, or `cargo fuzz run frame` where that is installed.
//!
//! The first four bytes choose the limits and in which pieces the rest arrives. Whatever arrives, the reader keeps the
//! limits, takes no byte beyond the one that decides, and finds the same however the bytes are cut.

#![no_main]

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use cloudbox_protocol::frame::PREFIX_LEN;
use cloudbox_protocol::{Frame, FrameError, FrameLimits};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, ReadBuf};

/// Hands out at most `step` bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    step: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.rest.split_at(self.step.min(buffer.remaining()).min(self.rest.len()));
        buffer.put_slice(now);
        self.rest = later;
        Poll::Ready(Ok(()))
    }
}

/// All frames, how the stream ended, and how much of it was left.
fn read_all(bytes: &[u8], step: usize, limits: FrameLimits) -> (Vec<Frame>, String, usize) {
    let mut pieces = Pieces { rest: bytes, step };
    let mut frames = Vec::new();
    loop {
        let before = pieces.rest.len();
        let Poll::Ready(read) =
            pin!(Frame::read(&mut pieces, limits)).poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("the pieces are always ready");
        };
        let taken = before - pieces.rest.len();
        match read {
            Ok(frame) => {
                assert!(frame.header.len() <= limits.header && frame.body.len() <= limits.body_of(frame.kind));
                assert_eq!(frame.encode()[..], bytes[bytes.len() - before..][..taken]);
                frames.push(frame);
            }
            Err(error) => {
                match error {
                    FrameError::UnknownKind(_) => assert_eq!(taken, 1),
                    FrameError::HeaderTooLong { .. } | FrameError::BodyTooLong { .. } => {
                        assert_eq!(taken, PREFIX_LEN);
                    }
                    FrameError::Ended => assert!(pieces.rest.is_empty()),
                    FrameError::Io(_) => panic!("the pieces never fail"),
                }
                return (frames, error.to_string(), pieces.rest.len());
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([header, body, step, scale], bytes)) = data.split_first_chunk::<4>() else { return };
    let scale = 1 << (scale % 12);
    let limits = FrameLimits { header: usize::from(*header) * scale, body: usize::from(*body) * scale };
    let whole = read_all(bytes, usize::MAX, limits);
    assert_eq!(read_all(bytes, usize::from(*step).max(1), limits), whole);
});

//! The frame reader against random bytes, and against every way to cut a good frame.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

use bytes::Bytes;
use cloudbox_protocol::{Frame, FrameError, FrameLimits, Kind};
use proptest::prelude::*;
use tokio_test_reader::Pieces;

/// A reader that hands out its bytes in pieces of a given size.
mod tokio_test_reader {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, ReadBuf};

    pub struct Pieces {
        pub bytes: Vec<u8>,
        pub step: usize,
        pub at: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let end = (self.at + self.step.min(buffer.remaining())).min(self.bytes.len());
            buffer.put_slice(&self.bytes[self.at..end]);
            self.at = end;
            Poll::Ready(Ok(()))
        }
    }
}

fn read(bytes: Vec<u8>, step: usize, limits: FrameLimits) -> Result<Frame, FrameError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Frame::read(&mut Pieces { bytes, step, at: 0 }, limits))
}

proptest! {
    #[test]
    fn what_is_written_is_read(header in "\\{\"a\":\"[a-z]{0,40}\"\\}", body: Vec<u8>, step in 1_usize..20) {
        let frame = Frame { kind: Kind::Result, header: Bytes::from(header), body: Bytes::from(body) };
        let back = read(frame.encode().to_vec(), step, FrameLimits::default()).unwrap();
        prop_assert_eq!(back, frame);
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>, step in 1_usize..5) {
        let limits = FrameLimits { header: 64, body: 64 };
        if let Ok(frame) = read(bytes, step, limits) {
            prop_assert!(frame.header.len() <= 64 && frame.body.len() <= 64);
        }
    }

    #[test]
    fn a_cut_frame_is_an_end(cut in 0_usize..20) {
        let frame = Frame { kind: Kind::Log, header: Bytes::from_static(b"{}"), body: Bytes::from_static(b"123456789") };
        let bytes = frame.encode();
        let result = read(bytes[..cut.min(bytes.len() - 1)].to_vec(), 3, FrameLimits::default());
        prop_assert!(matches!(result, Err(FrameError::Ended)));
    }
}

#[test]
fn lengths_are_checked_before_anything_is_read() {
    let limits = FrameLimits { header: 10, body: 10 };
    let with = |header: u32, body: u32| [&[5][..], &header.to_be_bytes(), &body.to_be_bytes()].concat();
    assert!(matches!(read(with(u32::MAX, 0), 9, limits), Err(FrameError::HeaderTooLong { .. })));
    assert!(matches!(read(with(0, u32::MAX), 9, limits), Err(FrameError::BodyTooLong { .. })));
    assert!(matches!(read(vec![99], 1, limits), Err(FrameError::UnknownKind(99))));
}

//! The frame reader against bytes that were made to break it, beside a second reader that is too simple to be wrong.
//!
//! Short by default; with `CLOUDBOX_TEST_LONG` set, a million streams.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use cloudbox_protocol::frame::PREFIX_LEN;
use cloudbox_protocol::{Frame, FrameError, FrameLimits, Kind};
use peak_alloc::PeakAlloc;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What the reader may take besides the frame that it reads.
const BESIDES: usize = 64 << 10;
const LIMITS: FrameLimits = FrameLimits { header: 300, body: 1000 };

/// Gives pieces of the given lengths, the last one over and over, and between two of them nothing at all.
struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
    lengths: VecDeque<usize>,
    is_dry: bool,
}

impl tokio::io::AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_dry = !self.is_dry;
        if self.is_dry {
            return Poll::Pending;
        }
        let length =
            if self.lengths.len() > 1 { self.lengths.pop_front() } else { self.lengths.front().copied() };
        let rest = &self.bytes[self.at..];
        let taken = &rest[..length.unwrap_or(1).max(1).min(buffer.remaining()).min(rest.len())];
        buffer.put_slice(taken);
        self.at += taken.len();
        Poll::Ready(Ok(()))
    }
}

/// How a stream ended: after which byte, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ended,
    UnknownKind(u8),
    HeaderTooLong(usize),
    BodyTooLong(usize),
}

type Read = (Vec<(u8, Vec<u8>, Vec<u8>)>, End, usize);

/// All frames of a stream, how it ended, and how many bytes were taken until that was known.
fn read_all(bytes: &[u8], lengths: &[usize], limits: FrameLimits) -> Read {
    let mut pieces = Pieces { bytes, at: 0, lengths: lengths.iter().copied().collect(), is_dry: false };
    let mut frames = Vec::new();
    loop {
        match finish(Frame::read(&mut pieces, limits)) {
            Ok(frame) => frames.push((frame.kind as u8, frame.header.to_vec(), frame.body.to_vec())),
            Err(error) => return (frames, end_of(&error), pieces.at),
        }
    }
}

fn end_of(error: &FrameError) -> End {
    match error {
        FrameError::Ended => End::Ended,
        FrameError::UnknownKind(kind) => End::UnknownKind(*kind),
        FrameError::HeaderTooLong { len, .. } => End::HeaderTooLong(*len),
        FrameError::BodyTooLong { len, .. } => End::BodyTooLong(*len),
        FrameError::Io(error) => panic!("{error}"),
    }
}

/// Polls until it is done: the pieces are ready every second time.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

/// The same from the whole stream at once, as the protocol's text has it.
fn expected(bytes: &[u8], limits: FrameLimits) -> Read {
    let (mut frames, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        match rest.first() {
            None => return (frames, End::Ended, at),
            Some(kind) if !(1..=12).contains(kind) => return (frames, End::UnknownKind(*kind), at + 1),
            Some(_) => {}
        }
        let Some(prefix) = rest.get(..PREFIX_LEN) else { return (frames, End::Ended, bytes.len()) };
        let len = |from: usize| u32::from_be_bytes(prefix[from..from + 4].try_into().unwrap()) as usize;
        let (header, body) = (len(1), len(5));
        if header > limits.header {
            return (frames, End::HeaderTooLong(header), at + PREFIX_LEN);
        }
        if body > Kind::from_byte(prefix[0]).map_or(0, |kind| limits.body_of(kind)) {
            return (frames, End::BodyTooLong(body), at + PREFIX_LEN);
        }
        let Some(parts) = rest.get(PREFIX_LEN..PREFIX_LEN + header + body) else {
            return (frames, End::Ended, bytes.len());
        };
        frames.push((prefix[0], parts[..header].to_vec(), parts[header..].to_vec()));
        at += PREFIX_LEN + header + body;
    }
}

/// Random bytes, or frames that are right but for a few changes.
fn hostile(random: &mut StdRng) -> Vec<u8> {
    let fill = |random: &mut StdRng, len: usize| (0..len).map(|_| random.random()).collect::<Vec<u8>>();
    if random.random_range(0..4) == 0 {
        let len = random.random_range(0..200);
        return fill(random, len);
    }
    let mut bytes = Vec::new();
    for _ in 0..random.random_range(1..4) {
        let (header, body) = (random.random_range(0..60), random.random_range(0..200));
        bytes.push(random.random_range(1..=10));
        bytes.extend(u32::to_be_bytes(header));
        bytes.extend(u32::to_be_bytes(body));
        bytes.extend(fill(random, (header + body) as usize));
    }
    for _ in 0..random.random_range(0..4) {
        change(random, &mut bytes);
    }
    bytes
}

fn change(random: &mut StdRng, bytes: &mut Vec<u8>) {
    let at = random.random_range(0..=bytes.len());
    match random.random_range(0..5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.random()),
        2 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
        3 if at < bytes.len() => drop(bytes.remove(at)),
        // The lengths of the first frame, or whatever stands there.
        _ => {
            let lengths =
                [0, 1, 300, 301, 1000, 1001, i32::MAX as u32, i32::MIN as u32, u32::MAX - 1, u32::MAX];
            let length = lengths[random.random_range(0..lengths.len())].to_be_bytes();
            let from = if random.random() { 1 } else { 5 };
            if let Some(place) = bytes.get_mut(from..from + 4) {
                place.copy_from_slice(&length);
            }
        }
    }
}

/// One test, since memory is counted for the whole process.
#[test]
fn c6_nothing_that_arrives_breaks_the_reader() {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is said in the environment")]
    let is_long = std::env::var_os("CLOUDBOX_TEST_LONG").is_some_and(|value| !value.is_empty());
    let seed = if is_long { rand::random() } else { 1 };
    streams(seed, if is_long { 1_000_000 } else { 30_000 });
    every_split();
    an_announcement_costs_nothing();
    a_long_frame_is_there_once();
}

fn streams(seed: u64, count: u32) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut ends = [0_u32; 4];
    for index in 0..count {
        let bytes = hostile(&mut random);
        let whole = bytes.len().max(1);
        let lengths =
            [[1, 1], [whole, whole], [random.random_range(1..=whole), random.random_range(1..=whole)]];
        let lengths = lengths[random.random_range(0..3)];
        let wanted = expected(&bytes, LIMITS);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let found = read_all(&bytes, &lengths, LIMITS);
        // What was read is kept here.
        let kept = bytes.len() * 4 + 4096;
        let most = before + LIMITS.header + LIMITS.body + kept + BESIDES;
        assert!(MEMORY.peak_usage() <= most, "seed {seed}, stream {index}");
        assert_eq!(found, wanted, "seed {seed}, stream {index}, in pieces of {lengths:?}");
        ends[match found.1 {
            End::Ended => 0,
            End::UnknownKind(_) => 1,
            End::HeaderTooLong(_) => 2,
            End::BodyTooLong(_) => 3,
        }] += 1;
    }
    assert!(ends.iter().all(|times| *times > count / 200), "each end is met: {ends:?}");
}

/// Two frames and a wrong byte, cut at every place, and a byte at a time.
fn every_split() {
    let frame = [&[5_u8][..], &2_u32.to_be_bytes(), &3_u32.to_be_bytes(), b"{}", b"abc"].concat();
    for tail in
        [&[][..], &[99], &[5, 255, 255, 255, 255, 0, 0, 0, 0, 1], &[7, 0, 0, 0, 0, 255, 255, 255, 255]]
    {
        let bytes = [&frame[..], &frame, tail].concat();
        let wanted = expected(&bytes, LIMITS);
        assert_eq!(read_all(&bytes, &[1], LIMITS), wanted);
        for first in 1..bytes.len() {
            for second in 1..bytes.len() {
                assert_eq!(read_all(&bytes, &[first, second], LIMITS), wanted, "cut at {first} and {second}");
            }
        }
    }
}

/// The longest allowed frame is announced, and then nothing comes, or a part of it.
fn an_announcement_costs_nothing() {
    let limits = FrameLimits::default();
    let len = |part: usize| u32::try_from(part).unwrap().to_be_bytes();
    for arriving in [0, 1, 1000, limits.header] {
        let bytes = [&[5][..], &len(limits.header), &len(limits.body), &vec![b'x'; arriving]].concat();
        let used = peak(|| drop(read_all(&bytes, &[usize::MAX], limits)));
        assert!(used <= arriving + 2 * BESIDES, "{used} bytes for {arriving} that came");
    }
}

/// Header and body of the longest frame, and not the buffers that they grew in.
fn a_long_frame_is_there_once() {
    let limits = FrameLimits::default();
    let frame = Frame {
        kind: Kind::Result,
        header: vec![b'h'; limits.header].into(),
        body: vec![b'b'; limits.body].into(),
    };
    let bytes = frame.encode();
    for step in [4096, 100_000, usize::MAX] {
        let mut pieces = Pieces { bytes: &bytes, at: 0, lengths: VecDeque::from([step]), is_dry: false };
        let used = peak(|| assert_eq!(finish(Frame::read(&mut pieces, limits)).unwrap(), frame));
        assert!(used <= limits.header + limits.body + BESIDES, "{used} bytes in steps of {step}");
    }
}

/// The most bytes that `work` had at a time.
fn peak(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage() - before
}

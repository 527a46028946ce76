//! Frames: a kind, a small JSON header, and a body of raw bytes.
//!
//! On the wire: 1 byte kind, 4 bytes header length, 4 bytes body length (big-endian), the header, the body.

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::host::MAX_ARGUMENT_BYTES;
use crate::stream::MAX_CHUNK_BYTES;

/// Bytes before the header.
pub const PREFIX_LEN: usize = 9;
/// Bytes of one `output` frame; shims cut longer ones.
pub const MAX_OUTPUT_BYTES: usize = 64 << 10;
/// Room for most headers, so that they don't grow step by step.
const HEADER_LEN: usize = 1 << 10;

/// What a frame is for. The numbers are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Shim to service: the language is up.
    Hello = 1,
    /// Service to shim: load this code.
    Load = 2,
    /// Shim to service: the code is loaded.
    Loaded = 3,
    /// Service to shim: call the handler.
    Invoke = 4,
    /// Shim to service: the handler's result.
    Result = 5,
    /// Shim to service: the load or the call failed.
    Failure = 6,
    /// Shim to service: a structured log line.
    Log = 7,
    /// Shim to service: a host call.
    Call = 8,
    /// Service to shim: the answer to a host call.
    Reply = 9,
    /// Both ways: a piece of a streamed body.
    Chunk = 10,
    /// Service to shim: a piece of a streamed answer went on, where there may be several calls at once.
    Taken = 11,
    /// Shim to service: what one of several calls printed.
    Output = 12,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Load,
            3 => Self::Loaded,
            4 => Self::Invoke,
            5 => Self::Result,
            6 => Self::Failure,
            7 => Self::Log,
            8 => Self::Call,
            9 => Self::Reply,
            10 => Self::Chunk,
            11 => Self::Taken,
            12 => Self::Output,
            _ => return None,
        })
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// A JSON object, UTF-8.
    pub header: Bytes,
    /// Raw bytes.
    pub body: Bytes,
}

/// How long the parts of a frame may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Of the header.
    pub header: usize,
    /// Of the body of an answer.
    pub body: usize,
}

impl FrameLimits {
    /// Of the body of a frame of this kind.
    #[must_use]
    pub const fn body_of(self, kind: Kind) -> usize {
        match kind {
            Kind::Call => MAX_ARGUMENT_BYTES,
            Kind::Chunk => MAX_CHUNK_BYTES,
            Kind::Output => MAX_OUTPUT_BYTES,
            _ => self.body,
        }
    }
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { header: 512 << 10, body: 6 << 20 }
    }
}

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended between two frames, or inside one.
    #[error("the stream ended")]
    Ended,
    /// The pipe itself failed.
    #[error("reading failed")]
    Io(#[source] std::io::Error),
    /// No kind has this number.
    #[error("kind {0} is not known")]
    UnknownKind(u8),
    /// A header over its limit.
    #[error("a header of {len} bytes is over the limit of {limit}")]
    HeaderTooLong {
        /// As announced.
        len: usize,
        /// As allowed.
        limit: usize,
    },
    /// A body over its limit.
    #[error("a {kind:?} frame's body of {len} bytes is over the limit of {limit}")]
    BodyTooLong {
        /// Whose body.
        kind: Kind,
        /// As announced.
        len: usize,
        /// As allowed.
        limit: usize,
    },
}

/// What a frame's first nine bytes announce.
struct Prefix {
    kind: Kind,
    header_len: usize,
    body_len: usize,
}

impl Prefix {
    fn parse(bytes: [u8; PREFIX_LEN], limits: FrameLimits) -> Result<Self, FrameError> {
        let kind = Kind::from_byte(bytes[0]).ok_or(FrameError::UnknownKind(bytes[0]))?;
        let len =
            |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let (header_len, body_len) = (len(1), len(5));
        if header_len > limits.header {
            return Err(FrameError::HeaderTooLong { len: header_len, limit: limits.header });
        }
        let limit = limits.body_of(kind);
        if body_len > limit {
            return Err(FrameError::BodyTooLong { kind, len: body_len, limit });
        }
        Ok(Self { kind, header_len, body_len })
    }
}

impl Frame {
    /// A frame with a header made from `header`.
    ///
    /// # Panics
    /// Never for the message types of this crate, which always serialise.
    pub fn new(kind: Kind, header: &impl serde::Serialize, body: Bytes) -> Self {
        Self::written(kind, body, |json| {
            serde_json::to_writer(json, header)
                .expect("messages have string keys and no failing serialisers");
        })
    }

    /// A frame with the header that `write` writes.
    pub(crate) fn written(kind: Kind, body: Bytes, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut header = Vec::with_capacity(HEADER_LEN);
        write(&mut header);
        Self { kind, header: header.into(), body }
    }

    /// Prefix and header as one buffer; the body follows it on the wire as it is, uncopied.
    ///
    /// # Panics
    /// Where a part is over 4 GiB, which no limit of the product allows.
    #[must_use]
    pub fn head(&self) -> Bytes {
        let len = |part: &Bytes| u32::try_from(part.len()).expect("parts are bounded far below 4 GiB");
        let mut head = BytesMut::with_capacity(PREFIX_LEN + self.header.len());
        head.put_u8(self.kind as u8);
        head.put_u32(len(&self.header));
        head.put_u32(len(&self.body));
        head.put_slice(&self.header);
        head.freeze()
    }

    /// The whole frame's bytes, for golden files and tests.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::from(&self.head()[..]);
        bytes.put_slice(&self.body);
        bytes.freeze()
    }

    /// Reads one frame; takes no memory that `limits` don't allow.
    ///
    /// # Errors
    /// At the first byte that can't be part of a frame.
    pub async fn read(
        reader: &mut (impl AsyncRead + Unpin),
        limits: FrameLimits,
    ) -> Result<Self, FrameError> {
        let mut prefix = [0; PREFIX_LEN];
        // The kind alone first: a wrong one is told at once, however few bytes follow it.
        fill(reader, &mut prefix[..1]).await?;
        if Kind::from_byte(prefix[0]).is_none() {
            return Err(FrameError::UnknownKind(prefix[0]));
        }
        fill(reader, &mut prefix[1..]).await?;
        let Prefix { kind, header_len, body_len } = Prefix::parse(prefix, limits)?;
        let header = read_part(reader, header_len).await?;
        let body = read_part(reader, body_len).await?;
        Ok(Self { kind, header, body })
    }
}

async fn fill(reader: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Result<(), FrameError> {
    reader.read_exact(buffer).await.map(drop).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FrameError::Ended,
        _ => FrameError::Io(error),
    })
}

/// An announced length alone costs nothing: room for all of a long part is taken when its first bytes have come, at
/// once, since a buffer that grows step by step would for a moment be there twice.
async fn read_part(reader: &mut (impl AsyncRead + Unpin), len: usize) -> Result<Bytes, FrameError> {
    const BEGINNING: usize = 64 << 10;
    let mut part = BytesMut::with_capacity(len.min(BEGINNING));
    read_to(reader, &mut part, len.min(BEGINNING)).await?;
    if part.len() < len {
        let mut whole = BytesMut::with_capacity(len);
        whole.put_slice(&part);
        part = whole;
        read_to(reader, &mut part, len).await?;
    }
    Ok(part.freeze())
}

/// Reads until `part`, which has the room, is `len` bytes long.
async fn read_to(
    reader: &mut (impl AsyncRead + Unpin),
    part: &mut BytesMut,
    len: usize,
) -> Result<(), FrameError> {
    while part.len() < len {
        let missing = len - part.len();
        let mut window = (&mut *part).limit(missing);
        match reader.read_buf(&mut window).await {
            Ok(0) => return Err(FrameError::Ended),
            Ok(_) => {}
            Err(error) => return Err(FrameError::Io(error)),
        }
    }
    Ok(())
}

//! The golden messages of `runtimes/golden`, which every shim passes too: bytes, frames and typed headers agree.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloudbox_protocol::message::{CallHead, CallNonce, ChunkHead, LogLine, ReplyHead};
use cloudbox_protocol::{Failure, Frame, FrameError, FrameLimits, Invoke, Kind, Load, Loaded, ResultHead};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    name: String,
    direction: String,
    wire_base64: String,
    kind: Option<String>,
    header: Option<Value>,
    body_base64: Option<String>,
    error: Option<String>,
}

fn all() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../runtimes/golden");
    let mut messages = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let golden: Golden = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), golden.name);
        messages.push(golden);
    }
    messages
}

fn bytes(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap()
}

async fn read(wire: &[u8]) -> Result<Frame, FrameError> {
    let mut rest = wire;
    let frame = Frame::read(&mut rest, FrameLimits::default()).await?;
    assert!(rest.is_empty(), "bytes after the frame");
    Ok(frame)
}

/// Through the Rust type and back: no field is lost, renamed or changed.
fn round_trip<T: DeserializeOwned + Serialize>(header: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(header.clone()).unwrap()).unwrap()
}

fn typed(kind: Kind, header: &Value) -> Value {
    match kind {
        Kind::Load => round_trip::<Load>(header),
        Kind::Loaded => round_trip::<Loaded>(header),
        Kind::Invoke => round_trip::<Invoke>(header),
        Kind::Result => round_trip::<ResultHead>(header),
        Kind::Failure => round_trip::<Failure>(header),
        Kind::Log => round_trip::<LogLine>(header),
        Kind::Call => round_trip::<CallHead>(header),
        Kind::Reply => round_trip::<ReplyHead>(header),
        Kind::Chunk => round_trip::<ChunkHead>(header),
        Kind::Taken | Kind::Output => round_trip::<CallNonce>(header),
        Kind::Hello => header.clone(),
    }
}

#[tokio::test]
async fn good_messages_are_read_and_written() {
    let mut kinds = std::collections::HashSet::new();
    for golden in all().iter().filter(|golden| golden.error.is_none()) {
        let name = &golden.name;
        let wire = bytes(&golden.wire_base64);
        let frame = read(&wire).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let header = golden.header.as_ref().unwrap();
        let kind = format!("{:?}", frame.kind).to_lowercase();
        assert_eq!(Some(&kind), golden.kind.as_ref(), "{name}");
        assert_eq!(&serde_json::from_slice::<Value>(&frame.header).unwrap(), header, "{name}");
        assert_eq!(frame.body, bytes(golden.body_base64.as_ref().unwrap()), "{name}");
        assert_eq!(frame.encode(), Bytes::from(wire), "{name}");
        assert_eq!(&typed(frame.kind, header), header, "{name}");
        assert!(["to_shim", "from_shim"].contains(&golden.direction.as_str()), "{name}");
        kinds.insert(frame.kind);
    }
    assert_eq!(kinds.len(), 12, "each kind has a golden message");
}

#[tokio::test]
async fn bad_messages_are_refused() {
    let mut count = 0;
    for golden in all() {
        let Some(expected) = golden.error else { continue };
        let error = read(&bytes(&golden.wire_base64)).await.expect_err(&golden.name);
        let told = match error {
            FrameError::Ended => "ended",
            FrameError::Io(_) => "io",
            FrameError::UnknownKind(_) => "unknown_kind",
            FrameError::HeaderTooLong { .. } => "header_too_long",
            FrameError::BodyTooLong { .. } => "body_too_long",
        };
        assert_eq!(told, expected, "{}", golden.name);
        count += 1;
    }
    assert!(count >= 9);
}

//! G4: attacks on HTTP/2, frame by frame.

use std::time::Duration;

use cloudbox_tests::Stage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{cpu_seconds, stage};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET /health/live` of any authority, in HPACK without a table of its own.
const GET: &[u8] = b"\x82\x86\x41\x01x\x04\x0c/health/live";
/// `GET /openapi.json`: some ten thousand bytes.
const GET_PAGE: &[u8] = b"\x82\x86\x41\x01x\x04\x0d/openapi.json";
/// `POST /p/default/functions/neighbour-js`.
const POST: &[u8] = b"\x83\x86\x41\x01x\x04\x21/p/default/functions/neighbour-js";
/// How long an attack may last: never a measure, but the test's end.
const END: Duration = Duration::from_secs(300);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

struct Attacker {
    stream: TcpStream,
}

impl Attacker {
    /// A connection with these settings: pairs of an identifier and a value.
    async fn connect(stage: &Stage, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(stage.api.base.trim_start_matches("http://")).await.unwrap();
        let pairs: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let mut attacker = Self { stream };
        let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(SETTINGS, 0, 0, &pairs).as_slice()].concat();
        assert!(attacker.send(&hello).await);
        attacker
    }

    /// Sends bytes; false when the service takes no more.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        let sending = tokio::time::timeout(END, self.stream.write_all(bytes));
        sending.await.expect("the service takes bytes or ends the connection").is_ok()
    }

    /// Reads to the end, answering pings where asked; the kinds of frames that came, GOAWAY with its error.
    async fn closed(mut self, pongs: bool) -> (Vec<u8>, Option<u32>) {
        let (mut kinds, mut error) = (Vec::new(), None);
        let reading = async {
            let mut head = [0; 9];
            while self.stream.read_exact(&mut head).await.is_ok() {
                let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                let mut payload = vec![0; len];
                if self.stream.read_exact(&mut payload).await.is_err() {
                    break;
                }
                kinds.push(head[3]);
                match head[3] {
                    PING if pongs && head[4] & ACK == 0 => {
                        let _ = self.stream.write_all(&frame(PING, ACK, 0, &payload)).await;
                    }
                    GOAWAY => error = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap())),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(END, reading).await.expect("the service ends the connection");
        (kinds, error)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_http_2() {
    let settings = [
        ("CLOUDBOX_HTTP_RESPONSE_IDLE_TIMEOUT_S", "2"),
        ("CLOUDBOX_HTTP_IDLE_TIMEOUT_S", "3"),
        ("CLOUDBOX_HTTP_REQUEST_BODY_IDLE_TIMEOUT_S", "2"),
        ("CLOUDBOX_HTTP_REQUEST_HEAD_TIMEOUT_S", "2"),
    ];
    let Some(stage) = stage(&settings).await else { return };
    honest(&stage).await;
    rapid_reset(&stage).await;
    continuation_flood(&stage).await;
    unfinished_headers(&stage).await;
    many_streams(&stage).await;
    header_bomb(&stage).await;
    no_window(&stage, 0).await;
    no_window(&stage, 1).await;
    floods(&stage).await;
    // When nobody attacks, nothing goes on.
    let before = cpu_seconds(&stage);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let used = cpu_seconds(&stage) - before;
    assert!(used < 0.5, "{used} s of CPU in an idle second");
    stage.is_healthy().await;
    stage.stop().await;
}

/// The frames above are right: a request is answered, and a connection without one is closed.
async fn honest(stage: &Stage) {
    let mut client = Attacker::connect(stage, &[]).await;
    assert!(client.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)).await);
    let (kinds, _) = client.closed(true).await;
    assert!(kinds.contains(&HEADERS) && kinds.contains(&DATA), "{kinds:?}");
}

/// Each stream is reset as soon as it is open.
async fn rapid_reset(stage: &Stage) {
    let mut attacker = Attacker::connect(stage, &[]).await;
    for burst in 0..200_u32 {
        let streams = (0..100).map(|n| 2 * (100 * burst + n) + 1);
        let frames: Vec<u8> = streams
            .flat_map(|id| {
                let open = frame(HEADERS, END_STREAM | END_HEADERS, id, GET);
                [open, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
            })
            .collect();
        if !attacker.send(&frames).await {
            break;
        }
    }
    let (kinds, error) = attacker.closed(false).await;
    assert!(kinds.len() < 20_000, "{} frames", kinds.len());
    assert!(error.is_none_or(|error| error == 11), "ENHANCE_YOUR_CALM, not {error:?}");
    stage.neighbours_answer().await;
}

/// A head that never ends: 160 MB of continuations.
async fn continuation_flood(stage: &Stage) {
    let before = stage.resident();
    let mut attacker = Attacker::connect(stage, &[]).await;
    let _ = attacker.send(&frame(HEADERS, END_STREAM, 1, GET)).await;
    // A literal header of 16 bytes, again and again.
    let piece = b"\x00\x07x-flood\x06abcdef".repeat(1000);
    for _ in 0..10_000 {
        if !attacker.send(&frame(CONTINUATION, 0, 1, &piece)).await {
            break;
        }
    }
    let _ = attacker.closed(false).await;
    let after = stage.resident();
    assert!(after < before + (64 << 20), "from {before} to {after} bytes");
    stage.neighbours_answer().await;
}

/// A head that is begun, and never goes on.
async fn unfinished_headers(stage: &Stage) {
    let mut attacker = Attacker::connect(stage, &[]).await;
    assert!(attacker.send(&frame(HEADERS, END_STREAM, 1, GET)).await);
    let _ = attacker.closed(true).await;
}

/// Ten thousand requests whose bodies never come: 128 are let in, the others are refused, and all end.
async fn many_streams(stage: &Stage) {
    let mut attacker = Attacker::connect(stage, &[]).await;
    for burst in 0..100_u32 {
        let streams = (0..100).map(|n| 2 * (100 * burst + n) + 1);
        let frames: Vec<u8> = streams.flat_map(|id| frame(HEADERS, END_HEADERS, id, POST)).collect();
        if !attacker.send(&frames).await {
            break;
        }
    }
    stage.neighbours_answer().await;
    let (kinds, _) = attacker.closed(true).await;
    let answers = kinds.iter().filter(|kind| **kind == HEADERS).count();
    assert!(answers <= 128, "{answers} of the streams were taken on");
}

/// One entry of the table, named sixteen thousand times: 64 MB of headers in 16 KB.
async fn header_bomb(stage: &Stage) {
    let before = stage.resident();
    let mut attacker = Attacker::connect(stage, &[]).await;
    // 3,900 bytes of value: 0x7f, then 3900 - 127 = 3773 in groups of seven bits.
    let entry = [b"\x40\x01x\x7f\xbd\x1d", "v".repeat(3900).as_bytes()].concat();
    let block = [GET, &entry, &[0xbe; 10_000]].concat();
    let _ = attacker.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).await;
    let _ = attacker.closed(true).await;
    let after = stage.resident();
    assert!(after < before + (32 << 20), "from {before} to {after} bytes");
    stage.neighbours_answer().await;
}

/// A hundred answers that the client's window lets in byte by byte, or not at all, while it answers every ping.
async fn no_window(stage: &Stage, window: u32) {
    let mut attacker = Attacker::connect(stage, &[(4, window)]).await;
    for n in 0..100 {
        assert!(attacker.send(&frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, GET_PAGE)).await);
    }
    let _ = attacker.closed(true).await;
    stage.neighbours_answer().await;
}

/// Pings and settings whose answers nobody reads.
async fn floods(stage: &Stage) {
    for flood in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut attacker = Attacker::connect(stage, &[]).await;
        let many = flood.repeat(10_000);
        for _ in 0..100 {
            if !attacker.send(&many).await {
                break;
            }
        }
        let _ = attacker.closed(false).await;
        stage.neighbours_answer().await;
    }
}

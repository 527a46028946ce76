//! The answer by a process behind a pair of pipes: a length and a body there, a length and a body back, one call at a
//! time in each process.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc};

struct Process {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _child: Child,
}

impl Process {
    #[expect(clippy::disallowed_methods, reason = "a bench's peer, no part of the service")]
    fn start(command: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", command[0]))?;
        let stdin = child.stdin.take().context("its stdin")?;
        let stdout = BufReader::new(child.stdout.take().context("its stdout")?);
        Ok(Self { stdin, stdout, _child: child })
    }

    async fn call(&mut self, body: &[u8]) -> std::io::Result<Bytes> {
        let mut frame = BytesMut::with_capacity(4 + body.len());
        frame.put_u32(u32::try_from(body.len()).map_err(std::io::Error::other)?);
        frame.put_slice(body);
        self.stdin.write_all(&frame).await?;
        let len = self.stdout.read_u32().await?;
        let mut answer = vec![0; len as usize];
        self.stdout.read_exact(&mut answer).await?;
        Ok(answer.into())
    }
}

/// The processes that wait for a call.
struct Free {
    back: mpsc::UnboundedSender<Process>,
    next: Mutex<mpsc::UnboundedReceiver<Process>>,
    command: Vec<String>,
}

impl Free {
    fn start(&self) -> anyhow::Result<()> {
        let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        self.back.send(Process::start(&command)?).context("nobody takes processes")
    }
}

/// A process at work. One whose caller goes away in the middle is of no further use: another one takes its place.
struct Busy {
    free: Arc<Free>,
    process: Option<Process>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.process.take().is_some() {
            self.free.start().ok();
        }
    }
}

pub(crate) fn router(count: usize, command: &[&str]) -> anyhow::Result<Router> {
    let (back, next) = mpsc::unbounded_channel();
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    let free = Arc::new(Free { back, next: Mutex::new(next), command });
    for _ in 0..count {
        free.start()?;
    }
    Ok(Router::new().route("/", post(call)).with_state(free))
}

async fn call(State(free): State<Arc<Free>>, body: Bytes) -> impl IntoResponse {
    let process = free.next.lock().await.recv().await;
    let mut busy = Busy { free, process };
    let Some(process) = &mut busy.process else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match process.call(&body).await {
        Ok(answer) => {
            if let Some(process) = busy.process.take() {
                busy.free.back.send(process).ok();
            }
            ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

//! A PostgreSQL server's socket with somebody in between, who cuts connections or slows them down.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// The socket's name in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// They work.
    Whole,
    /// They end, and so do new ones.
    Cut,
    /// Each answer comes later.
    Slow(Duration),
}

/// The one in between; gone with its value.
pub struct Proxy {
    folder: TempDir,
    line: watch::Sender<Line>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// In front of the server whose socket is in this folder.
    pub fn start(server: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("cbxproxy-").tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let line = watch::Sender::new(Line::Whole);
        let (server, state) = (server.join(SOCKET), line.subscribe());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), state.clone()));
            }
        });
        Self { folder, line, accepting }
    }

    /// The URL of a database behind it.
    pub fn url(&self, direct: &str) -> String {
        let (before, _) = direct.split_once("?host=").unwrap();
        format!("{before}?host={}", self.folder.path().display())
    }

    /// From now on.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(client: UnixStream, server: PathBuf, mut state: watch::Receiver<Line>) {
    if *state.borrow() == Line::Cut {
        return;
    }
    let Ok(server) = UnixStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = state.clone();
    let there = async move { tokio::io::copy(&mut from_client, &mut to_server).await.map(|_| ()) };
    let back = async move {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = from_server.read(&mut buffer).await?;
            if read == 0 {
                return std::io::Result::Ok(());
            }
            let pause = match *answers.borrow() {
                Line::Slow(pause) => pause,
                Line::Whole | Line::Cut => Duration::ZERO,
            };
            tokio::time::sleep(pause).await;
            to_client.write_all(&buffer[..read]).await?;
        }
    };
    tokio::select! {
        _ = there => {}
        _ = back => {}
        _ = state.wait_for(|line| *line == Line::Cut) => {}
    }
}

//! Stands between the service and the daemon, and does what a sick daemon does.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use cloudbox_tests::machine::DOCKER_SOCKET;

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The daemon.
    Well,
    /// Silence, until it is well again.
    Hangs,
    /// Status 500.
    Fails,
    /// No socket.
    Gone,
}

/// A socket in front of the daemon's.
pub struct Proxy {
    path: PathBuf,
    mode: watch::Sender<Mode>,
    serving: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens in a folder.
    pub fn open(folder: &Path) -> Self {
        let path = folder.join("docker.sock");
        let mut proxy = Self { path, mode: watch::Sender::new(Mode::Gone), serving: None };
        proxy.set(Mode::Well);
        proxy
    }

    /// As `DOCKER_HOST` has it.
    pub fn url(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// From now on.
    pub fn set(&mut self, mode: Mode) {
        let before = self.mode.send_replace(mode);
        if mode == Mode::Gone {
            std::fs::remove_file(&self.path).unwrap();
            self.serving.take().unwrap().abort();
        } else if before == Mode::Gone {
            let (listener, mode) = (UnixListener::bind(&self.path).unwrap(), self.mode.clone());
            self.serving = Some(tokio::spawn(async move {
                // Dropped with this task, and the connections with it.
                let mut connections = JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    connections.spawn(serve(client, mode.subscribe()));
                }
            }));
        }
    }
}

async fn serve(mut client: UnixStream, mut mode: watch::Receiver<Mode>) {
    let mut start = vec![0; 64 << 10];
    let Ok(len) = client.read(&mut start).await else { return };
    let Ok(mode) = mode.wait_for(|mode| *mode != Mode::Hangs).await.map(|mode| *mode) else { return };
    if mode == Mode::Fails {
        let answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
                      Content-Length: 18\r\nConnection: close\r\n\r\n{\"message\":\"sick\"}";
        drop(client.write_all(answer.as_bytes()).await);
        return;
    }
    let Ok(mut daemon) = UnixStream::connect(DOCKER_SOCKET).await else { return };
    if daemon.write_all(&start[..len]).await.is_ok() {
        drop(tokio::io::copy_bidirectional(&mut client, &mut daemon).await);
    }
}

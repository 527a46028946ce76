//! Stands between a driver and the daemon: notes what is asked, and can go away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

/// Where the daemon is.
const DAEMON: &str = "/var/run/docker.sock";

pub struct Proxy {
    path: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    serving: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens at `path`.
    pub fn open(path: &Path) -> Self {
        let mut proxy = Self { path: path.to_owned(), asked: Arc::default(), serving: None };
        proxy.come_back();
        proxy
    }

    /// Cuts every connection and refuses new ones, as a daemon that is stopped.
    pub fn go_away(&mut self) {
        std::fs::remove_file(&self.path).expect("its socket");
        self.serving.take().expect("it is there").abort();
    }

    /// Listens again.
    pub fn come_back(&mut self) {
        let (listener, asked) = (UnixListener::bind(&self.path).expect("a socket"), Arc::clone(&self.asked));
        self.serving = Some(tokio::spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass_on(client, Arc::clone(&asked)));
            }
        }));
    }

    /// What was asked since the last time: method and path without query, the container's name as `*`.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }
}

/// The client makes a connection per request, so its first line is all there is to note.
async fn pass_on(mut client: UnixStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut start = vec![0; 16 << 10];
    let Ok(len) = client.read(&mut start).await else { return };
    let line = String::from_utf8_lossy(&start[..len]).lines().next().unwrap_or_default().to_owned();
    let mut words = line.split([' ', '?']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let parts: Vec<&str> =
        path.split('/').map(|part| if part.starts_with("cloudbox-") { "*" } else { part }).collect();
    // The driver looks after the daemon all the time.
    if !matches!(path, "/_ping" | "/containers/json") {
        asked.lock().push(format!("{method} {}", parts.join("/")));
    }
    let Ok(mut daemon) = UnixStream::connect(DAEMON).await else { return };
    if daemon.write_all(&start[..len]).await.is_ok() {
        drop(tokio::io::copy_bidirectional(&mut client, &mut daemon).await);
    }
}

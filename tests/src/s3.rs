//! A real S3 server, and somebody in front of it who makes it fail.

use std::net::{SocketAddr, TcpListener as Listener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The bucket that it begins with.
pub const BUCKET: &str = "cloudbox";

/// What happens to the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// They come.
    Whole,
    /// Connections are closed.
    Down,
    /// Nothing comes.
    Silent,
    /// Every request is forbidden.
    Forbidden,
    /// An answer ends before the length that it told.
    Truncated,
    /// An answer tells a length, and that much comes, but not the object.
    Short,
    /// The first bytes of each answer come, then nothing.
    Stalled,
}

/// The server; gone with its value.
#[derive(Debug)]
pub struct S3 {
    server: Child,
    direct: SocketAddr,
    front: SocketAddr,
    line: watch::Sender<Line>,
    accepting: tokio::task::JoinHandle<()>,
}

impl S3 {
    /// Starts one with an empty bucket.
    ///
    /// # Panics
    /// It can't be had or started.
    #[expect(clippy::disallowed_methods, reason = "the server is a process")]
    pub async fn start() -> Self {
        let script = crate::machine::root().join("scripts/s3-server");
        let program =
            tokio::task::spawn_blocking(move || Command::new(script).output().unwrap()).await.unwrap();
        assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
        let program = String::from_utf8(program.stdout).unwrap();
        // Free a moment ago.
        let direct = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Command::new(program.trim())
            .args(["-backend", "memory", "-initialbucket", BUCKET, "-host", &direct.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = listener.local_addr().unwrap();
        let line = watch::Sender::new(Line::Whole);
        let state = line.subscribe();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, direct, state.clone()));
            }
        });
        let s3 = Self { server, direct, front, line, accepting };
        while TcpStream::connect(direct).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        s3
    }

    /// The settings of a service that uses it.
    pub fn settings(&self) -> [(&'static str, String); 7] {
        [
            ("CLOUDBOX_STORAGE_URL", format!("s3://{BUCKET}/a/b")),
            ("CLOUDBOX_STORAGE_TIMEOUT_S", "2".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{}", self.front)),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    }

    /// From now on; connections that are open end.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// The names of all objects of the services' prefix, past whoever is in front.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn names(&self) -> Vec<String> {
        self.keys("list-type=2&prefix=a/b/").await
    }

    async fn keys(&self, query: &str) -> Vec<String> {
        let url = format!("http://{}/{BUCKET}?{query}", self.direct);
        let answer = client().get(url).send().await.unwrap().error_for_status().unwrap();
        let text = answer.text().await.unwrap();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.map(|key| key.trim_start_matches("a/b/").to_owned()).collect()
    }

    /// Begins an upload in parts and leaves it at that, as who is killed meanwhile.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn begin_upload(&self, key: &str) {
        let url = format!("{}?uploads", self.url(key));
        client().post(url).send().await.unwrap().error_for_status().unwrap();
    }

    /// The names of the objects of the services' prefix that are being uploaded in parts.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn uploads(&self) -> Vec<String> {
        self.keys("uploads&prefix=a/b/").await
    }

    /// An object, past whoever is in front.
    ///
    /// # Panics
    /// There is none.
    pub async fn object(&self, key: &str) -> Vec<u8> {
        let answer = client().get(self.url(key)).send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap().to_vec()
    }

    /// Replaces an object.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn replace(&self, key: &str, bytes: Vec<u8>) {
        client().put(self.url(key)).body(bytes).send().await.unwrap().error_for_status().unwrap();
    }

    fn url(&self, key: &str) -> String {
        format!("http://{}/{BUCKET}/a/b/{key}", self.direct)
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nLast-Modified: Wed, 18 Nov 2026 10:00:00 GMT\r\nETag: \"e\"\r\nContent-Length: ";

/// As every artefact begins.
const GZIP_HEAD: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";

async fn carry(mut client: TcpStream, server: SocketAddr, mut state: watch::Receiver<Line>) {
    let line = *state.borrow_and_update();
    let cut = |len: usize| [format!("{HEAD}{len}\r\n\r\n").as_bytes(), GZIP_HEAD].concat();
    let told = match line {
        Line::Down => return,
        Line::Whole | Line::Stalled => return forward(client, server, state, line).await,
        Line::Silent => Vec::new(),
        Line::Forbidden => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec(),
        Line::Truncated => cut(5000),
        Line::Short => cut(GZIP_HEAD.len()),
    };
    let mut buffer = [0; 4096];
    let _ = client.read(&mut buffer).await;
    let _ = client.write_all(&told).await;
    if line == Line::Silent {
        let _ = state.changed().await;
    }
}

async fn forward(client: TcpStream, server: SocketAddr, mut state: watch::Receiver<Line>, line: Line) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async move { tokio::io::copy(&mut from_client, &mut to_server).await };
    let back = async move {
        if line == Line::Whole {
            return tokio::io::copy(&mut from_server, &mut to_client).await;
        }
        let mut first = [0; 700];
        let read = from_server.read(&mut first).await?;
        to_client.write_all(&first[..read]).await?;
        std::future::pending().await
    };
    tokio::select! {
        _ = there => {}
        _ = back => {}
        _ = state.changed() => {}
    }
}

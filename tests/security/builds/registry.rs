//! A registry of npm packages that are hostile, at a port of this machine; and a service beside it that nobody may reach.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The registry, for as long as the test's runtime lives.
pub struct Registry {
    /// `http://127.0.0.1:PORT/`.
    pub url: String,
    canary: Arc<AtomicUsize>,
}

impl Registry {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let forbidden = format!("http://{}/x.tgz", other.local_addr().unwrap());
        let canary = Arc::new(AtomicUsize::new(0));
        let calls = Arc::clone(&canary);
        tokio::spawn(async move {
            while other.accept().await.is_ok() {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        });
        let archive = archive();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, archive.clone(), forbidden.clone()));
            }
        });
        Self { url, canary }
    }

    /// How often the service that nobody may reach was reached.
    pub fn canary_calls(&self) -> usize {
        self.canary.load(Ordering::SeqCst)
    }
}

/// One request.
async fn serve(mut stream: TcpStream, archive: Vec<u8>, forbidden: String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().trim_matches('/').to_owned();
    let host =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
    let host = host.unwrap_or_default();
    let body = if path.ends_with(".tgz") {
        archive
    } else {
        package(&path, host.trim(), &forbidden).to_string().into_bytes()
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
}

/// What the registry tells of a package: each one's archive, or what it depends on, is somewhere else.
fn package(name: &str, host: &str, forbidden: &str) -> Value {
    let own = format!("http://{host}/{name}/-/{name}-1.0.0.tgz");
    let (archive, dependencies) = match name {
        "metadata" => ("http://169.254.169.254/latest/meta-data/x.tgz".to_owned(), json!({})),
        "nested" => (own, json!({ "inner": forbidden })),
        "elsewhere" => (own, json!({ "inner": "http://internal.example/x.tgz" })),
        _ => (own, json!({})),
    };
    json!({
        "name": name,
        "dist-tags": { "latest": "1.0.0" },
        "versions": { "1.0.0": {
            "name": name,
            "version": "1.0.0",
            "dependencies": dependencies,
            "hasInstallScript": true,
            "scripts": { "preinstall": "echo > ran" },
            "dist": { "tarball": archive },
        } },
    })
}

/// The archive of a package that tells whether its script was run.
fn archive() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package");
    std::fs::create_dir(&package).unwrap();
    let write = |name: &str, text: &str| std::fs::write(Path::new(&package).join(name), text).unwrap();
    let scripts = json!({ "preinstall": "echo > ran", "install": "echo > ran", "postinstall": "echo > ran" });
    write("package.json", &json!({ "name": "scripted", "version": "1.0.0", "scripts": scripts }).to_string());
    write("index.js", "module.exports = { ran: require('fs').existsSync(__dirname + '/ran') };\n");
    #[expect(clippy::disallowed_methods, reason = "the standard library makes no archives")]
    let made = Command::new("tar").args(["-czf", "-", "package"]).current_dir(&folder).output().unwrap();
    assert!(made.status.success());
    made.stdout
}

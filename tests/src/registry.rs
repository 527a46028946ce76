//! A real registry of images, that wants credentials.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::machine::{self, DOCKER_SOCKET};

/// Who may fetch and send.
pub const USER: &str = "tester";
/// Its password.
pub const PASSWORD: &str = "U*U";
/// The same as bcrypt has it, which is all that the registry reads.
const HASHED: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// The registry; gone with its value, and with it what is in it.
#[derive(Debug)]
pub struct Registry {
    server: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Registry {
    /// Starts one that holds nothing; none where the program is missing.
    ///
    /// # Panics
    /// It doesn't start; on CI, it is missing.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the registry is a process")]
    pub fn start() -> Option<Self> {
        let found = Command::new("docker-registry").arg("--version").stdout(Stdio::null()).status();
        if found.is_err() {
            machine::skip("a registry of images", "docker-registry is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (users, data) = (folder.path().join("users"), folder.path().join("data"));
        std::fs::write(&users, format!("{USER}:{HASHED}\n")).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n\
             auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            data.display(),
            users.display()
        );
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let server = Command::new("docker-registry")
            .args(["serve", path.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self { server, address, folder };
        while TcpStream::connect(address).is_err() {
            assert!(registry.server.try_wait().unwrap().is_none(), "the registry ended");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(registry)
    }

    /// `127.0.0.1:5000`, as names of its images begin.
    #[must_use]
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// A file of credentials for it, as `docker login` writes it.
    ///
    /// # Panics
    /// It can't be written.
    #[must_use]
    pub fn credentials(&self, password: &str) -> PathBuf {
        let auth = STANDARD.encode(format!("{USER}:{password}"));
        let path = self.folder.path().join("config.json");
        let text = serde_json::json!({ "auths": { self.name(): { "auth": auth } } });
        std::fs::write(&path, text.to_string()).unwrap();
        path
    }

    /// Sends an image of the daemon under another name, which the daemon then forgets; the whole name.
    ///
    /// # Panics
    /// The daemon or the registry refuses.
    #[must_use]
    pub fn take(&self, image: &str, name: &str) -> String {
        let repository = format!("{}/{name}", self.name());
        let tagged = ask("POST", &format!("/images/{image}/tag?repo={repository}&tag=1"), "");
        assert!(tagged.contains(" 201 "), "{tagged}");
        let who = serde_json::json!({ "username": USER, "password": PASSWORD, "serveraddress": self.name() });
        let header = format!("X-Registry-Auth: {}\r\n", STANDARD.encode(who.to_string()));
        let pushed = ask("POST", &format!("/images/{repository}/push?tag=1"), &header);
        assert!(pushed.contains(" 200 ") && !pushed.contains("\"error\""), "{pushed}");
        forget(&format!("{repository}:1"));
        format!("{repository}:1")
    }

    /// It is down from now on.
    pub fn end(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.end();
    }
}

/// The daemon has no image of this name any more, unless a container is made of it; its answer.
///
/// # Panics
/// No daemon answers.
pub fn forget(name: &str) -> String {
    ask("DELETE", &format!("/images/{name}?force=1"), "")
}

/// The same, where no container of any kind is made of it; else nothing happens.
///
/// # Panics
/// No daemon answers.
pub fn remove(name: &str) {
    let _ = ask("DELETE", &format!("/images/{name}"), "");
}

fn ask(method: &str, path: &str, header: &str) -> String {
    let mut stream = UnixStream::connect(DOCKER_SOCKET).unwrap();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: docker\r\n{header}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

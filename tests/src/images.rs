//! Images that tests make themselves, since no registry is asked: from the roots of bundles, with files and settings on top.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::Api;
use crate::machine::{self, DOCKER_SOCKET};

/// An image of the daemon, removed when dropped.
#[derive(Debug)]
pub struct TestImage {
    /// Its name, with a tag.
    pub name: String,
}

/// The runtime that serves a function, once it was deployed: so its bundle is here.
///
/// # Panics
/// It has none.
pub async fn runtime_of(api: &Api, function: &str) -> String {
    let function: serde_json::Value = api.function(function).await.with(200).json();
    function["resolved_runtime"].as_str().unwrap().to_owned()
}

/// The root of a runtime's bundle that was made before.
fn root_of(runtime: &str) -> PathBuf {
    let entries = std::fs::read_dir(machine::bundles_dir()).unwrap();
    let names = entries.flatten().filter_map(|it| it.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(&format!("{runtime}-"))).collect();
    names.sort();
    let name = names.pop().unwrap_or_else(|| panic!("no bundle of {runtime}"));
    machine::bundles_dir().join(name).join("run")
}

impl TestImage {
    /// An image with the toolchain of a runtime that was used before and nothing of ours, with these files and settings (`USER 0`, `ENV A=b`).
    ///
    /// # Panics
    /// The daemon refuses it.
    #[must_use]
    pub fn import(runtime: &str, files: &[(&str, &str)], settings: &[&str]) -> Self {
        let root = root_of(runtime);
        let name = format!("cbx-test-{runtime}-{}:1", std::process::id() ^ nonce());
        let (repo, tag) = name.split_once(':').unwrap();
        let mut path = format!("/images/create?fromSrc=-&repo={repo}&tag={tag}");
        for setting in settings {
            path.push_str("&changes=");
            path.extend(setting.bytes().map(|byte| format!("%{byte:02X}")));
        }
        let mut stream = UnixStream::connect(DOCKER_SOCKET).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/x-tar\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
        .unwrap();
        let mut tar = tar::Builder::new(io::BufWriter::with_capacity(1 << 18, Chunks(&stream)));
        tar.follow_symlinks(false);
        for entry in std::fs::read_dir(&root).unwrap().flatten() {
            let inside = PathBuf::from(entry.file_name());
            if inside.starts_with("cloudbox") {
                continue;
            }
            if entry.path().is_dir() {
                tar.append_dir_all(&inside, entry.path()).unwrap();
            } else {
                tar.append_path_with_name(entry.path(), &inside).unwrap();
            }
        }
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o4755);
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, path.trim_start_matches('/'), text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().flush().unwrap();
        stream.write_all(b"0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 OK") && !answer.contains("\"error\""), "{answer}");
        Self { name }
    }
}

impl Drop for TestImage {
    fn drop(&mut self) {
        let asked = UnixStream::connect(DOCKER_SOCKET).and_then(|mut stream| {
            write!(stream, "DELETE /images/{}?force=1 HTTP/1.0\r\nHost: docker\r\n\r\n", self.name)?;
            stream.read_to_string(&mut String::new())
        });
        drop(asked);
    }
}

/// Every write as a chunk of a request's body.
struct Chunks<'s>(&'s UnixStream);

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            write!(self.0, "{:x}\r\n", bytes.len())?;
            self.0.write_all(bytes)?;
            self.0.write_all(b"\r\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Different in each call.
fn nonce() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    u32::try_from(RandomState::new().hash_one(0) >> 40).unwrap_or_default()
}

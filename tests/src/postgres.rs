//! A PostgreSQL server of the tests' own: in a temporary folder, on a unix socket there, gone when nobody uses it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use anyhow::{Context, bail};
use nix::unistd::{Uid, User};
use parking_lot::Mutex;
use tempfile::TempDir;

/// Runs the server until this process closes the pipe, be it by [`Drop`], by a panic or by its own violent end.
const UNTIL_END_OF_INPUT: &str =
    r#"folder=$1; shift; "$@" </dev/null & read -r _; kill -INT $!; wait $!; rm -rf "$folder""#;

const REMEDY: &str = "PostgreSQL's programs are needed: install the Debian package postgresql";

/// A running server. Its user `cloudbox` needs no password, and only this machine's users in the right group or root
/// reach its socket.
pub struct Postgres {
    shell: Child,
    binaries: PathBuf,
    databases: AtomicU32,
    folder: TempDir,
}

impl Postgres {
    /// The server that all running tests of this process share; the last one to drop it ends it.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn shared() -> anyhow::Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock();
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Makes a cluster and starts its server; returns when it takes connections.
    ///
    /// # Errors
    /// Names the Debian package where the programs are missing; else shows what the server printed.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cloudbox-pg-").tempdir()?;
        let binaries = binaries();
        let user = unprivileged_user()?;
        if let Some(user) = &user {
            nix::unistd::chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let data = folder.path().join("data");
        let made = command(binaries.join("initdb"), folder.path(), user.as_ref())
            .args(["--username=cloudbox", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .context(REMEDY)?;
        if !made.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        }
        let mut shell = command("sh", folder.path(), user.as_ref())
            .args(["-c", UNTIL_END_OF_INPUT, "sh"])
            .arg(folder.path())
            .arg(binaries.join("postgres"))
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-D"])
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = shell.stderr.take().context("the pipe that was asked for")?;
        let server = Self { shell, binaries, databases: AtomicU32::new(0), folder };
        wait_until_ready(output)?;
        Ok(server)
    }

    /// The URL of a new, empty database.
    ///
    /// # Errors
    /// Shows what `createdb` printed.
    pub fn new_database(&self) -> anyhow::Result<String> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let folder = self.folder.path();
        let made = command(self.binaries.join("createdb"), folder, None)
            .args(["--username=cloudbox", "--host"])
            .arg(folder)
            .arg(&name)
            .output()
            .context(REMEDY)?;
        if !made.status.success() {
            bail!("createdb failed: {}", String::from_utf8_lossy(&made.stderr));
        }
        Ok(format!("postgres://cloudbox@localhost/{name}?host={}", folder.display()))
    }
}

impl Postgres {
    /// The folder of its socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs statements in the database `postgres`, each by itself.
    ///
    /// # Errors
    /// Shows what `psql` printed.
    pub fn run(&self, statements: &[&str]) -> anyhow::Result<()> {
        let mut psql = command(self.binaries.join("psql"), self.folder.path(), None);
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--username=cloudbox",
            "--dbname=postgres",
        ])
        .env("PGOPTIONS", "-c default_transaction_read_only=off")
        .arg("--host")
        .arg(self.folder.path());
        for statement in statements {
            psql.args(["--command", statement]);
        }
        let ran = psql.output().context(REMEDY)?;
        if !ran.status.success() {
            bail!("{statements:?}: {}", String::from_utf8_lossy(&ran.stderr));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // An error means that the shell is gone already, which is what is wanted.
        let _ = self.shell.wait();
    }
}

/// Debian's newest server; elsewhere whatever the search path has.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map(|version| format!("/usr/lib/postgresql/{version}/bin").into()).unwrap_or_default()
}

/// Whom the server runs as when the tests run as root, since it refuses to run as root itself.
fn unprivileged_user() -> anyhow::Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!("there is no user postgres or nobody to run PostgreSQL as")
}

#[expect(clippy::disallowed_methods, reason = "the tests' own server, not the product's processes")]
fn command(program: impl AsRef<OsStr>, folder: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C");
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// Reads the server's log until it takes connections, and in the background until it ends, so that it never waits
/// for a reader.
fn wait_until_ready(output: impl Read + Send + 'static) -> anyhow::Result<()> {
    let mut output = BufReader::new(output);
    let mut log = String::new();
    while !log.contains("ready to accept connections") {
        if output.read_line(&mut log)? == 0 {
            bail!("the PostgreSQL server ended: {log}");
        }
    }
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_server() {
        let server = Postgres::start().unwrap();
        let folder = server.folder.path().to_owned();
        let pid = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
        let process = Path::new("/proc").join(pid.lines().next().unwrap());
        assert_ne!(server.new_database().unwrap(), server.new_database().unwrap());
        assert!(process.exists());
        drop(server);
        assert!(!process.exists() && !folder.exists());
    }

    #[test]
    fn it_is_shared_while_it_is_used() {
        let (one, two) = (Postgres::shared().unwrap(), Postgres::shared().unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        let folder = one.folder.path().to_owned();
        drop((one, two));
        assert!(!folder.exists());
    }
}

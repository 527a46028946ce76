//! A real `cloudbox serve` as a child process, on a port of its own, that must leave nothing behind.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Api, Driver, leftovers, machine};

/// Longest wait for the ready line: the first service makes bundles.
const START: Duration = Duration::from_secs(300);
/// Longest wait for the end after SIGTERM.
const END: Duration = Duration::from_secs(180);
/// Lines of the service's own log that a failure shows.
const SHOWN_LINES: usize = 40;

/// A folder that a service lives in, and that outlives it for a second one.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// A new folder, with a short name: sockets are below it.
    ///
    /// # Panics
    /// It can't be made.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::on(&std::env::temp_dir())
    }

    /// A new folder in another one, such as a small disk of its own.
    ///
    /// # Panics
    /// It can't be made.
    #[must_use]
    pub fn on(disk: &Path) -> Arc<Self> {
        let folder = tempfile::Builder::new().prefix("cbx-").rand_bytes(8).tempdir_in(disk).unwrap();
        Arc::new(Self { folder })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The service's data folder in it.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    /// What services that lived here wrote about themselves.
    #[must_use]
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

/// How a service is to be started.
#[derive(Clone)]
pub struct Plan {
    driver: Driver,
    is_auto: bool,
    home: Arc<Home>,
    settings: Vec<(String, String)>,
    /// The data folder, where it isn't the home's.
    data: Option<PathBuf>,
    /// What the service is started by: a program that ends with starting its last arguments.
    starter: Vec<String>,
}

impl Plan {
    /// In a new home.
    #[must_use]
    pub fn new(driver: Driver) -> Self {
        let (home, settings, starter) = (Home::new(), Vec::new(), Vec::new());
        Self { driver, is_auto: false, home, settings, data: None, starter }
    }

    /// In a home that a service lived in before.
    #[must_use]
    pub fn at(mut self, home: &Arc<Home>) -> Self {
        self.home = Arc::clone(home);
        self
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// With `--sandbox auto`, which is expected to take this plan's driver.
    #[must_use]
    pub fn auto(mut self) -> Self {
        self.is_auto = true;
        self
    }

    /// With a variable of the environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another data folder than the home's, for starts that are refused.
    #[must_use]
    pub fn with_data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Started by a program such as `prlimit --nofile=256`.
    #[must_use]
    pub fn started_by(mut self, program: &[&str]) -> Self {
        self.starter = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it, which must fail; what it says.
    ///
    /// # Panics
    /// It comes up, or doesn't end.
    pub async fn refusal(self) -> String {
        let home = Arc::clone(&self.home);
        let mut child = self.command().spawn().unwrap();
        let ended = tokio::task::spawn_blocking(move || wait(&mut child)).await.unwrap();
        assert!(ended.is_some_and(|status| !status.success()), "{ended:?}: {}", home.log_text());
        assert_eq!(leftovers::of(home.path()), Vec::<String>::new(), "left behind\n{}", home.log_tail());
        home.log_text()
    }

    /// What isolates its functions.
    #[must_use]
    pub const fn driver(&self) -> Driver {
        self.driver
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// It doesn't come up; the message shows its log.
    pub async fn start(self) -> Service {
        let home = Arc::clone(&self.home);
        let started = tokio::task::spawn_blocking(move || self.spawn()).await.unwrap();
        match started {
            Ok(service) => service,
            Err(reason) => panic!("the service did not come up: {reason}\n{}", home.log_tail()),
        }
    }

    /// Starts it and waits for its end, since it must refuse to start; what it said.
    ///
    /// # Panics
    /// It comes up.
    pub async fn refused(self) -> String {
        let home = Arc::clone(&self.home);
        let mut child = self.command().spawn().unwrap();
        let status = tokio::task::spawn_blocking(move || wait(&mut child)).await.unwrap();
        assert!(status.is_some_and(|status| !status.success()), "{status:?}\n{}", home.log_tail());
        home.log_tail()
    }

    fn spawn(self) -> Result<Service, String> {
        let mut child = self.command().spawn().map_err(|error| error.to_string())?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        // Reads on after the ready line, so that the service never writes into a closed or a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut service =
            Service { child: Some(child), ready_line: String::new(), base: String::new(), home: self.home };
        let until = SystemTime::now() + START;
        loop {
            let left = until.duration_since(SystemTime::now()).map_err(|_| "no ready line in time")?;
            let line = receiver.recv_timeout(left).map_err(|error| format!("no ready line: {error}"))?;
            if let Some(base) = address(&line) {
                service.base = base;
                service.ready_line = line;
                return Ok(service);
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the service under test is a process")]
    fn command(&self) -> Command {
        let mut words = self.starter.clone();
        words.push(machine::program().to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        // Whoever runs the tests may have settings of their own.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CLOUDBOX_") || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        let log = File::options().create(true).append(true).open(self.home.log());
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--sandbox",
                if self.is_auto { "auto" } else { self.driver.as_str() },
                "--data-dir",
            ])
            .arg(self.data.clone().unwrap_or_else(|| self.home.data()))
            .env("CLOUDBOX_RUNTIMES_BUNDLES_DIR", machine::bundles_dir())
            // How long a start takes on a machine that is busy with others is no test's business.
            .env("CLOUDBOX_POOL_START_TIMEOUT_S", "120")
            .envs(self.settings.iter().cloned())
            .env("NO_COLOR", "1")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
        command
    }
}

/// A running service. Dropped, it is ended by SIGTERM, and nothing of it may be left.
pub struct Service {
    child: Option<Child>,
    /// The line that it printed when it was ready.
    pub ready_line: String,
    /// `http://127.0.0.1:…`.
    pub base: String,
    home: Arc<Home>,
}

impl Service {
    /// Starts one in a new home.
    ///
    /// # Panics
    /// It doesn't come up.
    pub async fn start(driver: Driver) -> Self {
        Plan::new(driver).start().await
    }

    /// Where it lives.
    #[must_use]
    pub const fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// An administrator's caller in the default project.
    ///
    /// # Panics
    /// The service wrote no token.
    #[must_use]
    pub fn api(&self) -> Api {
        let token = std::fs::read_to_string(self.home.data().join("admin-token")).unwrap();
        Api::new(self.base.clone(), Some(token.trim().to_owned()))
    }

    /// Its process, or the one that started it.
    ///
    /// # Panics
    /// It is gone.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap()
    }

    /// What must not be left of it, and is.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        leftovers::of(self.home.path())
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Waits for its end, which must come by itself.
    ///
    /// # Panics
    /// It doesn't end in time; the message shows its log.
    pub async fn ended(mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let home = Arc::clone(&self.home);
        tokio::task::spawn_blocking(move || {
            wait(&mut child).unwrap_or_else(|| panic!("the service did not end\n{}", home.log_tail()))
        })
        .await
        .unwrap()
    }

    /// Ends it by SIGTERM and waits; it must exit with 0 and leave nothing.
    ///
    /// # Panics
    /// It does neither.
    pub async fn stop(self) {
        let home = Arc::clone(&self.home);
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        assert!(status.success(), "the service ended with {status}\n{}", home.log_tail());
        assert_eq!(leftovers::of(home.path()), Vec::<String>::new(), "left behind\n{}", home.log_tail());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()), Signal::SIGTERM);
        let status = wait(&mut child);
        let left = leftovers::of(self.home.path());
        if status.is_some_and(|status| status.success()) && left.is_empty() {
            return;
        }
        let text = format!("the service ended with {status:?} and left {left:#?}\n{}", self.home.log_tail());
        // A second panic would end the process and hide the first one.
        if std::thread::panicking() {
            eprintln!("{text}");
        } else {
            panic!("{text}");
        }
    }
}

/// Waits for the end; kills what doesn't end, and then there is no status.
#[expect(clippy::disallowed_methods, reason = "a drop can't await")]
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let until = SystemTime::now() + END;
    while SystemTime::now() < until {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// `http://127.0.0.1:4711` in the ready line.
fn address(line: &str) -> Option<String> {
    let start = line.find("127.0.0.1:")?;
    let rest = &line[start..];
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
    Some(format!("http://{}", rest[..end].trim_end_matches(['.', ':'])))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_address_is_found_in_the_ready_line() {
        for line in
            ["ready at http://127.0.0.1:4711, docker", "listening on 127.0.0.1:4711", "x 127.0.0.1:4711."]
        {
            assert_eq!(super::address(line).as_deref(), Some("http://127.0.0.1:4711"), "{line}");
        }
        assert_eq!(super::address("starting"), None);
    }
}

//! A driver with a root file system made of one program, and the check that nothing is left at the end.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use cloudbox_cgroup::Ceiling;
use cloudbox_drivers::{docker, native};
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_protocol::message::FunctionInfo;
use cloudbox_protocol::{Answer, Load, Reply, Request};
use cloudbox_sandbox::{
    CodeDir, Error, Instance, Network, Program, RootFs, Sandbox, SandboxDriver, SandboxFault, SandboxSpec,
    Workspace,
};
use cloudbox_types::Limits;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::invoke::invoke;
use crate::{daemon, init};

/// Of every fixture's sandboxes together: more than any test needs.
pub const CEILING: Ceiling = Ceiling { memory_bytes: 8 << 30, pids: 2000 };

/// Which driver a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Docker,
    Native,
}

/// A driver, and what a test makes sandboxes from.
pub struct Fixture {
    pub subject: Subject,
    pub dir: Folder,
    pub instance: Instance,
    opened: Opened,
}

/// Where a fixture's files are: its own folder, or one that another process will remove.
pub enum Folder {
    Own(TempDir),
    Others(PathBuf),
}

impl Folder {
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(dir) => dir.path(),
            Self::Others(path) => path,
        }
    }
}

/// A process of a sandbox, as the host sees it.
pub struct Started {
    pub pid: i32,
    status: String,
}

impl Started {
    fn read(folder: &Path, instance: &str) -> Option<Self> {
        let read = |name| std::fs::read_to_string(folder.join(name)).ok();
        let pid = folder.file_name()?.to_str()?.parse().ok()?;
        let found = Self { pid, status: read("status")? };
        // Inside its init is 1; who started that from outside has no id inside.
        let inside = found.field("NSpid").split_once('\t').map(|(_, inside)| inside);
        (read("cgroup")?.contains(instance) && inside.is_some_and(|pid| pid != "1")).then_some(found)
    }

    /// A line of its status.
    pub fn field(&self, name: &str) -> &str {
        field(&self.status, name)
    }

    /// Ends it, and waits until its init has taken it away.
    pub async fn kill(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        while Path::new("/proc").join(self.pid.to_string()).exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A line of a process's status, which must have it.
pub fn field<'s>(status: &'s str, name: &str) -> &'s str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} is not in {status}")).trim()
}

/// The drivers' `close` is no part of the trait: the service knows which driver it has opened.
pub enum Opened {
    Docker(Arc<docker::Driver>),
    Native(Arc<native::Driver>),
}

impl Opened {
    pub async fn open(subject: Subject, instance: &Instance) -> Result<Self, Error> {
        // The fixture's own: a second process must not wait for a build.
        let init = instance.run_dir.with_file_name("rootfs").join("cloudbox/init");
        match subject {
            Subject::Docker => {
                let settings = docker::Settings {
                    ceiling: Some(CEILING),
                    ..docker::Settings::new(instance.clone(), init)
                };
                docker::Driver::open(settings).await.map(Self::Docker)
            }
            Subject::Native => {
                let settings = native::Settings {
                    instance: instance.clone(),
                    init,
                    ceiling: Some(CEILING),
                    is_weak_allowed: false,
                };
                native::Driver::open(settings).await.map(Self::Native)
            }
        }
    }

    pub fn driver(&self) -> &dyn SandboxDriver {
        match self {
            Self::Docker(driver) => driver.as_ref(),
            Self::Native(driver) => driver.as_ref(),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Docker(driver) => driver.close().await.unwrap(),
            Self::Native(driver) => driver.close().await.unwrap(),
        }
    }
}

impl Fixture {
    /// None where the driver was left out, or can't work here.
    pub async fn open(subject: Subject) -> Option<Self> {
        if subject == Subject::Docker && daemon::is_left_out() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance {
            id: format!("test-{:08x}", rand::random::<u32>()),
            boot: "1".to_owned(),
            run_dir: dir.path().join("run"),
        };
        make_rootfs(&dir.path().join("rootfs"));
        std::fs::create_dir(dir.path().join("code")).unwrap();
        std::fs::write(dir.path().join("code/main"), "the code").unwrap();
        match Opened::open(subject, &instance).await {
            Ok(opened) => Some(Self { subject, dir: Folder::Own(dir), instance, opened }),
            Err(Error::Unavailable { driver, reason }) if subject != Subject::Docker => {
                eprintln!("skipped: the {driver} driver can't work here: {reason}");
                None
            }
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
    }

    /// In a folder that another fixture has made.
    pub async fn existing(subject: Subject, folder: &Path, instance: Instance) -> Self {
        let opened = Opened::open(subject, &instance).await.unwrap();
        Self { subject, dir: Folder::Others(folder.to_owned()), instance, opened }
    }

    pub fn driver(&self) -> &dyn SandboxDriver {
        self.opened.driver()
    }

    /// Closes the driver; nothing may be left.
    pub async fn close(self) {
        self.opened.close().await;
        assert_eq!(leftovers(self.subject, &self.instance, true).await, Vec::<String>::new());
        if self.subject == Subject::Docker {
            daemon::remove_image(&self.rootfs()).await;
        }
    }

    /// The processes in its sandboxes but their inits.
    pub fn started(&self) -> Vec<Started> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| Started::read(&entry.path(), &self.instance.id)).collect()
    }

    pub fn rootfs(&self) -> RootFs {
        let path = self.dir.path().join("rootfs");
        let mut hasher = DefaultHasher::new();
        std::fs::read(path.join("bin/probe")).unwrap().hash(&mut hasher);
        let digest = format!("{:016x}", hasher.finish()).repeat(4);
        // Its image is removed at the end, so no other test may have it.
        path.hash(&mut hasher);
        RootFs { name: format!("probe-{:016x}", hasher.finish()), path, digest, base: None }
    }

    pub fn code(&self) -> CodeDir {
        CodeDir { path: self.dir.path().join("code"), is_executable: false }
    }

    pub fn spec(&self) -> SandboxSpec {
        SandboxSpec {
            rootfs: self.rootfs(),
            limits: Limits { pids: 24, tmp_mb: 8, memory_mb: 64, ..Limits::default() },
            workspace: Workspace::Slot,
            mounts: Vec::new(),
            network: Network::None,
            max_file_bytes: 64 << 20,
            channel: ChannelLimits::default(),
        }
    }

    /// A sandbox with nothing in it.
    pub async fn create(&self, spec: &SandboxSpec) -> Box<dyn Sandbox> {
        let made = self.driver().create(spec).await;
        made.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
    }

    /// A sandbox that has its code and serves calls.
    pub async fn serving(&self, spec: &SandboxSpec) -> Box<dyn Sandbox> {
        let mut sandbox = self.create(spec).await;
        sandbox.bind(&spec.limits, &self.code()).await.unwrap();
        sandbox.start(&shim(), soon()).await.unwrap();
        sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
        sandbox
    }
}

/// The program that speaks the protocol.
pub fn shim() -> Program {
    program(&[])
}

/// The program, to do one command.
pub fn program(words: &[&str]) -> Program {
    let argv = std::iter::once("/bin/probe").chain(words.iter().copied()).map(str::to_owned).collect();
    let env = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
    Program { argv, env, cwd: None, has_fixed_threads: false }
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

pub fn load() -> Load {
    Load {
        nonce: String::new(),
        code_dir: "/workspace".to_owned(),
        main: "main".to_owned(),
        entry_point: "handler".to_owned(),
        handler_style: "auto".to_owned(),
        isolation: cloudbox_types::Isolation::Version,
        concurrency: 1,
        env: BTreeMap::new(),
        function: FunctionInfo { id: 1, name: "f".to_owned(), project_id: 1, version: 1, memory_mb: 64 },
    }
}

/// Has the program do a command, and gives what it found.
pub async fn ask(sandbox: &mut dyn Sandbox, command: &str) -> String {
    let reply = call(sandbox, command, soon()).await;
    text(reply.unwrap_or_else(|fault| panic!("{command}: {fault:?}")))
}

pub async fn call(
    sandbox: &mut dyn Sandbox,
    command: &str,
    deadline: Instant,
) -> Result<Reply<Answer>, SandboxFault> {
    sandbox.exchange(Request::without_host(invoke(), Bytes::from(command.to_owned())), deadline).await
}

pub fn text(reply: Reply<Answer>) -> String {
    match reply.answer {
        Answer::Result(_, body) => String::from_utf8(body.to_vec()).unwrap(),
        Answer::Streamed(_) => unreachable!("nobody offered to take a stream"),
        Answer::Failure(failure) => panic!("{failure:?}"),
    }
}

/// What is left of an instance: containers, mounts, cgroups with their processes, folders of sandboxes.
pub async fn leftovers(subject: Subject, instance: &Instance, is_closed: bool) -> Vec<String> {
    let containers = if subject == Subject::Docker { daemon::containers(instance).await } else { Vec::new() };
    containers
        .into_iter()
        .map(|name| format!("container {name}"))
        .chain(on_host(instance, is_closed))
        .collect()
}

fn on_host(instance: &Instance, is_closed: bool) -> Vec<String> {
    let run_dir = instance.run_dir.display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let is_left = |point: &str| {
        if is_closed { point.starts_with(&run_dir) } else { point.starts_with(&format!("{run_dir}/")) }
    };
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| is_left(point));
    let mut left: Vec<String> = points.map(|point| format!("mount {point}")).collect();
    for folder in entries(&instance.run_dir).into_iter().filter(|path| !path.ends_with("staging")) {
        left.push(format!("folder {}", folder.display()));
    }
    let roots = entries(Path::new("/sys/fs/cgroup")).into_iter().chain([PathBuf::from("/sys/fs/cgroup")]);
    for group in
        roots.map(|root| root.join(format!("cloudbox-{}", instance.id))).filter(|group| group.exists())
    {
        let below = entries(&group).into_iter().filter(|path| path.is_dir());
        left.extend(
            below.chain(is_closed.then_some(group)).map(|group| format!("cgroup {}", group.display())),
        );
    }
    left
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .map(|found| found.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// `target/<profile>`, where this test was built.
fn built() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// The probe and the libraries that it needs, and nothing else.
fn make_rootfs(root: &Path) {
    init::rootfs(root, "probe", "");
    std::fs::create_dir(root.join("bin")).unwrap();
    let probe = probe();
    std::fs::copy(&probe, root.join("bin/probe")).unwrap();
    std::fs::copy(init::init().with_file_name("examples/attempts"), root.join("bin/attempts")).unwrap();
    std::fs::write(root.join("etc/passwd"), "sandbox:x:65532:65532::/tmp:/bin/false\n").unwrap();
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n").unwrap();
    let listed = run(Command::new("ldd").arg(&probe));
    for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let target = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(library, target).unwrap();
    }
}

/// The probe, built once: a run of this test alone does not build examples.
fn probe() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        run(&mut cargo(&["--package", "cloudbox-drivers", "--example", "probe"]));
        built().join("examples/probe")
    };
    BUILT.get_or_init(build).clone()
}

fn cargo(words: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--target-dir"]).arg(built().parent().unwrap()).args(words);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

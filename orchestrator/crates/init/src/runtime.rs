//! Starts the runtime: its own session, the three pipes as 0, 1 and 2, nothing else of ours, and confined.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use cloudbox_protocol::control::Confinement;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use serde::{Deserialize, Serialize};

use crate::error::{Failed, Step};
use crate::landlock;
use crate::seccomp::Filter;

/// The runtime's ends of the pipes.
pub struct Ends {
    /// It reads them.
    pub requests: OwnedFd,
    /// It writes them.
    pub answers: OwnedFd,
    /// It writes them.
    pub logs: OwnedFd,
}

/// What a process is to become.
#[derive(Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Where it starts.
    pub cwd: String,
}

/// A confined process that waits to be told which program it becomes. Dropped, it ends.
pub struct Armed {
    /// Its id inside the sandbox.
    pid: Pid,
    /// It reads the program from the other end, up to the end of the stream.
    orders: OwnedFd,
    /// It writes what failed to the other end, which `execve` closes.
    told: File,
}

impl Armed {
    /// Forks it; returns when it is confined. Where `is_plain`, its stdout goes where its stderr goes.
    ///
    /// # Errors
    /// It can't be confined as told, or there is no room for it.
    pub fn fork(ends: Ends, is_plain: bool, confinement: &Confinement) -> Result<Self, Failed> {
        let domain = landlock::Domain::new(confinement).step("landlock")?;
        let filter = Filter::new(&confinement.filter).step("seccomp")?;
        let (awaited, orders) = pipe2(OFlag::O_CLOEXEC).step("start")?;
        let (told, tell) = pipe2(OFlag::O_CLOEXEC).step("start")?;
        let stdout = if is_plain { &ends.logs } else { &ends.answers };
        let stdio = [&ends.requests, stdout, &ends.logs].map(AsRawFd::as_raw_fd);
        // SAFETY: this process has one thread, so the child may do whatever the parent may.
        match unsafe { fork() }.step("fork")? {
            ForkResult::Child => {
                // Else it would wait for itself.
                drop((orders, told));
                let confined = confine(stdio, domain.as_ref(), &filter);
                let (step, error) = match confined.and_then(|()| become_one(&tell, awaited)) {
                    Err(failed) => failed,
                    Ok(never) => match never {},
                };
                report(&tell, step, &error)
            }
            ForkResult::Parent { child } => {
                // Else nobody would see that it has ended.
                drop((tell, awaited));
                let mut told = File::from(told);
                match errno(&mut told)? {
                    Some(CONFINED) => Ok(Self { pid: child, orders, told }),
                    Some(errno) => Err(failure(errno, told)),
                    None => Err(io::ErrorKind::BrokenPipe).step("start"),
                }
            }
        }
    }

    /// Has it become a program; returns when it has.
    ///
    /// # Errors
    /// A word has a NUL in it, the program can't be started, or the process is not there any more.
    pub fn start(self, program: &Program) -> Result<Pid, Failed> {
        let Self { pid, orders, mut told } = self;
        let program = serde_json::to_vec(program).map_err(io::Error::from).step("start")?;
        let ordered = File::from(orders).write_all(&program);
        match errno(&mut told)? {
            Some(errno) => Err(failure(errno, told)),
            None => ordered.step("start").map(|()| pid),
        }
    }
}

/// What the process says in place of an error's number when it is confined.
const CONFINED: i32 = 0;

/// The number that the process says next; none where it has become its program, or is gone.
fn errno(told: &mut File) -> Result<Option<i32>, Failed> {
    let mut errno = [0; 4];
    match told.read_exact(&mut errno) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.step("start").map(|()| Some(i32::from_ne_bytes(errno))),
    }
}

/// What failed: its step is all that follows the number.
fn failure(errno: i32, mut told: File) -> Failed {
    let mut step = String::new();
    let _ = told.read_to_string(&mut step);
    let step = STEPS.into_iter().find(|name| *name == step).unwrap_or("exec");
    Failed { step, error: io::Error::from_raw_os_error(errno) }
}

/// What can fail between the fork and the program.
const STEPS: [&str; 5] = ["chdir", "landlock", "seccomp", "start", "exec"];

/// Tells the init why there is no program, and ends.
fn report(tell: &OwnedFd, step: &str, error: &io::Error) -> ! {
    let mut message = error.raw_os_error().unwrap_or(libc::EIO).to_ne_bytes().to_vec();
    message.extend_from_slice(step.as_bytes());
    let _ = nix::unistd::write(tell, &message);
    // SAFETY: ends this process at once; nothing of it needs to be put in order.
    unsafe { libc::_exit(127) }
}

/// A step between the fork and the program that failed, and why.
type Stopped = (&'static str, io::Error);

fn exec(errno: Errno) -> Stopped {
    ("exec", errno.into())
}

/// The first half of the forked process's life.
fn confine(stdio: [RawFd; 3], domain: Option<&landlock::Domain>, filter: &Filter) -> Result<(), Stopped> {
    nix::unistd::setsid().map_err(exec)?;
    reset_signals().map_err(exec)?;
    for (target, source) in (0..).zip(stdio) {
        // SAFETY: `source` is open and above 2; `target` is one of 0 to 2, which nothing here owns.
        if unsafe { libc::dup2(source, target) } < 0 {
            return Err(("exec", io::Error::last_os_error()));
        }
    }
    close_on_exec_from(3).map_err(|error| ("exec", error))?;
    if let Some(domain) = domain {
        domain.enter().map_err(|error| ("landlock", error))?;
    }
    // Last, since it forbids much of the above.
    filter.load().map_err(|error| ("seccomp", error))
}

/// The second half: waits to be told. Returns only where it fails.
fn become_one(tell: &OwnedFd, awaited: OwnedFd) -> Result<std::convert::Infallible, Stopped> {
    let start = |errno: Errno| ("start", io::Error::from(errno));
    nix::unistd::write(tell, &CONFINED.to_ne_bytes()).map_err(start)?;
    let mut order = Vec::new();
    File::from(awaited).read_to_end(&mut order).map_err(|error| ("start", error))?;
    let Program { argv, env, cwd } = serde_json::from_slice(&order).map_err(|_| start(Errno::EPROTO))?;
    let word = |text: &str| CString::new(text).map_err(|_| start(Errno::EINVAL));
    let path = word(&found(argv.first().map_or("", String::as_str), &env))?;
    let argv = argv.iter().map(|text| word(text)).collect::<Result<Vec<_>, _>>()?;
    let env =
        env.iter().map(|(name, value)| word(&format!("{name}={value}"))).collect::<Result<Vec<_>, _>>()?;
    nix::unistd::chdir(cwd.as_str()).map_err(|errno| ("chdir", errno.into()))?;
    nix::unistd::execve(&path, &argv, &env).map_err(exec)
}

/// Where a program is: a plain name is the first file of that name on the `PATH` of its environment. What can't be
/// started is told by `execve`.
fn found(program: &str, env: &BTreeMap<String, String>) -> String {
    if program.contains('/') {
        return program.to_owned();
    }
    let folders = env.get("PATH").map_or("", String::as_str).split(':').filter(|it| it.starts_with('/'));
    let mut paths = folders.map(|folder| format!("{folder}/{program}"));
    paths
        .find(|path| std::fs::metadata(path).is_ok_and(|it| it.is_file()))
        .unwrap_or_else(|| program.to_owned())
}

/// Nothing blocked, nothing ignored: Rust ignores `SIGPIPE`, and the init blocks `SIGCHLD`.
fn reset_signals() -> nix::Result<()> {
    use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
    // SAFETY: the default action runs no code of ours.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
    SigSet::empty().thread_set_mask()
}

/// Every descriptor from `first` on ends with `execve`.
///
/// # Errors
/// The kernel is older than 5.11.
pub fn close_on_exec_from(first: libc::c_uint) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: sets a flag on descriptors and closes none.
    match unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

//! Runs programs of the machine's own toolchains, while a bundle is made. Nothing of a user is ever run here.
//!
//! A compiler goes on by itself when whoever started it is gone. So each is started as the first of a process group, and
//! [`Stop`] ends those that run with all that they started.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process_group};

/// Between two looks at whether a program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The longest that a program may take to be gone after it was killed.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// How often a program that was just written is tried, with a look between two tries.
const BUSY_TRIES: u32 = 50;

/// Ends the programs that run. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    is_ordered: bool,
    running: usize,
}

/// A program that runs, as [`Stop`] counts it.
struct Running<'a>(&'a Stop);

impl Stop {
    /// Ends what runs, and lets nothing else start. Blocks until all of it is gone.
    pub fn order(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock();
        state.is_ordered = true;
        changed.notify_all();
        let is_late = changed.wait_while_for(&mut state, |state| state.running > 0, GONE_WITHIN).timed_out();
        if is_late && state.running > 0 {
            tracing::warn!(programs = state.running, "programs of toolchains don't end");
        }
    }

    fn enter(&self) -> std::io::Result<Running<'_>> {
        let mut state = self.0.0.lock();
        if state.is_ordered {
            return Err(ending_now());
        }
        state.running += 1;
        Ok(Running(self))
    }

    /// Waits a little; whether the programs are to end.
    fn is_ordered(&self) -> bool {
        let (state, changed) = &*self.0;
        let mut state = state.lock();
        changed.wait_while_for(&mut state, |state| !state.is_ordered, LOOK_EVERY);
        state.is_ordered
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let (state, changed) = &*self.0.0;
        state.lock().running -= 1;
        changed.notify_all();
    }
}

/// Runs a program to its end with nothing but the given environment.
///
/// # Errors
/// It can't be started, or was ended by `stop`.
pub fn run<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    env: &BTreeMap<String, String>,
    folder: &Path,
    stop: &Stop,
) -> std::io::Result<Output> {
    let _running = stop.enter()?;
    #[expect(clippy::disallowed_methods, reason = "bundles are made with the machine's toolchains")]
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", folder).env("LC_ALL", "C");
    command.envs(env).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = spawn(&mut command, stop)?;
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if stop.is_ordered() {
            drop(Group::of(Some(child.id())));
            child.wait()?;
            return Err(ending_now());
        }
    };
    let read = |thread: thread::JoinHandle<Vec<u8>>| thread.join().unwrap_or_default();
    Ok(Output { status, stdout: read(stdout), stderr: read(stderr) })
}

/// Starts a program that may just have been written: for as long as it takes another thread's program to start, that one
/// may have the file open for writing, which the kernel doesn't run.
fn spawn(command: &mut Command, stop: &Stop) -> std::io::Result<Child> {
    for _ in 1..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && !stop.is_ordered() => {}
            done => return done,
        }
    }
    command.spawn()
}

/// Reads a stream to its end, apart: a program whose output nobody takes doesn't go on.
fn reader(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before it broke is what there is.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// A program and all that it started, which end when this is dropped. To be dropped before anybody waits for the program,
/// so that its number is not another's.
pub struct Group(Option<Pid>);

impl Group {
    /// The group of the program of this number, which is the first of it.
    #[must_use]
    pub fn of(program: Option<u32>) -> Self {
        Self(program.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// It has ended by itself.
    pub fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone by itself: that is what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn ending_now() -> std::io::Error {
    std::io::Error::other("the service is ending")
}

/// How a program ended, and the last lines of what it printed, for an error's sentence.
#[must_use]
pub fn ending(output: &Output) -> String {
    let text =
        String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!("{}: {}", output.status, lines.join("\n"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "these threads are no runtime's")]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &Path, stop: &Stop) -> std::io::Result<Output> {
        run(Path::new("/bin/sh"), &["-c", script], &BTreeMap::new(), folder, stop)
    }

    #[test]
    fn a_program_says_what_it_prints_and_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let output =
            shell("yes | head -c 200000; echo why >&2; exit 3", folder.path(), &Stop::default()).unwrap();
        assert_eq!((output.stdout.len(), output.stderr.as_slice()), (200_000, b"why\n".as_slice()));
        assert!(ending(&output).contains("3: why"), "{}", ending(&output));
    }

    #[test]
    fn a_program_that_is_still_open_for_writing_is_tried_again() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let mut file =
            std::fs::File::options().create_new(true).write(true).mode(0o755).open(&program).unwrap();
        std::io::Write::write_all(&mut file, b"#!/bin/sh\necho runs\n").unwrap();
        let closing = thread::spawn(move || {
            thread::sleep(5 * LOOK_EVERY);
            drop(file);
        });
        let output = run::<&str>(&program, &[], &BTreeMap::new(), folder.path(), &Stop::default()).unwrap();
        assert_eq!(output.stdout, b"runs\n");
        closing.join().unwrap();
    }

    #[test]
    fn what_runs_ends_with_all_that_it_started() {
        let (folder, stop) = (tempfile::tempdir().unwrap(), Stop::default());
        let note = folder.path().join("child");
        let script = "sleep 1000 & echo $! > child.new; mv child.new child; wait";
        let outcome = thread::scope(|scope| {
            let running = scope.spawn(|| shell(script, folder.path(), &stop));
            while !note.exists() {
                assert!(!running.is_finished(), "it ended by itself");
                thread::sleep(LOOK_EVERY);
            }
            stop.order();
            running.join().unwrap()
        });
        assert_eq!(outcome.unwrap_err().to_string(), "the service is ending");
        let child = std::fs::read_to_string(note).unwrap();
        let status = format!("/proc/{}/status", child.trim());
        // Whoever adopted it may still have to wait for it.
        let is_alive = || std::fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ"));
        while is_alive() {
            thread::sleep(LOOK_EVERY);
        }
        assert!(shell("true", folder.path(), &stop).is_err(), "and nothing starts any more");
    }
}

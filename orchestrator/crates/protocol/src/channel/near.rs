//! Where the process that answers runs: beside the thread that waits for it.
//!
//! A process that is woken on another CPU than its caller's costs more than a quick function does: the other CPU has to be
//! interrupted, and often started, and so has ours for the answer. So while a thread waits for a quick answer, and its
//! CPU has nothing else to do, the process is kept on that CPU. What takes longer may run anywhere.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// A sandbox's program, as far as it is known which process of the host's that is.
#[derive(Debug, Default)]
pub(super) struct Near {
    program: Option<Box<Program>>,
}

#[derive(Debug)]
struct Program {
    pid: Pid,
    /// The process itself: its number is another's as soon as somebody has waited for it.
    process: OwnedFd,
    /// Where it may run.
    anywhere: CpuSet,
    /// Where it is kept.
    cpu: Option<usize>,
}

impl Near {
    /// Of a process of the host's. One that can't be moved stays where it is.
    pub(super) fn of(pid: i32) -> Self {
        let program = Pid::from_raw(pid).and_then(|pid| {
            let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            let anywhere = sched_getaffinity(Some(pid)).ok()?;
            (anywhere.count() > 1).then(|| Box::new(Program { pid, process, anywhere, cpu: None }))
        });
        Self { program }
    }

    /// Keeps it on this thread's CPU.
    pub(super) fn come(&mut self) {
        let Some(program) = &mut self.program else { return };
        let cpu = sched_getcpu();
        if program.cpu == Some(cpu) {
            return;
        }
        let mut here = CpuSet::new();
        if program.anywhere.is_set(cpu) {
            here.set(cpu);
        }
        if program.is_there() && sched_setaffinity(Some(program.pid), &here).is_ok() {
            program.cpu = Some(cpu);
        } else {
            self.program = None;
        }
    }

    /// Lets it run anywhere, with the threads that it has started meanwhile.
    pub(super) fn go(&mut self) {
        let Some(program) = &mut self.program else { return };
        if program.cpu.take().is_none() || !program.is_there() {
            return;
        }
        let Program { pid, anywhere, .. } = &**program;
        let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
        for thread in threads.into_iter().flatten().flatten() {
            let id = thread.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
            // One that has ended needs no place.
            let _ = id.map(|id| sched_setaffinity(Some(id), anywhere));
        }
    }
}

impl Program {
    /// Whether it runs, so that its number is its own.
    fn is_there(&self) -> bool {
        poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&Timespec::default())) == Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    struct Sleeper(Child);

    impl Sleeper {
        #[expect(clippy::disallowed_methods, reason = "a process to be moved")]
        fn start() -> Self {
            Self(Command::new("sleep").arg("60").spawn().expect("every machine has it"))
        }

        fn pid(&self) -> i32 {
            i32::try_from(self.0.id()).expect("a process id")
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn places(pid: i32) -> u32 {
        sched_getaffinity(Pid::from_raw(pid)).expect("it runs").count()
    }

    #[test]
    fn a_program_comes_and_goes() {
        let sleeper = Sleeper::start();
        let anywhere = places(sleeper.pid());
        let mut near = Near::of(sleeper.pid());
        near.come();
        assert_eq!(places(sleeper.pid()), 1);
        near.come();
        near.go();
        near.go();
        assert_eq!(places(sleeper.pid()), anywhere);
    }

    #[test]
    fn who_has_its_number_after_it_is_left_alone() {
        let (sleeper, other) = (Sleeper::start(), Sleeper::start());
        let anywhere = places(other.pid());
        let mut near = Near::of(sleeper.pid());
        drop(sleeper);
        near.program.as_mut().expect("it was there").pid = Pid::from_raw(other.pid()).expect("a process id");
        near.come();
        assert_eq!(places(other.pid()), anywhere);
        assert!(near.program.is_none());
    }

    #[test]
    fn one_that_is_gone_is_left_alone() {
        let sleeper = Sleeper::start();
        let mut near = Near::of(sleeper.pid());
        drop(sleeper);
        near.come();
        assert!(near.program.is_none());
        near.go();
    }
}

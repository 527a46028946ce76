//! What the program may use up.

use cloudbox_protocol::probe::Question;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pause};

use super::Seen;

const MIB: usize = 1 << 20;

/// The kernel's per-process limits are as low as they should be.
pub fn resources(question: &Question) -> Seen {
    use Resource::{RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NOFILE, RLIMIT_STACK};
    let most = [
        ("core", RLIMIT_CORE, 0),
        ("nofile", RLIMIT_NOFILE, 1024),
        ("fsize", RLIMIT_FSIZE, question.max_file_bytes),
        ("memlock", RLIMIT_MEMLOCK, 64 << 10),
        ("msgqueue", RLIMIT_MSGQUEUE, 0),
        ("stack", RLIMIT_STACK, 64 << 20),
    ];
    for (name, resource, most) in most {
        let (_, hard) = getrlimit(resource).map_err(|errno| errno.to_string())?;
        if hard > most {
            return Err(format!("{name} is {hard}, not {most}"));
        }
    }
    Ok("no core file, 1024 descriptors, and files of a bounded size".to_owned())
}

/// Forks until it is refused, which must be before the limit is passed.
pub fn processes(question: &Question) -> Seen {
    let (limit, mut children) = (question.pids as usize, Vec::<Pid>::new());
    let seen = loop {
        if children.len() > limit {
            break Err(format!("{} processes were started at a limit of {limit}", children.len()));
        }
        // SAFETY: this process has one thread, so the child may do whatever the parent may.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => loop {
                pause();
            },
            Ok(ForkResult::Parent { child }) => children.push(child),
            Err(errno) => break Ok(format!("process {} was refused: {}", children.len() + 1, errno.desc())),
        }
    };
    for child in children {
        let _ = kill(child, Signal::SIGKILL);
        let _ = waitpid(child, None);
    }
    seen
}

/// Uses half as much again as it may have; the kernel must end it, with this process where it ends the whole group.
pub fn memory(question: &Question) -> Seen {
    let limit = usize::try_from(question.memory_bytes).unwrap_or(usize::MAX / 2);
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let mut held: Vec<Vec<u8>> = Vec::new();
            while held.len() * MIB < limit + limit / 2 {
                // Not zeroes, which would take no memory before they are changed.
                held.push(std::hint::black_box(vec![1; MIB]));
            }
            std::process::exit(0)
        }
        Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
            Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => {
                Ok(format!("a process beyond {} MB was ended", limit / MIB))
            }
            _ => Err(format!("a process had more than {} MB", limit / MIB)),
        },
        Err(errno) => Err(format!("it can't be tried: {errno}")),
    }
}

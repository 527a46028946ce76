//! The sandbox's view of files: its own root, of which `/tmp` alone is writable, and starts nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cloudbox_protocol::probe::{CODE, Question};
use nix::sys::statvfs::statvfs;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::{Seen, all_refused};

/// Where no mount needs to be for a write to be an attempt.
const FOLDERS: [&str; 8] = ["/", "/etc", "/usr", "/dev", "/run", "/proc", "/sys", "/workspace"];
/// Of the machine, not of the sandbox.
const SECRETS: [&str; 7] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/1/environ",
    "/proc/1/mem",
    "/sys/firmware/dmi/tables/DMI",
];
/// What is written there changes the machine.
const LEVERS: [&str; 4] = [
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/sys/kernel/uevent_helper",
];
/// Files and folders that `/tmp` may hold.
const TMP_INODES: u64 = 4096;

/// A file of the host isn't there, and nothing is above the root.
pub fn own_root(question: &Question) -> Seen {
    if Path::new(&question.hidden).exists() {
        return Err(format!("{} of the host is visible", question.hidden));
    }
    let number = |path: &str| fs::metadata(path).map(|root| (root.dev(), root.ino())).ok();
    if number("/") != number("/..") {
        return Err("there is something above the root".to_owned());
    }
    Ok("nothing of the host's files is visible".to_owned())
}

/// A file can be made nowhere but in `/tmp`.
pub fn nothing_is_writable(_: &Question) -> Seen {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut places: Vec<PathBuf> = FOLDERS.map(PathBuf::from).into_iter().chain(mounted).collect();
    places.retain(|place| place != Path::new("/tmp"));
    let done: Vec<String> = places
        .iter()
        .filter(|place| can_make_a_file(place))
        .map(|place| place.display().to_string())
        .collect();
    all_refused("places to write to were", places.len(), &done)
}

fn can_make_a_file(folder: &Path) -> bool {
    let path = folder.join(".probe");
    let is_made = OpenOptions::new().write(true).create_new(true).open(&path).is_ok();
    if is_made {
        let _ = fs::remove_file(&path);
    }
    is_made
}

/// The code that was attached after the start is there, and stays as it is.
pub fn code_is_read_only(_: &Question) -> Seen {
    let path = Path::new("/workspace").join(CODE);
    if let Err(error) = fs::read(&path) {
        return Err(format!("code that is attached to a running sandbox doesn't appear in it: {error}"));
    }
    let is_changed =
        OpenOptions::new().write(true).open(&path).is_ok() || can_make_a_file(Path::new("/workspace"));
    if is_changed {
        Err("the code can be changed".to_owned())
    } else {
        Ok("visible, and refuses changes".to_owned())
    }
}

/// A program in `/tmp` is not started.
pub fn tmp_starts_nothing(_: &Question) -> Seen {
    const STARTED: i32 = 2;
    const REFUSED: i32 = 3;
    let path = c"/tmp/.probe";
    let name = Path::new("/tmp/.probe");
    let made = OpenOptions::new().write(true).create_new(true).mode(0o700).open(name);
    let written = made.and_then(|mut file| std::io::Write::write_all(&mut file, b"#!/cloudbox/init\n"));
    if let Err(error) = written {
        return Err(format!("/tmp can't be written to: {error}"));
    }
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    let seen = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // Started, it finds no control socket to connect to, and ends with `STARTED`.
            let _ = nix::unistd::execve(path, &[path], &[c""]);
            std::process::exit(REFUSED)
        }
        Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, REFUSED)) => Ok("a program in it was refused".to_owned()),
            Ok(WaitStatus::Exited(_, STARTED)) => Err("a program in it was started".to_owned()),
            other => Err(format!("a program in it ended with {other:?}")),
        },
        Err(errno) => Err(format!("it can't be tried: {errno}")),
    };
    let _ = fs::remove_file(name);
    seen
}

/// As many bytes and files as told.
pub fn tmp_is_bounded(question: &Question) -> Seen {
    let found = statvfs("/tmp").map_err(|errno| errno.to_string())?;
    let (bytes, files) = (found.blocks() * found.fragment_size(), found.files());
    let seen = format!("{} MB and {files} files", bytes >> 20);
    if bytes > question.tmp_bytes || files > TMP_INODES { Err(seen) } else { Ok(seen) }
}

/// Neither the machine's memory and keys nor its levers, and nothing of the init.
pub fn proc_is_masked(_: &Question) -> Seen {
    let is_read =
        |path: &&str| File::open(path).and_then(|mut file| file.read(&mut [0])).is_ok_and(|len| len > 0);
    let is_lever = |path: &&str| match OpenOptions::new().write(true).open(path) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::Interrupted,
    };
    let mut done: Vec<String> =
        SECRETS.iter().filter(|path| is_read(path)).map(ToString::to_string).collect();
    done.extend(LEVERS.iter().filter(|path| is_lever(path)).map(ToString::to_string));
    all_refused("files of the machine are", SECRETS.len() + LEVERS.len(), &done)
}

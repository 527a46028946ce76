//! The self-test's program: inside a sandbox, confined as every function is, it tries what must not be possible.
//!
//! Each layer is an attempt, not a question to the kernel: a mount that says it is read only counts when a write failed.

mod calls;
mod files;
mod limits;
mod rights;
mod surroundings;

use std::io::Write;
use std::process::ExitCode;

use cloudbox_protocol::probe::{Finding, Question};

/// What was seen of a layer: as an error, that it doesn't hold.
type Seen = Result<String, String>;

/// An attempt on a layer.
type Attempt = fn(&Question) -> Seen;

/// In this order: the last ones use up what the sandbox has.
const ATTEMPTS: [(&str, Attempt); 23] = [
    ("user_namespace", |question| surroundings::namespace("user", question)),
    ("mount_namespace", |question| surroundings::namespace("mnt", question)),
    ("pid_namespace", surroundings::processes),
    ("network_namespace", surroundings::network),
    ("ipc_namespace", |question| surroundings::namespace("ipc", question)),
    ("uts_namespace", |question| surroundings::namespace("uts", question)),
    ("cgroup_namespace", |question| surroundings::namespace("cgroup", question)),
    ("pivot_root", files::own_root),
    ("read_only_root", files::nothing_is_writable),
    ("code_read_only", files::code_is_read_only),
    ("tmp_noexec", files::tmp_starts_nothing),
    ("tmp_limit", files::tmp_is_bounded),
    ("proc_masked", files::proc_is_masked),
    ("not_root", rights::not_root),
    ("capabilities", rights::no_capabilities),
    ("no_new_privs", rights::no_new_privileges),
    ("seccomp", calls::filter_is_on),
    ("socket_families", calls::socket_families),
    ("init_protected", rights::init_is_protected),
    ("landlock", rights::landlock),
    ("rlimits", limits::resources),
    ("cgroup_pids", limits::processes),
    ("cgroup_memory", limits::memory),
];

/// Makes every attempt and prints what it found.
pub fn main(question: &str) -> ExitCode {
    let Ok(question) = serde_json::from_str::<Question>(question) else { return ExitCode::from(2) };
    for (name, attempt) in ATTEMPTS {
        let (is_active, detail) = match attempt(&question) {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        let finding = Finding { name: name.to_owned(), is_active, detail };
        let Ok(mut line) = serde_json::to_string(&finding) else { return ExitCode::from(2) };
        line.push('\n');
        // A line at a time: the last attempt may end this process.
        if std::io::stdout().write_all(line.as_bytes()).is_err() {
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// As a finding: all that should have been refused, or how many attempts there were.
fn all_refused(what: &str, count: usize, done: &[String]) -> Seen {
    if done.is_empty() {
        Ok(format!("{count} {what} refused"))
    } else {
        Err(format!("not refused: {}", done.join(", ")))
    }
}

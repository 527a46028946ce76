//! Which of a sandbox's processes answers its calls.

use std::fs;

/// The host's id of the program among these processes: the only one besides the init, which is 1 in the innermost
/// namespace, and the process that started that from outside, where there is one. None where there are others.
pub(super) fn answering(processes: &[i32]) -> Option<i32> {
    let all = processes.iter().map(|&pid| Process::read(pid)).collect::<Option<Vec<_>>>()?;
    let init = all.iter().find(|process| process.is_init)?;
    let mut others = all.iter().filter(|process| process.pid != init.pid && process.pid != init.parent);
    let program = others.next()?;
    others.next().is_none().then_some(program.pid)
}

struct Process {
    pid: i32,
    parent: i32,
    is_init: bool,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        // Its ids in all namespaces that have it, the innermost one last.
        let ids = field("NSpid:")?.split_whitespace().skip(1);
        Some(Self { pid, parent: field("PPid:")?.trim().parse().ok()?, is_init: ids.last() == Some("1") })
    }
}

//! The machine's cores, and whether one of them has nothing to do.

use std::sync::LazyLock;

static COUNT: LazyLock<u32> = LazyLock::new(|| {
    std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
});

/// How many there are for this process.
pub(super) fn count() -> u32 {
    *COUNT
}

/// The one that the caller runs on at this moment; 0 where the kernel doesn't tell.
pub(super) fn this_one() -> usize {
    nix::sched::sched_getcpu().unwrap_or_default()
}

/// Whether as much wants to run as there are cores, at this very moment: no where the kernel doesn't tell.
pub(super) fn has_none_to_spare() -> bool {
    std::fs::read_to_string("/proc/loadavg").is_ok_and(|text| is_over(&text, count()))
}

/// `0.20 0.18 0.12 3/812 11206`: of 812 tasks 3 run or want to, and one of these reads this.
fn is_over(loadavg: &str, cores: u32) -> bool {
    let running = loadavg.split_whitespace().nth(3).and_then(|tasks| tasks.split_once('/'));
    running.and_then(|(running, _)| running.parse::<u32>().ok()).is_some_and(|running| running > cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_is_not_counted() {
        assert!(is_over("0.20 0.18 0.12 3/812 11206\n", 2) && !is_over("0.20 0.18 0.12 2/812 11206\n", 2));
        assert!(!is_over("", 2) && !is_over("a b c d e", 2));
    }
}

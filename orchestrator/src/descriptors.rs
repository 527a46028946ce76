//! How many files and connections this process may have open, and who gets them.
//!
//! Clients get a part of them only: what is left is for sandboxes, records and the database, so that many connections
//! can't take a running call's means away.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// One of so many descriptors may be a client's connection.
const CLIENTS_PART: u64 = 4;
/// What a sandbox takes: its control socket, three pipes, its process and its counters.
const OF_A_SANDBOX: u64 = 12;
/// Below this, an operator should know.
const LOW: u64 = 4096;

/// Raises the limit as far as this process may, and says what a low one means. How many descriptors there are now.
pub fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return LOW };
    let now = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    if now < LOW {
        tracing::warn!(
            "this process may have {now} files open: enough for {} connections and about {} sandboxes; raise it \
             with ulimit -n, LimitNOFILE= of systemd or --ulimit of docker run",
            connections(now, usize::MAX),
            now / 2 / OF_A_SANDBOX
        );
    }
    now
}

/// How many connections may be open at once, where `wanted` are asked for.
#[must_use]
pub fn connections(descriptors: u64, wanted: usize) -> usize {
    let most = usize::try_from(descriptors / CLIENTS_PART).unwrap_or(usize::MAX);
    wanted.min(most.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_a_part() {
        assert_eq!(connections(1 << 20, 10_000), 10_000);
        assert_eq!(connections(256, 10_000), 64);
        assert_eq!(connections(2, 10_000), 1);
    }

    #[test]
    fn the_limit_is_raised_to_the_highest() {
        let now = raise();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((soft, now), (hard, hard));
    }
}

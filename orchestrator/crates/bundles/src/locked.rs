//! Files that are locked against other processes, and against other users of them in this one.

use std::fs::File;
use std::io;

use nix::fcntl::{Flock, FlockArg};

/// An open file, locked until this is dropped. It is unlocked then, not just closed: a process that another thread starts at
/// that moment has the file, too, until it has become its program, and would keep the lock.
pub type Locked = Flock<File>;

/// Locks a file.
pub fn lock(file: File, how: FlockArg) -> io::Result<Locked> {
    Flock::lock(file, how).map_err(|(_, errno)| errno.into())
}

/// Locks a file together with others that do so; waits while somebody has it alone.
pub fn share(file: File) -> io::Result<Locked> {
    lock(file, FlockArg::LockShared)
}

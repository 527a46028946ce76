//! Files that are locked against other processes, and against other users of them in this one.

use std::fs::{File, TryLockError};
use std::io;

/// An open file, locked until this is dropped.
///
/// It is unlocked, not just closed: a process that another thread starts at that moment has the file, too, until it has
/// become its program, and would keep the lock.
#[derive(Debug)]
pub struct Locked(File);

impl Locked {
    /// Locks it together with others that do so; waits while somebody has it alone.
    pub fn shared(file: File) -> io::Result<Self> {
        file.lock_shared()?;
        Ok(Self(file))
    }

    /// Locks it alone; waits while anybody has it.
    pub fn alone(file: File) -> io::Result<Self> {
        file.lock()?;
        Ok(Self(file))
    }

    /// Locks it alone; none where anybody has it.
    pub fn try_alone(file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// What is locked.
    pub const fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // One that can't be unlocked is, as soon as nobody has it open.
        let _ = self.0.unlock();
    }
}

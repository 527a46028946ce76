//! The filter of system calls: the service sends it, the kernel keeps it for the program and all that it starts.

use std::io;

use libc::sock_filter;

/// A filter that can be loaded.
pub struct Filter(Vec<sock_filter>);

impl Filter {
    /// From the instructions as they are sent, see [`cloudbox_protocol::control::Confinement`].
    ///
    /// # Errors
    /// There are none, or too many: a program without its filter is not started.
    pub fn new(words: &[u64]) -> io::Result<Self> {
        if words.is_empty() || words.len() > usize::from(u16::MAX) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        #[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
        let instruction = |word: &u64| sock_filter {
            code: (word >> 48) as u16,
            jt: (word >> 40) as u8,
            jf: (word >> 32) as u8,
            k: *word as u32,
        };
        Ok(Self(words.iter().map(instruction).collect()))
    }

    /// Puts it on this process, which must have `no_new_privs`. What it refuses is not logged: code could flood the
    /// machine's log, and every thread's start would be in it, since `clone3` is refused.
    ///
    /// # Errors
    /// The kernel has no seccomp, or the program is none.
    pub fn load(&self) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            filter: self.0.as_ptr().cast_mut(),
        };
        let (operation, flags) = (libc::SECCOMP_SET_MODE_FILTER, 0);
        // SAFETY: the kernel only reads the program and its instructions, which outlive the call.
        match unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &program) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

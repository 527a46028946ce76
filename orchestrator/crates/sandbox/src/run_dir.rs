//! The instance's folder of what lives as long as a sandbox, as a shared mount: what the host attaches below it
//! appears in the sandboxes.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};

use crate::staged::Staged;
use crate::{CodeDir, Error, SandboxId};

/// Where code folders are made read only before they are attached.
const STAGING: &str = "staging";

/// The folder, locked against a second service, and mounted on itself where that is possible.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    can_mount: bool,
    /// One staging mount per code folder that a sandbox has; its inode tells it from one that was replaced.
    pub(crate) staged: Mutex<HashMap<(CodeDir, u64), Staged>>,
    /// Held as long as this lives.
    lock: File,
}

impl RunDir {
    /// Makes the folder where it is missing, locks it, and makes it a shared mount.
    ///
    /// # Errors
    /// Another service has it, or it can't be made.
    pub fn open(path: &Path) -> Result<Arc<Self>, Error> {
        DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(Error::io("creating", path))?;
        let path = path.canonicalize().map_err(Error::io("resolving", path))?;
        let lock = File::open(&path).map_err(Error::io("opening", &path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::Error(source) => Error::io("locking", &path)(source),
            TryLockError::WouldBlock => {
                Error::io("another service uses", &path)(TryLockError::WouldBlock.into())
            }
        })?;
        let can_mount = share(&path);
        Ok(Arc::new(Self { path, can_mount, staged: Mutex::default(), lock }))
    }

    /// The folder, with symbolic links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether code is attached by mounts; else it is copied.
    #[must_use]
    pub const fn can_mount(&self) -> bool {
        self.can_mount
    }

    /// Where staging mounts are.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.path.join(STAGING)
    }

    /// A sandbox's folder, which need not exist.
    #[must_use]
    pub fn sandbox(&self, id: &SandboxId) -> PathBuf {
        self.path.join(&id.0)
    }

    /// Makes a sandbox's folder: `slot` becomes its `/workspace`, `root` is where its root is put together.
    ///
    /// # Errors
    /// It can't be made.
    pub fn create_sandbox(&self, id: &SandboxId) -> Result<PathBuf, Error> {
        let folder = self.sandbox(id);
        let make = |path: &Path, mode| {
            DirBuilder::new().mode(mode).create(path).map_err(Error::io("creating", path))?;
            // Whatever the umask says.
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
                .map_err(Error::io("opening up", path))
        };
        // Nobody but root goes this way: a sandbox has its parts as mounts.
        make(&folder, 0o700)?;
        for part in ["slot", "root"] {
            make(&folder.join(part), 0o755).inspect_err(|_| drop(std::fs::remove_dir_all(&folder)))?;
        }
        Ok(folder)
    }

    /// The names of the folders of sandboxes.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn sandboxes(&self) -> Result<Vec<SandboxId>, Error> {
        let entries = std::fs::read_dir(&self.path).map_err(Error::io("listing", &self.path))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| name != STAGING).map(SandboxId).collect())
    }

    /// Removes a sandbox's folder and what is mounted in it; one that is gone is no error.
    ///
    /// # Errors
    /// Something in it is still in use.
    pub fn remove_sandbox(&self, id: &SandboxId) -> Result<(), Error> {
        let folder = self.sandbox(id);
        unmount_below(&folder)?;
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("removing", &folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// An empty folder, kept until the end.
    ///
    /// # Errors
    /// It can't be made.
    pub fn empty_folder(&self) -> Result<PathBuf, Error> {
        let path = self.staging().join("empty");
        std::fs::create_dir_all(&path).map_err(Error::io("creating", &path))?;
        Ok(path)
    }

    /// Removes what an earlier life has staged.
    ///
    /// # Errors
    /// The system refused.
    pub fn remove_unused_staging(&self) -> Result<(), Error> {
        let staged = self.staged.lock();
        let Ok(entries) = std::fs::read_dir(self.staging()) else { return Ok(()) };
        for path in entries.flatten().map(|entry| entry.path()) {
            if !staged.values().any(|mount| mount.path() == path) {
                unmount_below(&path)?;
                // Now empty: what was mounted there is elsewhere.
                let _ = std::fs::remove_dir(&path);
            }
        }
        Ok(())
    }

    /// Takes all mounts away, the folder's own last.
    ///
    /// # Errors
    /// The system refused.
    pub fn close(&self) -> Result<(), Error> {
        self.staged.lock().clear();
        unmount_below(&self.path)?;
        let _ = std::fs::remove_dir_all(self.staging());
        Ok(())
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(error = %error, "mounts of sandboxes are left");
        }
        // Closing it would leave it locked for as long as a program that is just being started has it open.
        let _ = self.lock.unlock();
    }
}

/// Mounts the folder on itself, shared; an earlier life's mount of it is used again.
fn share(path: &Path) -> bool {
    let is_mounted = mounts_below(path).iter().any(|mounted| mounted == path);
    let shared = || -> rustix::io::Result<()> {
        if !is_mounted {
            mount_bind(path, path)?;
        }
        mount_change(path, MountPropagationFlags::SHARED)
    };
    match shared() {
        Ok(()) => true,
        Err(error) => {
            tracing::info!(error = %error, "code is copied into sandboxes: mounting is not possible here");
            false
        }
    }
}

/// Detaches every mount at or below `path`, the innermost first.
///
/// # Errors
/// The system refused one of them.
pub fn unmount_below(path: &Path) -> Result<(), Error> {
    for mounted in mounts_below(path).iter().rev() {
        match unmount(mounted, UnmountFlags::DETACH) {
            // Another one of them took it along.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(Error::io("unmounting", mounted)(error.into())),
        }
    }
    Ok(())
}

/// The mount points at or below `path`, in the order of mounting.
#[must_use]
pub fn mounts_below(path: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(|point| PathBuf::from(unescape(point))).filter(|point| point.starts_with(path)).collect()
}

/// mountinfo writes blanks and the like as a backslash and three octal digits.
fn unescape(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(point.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests;

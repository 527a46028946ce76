//! A sandbox's slot: where a version's code appears, read only, while the sandbox runs.
//!
//! A read-only remount does not propagate, so each code folder is first mounted read only on a staging folder; what
//! is attached to a slot is a clone of that mount, and with it its flags.

use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_bind, mount_remount, move_mount,
    open_tree, unmount,
};

use crate::run_dir::RunDir;
use crate::staged::Staged;
use crate::{CodeDir, Error};

/// The slot of one sandbox.
#[derive(Debug)]
pub struct Slot {
    run_dir: Arc<RunDir>,
    path: PathBuf,
    attached: Option<(CodeDir, u64)>,
}

impl Slot {
    /// The slot in a sandbox's folder, empty.
    #[must_use]
    pub fn new(run_dir: Arc<RunDir>, sandbox_folder: &Path) -> Self {
        Self { run_dir, path: sandbox_folder.join("slot"), attached: None }
    }

    /// The folder that is `/workspace` inside.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the code visible in the slot; blocks for microseconds where mounts are possible, else for a copy.
    ///
    /// # Errors
    /// It has code already, or a step failed.
    pub fn attach(&mut self, code: &CodeDir) -> Result<(), Error> {
        if self.attached.is_some() {
            let message = "the sandbox has its code already".to_owned();
            return Err(Error::Setup { step: "bind".to_owned(), message });
        }
        let folder = std::fs::metadata(&code.path).map_err(Error::io("looking at", &code.path))?;
        let code = (code.clone(), folder.ino());
        if !self.run_dir.can_mount() {
            let (code, _) = self.attached.insert(code);
            return copy(&code.path, &self.path, if code.is_executable { 0o777 } else { 0o666 });
        }
        let staging = self.run_dir.stage(&code)?;
        self.attached = Some(code);
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let clone =
            open_tree(CWD, &staging, flags).map_err(|error| Error::io("cloning", &staging)(error.into()))?;
        move_mount(clone.as_fd(), "", CWD, &self.path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(|error| Error::io("attaching code to", &self.path)(error.into()))
    }

    /// Takes the code away.
    pub fn detach(&mut self) {
        if let Some(code) = self.attached.take() {
            let _ = unmount(&self.path, UnmountFlags::DETACH);
            self.run_dir.unstage(&code);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.detach();
    }
}

impl RunDir {
    /// The read-only mount of a code folder, made at its first use.
    fn stage(&self, key: &(CodeDir, u64)) -> Result<PathBuf, Error> {
        let mut staged = self.staged.lock();
        if let Some(found) = staged.get_mut(key) {
            found.users += 1;
            return Ok(found.path.clone());
        }
        let path = self.staging().join(format!("{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&path).map_err(Error::io("creating", &path))?;
        // From here on its drop takes everything back.
        let made = Staged { path: path.clone(), users: 1 };
        mount_bind(&key.0.path, &path).map_err(|error| Error::io("mounting", &key.0.path)(error.into()))?;
        // The first mount ignores all flags but the bind's own.
        let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        if !key.0.is_executable {
            flags |= MountFlags::NOEXEC;
        }
        mount_remount(&path, flags, "")
            .map_err(|error| Error::io("making read only", &path)(error.into()))?;
        staged.insert(key.clone(), made);
        Ok(path)
    }

    fn unstage(&self, key: &(CodeDir, u64)) {
        let mut staged = self.staged.lock();
        if let Some(found) = staged.get_mut(key) {
            found.users -= 1;
            if found.users == 0 {
                staged.remove(key);
            }
        }
    }
}

/// Copies files, folders and links, readable for the user of any sandbox; of a file's mode what `modes` has is kept.
fn copy(from: &Path, to: &Path, modes: u32) -> Result<(), Error> {
    for entry in std::fs::read_dir(from).map_err(Error::io("listing", from))? {
        let entry = entry.map_err(Error::io("listing", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Error::io("asking for the kind of", &source))?;
        if kind.is_dir() {
            std::fs::create_dir(&target).map_err(Error::io("creating", &target))?;
            open_up(&target, 0o755)?;
            copy(&source, &target, modes)?;
        } else if kind.is_symlink() {
            let link = std::fs::read_link(&source).map_err(Error::io("reading", &source))?;
            std::os::unix::fs::symlink(link, &target).map_err(Error::io("linking", &target))?;
        } else if kind.is_file() {
            std::fs::copy(&source, &target).map_err(Error::io("copying", &source))?;
            let metadata = entry.metadata().map_err(Error::io("asking for the mode of", &source))?;
            open_up(&target, metadata.permissions().mode() & modes | 0o444)?;
        }
    }
    Ok(())
}

fn open_up(path: &Path, mode: u32) -> Result<(), Error> {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(Error::io("opening up", path))
}

#[cfg(test)]
mod tests;

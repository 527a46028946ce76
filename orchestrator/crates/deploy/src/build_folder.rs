//! The folder of one build. A stranger's code writes in it, so it is reached by nobody else and removed in any case.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cloudbox_archive::Unpacked;
use cloudbox_artefacts::{MAIN_NOTE, open_regular};
use tempfile::TempDir;

use crate::error::StageError;

/// What a build folder's name begins with.
pub(crate) const PREFIX: &str = "build-";

/// A build's folder, removed when dropped.
#[derive(Debug)]
pub struct BuildFolder {
    /// Mode 0700: no other user of the machine gets to what is below.
    outer: TempDir,
    workspace: PathBuf,
}

impl BuildFolder {
    /// A new folder with an empty workspace.
    ///
    /// # Errors
    /// It can't be made.
    pub fn create(builds_dir: &Path) -> Result<Self, StageError> {
        let outer = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(builds_dir)
            .map_err(StageError::io("making a folder in", builds_dir))?;
        let workspace = outer.path().join("workspace");
        fs::create_dir(&workspace).map_err(StageError::io("making", &workspace))?;
        // The sandbox's user, whoever that is, writes here.
        set_mode(&workspace, 0o777)?;
        Ok(Self { outer, workspace })
    }

    /// What becomes `/workspace`.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Writes a file, before any sandbox has seen the folder.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StageError> {
        let path = self.workspace.join(name);
        fs::write(&path, text).map_err(StageError::io("writing", &path))?;
        set_mode(&path, 0o666)
    }

    /// Takes over what a package held, before any sandbox has seen the folder.
    ///
    /// # Errors
    /// It can't be moved, or is on another disk.
    pub fn take(&mut self, content: Unpacked) -> Result<(), StageError> {
        let workspace = &self.workspace;
        fs::remove_dir(workspace).map_err(StageError::io("removing", workspace))?;
        fs::rename(&content.root, workspace).map_err(StageError::io("moving into place", workspace))?;
        drop(content);
        open_to_write(workspace)?;
        // The name is the check's alone.
        match fs::remove_file(workspace.join(MAIN_NOTE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StageError::io("removing", workspace.join(MAIN_NOTE))(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a file outside of the workspace, readable for the user of a sandbox that it is mounted in.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write_beside(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, StageError> {
        let path = self.outer.path().join(name);
        fs::write(&path, bytes).map_err(StageError::io("writing", &path))?;
        set_mode(&path, 0o444)?;
        Ok(path)
    }

    /// The text of a file that the author may have left directly in the workspace; none where there is no such file.
    ///
    /// # Errors
    /// It is no regular file, no UTF-8, or has more than `most` bytes.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<String>, StageError> {
        let path = self.workspace.join(name);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let mut text = String::new();
        let read = open_regular(&path)?.take(most + 1).read_to_string(&mut text);
        if read.is_err() {
            return Err(StageError::Refused(format!("{name} is not UTF-8")));
        }
        if text.len() as u64 > most {
            return Err(StageError::Refused(format!("{name} has more than {most} bytes")));
        }
        Ok(Some(text))
    }

    /// The file that the check or the compiler named as the one to load; `written` where it named none. To be called
    /// when the sandbox is gone.
    ///
    /// # Errors
    /// The note is no name of a regular file in the workspace.
    pub fn main(&self, written: &str) -> Result<String, StageError> {
        let note = self.workspace.join(MAIN_NOTE);
        if note.symlink_metadata().is_err() {
            return Ok(written.to_owned());
        }
        let mut name = String::new();
        let read = open_regular(&note)?.take(256).read_to_string(&mut name);
        let name = name.trim();
        let is_plain = read.is_ok() && name.split('/').all(is_part);
        let is_file = || self.workspace.join(name).symlink_metadata().is_ok_and(|found| found.is_file());
        if is_plain && is_file() {
            Ok(name.to_owned())
        } else {
            Err(StageError::Refused("the build does not name the file to load".to_owned()))
        }
    }
}

/// A part of a path that leads down.
fn is_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains('\0')
}

/// The sandbox's user, whoever that is, writes everywhere in it.
fn open_to_write(folder: &Path) -> Result<(), StageError> {
    set_mode(folder, 0o777)?;
    for entry in fs::read_dir(folder).map_err(StageError::io("reading", folder))? {
        let path = entry.map_err(StageError::io("reading", folder))?.path();
        let metadata = path.symlink_metadata().map_err(StageError::io("reading", &path))?;
        if metadata.is_dir() {
            open_to_write(&path)?;
        } else {
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            set_mode(&path, if is_executable { 0o777 } else { 0o666 })?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), StageError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(StageError::io("changing the mode of", path))
}

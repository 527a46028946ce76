//! A root file system while it is made: what is copied into it belongs to nobody in particular, is readable for
//! everybody, and has no bit that lends rights.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::template::matches;
use crate::toolchain::is_elf;

/// A folder that becomes a root.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
    /// Files of the machine that were copied and may need libraries.
    programs: Vec<PathBuf>,
}

impl Tree {
    /// An empty root at `path`, which must not be there.
    ///
    /// # Errors
    /// It can't be made.
    pub fn create(path: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&path).map_err(Error::io("making", &path))?;
        set_mode(&path, 0o755)?;
        Ok(Self { path, programs: Vec::new() })
    }

    /// Where it is here.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The programs and libraries that were copied so far, as they are on the machine.
    #[must_use]
    pub fn programs(&self) -> &[PathBuf] {
        &self.programs
    }

    /// Where an absolute path inside is here.
    fn place(&self, inside: &Path) -> PathBuf {
        self.path.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// A folder, with those above it.
    ///
    /// # Errors
    /// It can't be made.
    pub fn folder(&self, inside: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let mut path = self.path.clone();
        for part in inside.as_ref().strip_prefix("/").unwrap_or(inside.as_ref()) {
            path.push(part);
            match fs::create_dir(&path) {
                // Whatever the umask is.
                Ok(()) => set_mode(&path, 0o755)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("making", path)(error)),
            }
        }
        Ok(path)
    }

    /// A folder that everybody may write to: a container's file system takes its mode from the folder below it.
    ///
    /// # Errors
    /// It can't be changed.
    pub fn open_to_all(&self, inside: impl AsRef<Path>) -> Result<(), Error> {
        set_mode(&self.place(inside.as_ref()), 0o1777)
    }

    /// A file of our own.
    ///
    /// # Errors
    /// It can't be written.
    pub fn file(&self, inside: impl AsRef<Path>, bytes: &[u8], is_executable: bool) -> Result<(), Error> {
        let inside = inside.as_ref();
        self.folder(inside.parent().unwrap_or(Path::new("/")))?;
        let path = self.place(inside);
        fs::write(&path, bytes).map_err(Error::io("writing", &path))?;
        set_mode(&path, if is_executable { 0o755 } else { 0o644 })
    }

    /// A file or folder of the machine; what one of the patterns `exclude` names is left out.
    ///
    /// # Errors
    /// Something can't be read or written.
    pub fn copy(&mut self, from: &Path, to: &Path, exclude: &[String]) -> Result<(), Error> {
        let from = from.canonicalize().map_err(Error::io("finding", from))?;
        if from.is_dir() {
            self.copy_folder(&from, &from, to, exclude)
        } else {
            self.folder(to.parent().unwrap_or(Path::new("/")))?;
            self.copy_file(&from, to)
        }
    }

    fn copy_folder(&mut self, top: &Path, from: &Path, to: &Path, exclude: &[String]) -> Result<(), Error> {
        self.folder(to)?;
        let entries = fs::read_dir(from).map_err(Error::io("reading", from))?;
        for entry in entries {
            let entry = entry.map_err(Error::io("reading", from))?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let relative = path.strip_prefix(top).unwrap_or(&path);
            if is_excluded(exclude, relative) {
                continue;
            }
            let kind = entry.file_type().map_err(Error::io("reading", &path))?;
            if kind.is_dir() {
                self.copy_folder(top, &path, &target, exclude)?;
            } else if kind.is_file() {
                self.copy_file(&path, &target)?;
            } else if kind.is_symlink() {
                self.copy_link(top, &path, &target)?;
            }
        }
        Ok(())
    }

    fn copy_file(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        let path = self.place(to);
        fs::copy(from, &path).map_err(Error::io("copying", from))?;
        let metadata = from.metadata().map_err(Error::io("reading", from))?;
        let is_executable = metadata.permissions().mode() & 0o111 != 0;
        set_mode(&path, if is_executable { 0o755 } else { 0o644 })?;
        let is_library = to.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"));
        if (is_executable || is_library) && is_elf(from) {
            self.programs.push(from.to_owned());
        }
        Ok(())
    }

    /// A link within what is copied stays one; one that leads out of it becomes the file that it names.
    fn copy_link(&mut self, top: &Path, from: &Path, to: &Path) -> Result<(), Error> {
        let Ok(resolved) = from.canonicalize() else { return Ok(()) };
        let target = fs::read_link(from).map_err(Error::io("reading", from))?;
        if target.is_relative() && resolved.starts_with(top) {
            let path = self.place(to);
            symlink(&target, &path).map_err(Error::io("linking", &path))
        } else if resolved.is_file() {
            self.copy_file(&resolved, to)
        } else {
            Ok(())
        }
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("changing the mode of", path))
}

/// A pattern with a leading `/` is a path below the top, part by part; any other is a name, wherever it is.
fn is_excluded(exclude: &[String], relative: &Path) -> bool {
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    exclude.iter().any(|pattern| match pattern.strip_prefix('/') {
        Some(path) => {
            let wanted: Vec<&str> = path.split('/').collect();
            wanted.len() == parts.len() && wanted.iter().zip(&parts).all(|(want, part)| matches(want, part))
        }
        None => parts.last().is_some_and(|name| matches(pattern, name)),
    })
}

#[cfg(test)]
mod tests;

//! Makes the roots of one runtime from a toolchain of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::base;
use crate::command::{self, Stop};
use crate::definition::{Definition, Make, Root};
use crate::digest;
use crate::error::Error;
use crate::libraries;
use crate::sources::Language;
use crate::template::fill;
use crate::toolchain::Toolchain;
use crate::tree::Tree;

/// What a runtime is made from.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    /// Its language.
    pub language: &'a Language,
    /// Its name, such as `nodejs20`.
    pub runtime: &'a str,
    /// Its version, such as `20`.
    pub version: &'a str,
    /// The program on this machine.
    pub toolchain: &'a Toolchain,
    /// The static program that becomes `/cloudbox/init`.
    pub init: &'a Path,
    /// Ends the programs that it takes.
    pub stop: &'a Stop,
}

/// A root that is complete.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Made {
    /// SHA-256 of all that is in it.
    pub digest: String,
    /// Files, folders and links in it.
    pub entries: usize,
    /// Bytes of its files.
    pub bytes: u64,
}

impl Recipe<'_> {
    /// Makes the roots in `folder`, which must be empty: `run` and, where builds have their own, `build`.
    ///
    /// # Errors
    /// What is missing, or which command failed.
    pub fn make(&self, folder: &Path) -> Result<(Made, Option<Made>), Error> {
        let definition = &self.language.definition;
        // In there and not among the machine's temporary files, for which there may be no place.
        let scratch = tempfile::tempdir_in(folder).map_err(Error::io("making a folder in", folder))?;
        let prefix = self.prefix(scratch.path())?;
        let files = scratch.path().join("files");
        self.unpack(&files)?;

        let mut run = Tree::create(folder.join("run"))?;
        self.lay(&mut run, Root::Run, &prefix)?;
        let mut build = None;
        if definition.has_build_root {
            let mut tree = Tree::create(folder.join("build"))?;
            self.lay(&mut tree, Root::Build, &prefix)?;
            build = Some(tree);
        }
        for step in &definition.make {
            let tree = if step.root == Root::Build { build.as_ref().unwrap_or(&run) } else { &run };
            self.run(step, tree.path(), &prefix, scratch.path(), &files)?;
        }
        Ok((finish(run.path())?, build.map(|tree| finish(tree.path())).transpose()?))
    }

    fn definition(&self) -> &Definition {
        &self.language.definition
    }

    /// The folder that the toolchain is installed in.
    fn prefix(&self, scratch: &Path) -> Result<PathBuf, Error> {
        let toolchain = &self.definition().toolchain;
        let program = &self.toolchain.program;
        let Some(args) = &toolchain.prefix_args else {
            let above = program.parent().and_then(Path::parent);
            return Ok(above.unwrap_or(Path::new("/")).to_owned());
        };
        let output = command::run(program, args, &toolchain.env, scratch, self.stop)
            .map_err(|error| self.failed(program, error.to_string()))?;
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || !path.starts_with('/') {
            return Err(self.failed(program, command::ending(&output)));
        }
        Ok(PathBuf::from(path))
    }

    /// Writes the files beside the `runtime.toml` out, for commands that read them.
    fn unpack(&self, to: &Path) -> Result<(), Error> {
        for (path, bytes) in &self.language.files {
            let path = to.join(path);
            let folder = path.parent().unwrap_or(to);
            fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
            fs::write(&path, bytes).map_err(Error::io("writing", &path))?;
        }
        Ok(())
    }

    fn lay(&self, tree: &mut Tree, root: Root, prefix: &Path) -> Result<(), Error> {
        let definition = self.definition();
        base::lay(tree, definition.needs_zone_info)?;
        for content in definition.content.iter().filter(|content| content.root == root) {
            let from = PathBuf::from(self.fill(&content.from, prefix, &[])?);
            let to = PathBuf::from(self.fill(&content.to, prefix, &[])?);
            if from.exists() {
                tree.copy(&from, &to, &content.exclude)?;
            } else if !content.is_optional {
                return Err(self.missing(from, "a part of the toolchain"));
            }
        }
        for file in definition.file.iter().filter(|file| file.root == root) {
            let placed = self.language.place(&file.from, &file.to);
            if placed.is_empty() {
                return Err(self.missing(PathBuf::from(&file.from), "a file beside the runtime.toml"));
            }
            for (to, bytes) in placed {
                tree.file(to, bytes, false)?;
            }
        }
        if !self.init.is_file() {
            return Err(self.missing(self.init.to_owned(), "the sandboxes' init"));
        }
        let init = fs::read(self.init).map_err(Error::io("reading", self.init))?;
        tree.file("/cloudbox/init", &init, true)?;
        for (to, from) in libraries::needed(tree.programs(), self.stop)? {
            tree.copy(&from, &to, &[])?;
        }
        Ok(())
    }

    fn run(
        &self,
        step: &Make,
        root: &Path,
        prefix: &Path,
        scratch: &Path,
        files: &Path,
    ) -> Result<(), Error> {
        let more = [("root", root), ("scratch", scratch)];
        let argv: Vec<String> =
            step.argv.iter().map(|text| self.fill(text, prefix, &more)).collect::<Result<_, _>>()?;
        let mut env = self.definition().toolchain.env.clone();
        for (name, text) in &step.env {
            env.insert(name.clone(), self.fill(text, prefix, &more)?);
        }
        let folder = step.folder.as_ref().map_or(scratch.to_owned(), |folder| files.join(folder));
        let Some((program, args)) = argv.split_first() else { return Ok(()) };
        let program = Path::new(program);
        let output = command::run(program, args, &env, &folder, self.stop)
            .map_err(|error| self.failed(program, error.to_string()))?;
        if output.status.success() || step.may_fail {
            Ok(())
        } else {
            Err(self.failed(program, command::ending(&output)))
        }
    }

    fn fill(&self, text: &str, prefix: &Path, more: &[(&str, &Path)]) -> Result<String, Error> {
        let value = |name: &str| match name {
            "toolchain" => Some(self.toolchain.program.to_string_lossy().into_owned()),
            "prefix" => Some(prefix.to_string_lossy().into_owned()),
            "version" => Some(self.version.to_owned()),
            _ => more
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, path)| path.to_string_lossy().into_owned()),
        };
        fill(text, &value).map_err(|name| Error::Definition {
            language: self.definition().language.clone(),
            why: format!("{text:?} has the unknown name {{{name}}}"),
        })
    }

    fn failed(&self, program: &Path, why: String) -> Error {
        Error::Command { runtime: self.runtime.to_owned(), program: program.display().to_string(), why }
    }

    fn missing(&self, path: PathBuf, why: &'static str) -> Error {
        Error::Missing { runtime: self.runtime.to_owned(), path, why }
    }
}

/// Gives everything its final mode, whatever the commands made, and takes the digest.
fn finish(root: &Path) -> Result<Made, Error> {
    let listing = digest::list(root)?;
    for relative in &listing.paths {
        let path = root.join(relative);
        let metadata = path.symlink_metadata().map_err(Error::io("reading", &path))?;
        if metadata.is_symlink() {
            continue;
        }
        let mode = metadata.permissions().mode();
        let wanted = match (metadata.is_dir(), mode & 0o1000 != 0, mode & 0o100 != 0) {
            // `/tmp`, which is for everybody.
            (true, true, _) => 0o1777,
            (true, false, _) | (false, _, true) => 0o755,
            (false, _, false) => 0o644,
        };
        if mode & 0o7777 != wanted {
            let permissions = fs::Permissions::from_mode(wanted);
            fs::set_permissions(&path, permissions).map_err(Error::io("changing the mode of", &path))?;
        }
    }
    let digest = digest::folder(root, &listing)?;
    Ok(Made { digest, entries: listing.paths.len(), bytes: listing.bytes })
}

//! Where the definitions and their files come from: built into the program, or a folder of the operator's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::definition::Definition;
use crate::error::Error;
use crate::template::matches;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../../runtimes");

/// Names of folders that hold no part of a runtime.
const LEFT_OUT: [&str; 3] = ["tests", "test", "node_modules"];

/// One language: its definition and the files beside it.
#[derive(Clone, Debug)]
pub struct Language {
    /// The parsed `runtime.toml`.
    pub definition: Definition,
    /// Every file, the `runtime.toml` included, by its path relative to the language's folder.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Language {
    fn from_files(files: BTreeMap<PathBuf, Vec<u8>>) -> Result<Option<Self>, Error> {
        let Some(text) = files.get(Path::new("runtime.toml")) else { return Ok(None) };
        let definition = Definition::parse(&String::from_utf8_lossy(text))?;
        Ok(Some(Self { definition, files }))
    }

    /// Where the files named `from` go. A pattern names files beside the `runtime.toml`, which go into the folder `to`;
    /// a folder's files go below `to`; a file becomes `to`.
    pub fn place(&self, from: &str, to: &str) -> Vec<(PathBuf, &[u8])> {
        let to = Path::new(to);
        let placed = self.files.iter().filter_map(|(path, bytes)| {
            let target = if from.contains('*') {
                let is_beside = path.iter().count() == 1;
                (is_beside && matches(from, path.to_str()?)).then(|| to.join(path))?
            } else if path == Path::new(from) {
                to.to_owned()
            } else {
                to.join(path.strip_prefix(from).ok()?)
            };
            Some((target, bytes.as_slice()))
        });
        placed.collect()
    }
}

/// Every language that is built in.
///
/// # Errors
/// A wrong definition.
pub fn embedded() -> Result<Vec<Language>, Error> {
    let folders = EMBEDDED.dirs().map(|dir| {
        let mut files = BTreeMap::new();
        collect_embedded(dir, dir.path(), &mut files);
        Language::from_files(files)
    });
    folders.filter_map(Result::transpose).collect()
}

fn collect_embedded(dir: &Dir<'_>, top: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for file in dir.files() {
        if let Ok(path) = file.path().strip_prefix(top) {
            files.insert(path.to_owned(), file.contents().to_vec());
        }
    }
    for inner in dir.dirs().filter(|inner| !is_left_out(inner.path())) {
        collect_embedded(inner, top, files);
    }
}

/// Every language of a folder that has the form of the project's `runtimes`.
///
/// # Errors
/// A wrong definition, or a file that can't be read.
pub fn from_folder(folder: &Path) -> Result<Vec<Language>, Error> {
    let mut languages = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            let mut files = BTreeMap::new();
            collect_folder(&path, &path, &mut files)?;
            languages.extend(Language::from_files(files)?);
        }
    }
    Ok(languages)
}

fn collect_folder(dir: &Path, top: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), Error> {
    for path in entries(dir)? {
        if path.is_dir() {
            if !is_left_out(&path) {
                collect_folder(&path, top, files)?;
            }
        } else if let Ok(relative) = path.strip_prefix(top) {
            files.insert(relative.to_owned(), fs::read(&path).map_err(Error::io("reading", &path))?);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = fs::read_dir(folder).map_err(Error::io("reading", folder))?;
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

fn is_left_out(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| LEFT_OUT.contains(&name))
}

//! TypeScript made into what Node.js runs: types taken away, enums and the like written out, local imports led to the
//! files that come of them, and a source map for each. Types are not checked.
//!
//! A file becomes an ES module (`.mjs`) where it has `import` or `export`, and else CommonJS (`.cjs`): so each version
//! of Node.js reads it the same way, whatever `package.json` says.

mod program;
mod resolve;
mod specifiers;
mod tsconfig;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use program::Program;
use resolve::Names;
use tsconfig::Settings;

/// A file of a function's sources: its path in the folder, with `/` between its parts, and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Such as `lib/names.ts`.
    pub path: String,
    /// None where only its name matters: data that code imports.
    pub text: Option<String>,
}

/// A file that compiling made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledFile {
    /// Such as `lib/names.mjs`.
    pub path: String,
    /// Its source, which it takes the place of; none for a file that stands beside its source.
    pub source: Option<String>,
    /// JavaScript.
    pub text: String,
    /// Its source map, as JSON without the sources' texts; to be kept as `<path>.map`.
    pub map: Option<String>,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProblem {
    /// Which file.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// A sentence for the author.
    pub message: String,
}

/// What came of a folder of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compilation {
    /// The files to be written; none where there are problems.
    pub files: Vec<CompiledFile>,
    /// What keeps the sources from being compiled.
    pub problems: Vec<FileProblem>,
}

impl FileProblem {
    /// At the beginning of a file.
    pub(crate) fn of_file(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 1, column: 1, message: message.into() }
    }
}

/// The endings of sources that are compiled, longest first.
const COMPILED: [&str; 5] = [".mts", ".cts", ".tsx", ".jsx", ".ts"];
/// Those of sources that stay, unless they import one that is compiled.
const KEPT: [&str; 3] = [".mjs", ".cjs", ".js"];

/// Whether a file has a part in compiling: as a source, or as what says how.
#[must_use]
pub fn is_read(path: &str) -> bool {
    let is_code = COMPILED.iter().chain(&KEPT).any(|ending| path.ends_with(ending));
    is_code || tsconfig::is_one(path)
}

/// Whether a file is compiled into another one, which takes its place.
#[must_use]
pub fn is_compiled(path: &str) -> bool {
    let is_declaration = [".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| path.ends_with(ending));
    !is_declaration && COMPILED.iter().any(|ending| path.ends_with(ending))
}

/// Compiles the sources of a folder. `begins` is told of each file before it is read, for who has to say which one
/// ended the process.
#[must_use]
pub fn compile(sources: &[SourceFile], begins: &mut dyn FnMut(&str)) -> Compilation {
    let mut problems = Vec::new();
    let settings = Settings::read(sources, &mut problems);
    let mut kinds = BTreeMap::new();
    for (path, text) in texts(sources).filter(|(path, _)| is_compiled(path)) {
        begins(path);
        match program::kind_of(path, text) {
            Ok(kind) => drop(kinds.insert(path.to_owned(), kind)),
            Err(found) => problems.extend(found),
        }
    }
    let names = Names::new(sources, &kinds, &settings, &mut problems);
    if !problems.is_empty() {
        return Compilation { files: Vec::new(), problems };
    }
    let mut files = Vec::new();
    for (path, text) in texts(sources).filter(|(path, _)| !tsconfig::is_one(path)) {
        begins(path);
        let kind = kinds.get(path).copied();
        if kind.is_none() && !KEPT.iter().any(|ending| path.ends_with(ending)) {
            continue;
        }
        match (Program { path, text, kind, names: &names, settings: &settings }).compiled() {
            Ok(made) => files.extend(made),
            Err(found) => problems.extend(found),
        }
    }
    files.extend(names.data_modules());
    if problems.is_empty() {
        Compilation { files, problems }
    } else {
        Compilation { files: Vec::new(), problems }
    }
}

fn texts(sources: &[SourceFile]) -> impl Iterator<Item = (&str, &str)> {
    sources.iter().filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
}

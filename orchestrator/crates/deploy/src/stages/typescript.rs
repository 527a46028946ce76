//! TypeScript, made into JavaScript before anything of the language reads it: no version of Node.js but the newest
//! could, and none all of it.

use std::fs;
use std::io::Read;
use std::path::Path;

use cloudbox_artefacts::open_regular;
use cloudbox_check::{Compilation, SourceFile, is_compiled, is_read};
use cloudbox_types::Language;

use crate::build_folder::BuildFolder;
use crate::error::StageError;
use crate::pipeline::{Site, Work};

/// Folders that are others' code, or none.
const PASSED_OVER: [&str; 2] = ["node_modules", ".git"];
/// Bytes of one source.
const MAX_FILE_BYTES: u64 = cloudbox_check::MAX_SOURCE_BYTES as u64;
/// Bytes of all of them.
const MAX_BYTES: usize = 16 << 20;

/// Compiles the build folder's TypeScript, where the function is of that language: the compiled files take the places of
/// their sources, and the main file's name is changed with it.
pub(crate) async fn compile(site: &Site, work: &mut Work) -> Result<(), StageError> {
    if work.function.settings.language != Language::Typescript {
        return Ok(());
    }
    let sources = sources(work.folder().workspace())?;
    let compiled = sources.iter().filter(|file| is_compiled(&file.path)).count();
    let compilation = site.settings.reader.compile(sources).await?;
    tell(work, &compilation)?;
    write(work.folder(), &compilation)?;
    let made = compilation.files.iter().find(|file| file.source.as_ref() == Some(&work.main));
    if let Some(made) = made {
        work.main.clone_from(&made.path);
    }
    work.say(format!("compiled {compiled} TypeScript files; types are not checked"));
    Ok(())
}

/// Says what can't be compiled; the first of it fails the stage.
fn tell(work: &mut Work, compilation: &Compilation) -> Result<(), StageError> {
    for problem in &compilation.problems {
        work.say(format!("{}:{}:{}: {}", problem.path, problem.line, problem.column, problem.message));
    }
    let Some(first) = compilation.problems.first() else { return Ok(()) };
    Err(StageError::Refused(format!(
        "the TypeScript can't be compiled: {}:{}:{}: {}",
        first.path, first.line, first.column, first.message
    )))
}

/// The files of the folder: sources with their texts, the others by their names.
fn sources(top: &Path) -> Result<Vec<SourceFile>, StageError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = top.join(&folder);
        for entry in fs::read_dir(&path).map_err(StageError::io("reading", &path))? {
            let entry = entry.map_err(StageError::io("reading", &path))?;
            let kind = entry.file_type().map_err(StageError::io("reading", entry.path()))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let inside = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if kind.is_dir() && !PASSED_OVER.contains(&name.as_str()) {
                folders.push(inside);
            } else if kind.is_file() {
                let text = if is_read(&inside) { text(&entry.path(), &inside)? } else { None };
                bytes += text.as_ref().map_or(0, String::len);
                found.push(SourceFile { path: inside, text });
            }
        }
    }
    if bytes > MAX_BYTES {
        return Err(StageError::Refused(format!(
            "the sources have {bytes} bytes in all, and the limit is {MAX_BYTES}; deploy packages as `dependencies`"
        )));
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// A source's text; none for JavaScript that is too long to be read, which then stays as it is.
fn text(path: &Path, name: &str) -> Result<Option<String>, StageError> {
    let mut text = String::new();
    let file = open_regular(path)?;
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    let why = match read {
        Ok(length) if length as u64 <= MAX_FILE_BYTES => return Ok(Some(text)),
        Ok(_) => format!("{name} has more than {MAX_FILE_BYTES} bytes, which is the limit of one source"),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => format!("{name} is not UTF-8"),
        Err(error) => return Err(StageError::io("reading", path)(error)),
    };
    if is_compiled(name) { Err(StageError::Refused(why)) } else { Ok(None) }
}

fn write(folder: &BuildFolder, compilation: &Compilation) -> Result<(), StageError> {
    for file in &compilation.files {
        if let Some(source) = &file.source {
            let path = folder.workspace().join(source);
            fs::remove_file(&path).map_err(StageError::io("removing", &path))?;
        }
        folder.write(&file.path, &file.text)?;
        if let Some(map) = &file.map {
            folder.write(&format!("{}.map", file.path), map)?;
        }
    }
    Ok(())
}

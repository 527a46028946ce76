//! Finds the toolchains of this machine.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::command::{self, Stop};
use crate::definition::{Definition, ordinal};
use crate::template::{fill, matches};

/// Where to look for toolchains.
#[derive(Clone, Debug, Default)]
pub struct SearchPlaces {
    /// The folders of `PATH`.
    pub path: Vec<PathBuf>,
    /// Folders of version tools by the name that `runtime.toml` has for them: `pyenv_root`, `nvm_dir`, `go_sdk`.
    pub roots: BTreeMap<String, PathBuf>,
}

/// A language's program on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The program, all links resolved.
    pub program: PathBuf,
    /// Its whole version, such as `20.20.2`.
    pub version: String,
    /// What tells it from another build of the same version: size and time of modification.
    pub identity: String,
}

/// The toolchains that are here, by the version of the definition that they are of. Where several are of the same
/// one, the newest is taken and, of equal ones, the first on the search path.
#[must_use]
pub fn find(definition: &Definition, places: &SearchPlaces) -> BTreeMap<String, Toolchain> {
    let mut found: BTreeMap<String, Toolchain> = BTreeMap::new();
    for program in candidates(definition, places) {
        let Some(toolchain) = ask(definition, &program) else { continue };
        let Some(entry) = definition.versions.iter().find(|entry| is_of(&entry.version, &toolchain.version))
        else {
            continue;
        };
        let is_newer = found
            .get(&entry.version)
            .is_none_or(|other| ordinal(&toolchain.version) > ordinal(&other.version));
        if is_newer {
            found.insert(entry.version.clone(), toolchain);
        }
    }
    found
}

/// The toolchain of one program; none where it doesn't run, or is of another version.
#[must_use]
pub fn of_program(definition: &Definition, program: &Path, version: &str) -> Option<Toolchain> {
    ask(definition, &program.canonicalize().ok()?).filter(|toolchain| is_of(version, &toolchain.version))
}

/// Programs of the right name, each once.
fn candidates(definition: &Definition, places: &SearchPlaces) -> Vec<PathBuf> {
    let setting = |name: &str| places.roots.get(name).map(|path| path.to_string_lossy().into_owned());
    let listed = definition.toolchain.folders.iter().filter_map(|folder| fill(folder, &setting).ok());
    let folders = listed.flat_map(|folder| expand(&folder)).chain(places.path.iter().cloned());
    let mut seen = HashSet::new();
    let mut programs = Vec::new();
    for folder in folders {
        let mut names: Vec<String> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| definition.toolchain.programs.iter().any(|pattern| matches(pattern, name)))
            .collect();
        names.sort();
        let resolved = names.iter().filter_map(|name| folder.join(name).canonicalize().ok());
        programs.extend(resolved.filter(|path| is_elf(path) && seen.insert(path.clone())));
    }
    programs
}

/// A path in which one part may be `*`, as the paths that are there.
fn expand(path: &str) -> Vec<PathBuf> {
    let Some((before, after)) = path.split_once("/*/") else { return vec![PathBuf::from(path)] };
    let mut paths: Vec<PathBuf> = fs::read_dir(before)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join(after)))
        .filter(|path| path.is_dir())
        .collect();
    paths.sort();
    paths
}

/// Whether a file is a program or library, and no script.
#[must_use]
pub fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

fn ask(definition: &Definition, program: &Path) -> Option<Toolchain> {
    let toolchain = &definition.toolchain;
    let output =
        command::run(program, &toolchain.version_args, &toolchain.env, Path::new("/"), &Stop::default())
            .ok()?;
    if !output.status.success() {
        return None;
    }
    // Python before 3.4 answered on the other stream.
    let version = version_in(&String::from_utf8_lossy(&output.stdout))?;
    let metadata = program.metadata().ok()?;
    let identity = format!("{} {}.{:09}", metadata.size(), metadata.mtime(), metadata.mtime_nsec());
    Some(Toolchain { program: program.to_owned(), version, identity })
}

/// The first run of numbers with dots: `v20.20.2`, `Python 3.12.1`, `go version go1.26.8 linux/amd64`.
pub(crate) fn version_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let trimmed = words.map(|word| word.trim_matches('.'));
    trimmed.filter(|word| word.contains('.') && ordinal(word).is_some()).map(str::to_owned).next()
}

/// Whether a whole version is of a listed one: `20.20.2` of `20`, but not of `2`.
pub(crate) fn is_of(listed: &str, whole: &str) -> bool {
    whole.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        for (text, version) in [
            ("v20.20.2\n", Some("20.20.2")),
            ("Python 3.13.0", Some("3.13.0")),
            ("go version go1.26.8 linux/amd64", Some("1.26.8")),
            ("go version go1.18 linux/amd64", Some("1.18")),
            ("usage: node 1", None),
        ] {
            assert_eq!(version_in(text).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn a_version_is_of_its_own_line_only() {
        assert!(is_of("20", "20.20.2"));
        assert!(is_of("1.18", "1.18"));
        assert!(!is_of("2", "20.20.2"));
        assert!(!is_of("3.1", "3.13.0"));
    }
}

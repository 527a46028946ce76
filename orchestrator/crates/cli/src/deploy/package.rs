//! What is sent as a package: a folder with more than one source file, or an archive that somebody has packed.

use std::fs;
use std::path::{Path, PathBuf};

use cloudbox_archive::{Format, Limits, Unpacked, pack, unpack};
use cloudbox_types::Language;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::project_file::FILE_NAMES;
use super::source::language_of;
use crate::Error;

/// Folders that are made on each machine anew.
const LEFT_OUT: [&str; 3] = ["node_modules", "__pycache__", "venv"];
/// Which files say the language of a folder with sources of several.
const MANIFESTS: [(&str, Language); 6] = [
    ("go.mod", Language::Go),
    ("requirements.txt", Language::Python),
    ("pyproject.toml", Language::Python),
    ("tsconfig.json", Language::Typescript),
    ("package-lock.json", Language::Javascript),
    ("package.json", Language::Javascript),
];

/// An archive on its way to the service.
#[derive(Debug)]
pub struct Package {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it is.
    pub format: Format,
    /// SHA-256 of the bytes, in hex.
    pub digest: String,
}

impl Package {
    fn new(bytes: Vec<u8>, path: &Path) -> Result<Self, Error> {
        let bad = |message: String| Error::BadFile { path: path.to_owned(), message };
        let limit = Limits::PACKAGE.archive_bytes;
        if bytes.len() as u64 > limit {
            let remedy = "leave out by .cloudboxignore what the function doesn't need";
            return Err(bad(format!(
                "makes a package of {} bytes; the limit is {limit}: {remedy}",
                bytes.len()
            )));
        }
        let format = Format::of(&bytes).ok_or_else(|| bad("is neither a .tgz nor a .zip".to_owned()))?;
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { bytes, format, digest })
    }

    /// The files of a folder.
    ///
    /// # Errors
    /// A file can't be read, or is no regular file, which `ignore_file` could say; they are too many bytes.
    pub fn of_folder(folder: &Path, files: &[PathBuf], ignore_file: &str) -> Result<Self, Error> {
        let bad = |message: String| Error::BadFile { path: folder.to_owned(), message };
        for file in files {
            let path = folder.join(file);
            if !path.symlink_metadata().map_err(Error::reading(&path))?.is_file() {
                let message =
                    format!("is no regular file, and packages hold nothing else; list it in {ignore_file}");
                return Err(Error::BadFile { path, message });
            }
        }
        let mut bytes = Vec::new();
        pack(folder, files, &mut bytes).map_err(|error| bad(told(&error)))?;
        Self::new(bytes, folder)
    }

    /// An archive, and what it holds: unpacked by the service's own rules, so that it refuses no other.
    ///
    /// # Errors
    /// It can't be read, or is refused.
    pub fn of_archive(path: &Path) -> Result<(Self, Content), Error> {
        let package = Self::new(fs::read(path).map_err(Error::reading(path))?, path)?;
        let around = tempfile::tempdir().map_err(Error::reading(path))?;
        let bad =
            |error: cloudbox_archive::Error| Error::BadFile { path: path.to_owned(), message: told(&error) };
        let unpacked = unpack(path, around.path(), &Limits::PACKAGE).map_err(bad)?;
        Ok((package, Content { unpacked, _around: around }))
    }
}

/// What is in an archive.
#[derive(Debug)]
pub struct Content {
    unpacked: Unpacked,
    _around: TempDir,
}

impl Content {
    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.unpacked.root
    }
}

/// Whether a path's name is that of an archive.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".tgz", ".tar.gz", ".zip"].iter().any(|ending| name.ends_with(ending))
}

/// Where a folder says what isn't part of its package.
pub const IGNORE_FILE: &str = ".cloudboxignore";

/// Every file below the folder, relative to it, but for what Git or `.cloudboxignore` leaves out, hidden files, what is made on
/// each machine anew, and the project's file, whose variables are nobody's who reads the code.
///
/// # Errors
/// A folder can't be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let walk = ignore::WalkBuilder::new(folder)
        .add_custom_ignore_filename(IGNORE_FILE)
        .require_git(false)
        .parents(false)
        .filter_entry(|entry| !LEFT_OUT.iter().any(|name| entry.file_name() == *name))
        .sort_by_file_path(Ord::cmp)
        .build();
    let mut found = Vec::new();
    for entry in walk {
        let entry =
            entry.map_err(|error| Error::BadFile { path: folder.to_owned(), message: error.to_string() })?;
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let is_made = relative.extension().is_some_and(|it| it == "pyc");
        if !is_folder && !is_made && !is_project_file(relative) {
            found.push(relative.to_owned());
        }
    }
    Ok(found)
}

/// Whether a path, told relative to a package's folder, is what says how the function is deployed.
#[must_use]
pub fn is_project_file(path: &Path) -> bool {
    FILE_NAMES.iter().any(|name| path == Path::new(name))
}

/// The language of a folder: that of the sources at its top, else what a manifest says; none where neither does.
#[must_use]
pub fn language(folder: &Path) -> Option<Language> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut languages: Vec<Language> = entries.filter_map(|entry| language_of(&entry.path())).collect();
    languages.sort_unstable();
    languages.dedup();
    if let [only] = languages.as_slice() {
        return Some(*only);
    }
    let manifest = MANIFESTS.iter().find(|(name, _)| folder.join(name).is_file())?.1;
    // What is compiled brings its configuration as JavaScript now and then.
    let has_typescript = languages.contains(&Language::Typescript);
    Some(if manifest == Language::Javascript && has_typescript { Language::Typescript } else { manifest })
}

fn told(error: &cloudbox_archive::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_packed_is_the_functions_own() {
        let folder = folder(&[
            ("index.js", ""),
            ("lib/a.js", ""),
            ("data/words.txt", ""),
            ("cloudbox.toml", ""),
            ("cloudbox-function.yml", ""),
            (".env", "SECRET=1"),
            (".git/config", ""),
            (".gitignore", "*.log\n"),
            ("npm.log", ""),
            (".cloudboxignore", "drafts/\n"),
            ("drafts/b.js", ""),
            ("node_modules/x/index.js", ""),
            ("lib/__pycache__/a.pyc", ""),
        ]);
        let found = files(folder.path()).unwrap();
        assert_eq!(found, ["data/words.txt", "index.js", "lib/a.js"].map(PathBuf::from));
        let (one, other) = (
            Package::of_folder(folder.path(), &found, IGNORE_FILE).unwrap(),
            Package::of_folder(folder.path(), &found, IGNORE_FILE).unwrap(),
        );
        assert_eq!((one.digest.len(), one.format), (64, Format::Tgz));
        assert_eq!(one.digest, other.digest, "the same files are the same package");
        symlink("/etc/passwd", folder.path().join("link.js")).unwrap();
        let refused =
            Package::of_folder(folder.path(), &files(folder.path()).unwrap(), IGNORE_FILE).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("link.js") && refused.contains(".cloudboxignore"), "{refused}");
    }

    #[test]
    fn an_archive_is_looked_into() {
        let folder = folder(&[
            ("package/index.ts", "export const handler = () => 1;"),
            ("package/package.json", "{}"),
        ]);
        let packed = Package::of_folder(folder.path(), &files(folder.path()).unwrap(), IGNORE_FILE).unwrap();
        let archive = folder.path().join("fn.tgz");
        fs::write(&archive, &packed.bytes).unwrap();
        assert!(is_archive(&archive) && is_archive(Path::new("A.TAR.GZ")) && !is_archive(Path::new("a.js")));
        let (package, content) = Package::of_archive(&archive).unwrap();
        assert_eq!(package.digest, packed.digest);
        assert_eq!(language(content.folder()), Some(Language::Typescript));
        fs::write(&archive, "no archive").unwrap();
        assert!(Package::of_archive(&archive).unwrap_err().to_string().contains("neither a .tgz nor a .zip"));
    }

    #[test]
    fn the_language_is_that_of_the_files() {
        let of = |names: &[&str]| {
            let files: Vec<_> = names.iter().map(|name| (*name, "")).collect();
            language(folder(&files).path())
        };
        assert_eq!(of(&["main.py", "requirements.txt", "lib/x.js"]), Some(Language::Python));
        assert_eq!(of(&["a.go", "b.go", "go.mod"]), Some(Language::Go));
        assert_eq!(of(&["a.py", "b.js", "c.py", "d.js", "go.mod"]), Some(Language::Go));
        assert_eq!(of(&["a.py", "b.txt", "c.py"]), Some(Language::Python));
        assert_eq!(of(&["index.ts", "jest.config.js", "package.json"]), Some(Language::Typescript));
        assert_eq!(of(&["package.json", "src/index.js"]), Some(Language::Javascript));
        assert_eq!(of(&["tool.py", "web.js", "go.mod"]), Some(Language::Go));
        assert_eq!(of(&["tool.py", "web.js"]), None);
    }
}

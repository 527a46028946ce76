//! What is deployed: one source file, named itself or found in a folder.

use std::path::{Path, PathBuf};

use cloudbox_types::{Language, Name};

use super::project_file::{FILE_NAME, PackageJson, ProjectFile};
use crate::Error;

/// Most source files that an error names.
const NAMED_FILES: usize = 5;

/// One source file with what the folder around it says.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub code: String,
    /// From its name, or as `cloudbox.toml` says.
    pub language: Language,
    /// What `cloudbox.toml` and `package.json` say; nothing for a file on its own.
    pub settings: ProjectFile,
    /// The name that the function gets where nothing else names it; none where no valid one can be made.
    pub name: Option<String>,
}

impl Source {
    /// Reads the source at `path`, a file or a folder.
    ///
    /// # Errors
    /// Nothing there, no source file, more than one, or a file that can't be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let is_dir = std::fs::metadata(path).map_err(Error::reading(path))?.is_dir();
        if is_dir { Self::read_folder(path) } else { Self::read_file(path, ProjectFile::default(), None) }
    }

    fn read_file(path: &Path, settings: ProjectFile, name: Option<String>) -> Result<Self, Error> {
        let language = settings.language.or_else(|| language_of(path)).ok_or_else(|| {
            Error::Usage(format!(
                "{} is no source file that is known here: .js, .mjs, .cjs, .ts, .mts, .cts, .py and .go are",
                path.display()
            ))
        })?;
        let code = std::fs::read_to_string(path).map_err(Error::reading(path))?;
        let name = name.or_else(|| name_from(path.file_stem()?.to_str()?));
        Ok(Self { path: path.to_owned(), code, language, settings, name })
    }

    fn read_folder(folder: &Path) -> Result<Self, Error> {
        let mut settings = ProjectFile::read(folder)?;
        let package = PackageJson::read(folder)?;
        refuse_requirements(folder)?;
        settings.dependencies = settings.dependencies.or_else(|| package.dependencies.clone());
        let wanted = settings.main.clone().or_else(|| package.main.clone());
        let file = the_source(folder, wanted.as_deref())?;
        let folder_name = || std::path::absolute(folder).ok()?.file_name()?.to_str().map(str::to_owned);
        let name = settings
            .name
            .clone()
            .or_else(|| name_from(&package.bare_name()?))
            .or_else(|| name_from(&folder_name()?));
        Self::read_file(&file, settings, name)
    }
}

/// The language that a file's name tells.
#[must_use]
pub fn language_of(path: &Path) -> Option<Language> {
    Some(match path.extension()?.to_str()? {
        "js" | "mjs" | "cjs" => Language::Javascript,
        "ts" | "mts" | "cts" => Language::Typescript,
        "py" => Language::Python,
        "go" => Language::Go,
        _ => return None,
    })
}

/// A valid name made of any text: `Hello_World v2` is `hello-world-v2`; none where nothing valid is left.
#[must_use]
pub fn name_from(text: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).collect();
    let words: Vec<&str> = text.split('-').filter(|word| !word.is_empty()).collect();
    Name::new(words.join("-")).ok().map(String::from)
}

/// The folder's one source file, which must be `wanted` where a file names it.
fn the_source(folder: &Path, wanted: Option<&str>) -> Result<PathBuf, Error> {
    let found = source_files(folder)?;
    if found.len() > 1 {
        return Err(too_many(folder, &found));
    }
    if let Some(wanted) = wanted {
        return Ok(folder.join(wanted));
    }
    found.into_iter().next().ok_or_else(|| {
        Error::Usage(format!(
            "{} holds no source file (.js, .mjs, .cjs, .ts, .py, .go); name one as `main` in {FILE_NAME}",
            folder.display()
        ))
    })
}

/// Every source file below the folder, but for what Git or `.cloudboxignore` leaves out, tests, declarations and packages.
fn source_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let walk = ignore::WalkBuilder::new(folder)
        .add_custom_ignore_filename(".cloudboxignore")
        .require_git(false)
        .parents(false)
        .filter_entry(|entry| entry.file_name() != "node_modules" && entry.file_name() != "__pycache__")
        .sort_by_file_path(Ord::cmp)
        .build();
    let mut found = Vec::new();
    for entry in walk {
        let entry =
            entry.map_err(|error| Error::BadFile { path: folder.to_owned(), message: error.to_string() })?;
        if entry.path().is_file() && language_of(entry.path()).is_some() && !is_aside(entry.path()) {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

/// Whether a source file is no part of the function: a test, or a declaration of types.
fn is_aside(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.ends_with("_test") || stem.ends_with(".test") || stem.ends_with(".d") || stem.starts_with("test_")
}

fn too_many(folder: &Path, found: &[PathBuf]) -> Error {
    let named = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let mut names: Vec<String> = found.iter().take(NAMED_FILES).map(named).collect();
    if found.len() > NAMED_FILES {
        names.push("…".to_owned());
    }
    Error::Usage(format!(
        "{} holds {} source files ({}), and a function is one source file so far; join them, list those that are no \
         part of it in .cloudboxignore, or deploy one of them by its path",
        folder.display(),
        found.len(),
        names.join(", ")
    ))
}

/// A list of packages that would be passed over in silence.
fn refuse_requirements(folder: &Path) -> Result<(), Error> {
    let path = folder.join("requirements.txt");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let is_empty = text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'));
    if is_empty {
        return Ok(());
    }
    let message = format!("is not read; name the packages below [dependencies] in {FILE_NAME}");
    Err(Error::BadFile { path, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::Builder::new().prefix("My_Function-").tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn read(files: &[(&str, &str)]) -> Result<Source, String> {
        let folder = folder(files);
        let place = folder.path().display().to_string();
        Source::read(folder.path()).map_err(|error| error.to_string().replace(&place, "DIR"))
    }

    #[test]
    fn the_languages_follow_the_extension() {
        for (name, language) in [
            ("a.js", Some(Language::Javascript)),
            ("a.mjs", Some(Language::Javascript)),
            ("a.cjs", Some(Language::Javascript)),
            ("a.ts", Some(Language::Typescript)),
            ("a.py", Some(Language::Python)),
            ("a.go", Some(Language::Go)),
            ("a.rs", None),
            ("a", None),
        ] {
            assert_eq!(language_of(Path::new(name)), language, "{name}");
        }
    }

    #[test]
    fn names_are_made_valid() {
        for (text, name) in [
            ("hello", Some("hello")),
            ("Hello_World v2", Some("hello-world-v2")),
            ("--x--", Some("x")),
            ("42", None),
            ("äöü", None),
            ("", None),
        ] {
            assert_eq!(name_from(text).as_deref(), name, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_named_by_its_stem() {
        let folder = folder(&[("Send_Mail.py", "def handler(): ...")]);
        let source = Source::read(&folder.path().join("Send_Mail.py")).unwrap();
        assert_eq!(source.name.as_deref(), Some("send-mail"));
        assert_eq!(source.language, Language::Python);
        assert_eq!(source.code, "def handler(): ...");
    }

    #[test]
    fn a_folder_is_named_by_its_file_then_its_package_then_itself() {
        let source =
            read(&[("cloudbox.toml", "name = 'a'"), ("package.json", r#"{"name":"b"}"#), ("x.js", "")]);
        assert_eq!(source.unwrap().name.as_deref(), Some("a"));
        let source = read(&[("package.json", r#"{"name":"@acme/b"}"#), ("x.js", "")]);
        assert_eq!(source.unwrap().name.as_deref(), Some("b"));
        let name = read(&[("x.js", "")]).unwrap().name.unwrap();
        assert!(name.starts_with("my-function-"), "{name}");
    }

    #[test]
    fn a_folders_source_is_the_only_one_or_the_one_named() {
        let source =
            read(&[("package.json", r#"{"main":"lib/x.js","dependencies":{"a":"1"}}"#), ("lib/x.js", "1")]);
        let source = source.unwrap();
        assert_eq!(source.code, "1");
        assert_eq!(source.settings.dependencies.unwrap()["a"], "1");
        let aside = [("main.go", "2"), ("main_test.go", ""), ("node_modules/y.js", ""), (".z/z.js", "")];
        assert_eq!(read(&aside).unwrap().code, "2");
        let ignored = [
            ("main.py", "3"),
            (".gitignore", "old.py"),
            ("old.py", ""),
            (".cloudboxignore", "b.js"),
            ("b.js", ""),
        ];
        assert_eq!(read(&ignored).unwrap().code, "3");
    }

    #[test]
    fn what_cant_be_deployed_is_refused_with_a_remedy() {
        let message = read(&[("a.js", ""), ("b.js", "")]).unwrap_err();
        assert!(
            message.starts_with("DIR holds 2 source files (a.js, b.js), and a function is one"),
            "{message}"
        );
        let message = read(&[("README.md", "")]).unwrap_err();
        assert!(message.starts_with("DIR holds no source file"), "{message}");
        let message = read(&[("a.py", ""), ("requirements.txt", "requests==2\n")]).unwrap_err();
        assert!(message.contains("[dependencies]"), "{message}");
        assert!(read(&[("a.py", ""), ("requirements.txt", "# none\n")]).is_ok());
        let message = read(&[("cloudbox.toml", "main = 'gone.js'")]).unwrap_err();
        assert!(message.starts_with("can't read DIR/gone.js"), "{message}");
        let message = Source::read(Path::new("/nowhere/x.js")).unwrap_err().to_string();
        assert!(message.starts_with("can't read /nowhere/x.js"), "{message}");
    }
}

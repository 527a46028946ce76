//! `cloudbox.toml` beside a function's source: what it is called and what it may use.

use std::collections::BTreeMap;
use std::path::Path;

use cloudbox_types::Language;
use serde::Deserialize;

use crate::Error;

/// The file's name.
pub const FILE_NAME: &str = "cloudbox.toml";

/// All that the file may say; every key may be left out, and any other key is refused by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// The function's name; else `package.json`'s, else the folder's.
    pub name: Option<String>,
    /// Shown to people.
    pub description: Option<String>,
    /// Such as `nodejs20`; else the service's default for the language.
    pub runtime: Option<String>,
    /// Else from the source file's name.
    pub language: Option<Language>,
    /// The source file; else `package.json`'s `main`, else the only source file.
    pub main: Option<String>,
    /// `handler`, `index.handler`, `main`.
    #[serde(alias = "handler")]
    pub entry_point: Option<String>,
    /// The form of the handler, where it is not to be found out.
    pub handler_style: Option<String>,
    /// MB.
    pub memory: Option<u32>,
    /// Seconds.
    pub timeout: Option<u32>,
    /// Cores.
    pub cpu: Option<f64>,
    /// MB of `/tmp`.
    pub tmp_mb: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Whether anyone may call it.
    pub public: Option<bool>,
    /// Whether public callers see messages, stacks and logs.
    pub expose_errors: Option<bool>,
    /// Hosts that calls may reach.
    pub egress: Option<Vec<String>>,
    /// Sandboxes kept warm.
    pub min_instances: Option<u32>,
    /// Sandboxes at most.
    pub max_instances: Option<u32>,
    /// Calls at once in one sandbox.
    pub concurrency: Option<u32>,
    /// Environment variables; where the table is there, it is all of them.
    pub environment: Option<BTreeMap<String, String>>,
    /// Packages by name, with the version wanted.
    pub dependencies: Option<BTreeMap<String, String>>,
}

impl ProjectFile {
    /// Reads the folder's file; an absent one says nothing.
    ///
    /// # Errors
    /// It can't be read, is no TOML, or has a key that is not known: with line and key.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE_NAME);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| Error::BadFile { path, message: error.to_string().trim_end().to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::reading(&path)(error)),
        }
    }
}

/// What is read of a Node project's own file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PackageJson {
    /// The package's name, perhaps with a scope.
    pub name: Option<String>,
    /// The source file.
    pub main: Option<String>,
    /// Packages by name, with the version wanted.
    pub dependencies: Option<BTreeMap<String, String>>,
}

impl PackageJson {
    /// Reads the folder's file; an absent one says nothing.
    ///
    /// # Errors
    /// It can't be read, or is no JSON of that shape.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("package.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| Error::BadFile { path, message: error.to_string() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::reading(&path)(error)),
        }
    }

    /// The name without its scope: `@acme/hello` is `hello`.
    #[must_use]
    pub fn bare_name(&self) -> Option<String> {
        self.name.as_deref().and_then(|name| name.rsplit('/').next()).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ProjectFile, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        ProjectFile::read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_may_say_much_little_or_nothing() {
        assert_eq!(ProjectFile::read(Path::new("/nowhere")).unwrap(), ProjectFile::default());
        assert_eq!(read("").unwrap(), ProjectFile::default());
        let file = read("name = 'hi'\nhandler = 'main'\npublic = true\n[environment]\nA = '1'\n").unwrap();
        assert_eq!(file.name.as_deref(), Some("hi"));
        assert_eq!(file.entry_point.as_deref(), Some("main"));
        assert_eq!(file.public, Some(true));
        assert_eq!(file.environment.unwrap()["A"], "1");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let message = read("name = 'hi'\nmemroy = 128\n").unwrap_err();
        assert!(message.contains("memroy") && message.contains("line 2"), "{message}");
        let message = read("memory = 'much'\n").unwrap_err();
        assert!(message.contains("line 1"), "{message}");
    }

    #[test]
    fn a_packages_scope_is_not_part_of_its_name() {
        let package = |name: &str| PackageJson { name: Some(name.to_owned()), ..PackageJson::default() };
        assert_eq!(package("@acme/hello").bare_name().as_deref(), Some("hello"));
        assert_eq!(package("hello").bare_name().as_deref(), Some("hello"));
        assert_eq!(PackageJson::default().bare_name(), None);
    }
}

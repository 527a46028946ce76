//! `cloudbox.toml` or `cloudbox-function.yml` beside a function's source: what it is called and what it may use.

use std::collections::BTreeMap;
use std::path::Path;

use cloudbox_api_types::ImageBuild;
use cloudbox_types::Language;
use cloudbox_types::image::CUSTOM;
use serde::Deserialize;

use crate::Error;

/// The file's names: one of them is there, or none.
pub const FILE_NAMES: [&str; 3] = ["cloudbox.toml", "cloudbox-function.yml", "cloudbox-function.yaml"];

/// All that the file may say, in whichever of its forms; every key may be left out, and any other key is refused by name.
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
    /// For the runtime `custom`: the image that it runs in. Beside `build`, what others call the image that is built.
    pub image: Option<String>,
    /// For the runtime `custom`: what its image is built from, told relative to the folder.
    pub build: Option<ImageBuild>,
}

impl ProjectFile {
    /// Reads the folder's file; an absent one says nothing.
    ///
    /// # Errors
    /// It can't be read, is not of its form, has a key that is not known (with line and key) or one that has no meaning beside
    /// another; or there are two.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let there: Vec<_> = FILE_NAMES.iter().filter(|name| folder.join(name).exists()).collect();
        let name = match there.as_slice() {
            [] => return Ok(Self::default()),
            [only] => only,
            [one, other, ..] => {
                let message = format!("says what {one} says, too: keep one of the two");
                return Err(Error::BadFile { path: folder.join(other), message });
            }
        };
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(Error::reading(&path))?;
        let read = if name.ends_with(".toml") {
            toml::from_str(&text).map_err(|error| error.to_string())
        } else {
            // A file without a word is no mapping, and says nothing.
            let read = serde_saphyr::from_str::<Option<Self>>(&text);
            read.map(Option::unwrap_or_default).map_err(|error| error.to_string())
        };
        read.and_then(Self::checked)
            .map_err(|message| Error::BadFile { path, message: message.trim_end().to_owned() })
    }

    /// Whether a program of an image serves the calls, and no handler.
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.runtime.as_deref() == Some(CUSTOM) && self.language.is_none_or(|it| it == Language::Custom)
    }

    /// Whoever names an image wants the runtime that has images.
    fn checked(mut self) -> Result<Self, String> {
        let has_image = self.image.is_some() || self.build.is_some();
        match self.runtime.as_deref() {
            None if has_image => self.runtime = Some(CUSTOM.to_owned()),
            Some(CUSTOM) if !has_image => {
                return Err(format!(
                    "`runtime: {CUSTOM}` needs `image`, an image's name, or `build` with `dockerfile` and `context`"
                ));
            }
            Some(other) if has_image && other != CUSTOM => {
                return Err(format!("`image` and `build` are for `runtime: {CUSTOM}`, and not for {other}"));
            }
            _ => {}
        }
        let Some(build) = &self.build else { return Ok(self) };
        if !self.is_program() {
            return Err("`build` is for an image with a program of its own, so without `language`; one with a language's \
                        toolchain is named as `image`"
                .to_owned());
        }
        for (field, path) in [("dockerfile", &build.dockerfile), ("context", &build.context)] {
            if path.starts_with('/') || path.split('/').any(|part| part == "..") {
                return Err(format!("`build.{field}` is {path:?}, which leads out of the folder"));
            }
        }
        Ok(self)
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

    const TOML: &str = FILE_NAMES[0];
    const YAML: &str = FILE_NAMES[1];

    fn read(files: &[(&str, &str)]) -> Result<ProjectFile, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        ProjectFile::read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_may_say_much_little_or_nothing() {
        assert_eq!(ProjectFile::read(Path::new("/nowhere")).unwrap(), ProjectFile::default());
        for empty in [(TOML, ""), (YAML, ""), (YAML, "# nothing\n"), (FILE_NAMES[2], "{}")] {
            assert_eq!(read(&[empty]).unwrap(), ProjectFile::default(), "{empty:?}");
        }
        let toml =
            "name = 'hi'\nhandler = 'main'\npublic = true\negress = ['a.com']\n[environment]\nA = '1'\n";
        let file = read(&[(TOML, toml)]).unwrap();
        assert_eq!(file.name.as_deref(), Some("hi"));
        assert_eq!(file.entry_point.as_deref(), Some("main"));
        assert_eq!(file.public, Some(true));
        assert_eq!(file.environment.as_ref().unwrap()["A"], "1");
        let yaml = "name: hi\nhandler: main\npublic: true\negress: [a.com]\nenvironment:\n  A: 1\n";
        assert_eq!(read(&[(YAML, yaml)]).unwrap(), file, "both forms say the same");
    }

    #[test]
    fn an_image_is_named_or_built() {
        let example = "# cloudbox-function.yml\nruntime: custom\nimage: my-org/my-runtime:latest\nbuild:\n  \
                       dockerfile: ./Dockerfile\n  context: ./\n";
        let file = read(&[(YAML, example)]).unwrap();
        let build = ImageBuild { dockerfile: "./Dockerfile".to_owned(), context: "./".to_owned() };
        assert_eq!((file.is_program(), file.build), (true, Some(build.clone())));
        let file = read(&[(YAML, "build: {}")]).unwrap();
        assert_eq!((file.runtime.as_deref(), file.build), (Some("custom"), Some(build)));
        let file = read(&[(TOML, "image = 'a/b'\nlanguage = 'python'\n")]).unwrap();
        assert_eq!((file.runtime.as_deref(), file.is_program()), (Some("custom"), false));
        for (text, why) in [
            ("runtime: custom", "needs `image`"),
            ("runtime: nodejs20\nimage: a", "not for nodejs20"),
            ("build: {}\nlanguage: python", "without `language`"),
            ("build:\n  context: ../", "`build.context` is \"../\""),
            ("build:\n  dockerfile: /etc/passwd", "`build.dockerfile`"),
        ] {
            let message = read(&[(YAML, text)]).unwrap_err();
            assert!(message.contains(why) && message.contains(YAML), "{text}: {message}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        for (name, text) in [
            (TOML, "name = 'hi'\nmemroy = 128\n"),
            (YAML, "name: hi\nmemroy: 128\n"),
            (YAML, "build:\n  memroy: x\n"),
        ] {
            let message = read(&[(name, text)]).unwrap_err();
            assert!(message.contains("memroy") && message.contains("line 2"), "{message}");
        }
        for (name, text) in [(TOML, "memory = 'much'\n"), (YAML, "memory: much\n"), (YAML, "name: [\n")] {
            let message = read(&[(name, text)]).unwrap_err();
            assert!(message.contains("line "), "{message}");
        }
    }

    #[test]
    fn two_files_are_one_too_many() {
        let message = read(&[(TOML, ""), (YAML, "")]).unwrap_err();
        assert!(
            message.contains(TOML) && message.contains(YAML) && message.contains("keep one"),
            "{message}"
        );
    }

    #[test]
    fn a_packages_scope_is_not_part_of_its_name() {
        let package = |name: &str| PackageJson { name: Some(name.to_owned()), ..PackageJson::default() };
        assert_eq!(package("@acme/hello").bare_name().as_deref(), Some("hello"));
        assert_eq!(package("hello").bare_name().as_deref(), Some("hello"));
        assert_eq!(PackageJson::default().bare_name(), None);
    }
}

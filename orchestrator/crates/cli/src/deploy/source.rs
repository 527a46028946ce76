//! What is deployed: one source file, named itself or found in a folder, or a package.

use std::path::{Path, PathBuf};

use cloudbox_types::{Language, Name};

use super::context;
use super::package::{self, Package};
use super::project_file::{PackageJson, ProjectFile};
use crate::Error;

/// What a function is made of.
#[derive(Debug)]
pub enum Content {
    /// The text of one file.
    Code(String),
    /// All that it takes.
    Package(Package),
    /// Nothing: all of it is in an image.
    Image,
}

/// A source with what the folder around it says.
#[derive(Debug)]
pub struct Source {
    /// The file or folder.
    pub path: PathBuf,
    /// What is sent of it.
    pub content: Content,
    /// From its name, or as the project's file says.
    pub language: Language,
    /// What the project's file and `package.json` say; nothing for a file on its own.
    pub settings: ProjectFile,
    /// The name that the function gets where nothing else names it; none where no valid one can be made.
    pub name: Option<String>,
}

impl Source {
    /// Reads the source at `path`, a file, an archive or a folder; `language` wins over what they tell.
    ///
    /// # Errors
    /// Nothing there, no source, of an unknown language, or what can't be read or packed.
    pub fn read(path: &Path, language: Option<Language>) -> Result<Self, Error> {
        let is_dir = std::fs::metadata(path).map_err(Error::reading(path))?.is_dir();
        let settings = ProjectFile { language, ..ProjectFile::default() };
        if is_dir {
            Self::read_folder(path, language)
        } else if package::is_archive(path) {
            Self::read_archive(path, language)
        } else if path.file_name().is_some_and(|name| package::is_project_file(Path::new(name))) {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Self::read_folder(folder.unwrap_or(Path::new(".")), language)
        } else {
            Self::read_file(path, settings, None)
        }
    }

    /// An archive says of itself what a folder does.
    fn read_archive(path: &Path, language: Option<Language>) -> Result<Self, Error> {
        let (package, content) = Package::of_archive(path)?;
        let (settings, manifest) = read_settings(content.folder(), language)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = file.split('.').next().unwrap_or_default();
        let name = named(&settings, &manifest).or_else(|| name_from(stem));
        Self::packed(path, content.folder(), package, (settings, name))
    }

    fn packed(
        path: &Path,
        folder: &Path,
        package: Package,
        (mut settings, name): (ProjectFile, Option<String>),
    ) -> Result<Self, Error> {
        let seen = || if settings.is_program() { Some(Language::Custom) } else { package::language(folder) };
        let language = settings.language.or_else(seen).ok_or_else(|| {
            Error::Usage(format!(
                "the language of {} is not to be seen at its top; name it with --language, or as `language` in cloudbox.toml",
                path.display()
            ))
        })?;
        settings.entry_point = entry_point(&settings)?;
        Ok(Self { path: path.to_owned(), content: Content::Package(package), language, settings, name })
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
        Ok(Self { path: path.to_owned(), content: Content::Code(code), language, settings, name })
    }

    fn read_folder(folder: &Path, language: Option<Language>) -> Result<Self, Error> {
        let (mut settings, manifest) = read_settings(folder, language)?;
        let folder_name = || std::path::absolute(folder).ok()?.file_name()?.to_str().map(str::to_owned);
        let name = named(&settings, &manifest).or_else(|| name_from(&folder_name()?));
        if settings.is_program() {
            return Self::read_program(folder, settings, name);
        }
        let files = package::files(folder)?;
        let wanted = settings.main.clone().or_else(|| manifest.main.clone());
        if let Some(file) = only_source(folder, &files, wanted.as_deref())? {
            settings.dependencies = settings.dependencies.or(manifest.dependencies);
            return Self::read_file(&file, settings, name);
        }
        let package = Package::of_folder(folder, &files, package::IGNORE_FILE)?;
        Self::packed(folder, folder, package, (settings, name))
    }

    /// A program of an image: what the image is built from, else what the program finds in its workspace.
    fn read_program(folder: &Path, settings: ProjectFile, name: Option<String>) -> Result<Self, Error> {
        let (files, ignore_file) = match &settings.build {
            Some(build) => (context::files(folder, build)?, context::IGNORE_FILE),
            None => (package::files(folder)?, package::IGNORE_FILE),
        };
        if settings.build.is_none() && files.iter().all(|file| is_beside(file)) {
            let path = folder.to_owned();
            return Ok(Self { path, content: Content::Image, language: Language::Custom, settings, name });
        }
        let package = Package::of_folder(folder, &files, ignore_file)?;
        Self::packed(folder, folder, package, (settings, name))
    }
}

fn read_settings(folder: &Path, language: Option<Language>) -> Result<(ProjectFile, PackageJson), Error> {
    let settings = ProjectFile::read(folder)?;
    let language = language.or(settings.language);
    Ok((ProjectFile { language, ..settings }, PackageJson::read(folder)?))
}

/// The name that files give the function.
fn named(settings: &ProjectFile, manifest: &PackageJson) -> Option<String> {
    settings.name.clone().or_else(|| name_from(&manifest.bare_name()?))
}

/// The service finds a package's file by the entry point: `main` of the project's file becomes part of that.
fn entry_point(settings: &ProjectFile) -> Result<Option<String>, Error> {
    let Some(main) = &settings.main else { return Ok(settings.entry_point.clone()) };
    let stem = main.trim_start_matches("./").rsplit_once('.').map(|(stem, _)| stem);
    let Some(stem) = stem.filter(|stem| !stem.contains(['/', '.'])) else {
        return Err(Error::Usage(format!(
            "`main` is {main:?}, which is no source file at the package's top; package.json's `main` can name one below"
        )));
    };
    let handler = settings.entry_point.as_deref().unwrap_or("handler");
    Ok(Some(if handler.contains('.') { handler.to_owned() } else { format!("{stem}.{handler}") }))
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

/// The one source file of a folder that holds nothing else which a function may need, or the one that is `wanted`; none for a
/// folder that is to be packed.
fn only_source(folder: &Path, files: &[PathBuf], wanted: Option<&str>) -> Result<Option<PathBuf>, Error> {
    let is_source = |path: &&PathBuf| language_of(path).is_some() && !is_aside(path);
    let sources: Vec<&PathBuf> = files.iter().filter(is_source).collect();
    let is_more = |path: &PathBuf| !is_source(&path) && !is_aside(path) && !is_beside(path);
    if sources.len() > 1 || (!sources.is_empty() && files.iter().any(is_more)) {
        return Ok(None);
    }
    if let Some(wanted) = wanted {
        return Ok(Some(folder.join(wanted)));
    }
    let only = sources.first().ok_or_else(|| {
        Error::Usage(format!(
            "{} holds no source file (.js, .mjs, .cjs, .ts, .py, .go); name one as `main` in cloudbox.toml",
            folder.display()
        ))
    })?;
    Ok(Some(folder.join(only)))
}

/// Whether a file stands beside a function without being needed by it: its manifest, which is read here, and documents.
fn is_beside(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name == "package.json" || name == "Makefile" || name.starts_with("LICENSE") || name.ends_with(".md")
}

/// Whether a source file is no part of the function: a test, or a declaration of types.
fn is_aside(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.ends_with("_test") || stem.ends_with(".test") || stem.ends_with(".d") || stem.starts_with("test_")
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
        Source::read(folder.path(), None).map_err(|error| error.to_string().replace(&place, "DIR"))
    }

    fn code(source: &Source) -> &str {
        match &source.content {
            Content::Code(code) => code,
            Content::Package(_) | Content::Image => panic!("it is no code"),
        }
    }

    #[test]
    fn more_than_one_file_is_a_package() {
        for files in [
            &[("index.js", ""), ("lib/a.js", "")][..],
            &[("main.py", ""), ("requirements.txt", "requests\n")],
            &[("main.go", ""), ("go.mod", "module x\n")],
            &[("index.ts", ""), ("words.json", "{}"), ("cloudbox.toml", "handler = 'run'")],
        ] {
            let source = read(files).unwrap();
            assert!(matches!(source.content, Content::Package(_)), "{files:?}");
            assert_eq!(Some(source.language), language_of(Path::new(files[0].0)));
        }
        let source =
            read(&[("tool.py", ""), ("lib.py", ""), ("cloudbox.toml", "main = 'tool.py'\nhandler = 'run'")]);
        assert_eq!(source.unwrap().settings.entry_point.as_deref(), Some("tool.run"));
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
        let source = Source::read(&folder.path().join("Send_Mail.py"), None).unwrap();
        assert_eq!(source.name.as_deref(), Some("send-mail"));
        assert_eq!(source.language, Language::Python);
        assert_eq!(code(&source), "def handler(): ...");
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
        assert_eq!(code(&source), "1");
        assert_eq!(source.settings.dependencies.unwrap()["a"], "1");
        let aside = [("main.go", "2"), ("main_test.go", ""), ("node_modules/y.js", ""), (".z/z.js", "")];
        assert_eq!(code(&read(&aside).unwrap()), "2");
        let ignored = [
            ("main.py", "3"),
            (".gitignore", "old.py"),
            ("old.py", ""),
            (".cloudboxignore", "b.js"),
            ("b.js", ""),
        ];
        assert_eq!(code(&read(&ignored).unwrap()), "3");
    }

    #[test]
    fn a_program_of_an_image_is_what_its_image_takes() {
        let image = ("cloudbox-function.yml", "image: my-org/x\n");
        let source = read(&[image, ("README.md", "")]).unwrap();
        assert!(matches!(source.content, Content::Image) && source.language == Language::Custom);
        let source = read(&[image, ("data.json", "{}")]).unwrap();
        assert!(matches!(source.content, Content::Package(_)) && source.language == Language::Custom);
        let build = ("cloudbox-function.yml", "build: {}\n");
        let source = read(&[build, ("Dockerfile", "FROM scratch\n"), ("a.py", "")]).unwrap();
        assert!(matches!(source.content, Content::Package(_)) && source.language == Language::Custom);
        let source = read(&[("cloudbox-function.yml", "image: x\nlanguage: python\n"), ("a.py", "1")]);
        let source = source.unwrap();
        assert_eq!((code(&source), source.language), ("1", Language::Python));
        let message = read(&[build]).unwrap_err();
        assert!(message.starts_with("DIR/./Dockerfile: is not there"), "{message}");
        let folder = folder(&[image]);
        let source = Source::read(&folder.path().join("cloudbox-function.yml"), None).unwrap();
        assert!(matches!(source.content, Content::Image), "the file stands for its folder");
    }

    #[test]
    fn what_cant_be_deployed_is_refused_with_a_remedy() {
        let message = read(&[("a.js", ""), ("b.py", "")]).unwrap_err();
        assert!(message.contains("--language"), "{message}");
        let message =
            read(&[("a.js", ""), ("b.js", ""), ("cloudbox.toml", "main = 'lib/a.js'")]).unwrap_err();
        assert!(message.contains("at the package's top"), "{message}");
        let message = read(&[("README.md", "")]).unwrap_err();
        assert!(message.starts_with("DIR holds no source file"), "{message}");
        let message = read(&[("cloudbox.toml", "main = 'gone.js'")]).unwrap_err();
        assert!(message.starts_with("can't read DIR/gone.js"), "{message}");
        let message = Source::read(Path::new("/nowhere/x.js"), None).unwrap_err().to_string();
        assert!(message.starts_with("can't read /nowhere/x.js"), "{message}");
    }
}

//! `runtime.toml`: what is to be known of a language, so that no line of Rust asks which one it is.
//!
//! Texts may hold `{names}`, filled in where they are used: `{toolchain}` the language's program on this machine,
//! `{prefix}` the folder that it is installed in, `{version}` the runtime's version, `{root}` the root being made,
//! `{scratch}` a folder that is removed afterwards, `{main}` the source's file, `{entry_point}` the function's entry
//! point, and the names of a memory class.

use std::collections::BTreeMap;

use cloudbox_dependencies::Install;
use cloudbox_types::Language;
use jiff::civil::Date;
use serde::Deserialize;

use crate::error::Error;
use crate::template::fill;

/// One language's `runtime.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The folder's name: `node`, `python`, `go`.
    pub language: String,
    /// The languages of source that it serves.
    pub serves: Vec<Language>,
    /// What a runtime's name begins with; the version follows: `nodejs` + `20`.
    pub prefix: String,
    /// The version for a function that names none.
    pub default: String,
    /// MB of the smallest sandbox that its runtime comes up in.
    pub memory_floor_mb: u32,
    /// Whether the program starts before the code is there (an interpreter), or is part of the code (a binary).
    pub starts_before_code: bool,
    /// Whether programs in `/workspace` may be started.
    pub is_executable: bool,
    /// Whether builds have a root of their own, since the toolchain is no part of what runs.
    pub has_build_root: bool,
    /// Whether the time zones of the machine are copied.
    pub needs_zone_info: bool,
    /// Every version that may be asked for, oldest first.
    pub versions: Vec<VersionEntry>,
    /// How source files are named.
    pub source: Source,
    /// How a toolchain is found here.
    pub toolchain: Toolchain,
    /// What is copied from the machine.
    pub content: Vec<Content>,
    /// What is copied from the folder of the `runtime.toml`.
    pub file: Vec<File>,
    /// What is run to complete a root, in this order.
    #[serde(default)]
    pub make: Vec<Make>,
    /// How the runtime starts.
    pub start: Start,
    /// How source is checked; none where the build does it.
    pub check: Option<Step>,
    /// How dependencies are installed; none where it can't be done.
    pub install: Option<Install>,
    /// How source is compiled; none where it runs as it is.
    pub build: Option<Step>,
}

/// A version that may be asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionEntry {
    /// As it follows the prefix: `20`, `3.12`, `1.22`.
    pub version: String,
    /// What of it is fetched: a whole version, or a range; none where it can't be fetched.
    pub release: Option<String>,
    /// What else belongs to it, by names for [`Fetch::argv`].
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The last day of support by its makers; none where it is not known yet.
    pub end_of_life: Option<Date>,
}

/// How source files are named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Without its extension, where the entry point names no file.
    pub default_name: String,
    /// The extension of each language that is served.
    pub extensions: BTreeMap<Language, String>,
    /// Which files of a package are loaded, the first that is there: paths, or `*.go` for any at its top.
    #[serde(default)]
    pub package_files: BTreeMap<Language, Vec<String>>,
    /// The file of a package whose JSON names the file to load as `main`.
    pub package_manifest: Option<String>,
    /// Languages that can't be deployed yet, each with the sentence that says so.
    #[serde(default)]
    pub refused: BTreeMap<Language, String>,
}

/// How a toolchain is found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toolchain {
    /// File names of the program, in the order they are preferred; `*` stands for any text.
    pub programs: Vec<String>,
    /// Folders to look in besides the search path. `{pyenv_root}` and the like are settings; a folder whose setting
    /// is not there is passed over. One part of the path may be `*`.
    #[serde(default)]
    pub folders: Vec<String>,
    /// What makes the program print its version.
    pub version_args: Vec<String>,
    /// What makes it print its prefix; else that is the folder above the program's.
    pub prefix_args: Option<Vec<String>>,
    /// Its environment, in every command of this file but `start`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How one is fetched; none where there is no registry of them.
    pub fetch: Option<Fetch>,
}

/// How a toolchain is fetched by the ordinary client of a registry, which verifies what it gets. Texts may hold
/// `{folder}`, where it goes, `{release}`, `{arch}`, and the values of the version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The client, by its name on the search path, and its arguments.
    pub argv: Vec<String>,
    /// Its environment, as far as this machine sets nothing else to reach the registry.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where the toolchain's program is afterwards, relative to the folder.
    pub program: String,
    /// Patterns of paths, each with a leading `/`, of files that become programs.
    #[serde(default)]
    pub executables: Vec<String>,
    /// Folders that nobody needs afterwards.
    #[serde(default)]
    pub excess: Vec<String>,
    /// What the registry calls this machine, by the kernel's name for it.
    pub arches: BTreeMap<String, String>,
}

/// Which root something goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Root {
    /// The one that functions run in.
    #[default]
    Run,
    /// The one that builds run in.
    Build,
}

/// A file or folder of the machine, copied with the libraries that its programs need.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Into which root.
    #[serde(default)]
    pub root: Root,
    /// Where it is here.
    pub from: String,
    /// Where it goes.
    pub to: String,
    /// Patterns of what is left out: a name anywhere or, with a leading `/`, a path below `from`.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether it may be absent.
    #[serde(default)]
    pub is_optional: bool,
}

/// A file or folder beside the `runtime.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Into which root.
    #[serde(default)]
    pub root: Root,
    /// Its path, relative; a name with `*` stands for every file of such a name.
    pub from: String,
    /// Where it goes; the folder, where `from` has a `*`.
    pub to: String,
}

/// A command of the toolchain, run on this machine to complete a root.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// Which root `{root}` is.
    #[serde(default)]
    pub root: Root,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its working folder beside the `runtime.toml`; else the scratch folder.
    pub folder: Option<String>,
    /// More environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether its exit code may be other than 0.
    #[serde(default)]
    pub may_fail: bool,
}

/// How the runtime starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its environment, besides what every sandbox has.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Values that depend on the memory limit, smallest first: few, so that spares can be shared.
    #[serde(default)]
    pub classes: Vec<MemoryClass>,
    /// What the runtime prints when it ends itself at a memory limit of its own, below the sandbox's.
    #[serde(default)]
    pub out_of_memory_mark: Option<String>,
    /// Whether it has all its threads once code is loaded; a further one is the code's.
    #[serde(default)]
    pub has_fixed_threads: bool,
    /// Whether the shim can have a forked process handle each call.
    #[serde(default)]
    pub forks_calls: bool,
}

/// What to fill in for sandboxes of some memory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryClass {
    /// From this limit on, in MB.
    pub from_memory_mb: u32,
    /// The values by name.
    pub values: BTreeMap<String, u32>,
}

/// A command in a build sandbox.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its environment, besides what every sandbox has.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl Definition {
    /// Reads a `runtime.toml`.
    ///
    /// # Errors
    /// Says what is wrong with which field.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let definition: Self = toml::from_str(text).map_err(|error| Error::Definition {
            language: String::new(),
            why: error.to_string().trim_end().to_owned(),
        })?;
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::Definition { language: self.language.clone(), why });
        if !self.versions.iter().any(|entry| entry.version == self.default) {
            return refuse(format!("`default` is {}, which is not in `versions`", self.default));
        }
        if let Some(bad) = self.versions.iter().find(|entry| ordinal(&entry.version).is_none()) {
            return refuse(format!("version {:?} must be numbers with dots", bad.version));
        }
        if !self.versions.is_sorted_by_key(|entry| ordinal(&entry.version)) {
            return refuse("`versions` must be sorted, oldest first".to_owned());
        }
        if let Some(language) = self.serves.iter().find(|it| !self.source.extensions.contains_key(it)) {
            return refuse(format!("`source.extensions` lacks {language}"));
        }
        if !self.has_build_root && self.content.iter().any(|content| content.root == Root::Build) {
            return refuse("content for the build root needs `has_build_root = true`".to_owned());
        }
        let classes = &self.start.classes;
        if !classes.is_sorted_by_key(|class| class.from_memory_mb) {
            return refuse("`start.classes` must be sorted, smallest first".to_owned());
        }
        let known = classes.first().map(|class| &class.values);
        let lacks = |text: &String| fill(text, &|name| known?.get(name).map(u32::to_string)).is_err();
        if let Some(text) = self.start.argv.iter().chain(self.start.env.values()).find(|it| lacks(it)) {
            return refuse(format!("`start` has {text:?}, and no class has a value for it"));
        }
        Ok(())
    }

    /// A runtime's name.
    #[must_use]
    pub fn runtime_name(&self, version: &str) -> String {
        format!("{}{version}", self.prefix)
    }

    /// The values that a sandbox of this memory starts with.
    #[must_use]
    pub fn memory_class(&self, memory_mb: u32) -> Option<&MemoryClass> {
        let classes = &self.start.classes;
        classes.iter().rev().find(|class| class.from_memory_mb <= memory_mb).or(classes.first())
    }

    /// The name of the source's file: the entry point's file part, else the default one.
    #[must_use]
    pub fn source_file(&self, language: Language, entry_point: &str) -> Option<String> {
        let name = entry_point.rsplit_once('.').map_or(self.source.default_name.as_str(), |(file, _)| file);
        Some(format!("{name}.{}", self.source.extensions.get(&language)?))
    }
}

/// A version as numbers, for comparisons; none where it is no version.
#[must_use]
pub fn ordinal(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

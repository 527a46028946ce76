//! A function's dependencies: checked against the rules of the language's package manager, and written into the files
//! that it reads. They are data to it, never arguments.

mod modules;
mod package_json;
mod requirements;

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Deserializer};

/// How dependencies are installed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The file of a package that names what it depends on.
    pub manifest: String,
    /// Files that say which versions those are; the first one that a package has counts.
    #[serde(default)]
    pub locks: Vec<String>,
    /// The form of the manifest.
    pub format: Format,
    /// Folders with which a package brings its dependencies itself: nothing is installed then.
    #[serde(default)]
    pub brought: Vec<String>,
    /// The folder that the packages are in afterwards, in `/workspace`: also where they are beside the source.
    pub result: String,
    /// Where the compiler sees that folder, for dependencies that become part of the program: they are not beside the
    /// source then.
    pub mount: Option<String>,
    /// Files of that folder, directly in it, that no function needs.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What a package's name must be like.
    pub name: Rule,
    /// What a version wanted must be like.
    pub version: Rule,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The same where a lock says all there is to know.
    pub locked_argv: Option<Vec<String>>,
    /// The argument that keeps packages' own scripts from being run.
    pub no_scripts: Option<String>,
    /// Its environment, besides what every sandbox has.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Hosts that it asks where the operator has named no mirror.
    #[serde(default)]
    pub registries: Vec<String>,
}

/// The form of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// npm's `package.json`.
    PackageJson,
    /// A line for each package, as pip reads it: `requests>=2.28`.
    Requirements,
    /// `go.mod` as a package has it, and `dependencies.txt` with a line for each further module: `x.org/y v1.0.0`.
    Modules,
}

/// What a text must be like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The whole text must match.
    #[serde(deserialize_with = "whole")]
    pattern: Regex,
    /// The same for people, after "must be".
    says: String,
}

fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    let pattern = String::deserialize(deserializer)?;
    Regex::new(&format!("^(?:{pattern})$")).map_err(serde::de::Error::custom)
}

/// What a package has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// The manifest's text.
    pub manifest: Option<String>,
    /// The lock's name and text.
    pub lock: Option<(String, String)>,
}

/// What is to be installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the package manager reads: (name, text).
    pub files: Vec<(String, String)>,
    /// The packages for people: `axios ^1.0.0`.
    pub packages: Vec<String>,
    /// Whether the lock among the files says all there is to know.
    pub is_locked: bool,
}

impl Install {
    /// Whether a package manager may be given these.
    ///
    /// # Errors
    /// The first dependency that it may not, and the rule, as a sentence.
    pub fn check(&self, dependencies: &BTreeMap<String, String>) -> Result<(), String> {
        dependencies.iter().try_for_each(|(name, version)| self.check_one(name, version))
    }

    fn check_one(&self, name: &str, version: &str) -> Result<(), String> {
        if !self.name.pattern.is_match(name) {
            return Err(format!("dependency {name:?}: its name must be {}", self.name.says));
        }
        if !self.version.pattern.is_match(version) {
            return Err(format!(
                "dependency {name:?}: its version {version:?} must be {}",
                self.version.says
            ));
        }
        Ok(())
    }

    /// What is to be installed for a function's own dependencies and those of its package; none where that is
    /// nothing.
    ///
    /// # Errors
    /// The package's files name something that is no name and version, or another version than the function does; a
    /// sentence that names the file.
    pub fn wanted(
        &self,
        dependencies: &BTreeMap<String, String>,
        brought: &Brought,
    ) -> Result<Option<Wanted>, String> {
        self.check(dependencies)?;
        let wanted = match self.format {
            Format::PackageJson => package_json::wanted(self, dependencies, brought)?,
            Format::Requirements => requirements::wanted(self, dependencies, brought)?,
            Format::Modules => modules::wanted(self, dependencies, brought),
        };
        Ok(Some(wanted).filter(|wanted| !wanted.packages.is_empty()))
    }

    /// The program and its arguments: `is_locked` as in [`Wanted`]; with the packages' own scripts, where those are
    /// allowed.
    #[must_use]
    pub fn command(&self, is_locked: bool, may_run_scripts: bool) -> Vec<String> {
        let argv = self.locked_argv.as_ref().filter(|_| is_locked).unwrap_or(&self.argv);
        let is_left_out = |argument: &&String| may_run_scripts && self.no_scripts.as_ref() == Some(*argument);
        argv.iter().filter(|argument| !is_left_out(argument)).cloned().collect()
    }
}

/// The sentence for a package that is wanted in two versions.
fn differs(manifest: &str, name: &str, own: &str, function: &str) -> String {
    format!(
        "dependency {name:?} is {function:?} in `dependencies` and {own:?} in {manifest}; \
         name it once, or with the same version"
    )
}

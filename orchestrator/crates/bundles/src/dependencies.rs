//! A function's dependencies: checked against the rules of the language's package manager, and written into the file
//! that it reads. They are data to it, never arguments.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Deserializer};

/// How dependencies are installed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The file that the names and versions are written to.
    pub manifest: String,
    /// Its form.
    pub format: Format,
    /// The folder that the packages are in afterwards, in `/workspace`: also where they are beside the source.
    pub result: String,
    /// Files of that folder, directly in it, that no function needs.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What a package's name must be like.
    pub name: Rule,
    /// What a version wanted must be like.
    pub version: Rule,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its environment, besides what every sandbox has.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// The form of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// npm's `package.json`.
    PackageJson,
    /// A line for each package, as pip reads it: `requests>=2.28`.
    Requirements,
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

impl Install {
    /// Whether a package manager may be given these.
    ///
    /// # Errors
    /// The first dependency that it may not, and the rule, as a sentence.
    pub fn check(&self, dependencies: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, version) in dependencies {
            if !self.name.pattern.is_match(name) {
                return Err(format!("dependency {name:?}: its name must be {}", self.name.says));
            }
            if !self.version.pattern.is_match(version) {
                return Err(format!(
                    "dependency {name:?}: its version {version:?} must be {}",
                    self.version.says
                ));
            }
        }
        Ok(())
    }

    /// The manifest's text, for dependencies that were checked.
    #[must_use]
    pub fn manifest_text(&self, dependencies: &BTreeMap<String, String>) -> String {
        match self.format {
            Format::PackageJson => {
                serde_json::json!({ "private": true, "dependencies": dependencies }).to_string()
            }
            Format::Requirements => {
                dependencies.iter().map(|(name, version)| format!("{name}{}\n", specifier(version))).collect()
            }
        }
    }
}

/// What follows a name: nothing for any version, and a version alone means just that one.
fn specifier(version: &str) -> String {
    match version {
        "" | "*" | "latest" => String::new(),
        exact if exact.starts_with(|first: char| first.is_ascii_digit()) => format!("=={exact}"),
        range => range.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;

    fn install(text: &str) -> Install {
        Definition::parse(text).unwrap().install.unwrap()
    }

    fn npm() -> Install {
        install(include_str!("../../../../runtimes/node/runtime.toml"))
    }

    fn pip() -> Install {
        install(include_str!("../../../../runtimes/python/runtime.toml"))
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn what_package_managers_document_is_allowed() {
        for (name, version) in [
            ("axios", "^1.0.0"),
            ("lodash", "^4.17.21"),
            ("@scope/a.b_c-d", "~1.2"),
            ("JSONStream", "1.x || >=2.5.0 || 5.0.0 - 7.2.3"),
            ("a", ">=1.0.0 <2.0.0-rc.1+build"),
            ("left-pad", "latest"),
            ("b", "*"),
            ("c", ""),
            ("d", "=v1.2.3"),
        ] {
            assert_eq!(npm().check(&map(&[(name, version)])), Ok(()), "{name} {version}");
        }
        for (name, version) in [
            ("requests", ">=2.28"),
            ("pydantic", "*"),
            ("six", "1.16.0"),
            ("zope.interface", "==5.*"),
            ("uvicorn[standard,extra]", "~=0.20, !=0.21.1"),
            ("a_b-C", "===1.0+local.1"),
            ("d", "<2.0rc1"),
        ] {
            assert_eq!(pip().check(&map(&[(name, version)])), Ok(()), "{name} {version}");
        }
    }

    #[test]
    fn nothing_but_names_and_versions_is_allowed() {
        let names = [
            "",
            " ",
            "a b",
            "a;b",
            "$(id)",
            "`id`",
            "--index-url=http://x",
            "-r",
            "git+file:///x",
            "../x",
            "/x",
            "a/b/c",
            "@/x",
            "@a/",
            "a\nb",
            "a@b",
            "a|b",
            "file:x",
            "ä",
            "__proto__",
            "a#b",
            "a\\b",
            ".x",
        ];
        let versions = [
            "git+https://x/y",
            "git+x",
            "file:../x",
            "http://x/y.tgz",
            "user/repo",
            "../x",
            "/etc",
            "~/x",
            "npm:a@1",
            "1.0.0; id",
            "$(id)",
            "`id`",
            "--pre",
            "1.0\n-r x",
            "x.tgz",
            "@ file:///x",
            "1 # x",
            "1\\",
            "workspace:*",
            "link:x",
        ];
        for install in [npm(), pip()] {
            for name in names {
                let refused = install.check(&map(&[(name, "1.0.0")])).unwrap_err();
                assert!(refused.starts_with(&format!("dependency {name:?}: its name must be ")), "{refused}");
            }
            for version in versions {
                let refused = install.check(&map(&[("good", version)])).expect_err(version);
                assert!(
                    refused.contains("\"good\": its version") && refused.contains("must be "),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn manifests_are_what_the_package_manager_reads() {
        let wanted = map(&[("a", ">=1"), ("b", "2.0"), ("c", "*"), ("d", "")]);
        assert_eq!(pip().manifest_text(&wanted), "a>=1\nb==2.0\nc\nd\n");
        let json: serde_json::Value =
            serde_json::from_str(&npm().manifest_text(&map(&[("a", "^1")]))).unwrap();
        assert_eq!(json, serde_json::json!({"private": true, "dependencies": {"a": "^1"}}));
    }
}

//! What the operator allows.

use std::path::PathBuf;

use cloudbox_bundles::template::matches;

use crate::error::Error;
use crate::reference::Reference;

/// Which images functions may use, and how. The default allows none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Images that functions may name, and that Dockerfiles may start from: names in which `*` stands for any text.
    pub allow: Vec<String>,
    /// Registries that an image is fetched from where this machine has none of its name.
    pub registries: Vec<String>,
    /// The file with registries' credentials, as `docker login` writes it.
    pub credentials: Option<PathBuf>,
    /// Whether functions may bring a Dockerfile.
    pub may_build: bool,
    /// Whether a Dockerfile may have `RUN`: a stranger's code as root of a container that is not ours.
    pub may_run: bool,
    /// Whether nothing is fetched at all.
    pub is_offline: bool,
    /// Bytes that an image may have.
    pub max_bytes: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            registries: Vec::new(),
            credentials: None,
            may_build: false,
            may_run: false,
            is_offline: false,
            max_bytes: 2 << 30,
        }
    }
}

impl Policy {
    /// That functions may have images at all.
    ///
    /// # Errors
    /// They may not, and who can change that.
    pub fn check_on(&self) -> Result<(), Error> {
        if !self.allow.is_empty() {
            return Ok(());
        }
        Err(Error::refused(
            "functions can't bring images here: the operator allows none (images.allow). Choose a runtime of the catalogue",
        ))
    }

    /// That functions may use an image of this name.
    ///
    /// # Errors
    /// They may not.
    pub fn check_allowed(&self, image: &Reference) -> Result<(), Error> {
        self.check_on()?;
        let forms = image.forms();
        if self.allow.iter().any(|pattern| forms.iter().any(|form| matches(pattern, form))) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "the image {} is none of those that the operator allows: {}",
            image.short(),
            self.allow.join(", ")
        )))
    }

    /// That an image which this machine lacks may be fetched.
    ///
    /// # Errors
    /// It may not, with the remedy.
    pub fn check_fetched(&self, image: &Reference) -> Result<(), Error> {
        let absent = format!("the image {} is not on this machine", image.short());
        if self.is_offline {
            return Err(Error::refused(format!("{absent}, and the service is offline (builds.offline)")));
        }
        if self.registries.contains(&image.registry) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{absent}, and nothing is fetched from {}: load it there (`docker pull`, `docker load`), or name its \
             registry in the setting images.registries",
            image.registry
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(allow: &[&str], image: &str) -> bool {
        let policy = Policy { allow: allow.iter().map(ToString::to_string).collect(), ..Policy::default() };
        policy.check_allowed(&Reference::parse(image).unwrap()).is_ok()
    }

    #[test]
    fn patterns_are_for_names_with_and_without_what_goes_without_saying() {
        assert!(!is_allowed(&[], "node:22"));
        for pattern in ["node:22", "node", "node:*", "docker.io/library/node", "docker.io/*", "*"] {
            assert!(is_allowed(&[pattern], "node:22"), "{pattern}");
        }
        for pattern in ["node:2", "ode", "evil/*", "registry.example.com/*"] {
            assert!(!is_allowed(&[pattern], "node:22"), "{pattern}");
        }
        assert!(is_allowed(&["my-org/*"], "my-org/my-runtime:latest"));
        assert!(!is_allowed(&["my-org/*"], "other/my-org/x"));
        assert!(!is_allowed(&["my-org/*"], "evil.example.com/my-org/x"));
    }

    #[test]
    fn nothing_is_fetched_unless_a_registry_is_named() {
        let image = Reference::parse("node:22").unwrap();
        let why = Policy::default().check_fetched(&image).unwrap_err().to_string();
        assert!(why.contains("images.registries") && why.contains("docker.io"), "{why}");
        let policy = Policy { registries: vec!["docker.io".to_owned()], ..Policy::default() };
        assert!(policy.check_fetched(&image).is_ok());
        assert!(Policy { is_offline: true, ..policy }.check_fetched(&image).is_err());
    }
}

//! Names of images, as everybody writes them: `node:22-slim`, `registry.example.com/team/app@sha256:…`.

use std::fmt;

use crate::error::Error;

/// Where names without a registry are from.
const HUB: &str = "docker.io";
/// Of whole names, in characters.
const MAX_LEN: usize = 255;
/// What names of this service's own images begin with.
const OWN: &str = "cloudbox/";

/// An image's name, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `docker.io`, `registry.example.com:5000`.
    pub registry: String,
    /// `library/node`.
    path: String,
    /// `:22-slim` or `@sha256:…`.
    rest: String,
}

impl Reference {
    /// Reads a name. One without a tag means `latest`: so it is never taken for an image's id.
    ///
    /// # Errors
    /// It is no name, or one of this service's own images.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let refuse = |why: &str| Err(Error::refused(format!("{text:?} is no image's name: {why}")));
        if text.is_empty() || text.len() > MAX_LEN || !text.chars().all(is_known) {
            return refuse("it has 1 to 255 letters, digits and . _ - / : @");
        }
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return refuse("what follows @ must be sha256: and 64 hex digits");
        }
        let (first, below) = name.split_once('/').unwrap_or(("", name));
        // As the daemon tells them apart, but that nobody means a folder above.
        let has_registry = first == "localhost" || first.contains(['.', ':']);
        if has_registry && !first.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return refuse("its registry begins with a letter or digit");
        }
        let (registry, path) = if has_registry { (first, below) } else { (HUB, name) };
        let (path, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_part = |part: &str| {
            part.starts_with(is_plain)
                && part.ends_with(is_plain)
                && part.chars().all(|c| is_plain(c) || "._-".contains(c))
        };
        if !path.split('/').all(is_part) {
            return refuse("its path has lower case letters and digits, with . _ - between them");
        }
        if tag.is_some_and(|tag| tag.is_empty() || tag.len() > 128 || tag.contains(['/', ':'])) {
            return refuse("what follows : must be a tag, such as latest");
        }
        if path == "sha256" {
            return refuse("an image is named, and not told by its id");
        }
        if registry == HUB && path.starts_with(OWN) {
            return refuse("cloudbox/ are this service's own images");
        }
        let is_library = registry == HUB && !path.contains('/');
        Ok(Self {
            registry: registry.to_owned(),
            path: if is_library { format!("library/{path}") } else { path.to_owned() },
            rest: match (tag, digest) {
                (_, Some(digest)) => format!("@{digest}"),
                (Some(tag), None) => format!(":{tag}"),
                (None, None) => ":latest".to_owned(),
            },
        })
    }

    /// As the daemon lists it: without the registry and folder that go without saying.
    #[must_use]
    pub fn short(&self) -> String {
        let path = self.path.strip_prefix("library/").filter(|_| self.registry == HUB).unwrap_or(&self.path);
        if self.registry == HUB { format!("{path}{}", self.rest) } else { self.to_string() }
    }

    /// Every form that a rule may have been written for.
    pub(crate) fn forms(&self) -> [String; 4] {
        let (short, whole) = (self.short(), self.to_string());
        let bare = |text: &str| text.strip_suffix(&self.rest).unwrap_or(text).to_owned();
        [bare(&short), bare(&whole), short, whole]
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.path, self.rest)
    }
}

fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:");
    digits.is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_whole() {
        for (text, whole, short) in [
            ("node", "docker.io/library/node:latest", "node:latest"),
            ("node:22-slim", "docker.io/library/node:22-slim", "node:22-slim"),
            ("my-org/my-runtime:latest", "docker.io/my-org/my-runtime:latest", "my-org/my-runtime:latest"),
            ("docker.io/library/node:22", "docker.io/library/node:22", "node:22"),
            ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
            ("r.example.com:5000/a/b_c:1", "r.example.com:5000/a/b_c:1", "r.example.com:5000/a/b_c:1"),
            // An id's beginning, too.
            ("deadbeefcafe", "docker.io/library/deadbeefcafe:latest", "deadbeefcafe:latest"),
        ] {
            let read = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((read.to_string().as_str(), read.short().as_str()), (whole, short), "{text}");
        }
        let digest = format!("a/b@sha256:{}", "0".repeat(64));
        assert_eq!(Reference::parse(&digest).unwrap().short(), digest);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let id = format!("sha256:{}", "0".repeat(64));
        let long = "a".repeat(256);
        for text in [
            "",
            "A",
            "a b",
            "a:",
            "a:b:c",
            "-a",
            "a/",
            "/a",
            "a//b",
            "a@b",
            "../a",
            "a/../b",
            "$X",
            "a;b",
            "ä",
            "cloudbox/nodejs20:1",
            "docker.io/cloudbox/x",
            &id,
            &long,
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }
}

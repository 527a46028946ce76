//! Names of entries: what they may be, and that no two of them mean one file.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Refused, shown};
use crate::limits::{Limits, Names};

/// The parts of an entry's path; none for the archive's own root (`.`).
///
/// # Errors
/// It leads elsewhere, is not plain text, or too long.
pub(crate) fn parts<'n>(raw: &'n [u8], limits: &Limits) -> Result<Vec<&'n str>, Refused> {
    if raw.len() > limits.path_bytes {
        return Err(Refused::PathBytes { name: shown(raw), limit: limits.path_bytes });
    }
    let refuse = |why| Err(Refused::Name { name: shown(raw), why });
    let Ok(text) = std::str::from_utf8(raw) else { return refuse("is not UTF-8") };
    if text.contains('\0') {
        return refuse("holds a NUL");
    }
    if text.starts_with('/') {
        return refuse("is absolute");
    }
    if limits.names == Names::Portable {
        if text.chars().any(char::is_control) {
            return refuse("holds a control character");
        }
        if text.contains('\\') {
            return refuse("holds a backslash; folders are separated by /");
        }
        if !unicode_normalization::is_nfc(text) {
            return refuse("is not in Unicode's composed form (NFC)");
        }
    }
    let mut rest = text;
    // `tar -C folder .` names everything so.
    while let Some(below) = rest.strip_prefix("./") {
        rest = below;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() || rest == "." {
        return if text.starts_with('.') { Ok(Vec::new()) } else { refuse("is empty") };
    }
    let parts: Vec<&str> = rest.split('/').collect();
    for part in &parts {
        match *part {
            "" => return refuse("has an empty part"),
            "." => return refuse("has the part \".\""),
            ".." => return refuse("leads out of the package"),
            long if long.len() > 255 => return refuse("has a part of more than 255 bytes"),
            _ => {}
        }
    }
    if parts.len() > limits.depth {
        return Err(Refused::Depth { name: shown(raw), limit: limits.depth });
    }
    Ok(parts)
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// Every path of an archive so far.
#[derive(Debug)]
pub(crate) struct Taken {
    limits: Limits,
    /// By the path as file systems compare it that know no case: the path as it was given, where that differs.
    paths: HashMap<String, (Option<String>, Kind)>,
}

impl Taken {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, paths: HashMap::new() }
    }

    /// Takes a file's path; of the folders above it, those that are new.
    pub(crate) fn file(&mut self, parts: &[&str]) -> Result<Vec<usize>, Refused> {
        let new = self.folders(&parts[..parts.len() - 1])?;
        self.take(parts, Kind::File)?;
        Ok(new)
    }

    /// Takes a folder's path and those above it: how many parts each that is new has. A folder may be named again.
    pub(crate) fn folders(&mut self, parts: &[&str]) -> Result<Vec<usize>, Refused> {
        let mut new = Vec::new();
        for len in 1..=parts.len() {
            if self.take(&parts[..len], Kind::Folder)? {
                new.push(len);
            }
        }
        Ok(new)
    }

    /// Whether the path is new.
    fn take(&mut self, parts: &[&str], kind: Kind) -> Result<bool, Refused> {
        let given = parts.join("/");
        let key = self.folded(&given);
        if let Some((other, other_kind)) = self.paths.get(&key) {
            let other = other.as_deref().unwrap_or(&key);
            let name = shown(given.as_bytes());
            return match (other == given, kind, *other_kind) {
                (false, ..) => Err(Refused::Case { name, other: shown(other.as_bytes()) }),
                (true, Kind::Folder, Kind::Folder) => Ok(false),
                (true, Kind::File, Kind::File) => Err(Refused::Twice { name }),
                (true, ..) => Err(Refused::FileAndFolder { name }),
            };
        }
        if self.paths.len() >= self.limits.entries {
            return Err(Refused::Entries { limit: self.limits.entries });
        }
        let original = (key != given).then_some(given);
        self.paths.insert(key, (original, kind));
        Ok(true)
    }

    /// Upper case first: it makes one of letters that lower case alone keeps apart, such as `ß` and `ss`.
    fn folded(&self, path: &str) -> String {
        if self.limits.names == Names::Any {
            return path.to_owned();
        }
        path.to_uppercase().to_lowercase().nfc().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::PACKAGE;

    #[test]
    fn plain_paths_have_parts() {
        for (name, want) in [
            ("index.js", vec!["index.js"]),
            ("./lib/a.js", vec!["lib", "a.js"]),
            ("lib/", vec!["lib"]),
            ("./", vec![]),
            (".", vec![]),
            ("...", vec!["..."]),
            ("a b/ü.js", vec!["a b", "ü.js"]),
        ] {
            assert_eq!(parts(name.as_bytes(), &LIMITS).unwrap(), want, "{name}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_told() {
        let long = format!("{}/x", "d".repeat(256));
        for (name, want) in [
            ("", "is empty"),
            ("/etc/passwd", "is absolute"),
            ("a/../b", "leads out"),
            ("a//b", "empty part"),
            ("a/./b", "part \".\""),
            ("a\\b", "backslash"),
            ("a\nb", "control"),
            ("a\0b", "NUL"),
            ("e\u{301}.js", "NFC"),
            (&long, "255 bytes"),
        ] {
            let refused = parts(name.as_bytes(), &LIMITS).unwrap_err().to_string();
            assert!(refused.contains(want), "{name:?}: {refused}");
        }
        assert!(parts(b"\xff", &LIMITS).unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn paths_that_are_one_somewhere_are_told() {
        let mut taken = Taken::new(LIMITS);
        assert_eq!(taken.file(&["lib", "a.js"]).unwrap(), [1]);
        assert!(taken.folders(&["lib"]).unwrap().is_empty());
        assert!(matches!(taken.file(&["lib", "a.js"]), Err(Refused::Twice { .. })));
        assert!(matches!(taken.file(&["lib", "A.js"]), Err(Refused::Case { .. })));
        assert!(matches!(taken.file(&["Lib", "b.js"]), Err(Refused::Case { .. })));
        assert!(matches!(taken.file(&["lib", "a.js", "c"]), Err(Refused::FileAndFolder { .. })));
        assert!(matches!(taken.file(&["lib"]), Err(Refused::FileAndFolder { .. })));
        taken.file(&["stra\u{df}e"]).unwrap();
        assert!(matches!(taken.file(&["STRASSE"]), Err(Refused::Case { .. })));
    }
}

//! `.dockerignore`: which files of a folder don't belong to what an image is built from, by Docker's rules.
//!
//! They are not Git's: a pattern without a slash is for the folder's top alone, the last pattern that matches a file or one
//! of the folders that it is in decides, and an exception counts in a folder that is left out, too.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::Error;

/// The file's name, and what follows the Dockerfile's name where it has one of its own.
const NAME: &str = ".dockerignore";
/// Bytes that it may have.
const MAX_BYTES: u64 = 64 << 10;
/// Patterns that it may have.
const MAX_PATTERNS: usize = 500;

/// What a `.dockerignore` says; nothing where there is none.
#[derive(Debug, Default)]
pub struct Dockerignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Gitignore,
    is_exception: bool,
}

impl Dockerignore {
    /// Reads the one that counts for a Dockerfile: `<Dockerfile>.dockerignore` beside it, else the one at the top of the folder
    /// that is copied from.
    ///
    /// # Errors
    /// A sentence for its author: it can't be read, is too long, or has a line that is no pattern.
    pub fn read(context: &Path, dockerfile: &Path) -> Result<Self, String> {
        let mut own = dockerfile.as_os_str().to_owned();
        own.push(NAME);
        for path in [PathBuf::from(own), context.join(NAME)] {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match text(&path) {
                Ok(text) => return Self::parse(&text).map_err(|why| format!("{name}: {why}")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{name} can't be read: {error}")),
            }
        }
        Ok(Self::default())
    }

    /// Reads the text of one.
    ///
    /// # Errors
    /// The line that is no pattern, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let rule = Rule::parse(line.trim()).map_err(|why| format!("line {}: {why}", index + 1))?;
            rules.extend(rule);
            if rules.len() > MAX_PATTERNS {
                return Err(format!("it has more than {MAX_PATTERNS} patterns"));
            }
        }
        Ok(Self { rules })
    }

    /// Whether a file, told relative to the folder, is left out.
    #[must_use]
    pub fn leaves_out(&self, file: &Path) -> bool {
        let last = self.rules.iter().rev().find(|rule| rule.matches(file));
        last.is_some_and(|rule| !rule.is_exception)
    }

    /// Removes from a folder what is left out. Folders stay, empty or not.
    ///
    /// # Errors
    /// A folder can't be read, or a file can't be removed.
    pub fn apply(&self, context: &Path) -> Result<(), Error> {
        if self.rules.is_empty() { Ok(()) } else { self.apply_below(context, Path::new("")) }
    }

    fn apply_below(&self, context: &Path, below: &Path) -> Result<(), Error> {
        let folder = context.join(below);
        for entry in fs::read_dir(&folder).map_err(Error::io("reading", &folder))? {
            let entry = entry.map_err(Error::io("reading", &folder))?;
            let relative = below.join(entry.file_name());
            if entry.file_type().map_err(Error::io("reading", entry.path()))?.is_dir() {
                self.apply_below(context, &relative)?;
            } else if self.leaves_out(&relative) {
                fs::remove_file(entry.path()).map_err(Error::io("removing", entry.path()))?;
            }
        }
        Ok(())
    }
}

impl Rule {
    /// None for a pattern that matches nothing, such as `/`.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let (is_exception, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(format!("{pattern:?} leads out of the folder"));
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let mut builder = GitignoreBuilder::new("");
        // From the top, which is what Docker means and Git has to be told; and braces are letters.
        let plain = parts.join("/").replace('{', "[{]").replace('}', "[}]");
        let added = builder.add_line(None, &format!("/{plain}"));
        let built = added.and_then(|builder| builder.build()).map_err(|error| error.to_string())?;
        Ok(Some(Self { pattern: built, is_exception }))
    }

    fn matches(&self, file: &Path) -> bool {
        // Its folders count as it does itself.
        file.ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .any(|path| self.pattern.matched(path, false).is_ignore())
    }
}

/// Of a regular file alone: what a stranger has packed is read here.
fn text(path: &Path) -> io::Result<String> {
    if !path.symlink_metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(lines: &str, files: &[&str]) -> Vec<String> {
        let rules = Dockerignore::parse(lines).unwrap();
        let left = files.iter().filter(|file| rules.leaves_out(Path::new(file)));
        left.map(ToString::to_string).collect()
    }

    #[test]
    fn patterns_count_from_the_top() {
        let files = ["a.log", "b/a.log", "node_modules/x/y.js", "b/node_modules/z.js", "main.js"];
        assert_eq!(left_out("*.log\nnode_modules", &files), ["a.log", "node_modules/x/y.js"]);
        assert_eq!(left_out("**/*.log\n", &files), ["a.log", "b/a.log"]);
        assert_eq!(left_out("**/node_modules/\n", &files), ["node_modules/x/y.js", "b/node_modules/z.js"]);
        assert_eq!(left_out("/b/\n./main.js", &files), ["b/a.log", "b/node_modules/z.js", "main.js"]);
        assert_eq!(left_out("*/*.log", &files), ["b/a.log"]);
        assert_eq!(left_out("?.log\n[m]ain.js", &files), ["a.log", "main.js"]);
        assert_eq!(left_out("\u{feff}# all\n\n  main.js  \n/\n.\n", &files), ["main.js"]);
        assert_eq!(left_out("{a,b}.txt", &["a.txt", "{a,b}.txt"]), ["{a,b}.txt"]);
        assert!(left_out("MAIN.js\nmain\nlog", &files).is_empty());
    }

    #[test]
    fn the_last_one_that_matches_decides() {
        let files = ["a.md", "README.md", "docs/x/a.txt", "docs/keep.txt"];
        assert_eq!(left_out("*.md\n!README.md", &files), ["a.md"]);
        assert_eq!(left_out("!README.md\n*.md", &files), ["a.md", "README.md"]);
        assert_eq!(left_out("*\n!docs/keep.txt", &files), ["a.md", "README.md", "docs/x/a.txt"]);
        assert_eq!(left_out("*\n! docs", &files), ["a.md", "README.md"]);
        assert_eq!(left_out("**\n!docs/**\ndocs/x", &files), ["a.md", "README.md", "docs/x/a.txt"]);
    }

    #[test]
    fn what_is_no_pattern_is_told_by_its_line() {
        assert!(Dockerignore::parse("a\n[b-a]").unwrap_err().starts_with("line 2: "));
        assert!(Dockerignore::parse("../secret").unwrap_err().contains("leads out"));
        assert!(Dockerignore::parse(&"a\n".repeat(MAX_PATTERNS + 1)).unwrap_err().contains("500"));
    }

    #[test]
    fn files_go_and_folders_stay() {
        let around = tempfile::tempdir().unwrap();
        let at = |name: &str| around.path().join(name);
        fs::create_dir_all(at("lib/deep")).unwrap();
        for name in ["Dockerfile", "main.py", "lib/a.log", "lib/deep/b.log", ".env"] {
            fs::write(at(name), "").unwrap();
        }
        fs::write(at(NAME), "*\n!main.py\n").unwrap();
        let rules = Dockerignore::read(around.path(), &at("Dockerfile")).unwrap();
        rules.apply(around.path()).unwrap();
        let left = |name: &str| at(name).exists();
        assert!(left("main.py") && left("lib/deep"));
        assert!(
            !left("lib/a.log")
                && !left("lib/deep/b.log")
                && !left(".env")
                && !left(NAME)
                && !left("Dockerfile")
        );

        fs::write(at(NAME), "lib").unwrap();
        fs::write(at("Dockerfile.dockerignore"), "main.py").unwrap();
        let own = Dockerignore::read(around.path(), &at("Dockerfile")).unwrap();
        assert!(own.leaves_out(Path::new("main.py")), "a Dockerfile's own one wins");
        for name in ["Dockerfile.dockerignore", NAME] {
            fs::remove_file(at(name)).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", at(NAME)).unwrap();
        let refused = Dockerignore::read(around.path(), &at("Dockerfile")).unwrap_err();
        assert!(
            refused.starts_with(".dockerignore can't be read") && refused.contains("regular"),
            "{refused}"
        );
    }
}

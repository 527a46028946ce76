//! Which file an import means, as TypeScript finds it, and the name that Node.js finds it by.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::program::Kind;
use super::tsconfig::Settings;
use super::{CompiledFile, FileProblem, SourceFile};

/// The endings of files that an import without one may mean, in TypeScript's order.
const TRIED: [&str; 10] = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".node"];
/// What an import's ending stands for before it stands for itself.
const STANDS_FOR: [(&str, &[&str]); 4] =
    [(".js", &[".ts", ".tsx"]), (".jsx", &[".tsx"]), (".mjs", &[".mts"]), (".cjs", &[".cts"])];

/// The files of a folder, and what they are called when everything is compiled.
pub(super) struct Names<'s> {
    /// From a source to the file that comes of it: itself where it stays.
    files: BTreeMap<&'s str, String>,
    settings: &'s Settings,
    /// Data that is imported, as if it were a module.
    data: RefCell<BTreeSet<String>>,
}

/// What an import means.
pub(super) struct Found {
    /// A path from the importing file, as Node.js needs it.
    pub(super) specifier: String,
    /// It is data, which only some versions of Node.js import.
    pub(super) is_data: bool,
}

impl<'s> Names<'s> {
    /// Of all files; a source whose compiled file would take another one's place is a problem.
    pub(super) fn new(
        sources: &'s [SourceFile],
        kinds: &BTreeMap<String, Kind>,
        settings: &'s Settings,
        problems: &mut Vec<FileProblem>,
    ) -> Self {
        let mut taken: BTreeSet<String> = sources.iter().map(|file| file.path.clone()).collect();
        let mut files = BTreeMap::new();
        for file in sources {
            let path = file.path.as_str();
            let Some(kind) = kinds.get(path) else {
                files.insert(path, path.to_owned());
                continue;
            };
            let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
            let made = format!("{stem}{}", kind.ending());
            if !taken.insert(made.clone()) {
                let message = format!("it is compiled to {made}, and there is another file of that name");
                problems.push(FileProblem::of_file(path, message));
            }
            files.insert(path, made);
        }
        Self { files, settings, data: RefCell::default() }
    }

    /// What a source is called when it is compiled.
    pub(super) fn made_of(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The file of the folder that `specifier` means in the file `from`; none where it means a package, or nothing.
    pub(super) fn find(&self, from: &str, specifier: &str) -> Option<Found> {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        let made =
            if specifier.starts_with("./") || specifier.starts_with("../") || matches!(specifier, "." | "..")
            {
                self.file(&joined(folder, specifier)?)
            } else {
                self.by_alias(specifier)
            }?;
        Some(Found { specifier: relative(folder, made), is_data: made.ends_with(".json") })
    }

    /// The name of a module that has the data of a file.
    pub(super) fn data_module(&self, from: &str, specifier: &str) -> String {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(path) = joined(folder, specifier) {
            self.data.borrow_mut().insert(path);
        }
        format!("{specifier}.mjs")
    }

    /// The modules that were asked for: each version of Node.js can require data, and only new ones import it.
    pub(super) fn data_modules(&self) -> Vec<CompiledFile> {
        let module = |path: &String| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let text = format!(
                "import {{ createRequire }} from \"module\";\n\
                 export default createRequire(import.meta.url)({:?});\n",
                format!("./{name}")
            );
            CompiledFile { path: format!("{path}.mjs"), source: None, text, map: None }
        };
        self.data.borrow().iter().map(module).collect()
    }

    /// As `paths` and `baseUrl` of `tsconfig.json` say: the exact name, else the longest beginning.
    fn by_alias(&self, specifier: &str) -> Option<&str> {
        let matched = |pattern: &str| match pattern.split_once('*') {
            None => (pattern == specifier).then_some((usize::MAX, String::new())),
            Some((start, end)) => {
                let rest = specifier.strip_prefix(start)?.strip_suffix(end)?;
                Some((start.len(), rest.to_owned()))
            }
        };
        let fitting = self.settings.paths.iter().filter_map(|(pattern, to)| Some((matched(pattern)?, to)));
        if let Some(((_, rest), targets)) = fitting.max_by_key(|((length, _), _)| *length) {
            return targets.iter().find_map(|target| self.file(&target.replacen('*', &rest, 1)));
        }
        self.file(&joined(self.settings.base.as_deref()?, specifier)?)
    }

    /// The compiled file that a path means.
    fn file(&self, path: &str) -> Option<&str> {
        let instead =
            STANDS_FOR.iter().filter_map(|(ending, others)| Some((path.strip_suffix(ending)?, others)));
        let instead =
            instead.flat_map(|(stem, others)| others.iter().map(move |other| format!("{stem}{other}")));
        let longer = TRIED.iter().map(|ending| format!("{path}{ending}"));
        let index = if path.is_empty() { "index".to_owned() } else { format!("{path}/index") };
        let inside = TRIED.iter().map(|ending| format!("{index}{ending}"));
        let mut tried = instead.chain([path.to_owned()]).chain(longer).chain(inside);
        tried.find_map(|path| self.made_of(&path))
    }
}

/// A path from a folder, both from the top and without `.` and `..`; none where it leads out.
pub(super) fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The way from a folder to a file, beginning with a dot.
fn relative(folder: &str, file: &str) -> String {
    let from: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = file.split('/').collect();
    let common = from.iter().zip(&to[..to.len() - 1]).take_while(|(one, other)| one == other).count();
    let up = vec![".."; from.len() - common];
    let start = if up.is_empty() { vec!["."] } else { up };
    start.into_iter().chain(to[common..].iter().copied()).collect::<Vec<_>>().join("/")
}

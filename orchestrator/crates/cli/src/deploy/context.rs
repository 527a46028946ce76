//! What an image is built from: a folder's files by Docker's own rules, and its Dockerfile.

use std::path::{Path, PathBuf};

use cloudbox_api_types::ImageBuild;
use cloudbox_archive::Dockerignore;

use super::package::is_project_file;
use crate::Error;

/// Where a folder says what its image is not built from.
pub const IGNORE_FILE: &str = ".dockerignore";

/// Every file of the build's context, relative to the folder, but for what `.dockerignore` leaves out; hidden files, too, but
/// neither Git's own nor the project's file. The Dockerfile and what says what is left out are there in any case: the service reads them.
///
/// # Errors
/// There is no Dockerfile or no such context, `.dockerignore` has a line that is no pattern, or a folder can't be read.
pub fn files(folder: &Path, build: &ImageBuild) -> Result<Vec<PathBuf>, Error> {
    let bad = |path: PathBuf, message: &str| Error::BadFile { path, message: message.to_owned() };
    let (dockerfile, context) = (folder.join(&build.dockerfile), folder.join(&build.context));
    if !dockerfile.is_file() {
        return Err(bad(dockerfile, "is not there; `build.dockerfile` names the Dockerfile"));
    }
    if !context.is_dir() {
        return Err(bad(context, "is no folder; `build.context` names the one that the image is built from"));
    }
    let rules = Dockerignore::read(&context, &dockerfile).map_err(|why| bad(context.clone(), &why))?;
    let walk = ignore::WalkBuilder::new(&context)
        .standard_filters(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_path(Ord::cmp)
        .build();
    let relative = |path: &Path| path.strip_prefix(folder).map(Path::to_owned).unwrap_or_default();
    let mut found = vec![relative(&dockerfile)];
    let own_rules = format!("{}{IGNORE_FILE}", found[0].display());
    for entry in walk {
        let entry = entry.map_err(|error| bad(context.clone(), &error.to_string()))?;
        let path = relative(entry.path());
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let inside = entry.path().strip_prefix(&context).unwrap_or_else(|_| entry.path());
        let is_read = inside == Path::new(IGNORE_FILE) || path == Path::new(&own_rules);
        let is_out = is_project_file(&path) || (!is_read && rules.leaves_out(inside));
        if !is_folder && path != found[0] && !is_out {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILES: [&str; 9] = [
        "docker/Dockerfile",
        "app/main.py",
        "app/.npmrc",
        "app/.git/config",
        "app/node_modules/x.js",
        "app/notes.md",
        "app/dist/made.js",
        "other.txt",
        "cloudbox-function.yml",
    ];

    fn found(ignored: &str, context: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        for name in FILES {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::write(folder.path().join("app/.gitignore"), "dist\n").unwrap();
        if !ignored.is_empty() {
            fs::write(folder.path().join(context).join(IGNORE_FILE), ignored).unwrap();
        }
        let build = ImageBuild { dockerfile: "./docker/Dockerfile".to_owned(), context: context.to_owned() };
        let files = files(folder.path(), &build).map_err(|error| error.to_string())?;
        Ok(files.iter().map(|path| path.display().to_string()).collect())
    }

    #[test]
    fn an_image_is_built_from_its_context_alone() {
        let expected = [
            "docker/Dockerfile",
            "app/.gitignore",
            "app/.npmrc",
            "app/dist/made.js",
            "app/main.py",
            "app/node_modules/x.js",
            "app/notes.md",
        ];
        assert_eq!(found("", "./app").unwrap(), expected, "what Git leaves out may be what is copied");
        let kept = ["docker/Dockerfile", "app/.dockerignore", "app/.npmrc", "app/main.py"];
        assert_eq!(found("node_modules\n*.md\ndist\n.gitignore\n", "app/").unwrap(), kept);
        assert_eq!(
            found("*\n!main.py", "app").unwrap(),
            ["docker/Dockerfile", "app/.dockerignore", "app/main.py"]
        );
        let top = found("app\n", "./").unwrap();
        assert_eq!(top, ["docker/Dockerfile", ".dockerignore", "other.txt"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(found("", "none").unwrap_err().contains("none: is no folder"));
        assert!(found("[b-a]", "app").unwrap_err().contains(".dockerignore: line 1"));
        let build = ImageBuild { dockerfile: "Dockerfile".to_owned(), context: "./".to_owned() };
        let message = files(Path::new("/nowhere"), &build).unwrap_err().to_string();
        assert!(message.starts_with("/nowhere/Dockerfile: is not there"), "{message}");
    }
}

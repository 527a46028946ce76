//! What a build left, taken over: listed, bounded, copied into a folder of the service, and named by its digest.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cloudbox_bundles::digest::Parts;
use sha2::{Digest as _, Sha256};

use crate::MAIN_NOTE;
use crate::error::Error;
use crate::regular::{not_regular, open_regular};

/// Folders below one another, at most.
const MAX_DEPTH: usize = 32;

/// What an artefact may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of all its files.
    pub bytes: u64,
    /// Its files and folders.
    pub entries: usize,
}

/// An artefact in a folder of its own, not in the code store yet.
#[derive(Debug)]
pub struct Artefact {
    /// SHA-256 over the sorted paths, modes and contents, in hex.
    pub digest: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Its files.
    pub files: usize,
}

/// One file, relative to the workspace.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    is_executable: bool,
    /// Where it is, where it is a file of a set of dependencies, which is linked and not copied.
    shared: Option<PathBuf>,
}

/// Dependencies that become part of an artefact.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// Their folder in the store, on the same file system.
    pub folder: &'a Path,
    /// Where they belong, relative to the workspace; whatever a build left there stays out.
    pub place: &'a Path,
}

/// Copies what is in `workspace` (of it only `only`, where that is given) into the empty folder `to`, and links the
/// dependencies into it. To be called when the build's sandbox is gone, so that nothing changes meanwhile.
///
/// # Errors
/// A link, a FIFO or the like; more than `bounds`; a name that is not UTF-8.
pub fn collect(
    workspace: &Path,
    only: Option<&str>,
    shared: Option<Shared<'_>>,
    bounds: Bounds,
    to: &Path,
) -> Result<Artefact, Error> {
    let mut found = Vec::new();
    match only {
        Some(name) => {
            let file = open_regular(&workspace.join(name))?;
            let metadata = file.metadata().map_err(Error::io("reading", name))?;
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            found.push(Found { path: name.into(), is_executable, shared: None });
        }
        None => list(workspace, Path::new(""), bounds, &mut found)?,
    }
    if let Some(shared) = shared {
        found.retain(|file| !file.path.starts_with(shared.place));
        let mut files = Vec::new();
        list(shared.folder, Path::new(""), bounds, &mut files)?;
        found.extend(files.into_iter().map(|file| Found {
            shared: Some(shared.folder.join(&file.path)),
            path: shared.place.join(&file.path),
            ..file
        }));
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));

    let mut parts = Parts::default();
    let mut bytes = 0;
    for file in &found {
        let target = to.join(&file.path);
        let mode: u32 = if file.is_executable { 0o555 } else { 0o444 };
        let room = bounds.bytes - bytes;
        if let Some(shared) = &file.shared {
            bytes += link(shared, &target, room)?;
        } else {
            bytes += copy(&workspace.join(&file.path), &target, room)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))
                .map_err(Error::io("changing the mode of", &target))?;
        }
        parts.add(file.path.as_os_str().as_encoded_bytes()).add(mode.to_be_bytes()).add_file(&target)?;
    }
    Ok(Artefact { digest: parts.finish(), bytes, files: found.len() })
}

/// The files of an artefact, sorted.
///
/// # Errors
/// Something can't be read, or is no regular file.
pub fn paths_of(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let bounds = Bounds { bytes: u64::MAX, entries: usize::MAX };
    list(folder, Path::new(""), bounds, &mut found)?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found.into_iter().map(|file| file.path).collect())
}

/// Gives a file the mode that it has in an artefact: only whether it may be executed counts.
///
/// # Errors
/// It can't be changed.
pub fn set_final_mode(path: &Path) -> Result<(), Error> {
    let metadata = path.symlink_metadata().map_err(Error::io("reading", path))?;
    let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o444 } else { 0o555 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::io("changing the mode of", path))
}

/// The digest of an artefact that is in its place already.
///
/// # Errors
/// Something can't be read, or is no regular file.
pub fn digest_of(folder: &Path) -> Result<String, Error> {
    let mut found = Vec::new();
    let bounds = Bounds { bytes: u64::MAX, entries: usize::MAX };
    list(folder, Path::new(""), bounds, &mut found)?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    let mut parts = Parts::default();
    for file in &found {
        let path = folder.join(&file.path);
        let metadata = path.symlink_metadata().map_err(Error::io("reading", &path))?;
        let mode = metadata.permissions().mode() & 0o7777;
        parts.add(file.path.as_os_str().as_encoded_bytes()).add(mode.to_be_bytes()).add_file(&path)?;
    }
    Ok(parts.finish())
}

/// The files of an artefact with their SHA-256, in hex, but for those in these folders.
///
/// # Errors
/// Something can't be read, or is no regular file.
pub fn files_of(folder: &Path, without: &[&str]) -> Result<BTreeMap<String, String>, Error> {
    let mut found = Vec::new();
    let bounds = Bounds { bytes: u64::MAX, entries: usize::MAX };
    list(folder, Path::new(""), bounds, &mut found)?;
    let own = found.into_iter().filter(|file| !without.iter().any(|folder| file.path.starts_with(folder)));
    own.map(|file| {
        let mut reader = fs::File::open(folder.join(&file.path)).map_err(Error::io("reading", &file.path))?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = reader.read(&mut buffer).map_err(Error::io("reading", &file.path))?;
            if length == 0 {
                break;
            }
            digest.update(&buffer[..length]);
        }
        let hex = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((file.path.to_string_lossy().into_owned(), hex))
    })
    .collect()
}

fn list(top: &Path, relative: &Path, bounds: Bounds, found: &mut Vec<Found>) -> Result<(), Error> {
    if relative.iter().count() > MAX_DEPTH {
        return Err(Error::Refused(format!("the build left folders more than {MAX_DEPTH} deep")));
    }
    let folder = top.join(relative);
    for entry in fs::read_dir(&folder).map_err(Error::io("reading", &folder))? {
        let entry = entry.map_err(Error::io("reading", &folder))?;
        let path = relative.join(entry.file_name());
        if path.to_str().is_none() {
            return Err(Error::Refused(format!("the build left {path:?}, whose name is not UTF-8")));
        }
        if found.len() >= bounds.entries {
            return Err(Error::Refused(format!("the build left more than {} files", bounds.entries)));
        }
        // Not of what a link leads to.
        let metadata = entry.metadata().map_err(Error::io("reading", entry.path()))?;
        if metadata.is_dir() {
            list(top, &path, bounds, found)?;
        } else if !metadata.is_file() {
            return Err(not_regular(&path));
        } else if path != Path::new(MAIN_NOTE) {
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            found.push(Found { path, is_executable, shared: None });
        }
    }
    Ok(())
}

/// Gives a file of the store, which is read only and on the disk, a further name; how many bytes it has.
fn link(from: &Path, to: &Path, room: u64) -> Result<u64, Error> {
    let bytes = from.symlink_metadata().map_err(Error::io("reading", from))?.len();
    if bytes > room {
        return Err(too_large());
    }
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
    match fs::hard_link(from, to) {
        // As many names as a file can have, or a file system without.
        Err(_) => {
            let copied = copy(from, to, room)?;
            let mode = from.metadata().map_err(Error::io("reading", from))?.permissions();
            fs::set_permissions(to, mode).map_err(Error::io("changing the mode of", to))?;
            Ok(copied)
        }
        Ok(()) => Ok(bytes),
    }
}

fn too_large() -> Error {
    Error::Refused("the build left more bytes than an artefact may have".to_owned())
}

/// Copies at most `room` bytes, onto the disk itself; how many there were.
fn copy(from: &Path, to: &Path, room: u64) -> Result<u64, Error> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
    let mut source = open_regular(from)?.take(room + 1);
    let mut target = fs::File::create_new(to).map_err(Error::io("making", to))?;
    let copied = io::copy(&mut source, &mut target).map_err(Error::io("copying", from))?;
    if copied > room {
        return Err(too_large());
    }
    target.sync_all().map_err(Error::io("writing", to))?;
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1000, entries: 10 };

    fn collected(workspace: &Path, only: Option<&str>) -> (Result<Artefact, Error>, tempfile::TempDir) {
        let to = tempfile::tempdir().unwrap();
        (collect(workspace, only, None, BOUNDS, to.path()), to)
    }

    fn refusal(workspace: &Path) -> String {
        match collected(workspace, None).0 {
            Err(Error::Refused(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_digest_depends_on_paths_modes_and_contents_alone() {
        let make = |order: [&str; 2], mode| {
            let workspace = tempfile::tempdir().unwrap();
            for name in order {
                fs::create_dir_all(workspace.path().join("lib")).unwrap();
                fs::write(workspace.path().join(name), name).unwrap();
            }
            fs::write(workspace.path().join(MAIN_NOTE), "index.js").unwrap();
            let path = workspace.path().join("index.js");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            collected(workspace.path(), None).0.unwrap()
        };
        let one = make(["index.js", "lib/a.js"], 0o600);
        let other = make(["lib/a.js", "index.js"], 0o646);
        assert_eq!((one.digest.as_str(), one.files, one.bytes), (other.digest.as_str(), 2, 16));
        assert_eq!(one.digest.len(), 64);
        assert_ne!(make(["index.js", "lib/a.js"], 0o755).digest, one.digest);
        assert_ne!(make(["index.js", "lib/b.js"], 0o600).digest, one.digest);
    }

    #[test]
    fn files_are_copied_read_only() {
        let workspace = tempfile::tempdir().unwrap();
        fs::write(workspace.path().join("function"), "program").unwrap();
        fs::write(workspace.path().join("index.go"), "source").unwrap();
        let program = workspace.path().join("function");
        fs::set_permissions(program, fs::Permissions::from_mode(0o4777)).unwrap();
        let (artefact, to) = collected(workspace.path(), Some("function"));
        assert_eq!(artefact.unwrap().files, 1);
        let copy = to.path().join("function");
        assert_eq!(fs::read(&copy).unwrap(), b"program");
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o7777, 0o555);
        assert!(!to.path().join("index.go").exists());
    }

    #[test]
    fn dependencies_are_linked_and_count() {
        let (workspace, set, to) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(workspace.path().join("node_modules")).unwrap();
        fs::write(workspace.path().join("node_modules/left.js"), "by the build").unwrap();
        fs::write(workspace.path().join("index.js"), "source").unwrap();
        fs::create_dir(set.path().join("a")).unwrap();
        fs::write(set.path().join("a/a.js"), "package").unwrap();
        fs::set_permissions(set.path().join("a/a.js"), fs::Permissions::from_mode(0o444)).unwrap();
        let shared = Some(Shared { folder: set.path(), place: Path::new("node_modules") });
        let artefact = collect(workspace.path(), None, shared, BOUNDS, to.path()).unwrap();
        assert_eq!((artefact.files, artefact.bytes), (2, 13));
        assert_eq!(digest_of(to.path()).unwrap(), artefact.digest);
        use std::os::unix::fs::MetadataExt;
        let inode = |path: &Path| path.metadata().unwrap().ino();
        assert_eq!(inode(&to.path().join("node_modules/a/a.js")), inode(&set.path().join("a/a.js")));
        fs::write(set.path().join("b.js"), [0; 1000]).unwrap();
        let to = tempfile::tempdir().unwrap();
        assert!(collect(workspace.path(), None, shared, BOUNDS, to.path()).is_err());
    }

    #[test]
    fn links_and_fifos_are_refused_and_never_followed() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let workspace = tempfile::tempdir().unwrap();
        let link = workspace.path().join("link.js");
        symlink(outside.path(), &link).unwrap();
        assert!(refusal(workspace.path()).contains("\"link.js\""));
        assert!(collected(workspace.path(), Some("link.js")).0.is_err());
        fs::remove_file(&link).unwrap();

        symlink("/etc", workspace.path().join("folder")).unwrap();
        assert!(refusal(workspace.path()).contains("\"folder\""));
        fs::remove_file(workspace.path().join("folder")).unwrap();

        let fifo = workspace.path().join("fifo");
        let name = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
        mkfifo(&name);
        assert!(refusal(workspace.path()).contains("neither a regular file nor a folder"));
        assert!(collected(workspace.path(), Some("fifo")).0.is_err(), "and it does not wait for a writer");
    }

    fn mkfifo(path: &std::ffi::CStr) {
        #[expect(clippy::disallowed_methods, reason = "the standard library makes no FIFOs")]
        let made = std::process::Command::new("mkfifo").arg(path.to_str().unwrap()).status();
        assert!(made.unwrap().success());
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let workspace = tempfile::tempdir().unwrap();
        fs::write(workspace.path().join("a"), [0; 600]).unwrap();
        fs::write(workspace.path().join("b"), [0; 400]).unwrap();
        assert_eq!(collected(workspace.path(), None).0.unwrap().bytes, 1000);
        fs::write(workspace.path().join("c"), [0; 1]).unwrap();
        assert!(refusal(workspace.path()).contains("more bytes"));
        let sparse = fs::File::create(workspace.path().join("c")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        assert!(refusal(workspace.path()).contains("more bytes"));

        let workspace = tempfile::tempdir().unwrap();
        for number in 0..11 {
            fs::write(workspace.path().join(format!("{number}")), "").unwrap();
        }
        assert!(refusal(workspace.path()).contains("more than 10 files"));

        let workspace = tempfile::tempdir().unwrap();
        let deep = (0..40).fold(workspace.path().to_owned(), |path, _| path.join("d"));
        fs::create_dir_all(deep).unwrap();
        assert!(refusal(workspace.path()).contains("deep"));
    }
}

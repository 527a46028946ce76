//! F1: 166 archives, hostile and plain. Each is refused with its reason, or unpacked exactly; nothing is left of what
//! was refused, nothing outside is touched, and memory stays bounded.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

mod make_tar;
mod make_zip;
mod tars;
mod zips;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cloudbox_archive::{Limits, unpack};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that unpacking may take: pieces, and the paths of ten thousand entries.
const MEMORY_BYTES: usize = 24 << 20;

/// What is to become of an archive.
enum Want {
    /// Refused with a sentence that holds this.
    Refused(&'static str),
    /// Unpacked: path, content, whether it may be executed.
    Files(Vec<(&'static str, Vec<u8>, bool)>),
    /// Unpacked; so many files of which one content is not worth a comparison.
    Count(usize),
}

/// One archive.
struct Case {
    name: String,
    archive: Vec<u8>,
    want: Want,
}

fn refused(name: impl Into<String>, archive: Vec<u8>, why: &'static str) -> Case {
    Case { name: name.into(), archive, want: Want::Refused(why) }
}

fn accepted(name: impl Into<String>, archive: Vec<u8>, files: &[(&'static str, &str)]) -> Case {
    let files = files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec(), false)).collect();
    Case { name: name.into(), archive, want: Want::Files(files) }
}

/// A place to unpack in, with files around it that must not change.
struct Place {
    outer: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("a/b")).unwrap();
        let place = Self { outer };
        for canary in place.canaries() {
            fs::write(canary, "canary").unwrap();
        }
        place
    }

    fn parent(&self) -> PathBuf {
        self.outer.path().join("a/b")
    }

    fn canaries(&self) -> Vec<PathBuf> {
        ["canary", "a/canary", "a/b/canary"].map(|name| self.outer.path().join(name)).to_vec()
    }

    fn check(&self, name: &str) {
        for canary in self.canaries() {
            assert_eq!(fs::read(&canary).unwrap(), b"canary", "{name}: {}", canary.display());
        }
        let left: Vec<_> =
            fs::read_dir(self.parent()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["canary"], "{name} left something");
        let around = fs::read_dir(self.outer.path()).unwrap().count();
        assert_eq!(around, 2, "{name} left something around");
    }
}

fn found(root: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                assert_eq!(metadata.permissions().mode() & 0o7777, 0o700);
                folders.push(path);
            } else {
                assert!(metadata.is_file());
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, (fs::read(&path).unwrap(), metadata.permissions().mode() & 0o7777));
            }
        }
    }
    files
}

/// Runs one archive; the sentence where it is not as wanted.
fn judge(case: Case, place: &Place, spool: &Path) -> Result<(), String> {
    let Case { name, archive, want } = case;
    fs::write(spool, archive).unwrap();
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let outcome = unpack(spool, &place.parent(), &Limits::PACKAGE);
    let taken = MEMORY.peak_usage() - before;
    let wrong = match (&want, &outcome) {
        (Want::Refused(why), Err(cloudbox_archive::Error::Refused(refused))) => {
            let sentence = refused.to_string();
            (!sentence.contains(why)).then(|| format!("{name}: {sentence:?} lacks {why:?}"))
        }
        (Want::Files(want), Ok(unpacked)) => {
            let want: BTreeMap<String, (Vec<u8>, u32)> = want
                .iter()
                .map(|(path, content, exec)| {
                    ((*path).to_owned(), (content.clone(), if *exec { 0o755 } else { 0o644 }))
                })
                .collect();
            let found = found(&unpacked.root);
            (found != want).then(|| format!("{name}: has {:?}", found.keys()))
        }
        (Want::Count(count), Ok(unpacked)) => {
            (unpacked.files != *count).then(|| format!("{name}: {} files", unpacked.files))
        }
        (_, outcome) => Some(format!("{name}: {:?}", outcome.as_ref().map(|unpacked| unpacked.files))),
    };
    drop(outcome);
    place.check(&name);
    if taken > MEMORY_BYTES {
        return Err(format!("{name} took {taken} bytes of memory"));
    }
    wrong.map_or(Ok(()), Err)
}

#[test]
fn f1_archives_are_refused_with_their_reason_or_unpacked_exactly() {
    let place = Place::new();
    let outside = place.outer.path().to_str().unwrap().to_owned();
    let spool = tempfile::NamedTempFile::new().unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    // One at a time: some are of 50 MB.
    for make in tars::all(&outside).into_iter().chain(zips::all(&outside)) {
        count += 1;
        wrong.extend(judge(make(), &place, spool.path()).err());
    }
    for sentence in &wrong {
        eprintln!("{sentence}");
    }
    assert_eq!((wrong.len(), count), (0, 166));
}

#[test]
fn what_was_packed_is_unpacked_and_the_same_files_make_the_same_archive() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let names = ["b.js", "a/x.sh", "NOT portable\\é", "a/X.sh", &long];
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
    }
    let program = folder.path().join("a/x.sh");
    fs::set_permissions(program, fs::Permissions::from_mode(0o555)).unwrap();
    let packed = |names: &[&str]| {
        let (mut bytes, files) = (Vec::new(), names.iter().map(PathBuf::from).collect::<Vec<_>>());
        cloudbox_archive::pack(folder.path(), &files, &mut bytes).unwrap();
        bytes
    };
    let one = packed(&names);
    let other: Vec<&str> = names.into_iter().rev().collect();
    assert_eq!(one, packed(&other));
    let archive = tempfile::NamedTempFile::new().unwrap();
    fs::write(archive.path(), one).unwrap();
    let into = tempfile::tempdir().unwrap();
    let unpacked = unpack(archive.path(), into.path(), &Limits::own(10_000, 10)).unwrap();
    let found = found(&unpacked.root);
    assert_eq!(found.len(), names.len());
    assert_eq!(found["a/x.sh"], (b"a/x.sh".to_vec(), 0o755));
    assert_eq!(found[&long].1, 0o644);
}

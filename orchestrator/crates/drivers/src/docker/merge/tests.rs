//! What of a hostile image's files comes through.

use std::collections::BTreeMap;
use std::fs;

use tar::Header;

use super::*;

/// A file, folder, link or device of an image.
fn entry(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, content: &str) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(100_001);
    header.set_gid(100_001);
    header.set_mtime(7);
    header.set_size(0);
    if kind.is_symlink() || kind.is_hard_link() {
        return tar.append_link(&mut header, path, content).unwrap();
    }
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content.as_bytes()).unwrap();
}

/// Path, kind, mode, owner and content of all that the merge of these entries holds, each path once.
fn merged(entries: &[(&str, EntryType, u32, &str)], bounds: Bounds) -> io::Result<BTreeMap<String, String>> {
    let ours = tempfile::tempdir().unwrap();
    for folder in ["cloudbox", "etc", "run/cloudbox", "tmp", "workspace"] {
        fs::create_dir_all(ours.path().join(folder)).unwrap();
    }
    fs::write(ours.path().join("cloudbox/init"), "ours").unwrap();
    fs::write(ours.path().join("etc/hosts"), "ours").unwrap();
    let mut base = Builder::new(Vec::new());
    for (path, kind, mode, content) in entries {
        entry(&mut base, path, *kind, *mode, content);
    }
    let mut out = Vec::new();
    merge(base.into_inner().unwrap().as_slice(), ours.path(), bounds, &mut out)?;
    let mut found = BTreeMap::new();
    for entry in Archive::new(out.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let header = entry.header().clone();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0), "owners");
        let link = entry.link_name().unwrap().map(|link| link.display().to_string()).unwrap_or_default();
        let kind = header.entry_type();
        let text = format!("{kind:?} {:o} {content}{link}", header.mode().unwrap());
        let path = entry.path().unwrap().display().to_string();
        assert!(found.insert(path.trim_end_matches('/').to_owned(), text).is_none(), "{path} twice");
    }
    Ok(found)
}

const ALL: Bounds = Bounds { bytes: 1 << 20 };

#[test]
fn plain_files_stay_and_nothing_lends_rights() {
    let found = merged(
        &[
            ("./usr/bin/su", EntryType::Regular, 0o4755, "su"),
            ("home/me/key", EntryType::Regular, 0o600, "key"),
            ("usr/bin/ping", EntryType::Link, 0o4755, "usr/bin/su"),
            ("bin", EntryType::Symlink, 0o777, "usr/bin"),
            ("opt", EntryType::Directory, 0o700, ""),
            ("root-disk", EntryType::Block, 0o666, ""),
            ("pipe", EntryType::Fifo, 0o666, ""),
        ],
        ALL,
    )
    .unwrap();
    assert_eq!(found["usr/bin/su"], "Regular 755 su");
    assert_eq!(found["home/me/key"], "Regular 644 key");
    assert_eq!(found["usr/bin/ping"], "Link 755 usr/bin/su");
    assert_eq!(found["bin"], "Symlink 755 usr/bin");
    assert_eq!(found["opt"], "Directory 755 ");
    assert!(!found.contains_key("root-disk") && !found.contains_key("pipe"), "{found:?}");
}

#[test]
fn what_is_ours_is_ours_whatever_the_image_has_there() {
    let found = merged(
        &[
            ("cloudbox", EntryType::Symlink, 0o777, "/etc"),
            ("cloudbox/init", EntryType::Regular, 0o755, "theirs"),
            ("run", EntryType::Symlink, 0o777, "/var/run"),
            ("etc", EntryType::Symlink, 0o777, "/tmp"),
            ("etc/hosts", EntryType::Symlink, 0o777, "/etc/passwd"),
            ("run", EntryType::Directory, 0o777, ""),
            ("etc/passwd", EntryType::Regular, 0o644, "theirs"),
            ("tmp/left", EntryType::Regular, 0o644, "theirs"),
            ("workspace/index.js", EntryType::Regular, 0o644, "theirs"),
            ("dev/mem", EntryType::Char, 0o666, ""),
            ("mine", EntryType::Link, 0o755, "cloudbox/init"),
        ],
        ALL,
    )
    .unwrap();
    assert!(found["cloudbox/init"].ends_with(" ours"), "{found:?}");
    assert!(found["etc/hosts"].ends_with(" ours"), "{found:?}");
    assert_eq!(found["etc/passwd"], "Regular 644 theirs");
    for gone in ["tmp/left", "workspace/index.js", "dev/mem", "mine"] {
        assert!(!found.contains_key(gone), "{gone}");
    }
    assert!(!found.values().any(|text| text.starts_with("Symlink")), "{found:?}");
}

#[test]
fn odd_paths_and_too_much_are_refused() {
    let found = merged(&[("a", EntryType::Regular, 0o644, "12345")], Bounds { bytes: 4 });
    assert!(found.unwrap_err().to_string().contains("limit"));
    let mut header = Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..7].copy_from_slice(b"../evil");
    header.set_size(0);
    header.set_cksum();
    let mut base = Builder::new(Vec::new());
    base.append(&header, io::empty()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let base = base.into_inner().unwrap();
    let error = merge(base.as_slice(), folder.path(), ALL, Vec::new()).unwrap_err();
    assert!(error.to_string().contains("odd path"), "{error}");
}

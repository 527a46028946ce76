//! What becomes a layer, and how.

use super::*;
use std::io::Read;

fn entries(tar: &[u8]) -> Vec<(String, u32, u64, EntryType, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    archive
        .entries()
        .expect("a tar")
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut text = Vec::new();
            entry.read_to_end(&mut text).expect("its text");
            let (header, path) =
                (entry.header().clone(), entry.path().expect("a path").display().to_string());
            let owner = header.uid().expect("a uid") + header.gid().expect("a gid");
            (path, header.mode().expect("a mode"), owner, header.entry_type(), text)
        })
        .collect()
}

#[test]
fn files_folders_and_links_without_owner_or_privilege() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = folder.path().join("usr").join("d".repeat(90)).join("e".repeat(90));
    std::fs::create_dir_all(&deep).expect("folders");
    std::fs::write(deep.join("tool"), "#!").expect("a file");
    std::fs::set_permissions(deep.join("tool"), PermissionsExt::from_mode(0o6777)).expect("a mode");
    std::os::unix::fs::symlink("/usr/tool", folder.path().join("bin")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    let mut tar = Vec::new();
    write_tree(folder.path(), &mut tar).expect("a tree");

    let found = entries(&tar);
    let kinds: Vec<EntryType> = found.iter().map(|entry| entry.3).collect();
    use EntryType::{Directory, Regular, Symlink};
    assert_eq!(kinds, [Symlink, Directory, Directory, Directory, Regular]);
    assert!(found.iter().all(|entry| entry.2 == 0), "everything is root's");
    let tool = found.last().expect("the file");
    assert!(tool.0.ends_with("/tool") && tool.0.len() > 180, "{}", tool.0);
    assert_eq!((tool.1, tool.4.as_slice()), (0o755, &b"#!"[..]));
}

#[test]
fn a_tree_that_broke_off_has_no_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tar = Vec::new();
    write_tree(&folder.path().join("missing"), &mut tar).expect_err("no such folder");
    assert!(tar.is_empty(), "not even the archive's end");
}

#[tokio::test]
async fn a_folder_that_is_not_there_breaks_the_stream_off() {
    let mut stream = tar_stream(PathBuf::from("/nowhere/at/all"));
    let error = stream.pieces.recv().await.expect("a piece").expect_err("no such folder");
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    stream.outcome.await.expect("an outcome").expect_err("no such folder");
}

//! What is given back, and what is not followed on the way.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

#[tokio::test]
async fn links_are_not_followed_and_closed_folders_opened() {
    let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("mine"), "").unwrap();
    std::fs::create_dir(inside.path().join("closed")).unwrap();
    std::fs::write(inside.path().join("closed/file"), "").unwrap();
    symlink(outside.path(), inside.path().join("closed/link")).unwrap();
    let closed = std::fs::Permissions::from_mode(0o500);
    std::fs::set_permissions(inside.path().join("closed"), closed).unwrap();
    let own = rustix::process::geteuid().as_raw();
    let uid = if own == 0 { 201_000 } else { own };
    let lent = lend(inside.path().to_owned(), uid).await.unwrap();
    let owner = |path: &str| std::fs::symlink_metadata(inside.path().join(path)).unwrap().uid();
    assert_eq!([owner("closed"), owner("closed/file"), owner("closed/link")], [uid; 3]);
    assert_eq!(std::fs::metadata(outside.path().join("mine")).unwrap().uid(), own);
    lent.take_back().await;
    assert_eq!([owner(""), owner("closed/file")], [own; 2]);
    let mode = std::fs::metadata(inside.path().join("closed")).unwrap().mode();
    assert_eq!(mode & 0o700, 0o700);
}

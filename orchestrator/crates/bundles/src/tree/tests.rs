//! Which names a tree leaves out.

use super::*;

#[test]
fn patterns_are_names_or_paths() {
    let exclude = ["testdata".to_owned(), "/pkg/tool/*/vet".to_owned(), "*.a".to_owned()];
    for out in ["testdata", "src/os/testdata", "pkg/tool/linux_amd64/vet", "lib/x.a"] {
        assert!(is_excluded(&exclude, Path::new(out)), "{out}");
    }
    for kept in ["src/testdata.go", "tool/linux_amd64/vet", "pkg/tool/vet", "a"] {
        assert!(!is_excluded(&exclude, Path::new(kept)), "{kept}");
    }
}

#[test]
fn a_copy_has_plain_modes_and_follows_no_link_out() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    fs::create_dir(&from).unwrap();
    fs::write(folder.path().join("outside"), "out").unwrap();
    fs::write(from.join("suid"), "x").unwrap();
    fs::set_permissions(from.join("suid"), Permissions::from_mode(0o4700)).unwrap();
    symlink("suid", from.join("inner")).unwrap();
    symlink("../outside", from.join("outer")).unwrap();
    symlink("/no/such/file", from.join("dangling")).unwrap();

    let mut tree = Tree::create(folder.path().join("root")).unwrap();
    tree.copy(&from, Path::new("/to"), &[]).unwrap();

    let to = tree.path().join("to");
    assert_eq!(to.join("suid").metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_link(to.join("inner")).unwrap(), Path::new("suid"));
    assert!(to.join("outer").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(to.join("outer")).unwrap(), b"out");
    assert!(to.join("dangling").symlink_metadata().is_err());
}

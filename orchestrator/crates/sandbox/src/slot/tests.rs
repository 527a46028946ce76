//! Code that is copied where it can't be mounted.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn where_mounts_are_impossible_code_is_copied_once_and_readable() {
    let folder = tempfile::tempdir().unwrap();
    let (code, sandbox) = (folder.path().join("code"), folder.path().join("sandbox"));
    std::fs::create_dir_all(code.join("lib/deep")).unwrap();
    std::fs::create_dir_all(sandbox.join("slot")).unwrap();
    std::fs::write(folder.path().join("secret"), "not code").unwrap();
    std::fs::write(code.join("main"), "the code").unwrap();
    std::fs::write(code.join("lib/deep/tool"), "run").unwrap();
    symlink(folder.path().join("secret"), code.join("link")).unwrap();
    rustix::fs::mkfifoat(CWD, code.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    open_up(&code.join("main"), 0o600).unwrap();
    open_up(&code.join("lib"), 0o700).unwrap();
    open_up(&code.join("lib/deep/tool"), 0o4711).unwrap();

    let code = CodeDir { path: code, is_executable: true };
    let mut slot = Slot::new(RunDir::without_mounts(folder.path()), &sandbox);
    slot.attach(&code).unwrap();
    let inside = |path: &str| slot.path().join(path);
    assert_eq!(std::fs::read_to_string(inside("main")).unwrap(), "the code");
    let mode = |path: &str| inside(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("main"), mode("lib"), mode("lib/deep/tool")], [0o644, 0o755, 0o755]);
    assert!(inside("link").is_symlink(), "a link is copied, not what it leads to");
    assert!(!inside("pipe").exists(), "and nothing that could block who reads it");
    assert!(matches!(slot.attach(&code), Err(Error::Setup { step, .. }) if step == "bind"));
    slot.detach();

    let plain = folder.path().join("plain");
    std::fs::create_dir_all(plain.join("slot")).unwrap();
    let mut slot = Slot::new(RunDir::without_mounts(folder.path()), &plain);
    slot.attach(&CodeDir { is_executable: false, ..code }).unwrap();
    let mode = slot.path().join("lib/deep/tool").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644, "code for an interpreter is not executed itself");
}

//! The init as sandboxes have it, static, and a root file system around it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cloudbox_sandbox::RootFs;

/// Builds the init once per test program; cargo knows when there is nothing to do.
pub fn init() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // target/<profile>/deps/<this test>: cargo builds where it has built this.
        let test = std::env::current_exe().expect("this test's path");
        let target = test.ancestors().nth(3).expect("the target folder").to_owned();
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        #[expect(
            clippy::disallowed_methods,
            reason = "a static program is built for another target than the tests"
        )]
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "cloudbox-init", "--target", &triple, "--target-dir"])
            .arg(&target)
            .args(["--bins", "--example", "attempts"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the init builds");
        target.join(triple).join("debug/cloudbox-init")
    })
}

/// A root file system with nothing but the init; `digest` is as told, 64 hex digits.
pub fn rootfs(folder: &Path, name: &str, digest: &str) -> RootFs {
    for part in ["cloudbox", "run/cloudbox", "workspace", "tmp", "proc", "dev", "sys", "etc"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
    }
    let inside = folder.join("cloudbox/init");
    fs::copy(init(), &inside).expect("a copy of the init");
    fs::set_permissions(&inside, PermissionsExt::from_mode(0o755)).expect("a mode");
    RootFs { name: name.to_owned(), path: folder.to_owned(), digest: digest.to_owned(), base: None }
}

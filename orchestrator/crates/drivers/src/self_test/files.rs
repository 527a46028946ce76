//! What the self-test's sandbox is made from: a root with nothing but the init, and a file of code.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cloudbox_protocol::probe::CODE;
use sha2::{Digest, Sha256};

use cloudbox_sandbox::run_dir::RunDir;
use cloudbox_sandbox::{CodeDir, Error, RootFs};

/// What drivers mount something on.
const MOUNT_POINTS: [&str; 7] = ["cloudbox", "dev", "etc", "proc", "run/cloudbox", "tmp", "workspace"];
/// The namespaces that a sandbox has of its own.
const KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// The files, for as long as this lives.
pub(crate) struct Files {
    pub rootfs: RootFs,
    pub code: CodeDir,
    folder: PathBuf,
}

impl Files {
    /// Copies the init: a root that can be bound, and imported as an image once per init.
    pub(crate) fn lay(run_dir: &RunDir, init: &Path) -> Result<Self, Error> {
        let folder = run_dir.staging().join("self-test");
        let (root, code) = (folder.join("root"), folder.join("code"));
        // What a life left that was ended in the middle of its test.
        let _ = fs::remove_dir_all(&folder);
        let program = fs::read(init).map_err(Error::io("reading", init))?;
        let digest = Sha256::digest(&program).iter().map(|byte| format!("{byte:02x}")).collect();
        let rootfs = RootFs { name: "self-test".to_owned(), path: root.clone(), digest, base: None };
        let files = Self { rootfs, code: CodeDir { path: code.clone(), is_executable: false }, folder };
        for part in MOUNT_POINTS.map(|part| root.join(part)).iter().chain([&code]) {
            fs::create_dir_all(part).map_err(Error::io("creating", part))?;
        }
        for (path, bytes, mode) in [
            (root.join("cloudbox/init"), program.as_slice(), 0o755),
            (root.join("etc/hosts"), b"127.0.0.1 localhost\n", 0o644),
            (code.join(CODE), b"code\n", 0o644),
        ] {
            fs::write(&path, bytes).map_err(Error::io("writing", &path))?;
            fs::set_permissions(&path, PermissionsExt::from_mode(mode))
                .map_err(Error::io("opening up", &path))?;
        }
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %error, "the self-test's files are left");
        }
    }
}

/// The service's own, such as `net` to `net:[4026531833]`.
pub(super) fn own_namespaces() -> BTreeMap<String, String> {
    let link = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}"));
    let own =
        KINDS.iter().filter_map(|kind| Some(((*kind).to_owned(), link(kind).ok()?.display().to_string())));
    own.collect()
}

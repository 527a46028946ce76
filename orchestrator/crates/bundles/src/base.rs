//! What every root has, whatever its language: the small `/etc`, certificates, time zones and mount points.

use std::path::Path;

use crate::error::Error;
use crate::tree::Tree;

/// Where systems keep their certificates, in the order they are looked for.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

const ZONES: &str = "/usr/share/zoneinfo";

/// Folders that a driver mounts something on.
const MOUNT_POINTS: [&str; 6] = ["/workspace", "/tmp", "/proc", "/dev", "/sys", "/run/cloudbox"];

/// The user that sandboxes run as has a name, since some programs ask for it.
const FILES: [(&str, &str); 7] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/:/sbin/nologin\n\
         cloudbox:x:65532:65532:cloudbox:/tmp:/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\ncloudbox:x:65532:\nnogroup:x:65534:\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/hostname", "sandbox\n"),
    ("/etc/resolv.conf", ""),
    ("/etc/os-release", "ID=cloudbox\nNAME=\"Cloudbox sandbox\"\nPRETTY_NAME=\"Cloudbox sandbox\"\n"),
];

/// Of these, what drivers mount something on.
const OVER_IMAGES: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// The machine's certificates, where it has some.
pub fn certificates() -> Option<&'static Path> {
    CERTIFICATES.iter().map(Path::new).find(|path| path.is_file())
}

/// Puts into a root what an image's own files can't have in their place.
///
/// # Errors
/// Something can't be read or written.
pub fn lay_over_image(tree: &mut Tree) -> Result<(), Error> {
    for folder in MOUNT_POINTS {
        tree.folder(folder)?;
    }
    tree.open_to_all("/tmp")?;
    for (path, text) in FILES.iter().filter(|(path, _)| OVER_IMAGES.contains(path)) {
        tree.file(path, text.as_bytes(), false)?;
    }
    if let Some(bundle) = certificates() {
        tree.copy(bundle, Path::new(CERTIFICATES[0]), &[])?;
    }
    Ok(())
}

/// Puts it all into a root.
///
/// # Errors
/// Something can't be read or written.
pub fn lay(tree: &mut Tree, needs_zone_info: bool) -> Result<(), Error> {
    for folder in MOUNT_POINTS {
        tree.folder(folder)?;
    }
    tree.open_to_all("/tmp")?;
    for (path, text) in FILES {
        tree.file(path, text.as_bytes(), false)?;
    }
    if let Some(bundle) = certificates() {
        tree.copy(bundle, Path::new(CERTIFICATES[0]), &[])?;
        tree.copy(bundle, Path::new("/etc/ssl/cert.pem"), &[])?;
    }
    let zones = Path::new(ZONES);
    if needs_zone_info && zones.is_dir() {
        let twice = ["/right".to_owned(), "/posix".to_owned(), "/localtime".to_owned()];
        tree.copy(zones, zones, &twice)?;
    }
    let utc = zones.join("UTC");
    if utc.is_file() {
        tree.copy(&utc, Path::new("/etc/localtime"), &[])?;
    }
    Ok(())
}

//! The sandbox's view of files: a read-only root, a slot for code, a small `/tmp`, a minimal `/dev`, its own `/proc`.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use cloudbox_protocol::control::{SANDBOX_UID, Setup};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::error::{Failed, Step};
use crate::root::{self, NODEV, NOEXEC, NOSUID, RDONLY, Root};

/// The devices that programs expect; none of them reaches anything.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Files and folders that `/tmp` may hold, besides its bytes.
const TMP_INODES: u32 = 4096;

/// Puts the new root together and moves into it. Returns the layers that the kernel did not give.
///
/// # Errors
/// The step that failed.
pub fn set_up(setup: &Setup) -> Result<Vec<String>, Failed> {
    let new_root = Path::new(&setup.new_root);
    // Not private: what the service attaches to the slot later must arrive here.
    plain_mount(None, "/", None, MsFlags::MS_REC | MsFlags::MS_SLAVE, "").step("propagation")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    plain_mount(Some("root"), new_root, Some("tmpfs"), flags, "size=1m,nr_inodes=1024,mode=755")
        .step("root")?;
    let mut root = Root::new(new_root);
    root.mirror(Path::new(&setup.rootfs), new_root).step("rootfs")?;
    for (source, target) in &setup.mounts {
        root.place(Path::new(source), Path::new(target)).step("mounts")?;
    }
    for folder in ["tmp", "proc", "dev", "workspace"] {
        fs::create_dir(new_root.join(folder)).step("root")?;
    }
    root::restrict(new_root, RDONLY | NOSUID | NODEV, true).step("read_only_root")?;
    tmp(setup, &new_root.join("tmp")).step("tmp")?;
    workspace(setup, &new_root.join("workspace")).step("workspace")?;
    devices(&new_root.join("dev")).step("dev")?;
    let missing = proc(&new_root.join("proc")).step("proc")?;
    enter(new_root)?;
    Ok(missing)
}

fn tmp(setup: &Setup, target: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Ids are those of the user namespace that mounts it: with root that is still the host's.
    let owner = setup.host_uid.unwrap_or(SANDBOX_UID);
    let options = format!("size={},nr_inodes={TMP_INODES},mode=700,uid={owner},gid={owner}", setup.tmp_bytes);
    plain_mount(Some("tmp"), target, Some("tmpfs"), flags, &options)
}

fn workspace(setup: &Setup, target: &Path) -> io::Result<()> {
    root::bind(Path::new(&setup.workspace), target)?;
    let flags = match setup.host_uid {
        _ if setup.is_workspace_writable => NOSUID | NODEV,
        // What is attached later brings its own flags.
        Some(_) => RDONLY | NOSUID | NODEV | NOEXEC,
        // Nothing can be attached: code is copied here, and its files' modes say what may run.
        None => RDONLY | NOSUID | NODEV,
    };
    root::restrict(target, flags, false)
}

fn devices(dev: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    plain_mount(Some("dev"), dev, Some("tmpfs"), flags, "size=64k,nr_inodes=32,mode=755")?;
    for name in DEVICES {
        let target = dev.join(name);
        fs::File::create(&target)?;
        root::bind(&Path::new("/dev").join(name), &target)?;
    }
    for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        symlink(format!("/proc/self/fd{target}"), dev.join(name))?;
    }
    root::restrict(dev, RDONLY | NOSUID | NOEXEC, false)
}

/// Only processes, and of them only those that could be traced; older kernels give less.
fn proc(target: &Path) -> io::Result<Vec<String>> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let tried = |options| plain_mount(Some("proc"), target, Some("proc"), flags, options);
    let missing = match tried("hidepid=invisible,subset=pid") {
        Ok(()) => Vec::new(),
        Err(_) if tried("hidepid=2").is_ok() => vec!["proc_subset".to_owned()],
        // In a container whose own /proc is covered in part, none can be had: the folder stays empty.
        Err(_) => vec!["proc".to_owned()],
    };
    Ok(missing)
}

/// Makes `new_root` the root, and lets go of the old one.
fn enter(new_root: &Path) -> Result<(), Failed> {
    chdir(new_root).step("pivot_root")?;
    pivot_root(".", ".").step("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).step("pivot_root")?;
    chdir("/").step("pivot_root")
}

/// `mount(2)`.
fn plain_mount<P: AsRef<Path> + ?Sized>(
    source: Option<&str>,
    target: &P,
    kind: Option<&str>,
    flags: MsFlags,
    options: &str,
) -> io::Result<()> {
    Ok(mount(source, target.as_ref(), kind, flags, Some(options))?)
}

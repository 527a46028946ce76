//! A root that is put together from folders of the host without a write to any of them.
//!
//! The root is a tmpfs whose entries are read-only binds of the root file system's. Where a mount point is missing in one of
//! those, that folder is covered by a tmpfs in the same way, and the mount point made there.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::mount::{MsFlags, mount};

/// What `mount_setattr(2)` sets.
pub type Attributes = u64;
/// Nothing can be written.
pub const RDONLY: Attributes = 1;
/// No program gets another user's rights.
pub const NOSUID: Attributes = 2;
/// Devices can't be opened.
pub const NODEV: Attributes = 4;
/// Programs can't be started.
pub const NOEXEC: Attributes = 8;

/// Top-level entries that the sandbox has of its own.
const OWN: [&str; 6] = ["tmp", "proc", "dev", "sys", "run", "workspace"];
/// Links to follow before it is taken for a circle, as the kernel does.
const MAX_LINKS: u32 = 40;

/// The root under construction.
pub struct Root {
    path: PathBuf,
    /// Folders on a tmpfs of ours: in these, and only these, entries may be made.
    own: Vec<PathBuf>,
}

impl Root {
    /// Over an empty tmpfs at `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), own: vec![path.to_owned()] }
    }

    /// Makes the entries of `source` visible in `target`, a folder on a tmpfs of ours.
    pub fn mirror(&mut self, source: &Path, target: &Path) -> io::Result<()> {
        let is_root = target == self.path;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_root && name.to_str().is_some_and(|name| OWN.contains(&name)) {
                continue;
            }
            let (from, to, kind) = (source.join(&name), target.join(&name), entry.file_type()?);
            if kind.is_symlink() {
                symlink(fs::read_link(&from)?, &to)?;
                continue;
            }
            make_mount_point(&to, kind.is_dir())?;
            bind_read_only(&from, &to)?;
        }
        Ok(())
    }

    /// Binds a folder or file of the host, read only, at a path inside, whether or not there is such a path.
    pub fn place(&mut self, source: &Path, inside: &Path) -> io::Result<()> {
        let target = self.resolve(inside)?;
        if !target.exists() {
            let is_folder = fs::metadata(source)?.is_dir();
            self.make_path(&target, is_folder)?;
        }
        bind_read_only(source, &target)
    }

    /// The path with all links followed as they would be inside.
    fn resolve(&self, inside: &Path) -> io::Result<PathBuf> {
        let mut todo: Vec<PathBuf> = parts(inside);
        let mut found = self.path.clone();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part.as_os_str() == ".." {
                if found != self.path {
                    found.pop();
                }
                continue;
            }
            let next = found.join(&part);
            match fs::read_link(&next) {
                Ok(link) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    if link.is_absolute() {
                        found.clone_from(&self.path);
                    }
                    todo.extend(parts(&link));
                }
                Err(_) => found = next,
            }
        }
        Ok(found)
    }

    /// Makes the folders to `target`, and itself as a folder or file.
    fn make_path(&mut self, target: &Path, is_folder: bool) -> io::Result<()> {
        let parent = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        if !parent.exists() {
            self.make_path(parent, true)?;
        }
        if !self.own.iter().any(|own| own == parent) {
            self.open_up(parent)?;
        }
        make_mount_point(target, is_folder)?;
        if is_folder {
            self.own.push(target.to_owned());
        }
        Ok(())
    }

    /// Covers a bound folder by a tmpfs with the same entries.
    fn open_up(&mut self, folder: &Path) -> io::Result<()> {
        let below =
            OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("root"), folder, Some("tmpfs"), flags, Some("size=1m,nr_inodes=4096,mode=755"))?;
        self.own.push(folder.to_owned());
        self.mirror(Path::new(&format!("/proc/self/fd/{}", below.as_raw_fd())), folder)
    }
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut parts: Vec<PathBuf> = named.map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}

fn make_mount_point(path: &Path, is_folder: bool) -> io::Result<()> {
    if is_folder { fs::create_dir(path) } else { File::create(path).map(drop) }
}

fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    bind(source, target)?;
    restrict(target, RDONLY | NOSUID | NODEV, true)
}

/// Binds what is at `source`, with what is mounted below: an unprivileged user may not uncover it.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|errno| named_error(source, errno))
}

/// Which file it was, since a sandbox has many.
fn named_error(path: &Path, errno: nix::errno::Errno) -> io::Error {
    let error = io::Error::from(errno);
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// `struct mount_attr`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Sets flags on a mount, and on all below it where `is_recursive`; these then also stop following the host's.
///
/// # Errors
/// The kernel is older than 5.12, or refused.
pub fn restrict(path: &Path, set: Attributes, is_recursive: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let propagation = if is_recursive { libc::MS_PRIVATE } else { 0 };
    let attr = MountAttr { set, clear: 0, propagation, user_namespace: 0 };
    let flags = if is_recursive { libc::AT_RECURSIVE } else { 0 };
    let size = std::mem::size_of::<MountAttr>();
    // SAFETY: the path ends in a zero byte, and `attr` has the kernel's layout and the size that is told.
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), flags, &raw const attr, size)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

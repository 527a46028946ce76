//! A folder that a sandbox may write to: its user's while it runs, ours again afterwards.
//!
//! Whatever is in it then was made by hostile code. Nothing is followed: each entry is changed by its folder's
//! descriptor and its name, and folders are opened without following links.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, open, openat};

use crate::Error;

/// Folders within folders beyond which nothing is given back: more descriptors would be open than a process may have.
const MAX_DEPTH: usize = 200;

/// A folder in a sandbox's hands.
#[derive(Debug)]
pub struct Lent {
    folder: PathBuf,
}

/// Gives a folder and all that is in it to `uid`.
pub async fn lend(folder: PathBuf, uid: u32) -> Result<Lent, Error> {
    let lent = Lent { folder };
    lent.give(uid).await.map_err(Error::io("giving to the sandbox", &lent.folder))?;
    Ok(lent)
}

impl Lent {
    /// Makes all of it the service's again, and readable.
    pub async fn take_back(self) {
        let own = rustix::process::geteuid().as_raw();
        if let Err(error) = self.give(own).await {
            tracing::warn!(path = %self.folder.display(), %error, "not all of a sandbox's folder was taken back");
        }
    }

    async fn give(&self, uid: u32) -> std::io::Result<()> {
        let folder = self.folder.clone();
        let walk = move || -> std::io::Result<()> {
            let root = open(&folder, FOLDER, Mode::empty())?;
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)));
            chownat(&root, "", owner.0, owner.1, AtFlags::EMPTY_PATH)?;
            give_below(&root, owner, 0)
        };
        tokio::task::spawn_blocking(walk).await.map_err(std::io::Error::other)?
    }
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// The entries of one folder, and of those below.
fn give_below(folder: &OwnedFd, owner: (Option<Uid>, Option<Gid>), depth: usize) -> std::io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(std::io::Error::other("folders are nested too deeply"));
    }
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name: CString = entry.file_name().to_owned();
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        chownat(folder, &name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
        let stat = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                // No other user reaches them: the folder itself is ours alone.
                chmodat(folder, &name, mode | Mode::RWXU, AtFlags::empty())?;
                give_below(&openat(folder, &name, FOLDER, Mode::empty())?, owner, depth + 1)?;
            }
            FileType::RegularFile => {
                // Without the bits that give a program its owner's rights.
                let plain = (mode - Mode::SUID - Mode::SGID) | Mode::RUSR | Mode::WUSR;
                chmodat(folder, &name, plain, AtFlags::empty())?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

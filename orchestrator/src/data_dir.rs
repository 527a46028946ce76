//! The data dir: made at the first start, with an instance id, an administrator's token and the master key; locked
//! against a second server.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloudbox_types::Secret;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::config::Config;

/// Bytes of the master key.
pub const KEY_LEN: usize = 32;

/// Bytes of the data dir's path, at most: a socket's path has 107, of which `/run/`, a sandbox's id of 16 digits and
/// `/control.sock` take 34.
const MAX_PATH: usize = 107 - 34;

/// Characters below which a token is worth a warning.
const SHORT_TOKEN: usize = 16;

/// The data dir of a running server; locked as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    /// Absolute.
    pub path: PathBuf,
    /// Tells this installation's containers and cgroups from those of others.
    pub instance_id: String,
    /// An administrator's token.
    pub admin_token: Secret<String>,
    /// Where the token was written at this start; none where it was set or was there already.
    pub new_token_file: Option<PathBuf>,
    /// The master key of encrypted values.
    pub secret_key: Secret<[u8; KEY_LEN]>,
    /// Keys that only decrypt: those of `CLOUDBOX_SECRET_KEYS_OLD`, and of the file `secret-keys-old`, one in a line.
    pub old_keys: Vec<Secret<[u8; KEY_LEN]>>,
    _lock: Flock<File>,
}

/// Why the data dir can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another server uses it.
    #[error("another server uses the data dir {0}; stop it, or set --data-dir")]
    InUse(PathBuf),
    /// A file or folder can't be made or read.
    #[error("{path} can't be used; {remedy}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What to do about it.
        remedy: String,
        /// Why.
        source: std::io::Error,
    },
    /// Whoever it belongs to could put files of its own there.
    #[error(
        "the data dir {path} belongs to user {owner}, and this service runs as user {user}; run chown {user} on it, \
         or set --data-dir to another folder"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// This process's user.
        user: u32,
    },
    /// A sandbox's socket would have a path that no socket can have.
    #[error(
        "the data dir's path has {len} bytes, and sockets below it can have at most {MAX_PATH}; set --data-dir to a \
         shorter one than {path}"
    )]
    TooLong {
        /// The folder, without links.
        path: PathBuf,
        /// Bytes of its path.
        len: usize,
    },
    /// A key is not 32 bytes in base64.
    #[error("{name} must be 32 bytes in base64, as `openssl rand -base64 32` prints them")]
    BadKey {
        /// `CLOUDBOX_SECRET_KEY`, or the file.
        name: String,
    },
    /// A file that others can read is no place for a secret.
    #[error("{0} can be read by others; run chmod 600 on it")]
    Exposed(PathBuf),
}

impl DataDir {
    /// Makes what is missing and takes the lock.
    ///
    /// # Errors
    /// Names the path and the remedy.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let dir = std::path::absolute(&config.data_dir).map_err(unusable(&config.data_dir))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(unusable(&dir))?;
        check(&dir)?;
        let lock = lock(&dir)?;
        let (instance_id, _) = kept(&dir.join("instance-id"), || uuid::Uuid::new_v4().simple().to_string())?;
        let token_file = dir.join("admin-token");
        let (admin_token, new_token_file) = match &config.admin_token {
            Some(token) => {
                if token.expose().len() < SHORT_TOKEN {
                    tracing::warn!(
                        "CLOUDBOX_ADMIN_TOKEN is short enough to be guessed; openssl rand -hex 32 makes a long one"
                    );
                }
                (token.clone(), None)
            }
            None => {
                let (token, is_new) = kept(&token_file, || URL_SAFE_NO_PAD.encode(random_key()))?;
                (Secret::new(token), is_new.then_some(token_file))
            }
        };
        let secret_key = match &config.secret_key {
            Some(key) => decode("CLOUDBOX_SECRET_KEY", key.expose())?,
            None => {
                let file = dir.join("secret-key");
                let (key, _) = kept(&file, || STANDARD.encode(random_key()))?;
                decode(&file.to_string_lossy(), &key)?
            }
        };
        let old_keys = old_keys(config, &dir)?;
        Ok(Self { path: dir, instance_id, admin_token, new_token_file, secret_key, old_keys, _lock: lock })
    }
}

fn old_keys(config: &Config, dir: &Path) -> Result<Vec<Secret<[u8; KEY_LEN]>>, Error> {
    let mut keys = Vec::new();
    let named = config.secret_keys_old.as_ref().map_or("", |text| text.expose().as_str());
    for text in named.split(',').filter(|text| !text.trim().is_empty()) {
        keys.push(decode("each key of CLOUDBOX_SECRET_KEYS_OLD", text)?);
    }
    let file = dir.join("secret-keys-old");
    if file.exists() {
        let (text, _) = kept(&file, String::new)?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            keys.push(decode(&format!("each line of {}", file.display()), line)?);
        }
    }
    Ok(keys)
}

/// That the folder is this user's own, and its path no longer than sockets can have.
fn check(dir: &Path) -> Result<(), Error> {
    let user = nix::unistd::geteuid().as_raw();
    let owner = std::fs::metadata(dir).map_err(unusable(dir))?.uid();
    if owner != user {
        return Err(Error::Foreign { path: dir.to_owned(), owner, user });
    }
    let path = dir.canonicalize().map_err(unusable(dir))?;
    let len = path.as_os_str().len();
    if len > MAX_PATH { Err(Error::TooLong { path, len }) } else { Ok(()) }
}

fn random_key() -> [u8; KEY_LEN] {
    rand::random()
}

fn decode(name: &str, text: &str) -> Result<Secret<[u8; KEY_LEN]>, Error> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Secret::new).ok_or_else(|| Error::BadKey { name: name.to_owned() })
}

fn lock(dir: &Path) -> Result<Flock<File>, Error> {
    let path = dir.join("lock");
    let options = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = options.map_err(unusable(&path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => Error::InUse(dir.to_owned()),
        other => unusable(&path)(other.into()),
    })
}

/// The file's text; made with mode 0600 where it is missing, and then the second value is true.
fn kept(path: &Path, make: impl FnOnce() -> String) -> Result<(String, bool), Error> {
    match File::open(path) {
        Ok(mut file) => {
            let mode = file.metadata().map_err(unusable(path))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(Error::Exposed(path.to_owned()));
            }
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(unusable(path))?;
            Ok((text.trim().to_owned(), false))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = make();
            write_new(path, &text).map_err(unusable(path))?;
            Ok((text, true))
        }
        Err(error) => Err(unusable(path)(error)),
    }
}

/// Whole or not at all: a crash in between must leave no half key.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

fn unusable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Unusable { remedy: remedy(&source), path, source }
}

fn remedy(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space on its disk".to_owned(),
        ErrorKind::PermissionDenied => {
            format!("let user {} write there, or set --data-dir to another folder", nix::unistd::geteuid())
        }
        ErrorKind::ReadOnlyFilesystem => {
            "its file system is read only: mount it writable, or set --data-dir to another one".to_owned()
        }
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "a file is where a folder should be: move it, or set --data-dir to another folder".to_owned()
        }
        _ => "check its disk, or set --data-dir to another folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServeArgs;

    fn config(dir: &Path, variables: &[(&str, &str)]) -> Config {
        let args = ServeArgs { data_dir: Some(dir.join("data")), ..ServeArgs::default() };
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Config::load(&args, &find).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_first_start_makes_secrets_that_later_starts_keep() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[]);
        let first = DataDir::open(&config).unwrap();
        let (id, token, key) =
            (first.instance_id.clone(), first.admin_token.clone(), *first.secret_key.expose());
        assert_eq!(first.new_token_file, Some(first.path.join("admin-token")));
        assert_eq!(mode(&first.path), 0o700);
        for file in ["admin-token", "secret-key"] {
            assert_eq!(mode(&first.path.join(file)), 0o600, "{file}");
        }
        drop(first);
        let second = DataDir::open(&config).unwrap();
        assert_eq!((second.instance_id.clone(), second.admin_token.clone()), (id, token));
        assert_eq!(*second.secret_key.expose(), key);
        assert_eq!(second.new_token_file, None);
    }

    #[test]
    fn a_second_server_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[]);
        let _first = DataDir::open(&config).unwrap();
        assert!(matches!(DataDir::open(&config), Err(Error::InUse(_))));
    }

    #[test]
    fn variables_win_and_nothing_is_written_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let key = STANDARD.encode([7; KEY_LEN]);
        let variables = [("CLOUDBOX_ADMIN_TOKEN", "a-long-token"), ("CLOUDBOX_SECRET_KEY", key.as_str())];
        let opened = DataDir::open(&config(dir.path(), &variables)).unwrap();
        assert_eq!(opened.admin_token.expose(), "a-long-token");
        assert_eq!(*opened.secret_key.expose(), [7; KEY_LEN]);
        assert!(!opened.path.join("admin-token").exists() && !opened.path.join("secret-key").exists());
    }

    #[test]
    fn a_folder_that_is_of_no_use_is_named_with_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |config: &Config| DataDir::open(config).unwrap_err().to_string();
        let long = dir.path().join("x".repeat(MAX_PATH));
        let error = refused(&config(&long, &[]));
        assert!(error.contains("set --data-dir to a shorter one") && error.contains("xxx"), "{error}");

        std::fs::write(dir.path().join("data"), "a file").unwrap();
        let error = refused(&config(dir.path(), &[]));
        assert!(error.contains("a file is where a folder should be"), "{error}");

        if nix::unistd::geteuid().is_root() {
            std::fs::remove_file(dir.path().join("data")).unwrap();
            std::fs::create_dir(dir.path().join("data")).unwrap();
            std::os::unix::fs::chown(dir.path().join("data"), Some(4711), None).unwrap();
            let error = refused(&config(dir.path(), &[]));
            assert!(error.contains("belongs to user 4711") && error.contains("chown 0"), "{error}");
        }
    }

    #[test]
    fn short_keys_and_exposed_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let short = config(dir.path(), &[("CLOUDBOX_SECRET_KEY", "c2hvcnQ=")]);
        assert!(matches!(DataDir::open(&short), Err(Error::BadKey { .. })));
        let plain = config(dir.path(), &[]);
        drop(DataDir::open(&plain).unwrap());
        let file = dir.path().join("data/secret-key");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(DataDir::open(&plain), Err(Error::Exposed(_))));
    }
}

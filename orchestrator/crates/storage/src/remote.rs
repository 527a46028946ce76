//! The object store that all nodes share: S3, or a folder.

mod unfinished;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::buffered::BufWriter;
use object_store::client::{HttpConnector as _, ReqwestConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OnceCell;

use crate::error::Error;
pub use unfinished::Unfinished;
use unfinished::Uploads;

/// How often a request that failed is sent again.
const RETRIES: usize = 2;
/// Who keeps objects in the store: an object without content for each.
const INSTALLATIONS: &str = "installations";

/// Where the object store is, as the settings say.
#[derive(Clone, Debug)]
pub struct Place {
    /// `s3://bucket/prefix`, `file:///folder` or a folder.
    pub url: String,
    /// The variables of AWS: endpoint, region, keys.
    pub variables: BTreeMap<String, String>,
    /// How long it may be silent.
    pub patience: Duration,
    /// What tells the database whose objects these are from others.
    pub installation: String,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key's last part.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// An object store.
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    uploads: Uploads,
    prefix: Key,
    patience: Duration,
    /// Where it is, for people.
    shown: String,
    installation: String,
    /// Whether it is written there that this installation keeps objects in it.
    is_announced: OnceCell<()>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.shown).finish()
    }
}

impl Remote {
    /// Opens it. Nothing is asked of it yet.
    ///
    /// # Errors
    /// The URL or a variable is wrong; the folder can't be made.
    pub fn open(place: &Place) -> Result<Self, Error> {
        let wrong = |why: String| Error::Place { url: place.url.clone(), why };
        let (store, uploads, prefix): (Arc<dyn ObjectStore>, _, _) = match place.url.strip_prefix("s3://") {
            Some(rest) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(wrong("names no bucket".to_owned()));
                }
                let prefix =
                    Key::parse(prefix.trim_end_matches('/')).map_err(|error| wrong(error.to_string()))?;
                let (bucket, uploads) = bucket_of(place, bucket).map_err(|error| wrong(error.to_string()))?;
                (Arc::new(bucket), uploads, prefix)
            }
            None => {
                let folder = place.url.strip_prefix("file://").unwrap_or(&place.url);
                std::fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
                let store =
                    LocalFileSystem::new_with_prefix(folder).map_err(|error| wrong(error.to_string()))?;
                (Arc::new(store.with_fsync(true)), Uploads::Folder(folder.into()), Key::default())
            }
        };
        Ok(Self {
            store,
            uploads,
            prefix,
            patience: place.patience,
            shown: place.url.clone(),
            installation: place.installation.clone(),
            is_announced: OnceCell::new(),
        })
    }

    fn key(&self, folder: &str, name: &str) -> Key {
        self.prefix.clone().join(folder).join(name)
    }

    /// Sends a file; an object of this name is replaced, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; the file can't be read.
    pub async fn put(&self, folder: &str, name: &str, from: &Path) -> Result<(), Error> {
        self.announce().await?;
        let mut file = tokio::fs::File::open(from).await.map_err(Error::io("opening", from))?;
        let mut writer = BufWriter::new(Arc::clone(&self.store), self.key(folder, name));
        if let Err(error) = tokio::io::copy(&mut file, &mut writer).await {
            // Of an object in parts those that were sent would stay. A shutdown that fails takes them back itself.
            let _ = writer.abort().await;
            return Err(self.unavailable(&error));
        }
        writer.shutdown().await.map_err(|error| self.unavailable(&error))
    }

    /// Fetches an object of at most so many bytes into a new file, whole.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Unavailable`]; the file can't be written.
    pub async fn get(&self, folder: &str, name: &str, to: &Path, most: u64) -> Result<(), Error> {
        let asked = self.patiently(self.store.get(&self.key(folder, name))).await?;
        let found = asked.map_err(|error| self.told(name, &error))?;
        let len = found.meta.size;
        if len > most {
            return Err(Error::Damaged { digest: name.to_owned() });
        }
        let mut file = tokio::fs::File::create_new(to).await.map_err(Error::io("making", to))?;
        let (mut pieces, mut bytes) = (found.into_stream(), 0);
        while let Some(piece) = self.patiently(pieces.next()).await? {
            let piece = piece.map_err(|error| self.told(name, &error))?;
            bytes += piece.len() as u64;
            if bytes > len {
                break;
            }
            file.write_all(&piece).await.map_err(Error::io("writing", to))?;
        }
        if bytes != len {
            return Err(self.unavailable(&format!("an object has {len} bytes, and {bytes} came")));
        }
        file.flush().await.map_err(Error::io("writing", to))?;
        file.sync_all().await.map_err(Error::io("writing", to))
    }

    /// Whether there is an object.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn has(&self, folder: &str, name: &str) -> Result<bool, Error> {
        self.announce().await?;
        match self.patiently(self.store.head(&self.key(folder, name))).await? {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    /// Every object of a folder.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let prefix = self.prefix.clone().join(folder);
        let (mut found, mut objects) = (self.store.list(Some(&prefix)), Vec::new());
        while let Some(meta) = self.patiently(found.next()).await? {
            let meta = meta.map_err(|error| self.unavailable(&error))?;
            let Some(name) = meta.location.filename().map(str::to_owned) else { continue };
            objects.push(Object { name, bytes: meta.size, modified: meta.last_modified.into() });
        }
        Ok(objects)
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delete(&self, folder: &str, name: &str) -> Result<(), Error> {
        match self.patiently(self.store.delete(&self.key(folder, name))).await? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    /// The other installations that keep objects here: what they refer to is not known to this one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn others(&self) -> Result<Vec<String>, Error> {
        self.announce().await?;
        let names = self.list(INSTALLATIONS).await?.into_iter().map(|object| object.name);
        Ok(names.filter(|name| *name != self.installation).collect())
    }

    /// How long it may be silent.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Says that this installation keeps objects here, before it does.
    async fn announce(&self) -> Result<(), Error> {
        let announce = async || {
            let key = self.key(INSTALLATIONS, &self.installation);
            let put = self.patiently(self.store.put(&key, PutPayload::new())).await?;
            put.map(drop).map_err(|error| self.unavailable(&error))
        };
        self.is_announced.get_or_try_init(announce).await.copied()
    }

    /// Waits for the store, and no longer than it may be silent: its own retries included.
    async fn patiently<T>(&self, asked: impl Future<Output = T>) -> Result<T, Error> {
        let waited = tokio::time::timeout(self.patience * 2, asked).await;
        waited.map_err(|_| self.unavailable(&"it does not answer"))
    }

    fn told(&self, name: &str, error: &object_store::Error) -> Error {
        match error {
            object_store::Error::NotFound { .. } => Error::Missing { digest: name.to_owned() },
            other => self.unavailable(other),
        }
    }

    fn unavailable(&self, why: &dyn fmt::Display) -> Error {
        tracing::warn!(storage = self.shown, %why, "the object store can't be used");
        Error::Unavailable
    }
}

fn bucket_of(place: &Place, bucket: &str) -> object_store::Result<(AmazonS3, Uploads)> {
    // Who names an endpoint without TLS, such as one on this machine, means it.
    let is_plain = place
        .variables
        .iter()
        .any(|(name, url)| name.starts_with("AWS_ENDPOINT") && url.starts_with("http://"));
    let client = ClientOptions::new()
        .with_connect_timeout(place.patience)
        .with_read_timeout(place.patience)
        .with_timeout_disabled()
        .with_allow_http(is_plain);
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: place.patience, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new().with_client_options(client.clone());
    for (name, value) in &place.variables {
        if let Ok(key) = AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase()) {
            builder = builder.with_config(key, value);
        }
    }
    let bucket = builder.with_bucket_name(bucket).with_retry(retry).build()?;
    let uploads = Uploads::Bucket(bucket.clone(), ReqwestConnector::default().connect(&client)?);
    Ok((bucket, uploads))
}

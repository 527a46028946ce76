//! Uploads that were begun and not completed, such as those of a node that was killed: objects that nobody sees, and that take
//! room all the same.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequestBody};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path as Key;
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use serde::Deserialize;

use super::Remote;
use crate::error::Error;

/// How long a request may be on its way.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// What some servers answer for a bucket to which nothing was ever sent in parts; S3 itself answers an empty list.
const NONE: &[u8] = b"NoSuchUpload";

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The last part of the key that its object would have.
    pub name: String,
    /// Its bytes; 0 where the store doesn't tell.
    pub bytes: u64,
    /// When it was begun, or last written to.
    pub since: SystemTime,
    /// What the store calls it.
    id: String,
}

/// What can list uploads, which the interface of all stores can't.
#[derive(Debug)]
pub(super) enum Uploads {
    /// A bucket, and what sends requests that are signed for it.
    Bucket(AmazonS3, HttpClient),
    /// A folder, where an upload is a file beside its object, `<name>#<number>`.
    Folder(PathBuf),
}

/// A bucket's answer: a thousand uploads at most, and where the next answer begins.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(default, rename = "Upload")]
    uploads: Vec<Upload>,
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_key_marker: String,
    #[serde(default)]
    next_upload_id_marker: String,
}

impl Listing {
    /// What the next listing begins after, as the query has it; empty where this one is the last.
    fn markers(&self) -> Vec<(&'static str, String)> {
        let next = [("key-marker", &self.next_key_marker), ("upload-id-marker", &self.next_upload_id_marker)];
        let told = next.into_iter().filter(|(_, marker)| self.is_truncated && !marker.is_empty());
        told.map(|(name, marker)| (name, marker.clone())).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    upload_id: String,
    initiated: Timestamp,
}

impl Remote {
    /// The uploads to a folder that were not completed, those that go on among them.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Unlisted`]; a folder can't be read.
    pub async fn unfinished(&self, folder: &str) -> Result<Vec<Unfinished>, Error> {
        match &self.uploads {
            Uploads::Bucket(bucket, client) => self.of_bucket(bucket, client, folder).await,
            Uploads::Folder(root) => of_folder(&root.join(folder)),
        }
    }

    /// Ends an upload; one that is over is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; a file can't be removed.
    pub async fn abort(&self, folder: &str, upload: &Unfinished) -> Result<(), Error> {
        let ended = match &self.uploads {
            Uploads::Bucket(bucket, _) => {
                let key = self.key(folder, &upload.name);
                self.patiently(bucket.abort_multipart(&key, &upload.id)).await?
            }
            Uploads::Folder(root) => {
                let path = root.join(folder).join(&upload.id);
                return match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(Error::io("removing", &path)(error))
                    }
                    _ => Ok(()),
                };
            }
        };
        match ended {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    async fn of_bucket(
        &self,
        bucket: &AmazonS3,
        client: &HttpClient,
        folder: &str,
    ) -> Result<Vec<Unfinished>, Error> {
        let prefix = format!("{}/", self.prefix.clone().join(folder));
        let mut found = Vec::new();
        let mut after = Vec::new();
        loop {
            let listing = self.listing(bucket, client, &prefix, &after).await?;
            let next = listing.markers();
            found.extend(listing.uploads.into_iter().filter_map(|upload| {
                let name = upload.key.strip_prefix(&prefix)?.to_owned();
                let since = SystemTime::from(upload.initiated);
                Some(Unfinished { name, bytes: 0, since, id: upload.upload_id })
            }));
            // A server that says the same again would never come to an end.
            if next.is_empty() || next == after {
                return Ok(found);
            }
            after = next;
        }
    }

    async fn listing(
        &self,
        bucket: &AmazonS3,
        client: &HttpClient,
        prefix: &str,
        after: &[(&'static str, String)],
    ) -> Result<Listing, Error> {
        let query = [("uploads", String::new()), ("prefix", prefix.to_owned())];
        let options = SignedUrlOptions::new().with_query(query).with_query(after.iter().cloned());
        let top = Key::default();
        let signing = bucket.signed_url_opts(Method::GET, &top, SIGNED_FOR, &options);
        let url = self.patiently(signing).await?.map_err(|error| self.unavailable(&error))?;
        let request = http::Request::get(url.as_str()).body(HttpRequestBody::empty());
        let request = request.map_err(|error| self.unavailable(&error))?;
        let answer = self.patiently(client.execute(request)).await?;
        let answer = answer.map_err(|error| self.unavailable(&error))?;
        let status = answer.status();
        let text = self.patiently(answer.into_body().bytes()).await?;
        let text = text.map_err(|error| self.unavailable(&error))?;
        if status == http::StatusCode::NOT_FOUND && text.windows(NONE.len()).any(|part| part == NONE) {
            return Ok(Listing::default());
        }
        if !status.is_success() {
            return Err(Error::Unlisted { status: status.as_u16() });
        }
        quick_xml::de::from_reader(&*text).map_err(|error| self.unavailable(&error))
    }
}

fn of_folder(folder: &Path) -> Result<Vec<Unfinished>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("reading", folder))?,
    };
    let found = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().into_string().ok()?;
        let (name, number) = id.rsplit_once('#')?;
        let is_one = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let metadata = entry.metadata().ok().filter(|_| is_one)?;
        let since = metadata.modified().ok()?;
        Some(Unfinished { name: name.to_owned(), bytes: metadata.len(), since, id })
    });
    Ok(found.collect())
}

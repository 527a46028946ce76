//! Root file systems as images of the daemon: imported once, known by their id, never pulled.

use std::collections::HashMap;
use std::sync::Arc;

use bollard::Docker;
use bollard::errors::Error as DockerError;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions};
use futures::StreamExt;
use parking_lot::Mutex;

use super::tree::{self, TarStream};
use super::{Shared, adapted};
use cloudbox_sandbox::driver::Image;
use cloudbox_sandbox::error::Error;
use cloudbox_sandbox::spec::RootFs;

/// The label that says what an image was made from: a tag can be moved to something else.
pub(super) const DIGEST_LABEL: &str = "cloudbox.digest";
/// The label with the instance that imported it: others remove their own. Not the label of containers, which inherit those
/// of their image.
const IMPORTER_LABEL: &str = "cloudbox.imported-by";
/// Hex digits of the digest in the tag.
const TAG_LEN: usize = 12;
/// What the names of images begin with.
const PREFIX: &str = "cloudbox/";

/// The images that this service has seen.
#[derive(Debug)]
pub(super) struct Images {
    docker: Docker,
    /// Whose id the images that are imported here get.
    instance: String,
    /// Per tag, so that two versions of one runtime don't wait for each other, and one isn't imported twice.
    known: Mutex<HashMap<String, Arc<Known>>>,
}

/// The id once it is known; the lock is held while it is found out.
type Known = tokio::sync::Mutex<Option<String>>;

impl Images {
    /// None known yet.
    pub fn new(docker: Docker, instance: String) -> Self {
        Self { docker, instance, known: Mutex::default() }
    }

    /// Those that this instance imported.
    ///
    /// # Errors
    /// [`Error::Docker`].
    pub async fn own(&self) -> Result<Vec<Image>, Error> {
        let filters = HashMap::from([("label", vec![format!("{IMPORTER_LABEL}={}", self.instance)])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let listed = self.docker.list_images(Some(options)).await;
        let listed = listed.map_err(|source| Error::Docker { what: "listing images", source })?;
        let images = listed.into_iter().filter_map(|image| {
            // The filter is the daemon's.
            let is_own = image.labels.get(IMPORTER_LABEL) == Some(&self.instance);
            let digest = image.labels.get(DIGEST_LABEL).filter(|_| is_own)?.clone();
            let name = image.repo_tags.into_iter().find(|name| name.starts_with(PREFIX))?;
            Some(Image { name, digest, bytes: u64::try_from(image.size).unwrap_or_default() })
        });
        Ok(images.collect())
    }

    /// Removes an image, unless a container uses it.
    ///
    /// # Errors
    /// [`Error::Docker`].
    pub async fn remove(&self, image: &Image) -> Result<bool, Error> {
        let known = self.known.lock().get(&image.name).map(Arc::clone);
        let mut id = match &known {
            // Held meanwhile: who asks for it now finds it gone and imports it.
            Some(known) => Some(known.lock().await),
            None => None,
        };
        match self.docker.remove_image(&image.name, None::<RemoveImageOptions>, None).await {
            Ok(_) => {
                if let Some(id) = &mut id {
                    **id = None;
                }
                Ok(true)
            }
            Err(error) if status(&error) == Some(409) => Ok(false),
            Err(error) if status(&error) == Some(404) => Ok(true),
            Err(source) => Err(Error::Docker { what: "removing an image", source }),
        }
    }

    /// The id of `rootfs` as an image; looks for it and imports it where that was not done before.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that can't be read, [`Error::Docker`] for a daemon that can't take it.
    pub async fn ensure(&self, shared: &Arc<Shared>, rootfs: &RootFs) -> Result<String, Error> {
        let known = self.entry(rootfs);
        let mut id = known.lock().await;
        if let Some(id) = &*id {
            return Ok(id.clone());
        }
        let found = match self.find(rootfs).await? {
            Some(found) => found,
            None => match &rootfs.base {
                None => self.import(rootfs, tree::tar_stream(rootfs.path.clone())).await?,
                Some(_) => adapted::make(shared, rootfs).await?,
            },
        };
        *id = Some(found.clone());
        Ok(found)
    }

    /// For an id that the daemon no longer has. What somebody else has found out since stays.
    pub async fn forget(&self, rootfs: &RootFs, gone: &str) {
        let known = self.entry(rootfs);
        let mut id = known.lock().await;
        if id.as_deref() == Some(gone) {
            *id = None;
        }
    }

    fn entry(&self, rootfs: &RootFs) -> Arc<Known> {
        Arc::clone(self.known.lock().entry(reference(rootfs)).or_default())
    }

    /// The image with the right tag and the right label.
    async fn find(&self, rootfs: &RootFs) -> Result<Option<String>, Error> {
        let image = match self.docker.inspect_image(&reference(rootfs)).await {
            Ok(image) => image,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(source) => return Err(Error::Docker { what: "looking for an image", source }),
        };
        let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
        let is_ours = labels.get(DIGEST_LABEL) == Some(&rootfs.digest);
        Ok(image.id.filter(|_| is_ours))
    }

    /// Makes an image of a root file system that comes as a stream. It has no setting but our label.
    pub async fn import(&self, rootfs: &RootFs, stream: TarStream) -> Result<String, Error> {
        let started = tokio::time::Instant::now();
        let (name, tag) = name_and_tag(rootfs);
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(&name)
            .tag(&tag)
            .changes(vec![format!(
                "LABEL {DIGEST_LABEL}={} {IMPORTER_LABEL}={}",
                rootfs.digest, self.instance
            )])
            .build();
        let body = bollard::body_try_stream(tree::body(stream.pieces));
        let sent = drain(self.docker.create_image(Some(options), Some(body), None)).await;
        // Where the folder is at fault, the daemon only knows that the stream ended.
        if let Ok(Err(error)) = stream.outcome.await
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            return Err(match &rootfs.base {
                None => Error::io("reading", &rootfs.path)(error),
                Some(base) => Error::Image { image: base.clone(), why: error.to_string() },
            });
        }
        sent.map_err(|source| Error::Docker { what: "importing an image", source })?;
        let id = self.find(rootfs).await?.ok_or_else(|| Error::Docker {
            what: "importing an image",
            source: DockerError::DockerStreamError { error: format!("{name}:{tag} is not there afterwards") },
        })?;
        tracing::info!(
            image = %format_args!("{name}:{tag}"),
            image.id = %id,
            duration_ms = started.elapsed().as_millis(),
            "imported a root file system"
        );
        Ok(id)
    }
}

/// Reads a stream of progress messages to its end.
pub(super) async fn drain<T>(
    messages: impl futures::Stream<Item = Result<T, DockerError>>,
) -> Result<(), DockerError> {
    let mut messages = std::pin::pin!(messages);
    while let Some(message) = messages.next().await {
        message?;
    }
    Ok(())
}

/// The status code, where the daemon answered.
pub(super) fn status(error: &DockerError) -> Option<u16> {
    match error {
        DockerError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn name_and_tag(rootfs: &RootFs) -> (String, String) {
    let tag = rootfs.digest.chars().take(TAG_LEN).collect();
    (format!("{PREFIX}{}", rootfs.name), tag)
}

/// What the image is called.
pub(super) fn reference(rootfs: &RootFs) -> String {
    let (name, tag) = name_and_tag(rootfs);
    format!("{name}:{tag}")
}

#[cfg(test)]
mod tests;

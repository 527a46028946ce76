//! Images of versions that this machine hasn't got, since another node built or fetched them, or since somebody removed them
//! from the daemon: made here when they are needed.
//!
//! What a version runs in stays what it was: a named image counts if it has the version's id here, and one of a Dockerfile is
//! built from the version's own package, on the images that it was built on.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_archive::{Limits as ArchiveLimits, Unpacked, unpack};
use cloudbox_sandbox::RootFs;
use cloudbox_storage::Packages;
use cloudbox_types::{Image, ImageBuild, Limits};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::context::leave_out;
use crate::dockerfile;
use crate::error::Error;
use crate::images::Images;
use crate::reference::Reference;

/// How long a failure stands before the next call tries again.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// How many are made at once: calls ask for them, and no queue of deployments bounds calls.
const AT_ONCE: usize = 2;

/// Where an image comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A function names it, or has a Dockerfile in this package.
    Function {
        /// The version's package.
        package: Option<String>,
    },
    /// The operator made it the toolchain of a runtime.
    Runtime,
}

type Making = Shared<BoxFuture<'static, Result<(), Arc<Error>>>>;

/// Makes images that are not here, each once at a time.
pub struct AbsentImages {
    images: Arc<Images>,
    packages: Arc<Packages>,
    builds_dir: PathBuf,
    /// Of a build.
    limits: Limits,
    /// By the digest of the root that is made.
    underway: Mutex<HashMap<String, Making>>,
    turns: Semaphore,
}

impl AbsentImages {
    /// Over the driver's images and the packages; builds have their folders in `builds_dir`.
    #[must_use]
    pub fn new(
        images: Arc<Images>,
        packages: Arc<Packages>,
        builds_dir: PathBuf,
        limits: Limits,
    ) -> Arc<Self> {
        Arc::new(Self {
            images,
            packages,
            builds_dir,
            limits,
            underway: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// Makes the root of a version with this image. It goes on to its end when its caller gives up.
    ///
    /// # Errors
    /// The image can't be had here, with the remedy.
    pub async fn make(
        self: &Arc<Self>,
        image: &Image,
        origin: Origin,
        root: &RootFs,
    ) -> Result<(), Arc<Error>> {
        let making = {
            let mut underway = self.underway.lock();
            let begin = || self.begin(image.clone(), origin, root.clone());
            underway.entry(root.digest.clone()).or_insert_with(begin).clone()
        };
        making.await
    }

    fn begin(self: &Arc<Self>, image: Image, origin: Origin, root: RootFs) -> Making {
        let this = Arc::clone(self);
        let task = tokio::spawn(async move {
            let turn = this.turns.acquire().await;
            let made = this.made(&image, &origin, &root).await;
            drop(turn);
            let is_made = made.is_ok();
            let forget = async move {
                if !is_made {
                    tokio::time::sleep(FAILED_FOR).await;
                }
                this.underway.lock().remove(&root.digest);
            };
            tokio::spawn(forget);
            made.map_err(Arc::new)
        });
        let broken = |_| Err(Arc::new(Error::refused("the making of an image was broken off")));
        task.map(move |ended| ended.unwrap_or_else(broken)).boxed().shared()
    }

    async fn made(&self, image: &Image, origin: &Origin, root: &RootFs) -> Result<(), Error> {
        tracing::info!(
            image = image.name,
            image.id = image.id,
            "an image of a version is not here: making it"
        );
        match (&image.build, origin) {
            (Some(build), Origin::Function { package }) => self.build(build, package.as_deref(), root).await,
            (_, Origin::Function { .. }) => {
                self.take(image, root, self.images.named(&image.name).await?).await
            }
            (_, Origin::Runtime) => {
                let reference = Reference::parse(&image.name)?;
                self.take(image, root, self.images.of_operator(&reference).await?).await
            }
        }
    }

    /// What its name stands for: it has to be the same image still.
    async fn take(&self, image: &Image, root: &RootFs, found: Image) -> Result<(), Error> {
        if found.id != image.id {
            return Err(Error::refused(format!(
                "the image {} was {} when the function was deployed, and is {} here: deploy the function again, or load \
                 that image on this node",
                image.name, image.id, found.id
            )));
        }
        Ok(self.images.driver.prepare(root).await?)
    }

    /// From the version's own package, on the same bases.
    async fn build(&self, build: &ImageBuild, package: Option<&str>, root: &RootFs) -> Result<(), Error> {
        let package =
            package.ok_or_else(|| Error::refused("the version has no package to build its image from"))?;
        let archive = self.packages.find(package).await?;
        let (builds_dir, paths) = (self.builds_dir.clone(), build.clone());
        let unpacking = tokio::task::spawn_blocking(move || {
            let content = unpack(&archive, &builds_dir, &ArchiveLimits::PACKAGE)
                .map_err(|error| Error::from(cloudbox_storage::Error::from(error)))?;
            let text = prepared(&content, &paths)?;
            Ok::<_, Error>((content, text))
        });
        let broken = |_| Err(Error::refused("the unpacking of its package was broken off"));
        let (content, text) = unpacking.await.unwrap_or_else(broken)?;
        let dockerfile = self.images.read(&text)?;
        let bases = self.images.bases(&dockerfile).await?;
        for (name, id) in &build.bases {
            if bases.get(name) != Some(id) {
                return Err(Error::refused(format!(
                    "it is built on the image {}, which is another one here: deploy the function again, or load {id} on \
                     this node",
                    Reference::parse(name)?.short()
                )));
            }
        }
        let context = content.root.join(&build.context);
        let built = self.images.build(&dockerfile, &bases, context, self.limits, &mut |_| {}).await?;
        self.images.take_over(&built, async |_| Ok::<_, Error>((root.clone(), ()))).await
    }
}

/// The Dockerfile's text, when its context holds what may be copied and no more.
fn prepared(content: &Unpacked, build: &ImageBuild) -> Result<String, Error> {
    let path = content.root.join(&build.dockerfile);
    let is_fair = path.metadata().is_ok_and(|found| found.len() <= dockerfile::MAX_BYTES as u64);
    let text = if is_fair { std::fs::read_to_string(&path).ok() } else { None };
    let text = text.ok_or_else(|| Error::refused(format!("its package has no {}", build.dockerfile)))?;
    leave_out(&content.root.join(&build.context), &path)?;
    Ok(text)
}

//! From a name or a Dockerfile to an image that sandboxes can be made from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_bundles::BaseInstallation;
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_sandbox::{
    BuildOrder, ImageFacts, ImageHost, Network, RootFs, SandboxDriver, SandboxFault, SandboxFaultKind,
    SandboxSpec, Workspace,
};
use cloudbox_types::{Image, Limits};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

use crate::credentials;
use crate::dockerfile::Dockerfile;
use crate::error::Error;
use crate::policy::Policy;
use crate::reference::Reference;
use crate::registry::Asked;

/// How long the fetching of an image may take.
const FETCHED_WITHIN: Duration = Duration::from_secs(600);
/// How long a toolchain may take to tell its version.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of the largest file that it may write meanwhile.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The images of the driver, as the operator's policy lets functions have them.
pub struct Images {
    pub(crate) driver: Arc<dyn SandboxDriver>,
    /// What is allowed.
    pub policy: Policy,
    /// Taken by who removes what a driver has made of an image, and by who needs it to be there.
    turn: RwLock<()>,
}

/// An image that was built, and is removed when its files were taken over.
#[derive(Clone, Debug)]
pub struct Built {
    /// What a version has of it.
    pub image: Image,
    tag: String,
}

impl Images {
    /// Over a driver, which may know no images.
    #[must_use]
    pub fn new(driver: Arc<dyn SandboxDriver>, policy: Policy) -> Self {
        Self { driver, policy, turn: RwLock::default() }
    }

    /// While what this gives lives, nothing is removed that was held before.
    pub async fn keeping(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().await
    }

    /// While what this gives lives, nobody takes hold of an image.
    pub async fn removing(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().await
    }

    /// Why functions can have no images here; none where they can.
    ///
    /// # Errors
    /// The reason, with the remedy.
    pub fn check_on(&self) -> Result<(), Error> {
        self.check_driver()?;
        self.policy.check_on()
    }

    /// That the driver knows images.
    ///
    /// # Errors
    /// It doesn't, with the remedy.
    pub fn check_driver(&self) -> Result<(), Error> {
        self.host().map(drop)
    }

    fn host(&self) -> Result<Arc<dyn ImageHost>, Error> {
        self.driver
            .image_host()
            .ok_or_else(|| cloudbox_sandbox::Error::NoImages { driver: self.driver.name() }.into())
    }

    /// The image of this name, for a function.
    ///
    /// # Errors
    /// It is none that functions may have, or can't be had.
    pub async fn named(&self, name: &str) -> Result<Image, Error> {
        self.check_on()?;
        let reference = Reference::parse(name)?;
        self.policy.check_allowed(&reference)?;
        self.of_operator(&reference).await
    }

    /// The image of this name, for a runtime: installing one is the operator's right.
    ///
    /// # Errors
    /// It can't be had.
    pub(crate) async fn of_operator(&self, image: &Reference) -> Result<Image, Error> {
        let facts = self.facts(image).await?;
        Ok(of_facts(image.short(), facts))
    }

    /// Reads a Dockerfile, before anything is done about it.
    ///
    /// # Errors
    /// There may be none, or it says what it may not.
    pub fn read(&self, dockerfile: &str) -> Result<Dockerfile, Error> {
        self.check_on()?;
        if !self.policy.may_build {
            return Err(Error::refused(
                "functions can't bring Dockerfiles here: the operator allows none (images.dockerfiles). Build the image \
                 elsewhere, and name it as `image`",
            ));
        }
        Dockerfile::read(dockerfile, &self.policy)
    }

    /// The ids of the images that a Dockerfile starts from, by their whole names.
    ///
    /// # Errors
    /// One can't be had or used.
    pub async fn bases(&self, dockerfile: &Dockerfile) -> Result<BTreeMap<String, String>, Error> {
        let mut ids = BTreeMap::new();
        for base in dockerfile.images()? {
            let facts = self.facts(&base).await?;
            if !facts.on_build.is_empty() {
                return Err(Error::refused(format!(
                    "the image {} has ONBUILD instructions, which this build would run; start from another one",
                    base.short()
                )));
            }
            ids.insert(base.to_string(), facts.id);
        }
        Ok(ids)
    }

    /// Builds the image of a Dockerfile from a folder, on these bases.
    ///
    /// # Errors
    /// A step failed; nothing is left then.
    pub async fn build(
        &self,
        dockerfile: &Dockerfile,
        bases: &BTreeMap<String, String>,
        context: PathBuf,
        limits: Limits,
        told: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Built, Error> {
        let host = self.host()?;
        let dockerfile = dockerfile.with_ids(bases)?;
        let order = BuildOrder { context, dockerfile, limits, max_bytes: self.policy.max_bytes };
        let building = tokio::time::timeout(limits.timeout(), host.build(&order, told));
        let tag = building.await.map_err(|_| {
            Error::refused(format!("the build of the image took longer than {} s", limits.timeout_s))
        })??;
        let facts = host.look_up(&tag).await?;
        let facts = facts.ok_or_else(|| Error::refused("the image is gone that was just built"))?;
        if facts.argv.is_empty() {
            host.remove(&tag).await;
            let why = "the image has neither an ENTRYPOINT nor a CMD: nothing says what to start";
            return Err(Error::refused(why));
        }
        Ok(Built { image: of_facts("Dockerfile".to_owned(), facts), tag })
    }

    /// Makes a root of the image that was built, as `root_of` says while nothing is removed that it holds, and removes the
    /// image, whatever came of it.
    ///
    /// # Errors
    /// Those of `root_of`; the driver can't make the root.
    pub async fn take_over<T, E: From<Error>>(
        &self,
        built: &Built,
        root_of: impl AsyncFnOnce(&Image) -> Result<(RootFs, T), E>,
    ) -> Result<T, E> {
        let taking = async {
            let _turn = self.keeping().await;
            let (root, held) = root_of(&built.image).await?;
            let root = RootFs { base: Some(built.image.id.clone()), ..root };
            self.driver.prepare(&root).await.map_err(Error::from)?;
            Ok(held)
        };
        let taken = taking.await;
        if let Ok(host) = self.host() {
            host.remove(&built.tag).await;
        }
        taken
    }

    /// Looks an image up, and fetches it where that is allowed and it isn't here.
    async fn facts(&self, image: &Reference) -> Result<ImageFacts, Error> {
        let host = self.host()?;
        let name = image.short();
        let found = match host.look_up(&name).await? {
            Some(found) => found,
            None => {
                self.policy.check_fetched(image)?;
                self.fetch(host.as_ref(), image).await?;
                let found = host.look_up(&name).await?;
                found.ok_or_else(|| Error::refused(format!("{name} was fetched, and is not there")))?
            }
        };
        if found.bytes > self.policy.max_bytes {
            let most = self.policy.max_bytes >> 20;
            let why = format!("the image {name} has {} MB; the limit is {most} MB", found.bytes >> 20);
            return Err(Error::refused(why));
        }
        Ok(found)
    }

    /// Fetches an image, with the credentials that the operator has for its registry.
    async fn fetch(&self, host: &dyn ImageHost, image: &Reference) -> Result<(), Error> {
        let (name, file) = (image.short(), self.policy.credentials.as_deref());
        let found = file.map(|file| credentials::find(file, &image.registry)).transpose();
        let found =
            found.map_err(|why| Error::refused(format!("the image {name} can't be fetched: {why}")))?;
        let credentials = found.flatten();
        let pulled = tokio::time::timeout(FETCHED_WITHIN, host.pull(&name, credentials.as_ref())).await;
        let asked = Asked { image, has_file: file.is_some(), had_credentials: credentials.is_some() };
        match pulled {
            Ok(Err(cloudbox_sandbox::Error::Image { why, .. })) => Err(Error::Refused(asked.explained(&why))),
            Ok(pulled) => Ok(pulled?),
            Err(_) => {
                let seconds = FETCHED_WITHIN.as_secs();
                Err(Error::refused(format!("the image {name} was not fetched within {seconds} s")))
            }
        }
    }

    /// Makes an image of the operator's choice the toolchain of a runtime; the runtime's state says how it goes.
    pub async fn install(&self, mut installation: BaseInstallation, image: &Reference) {
        let name = image.short();
        let outcome = match self.probe(&installation, image).await {
            Ok((image, printed)) => installation.accept(&image, &printed).map_err(Error::from),
            Err(error) => Err(installation.fail(error)),
        };
        match outcome {
            Ok(()) => tracing::info!(image = name, "installed a runtime's image"),
            Err(error) => {
                tracing::warn!(image = name, error = &error as &dyn std::error::Error, "not installed");
            }
        }
    }

    /// The image, and what its toolchain prints when it is asked for its version, in a sandbox as every other.
    async fn probe(
        &self,
        installation: &BaseInstallation,
        image: &Reference,
    ) -> Result<(Image, String), Error> {
        installation.note("looking for its image");
        let image = self.of_operator(image).await?;
        installation.note("making its root");
        let (bundle, program) = installation.bundle(&image)?;
        self.driver.prepare(&bundle.run).await?;
        installation.note("trying its toolchain");
        let spec = SandboxSpec {
            rootfs: bundle.run.clone(),
            limits: Limits { memory_mb: 256, ..Limits::default() },
            workspace: Workspace::Slot,
            mounts: Vec::new(),
            network: Network::None,
            max_file_bytes: MAX_FILE_BYTES,
            channel: ChannelLimits::default(),
        };
        let mut sandbox = self.driver.create(&spec).await?;
        let ended = sandbox.run(&program, Instant::now() + TOLD_WITHIN).await;
        sandbox.kill().await;
        let start = program.argv.join(" ");
        let refuse = |why: String| Error::refused(format!("the image {} can't be used: {why}", image.name));
        match ended {
            Ok(exit) if exit.code == Some(0) => Ok((image, exit.logs.into_text())),
            Ok(exit) => Err(refuse(format!("`{start}` failed: {}", exit.logs.into_text().trim()))),
            Err(SandboxFault { kind: SandboxFaultKind::Host(error), .. }) => {
                Err(refuse(format!("`{start}` does not start in it: {error}")))
            }
            Err(fault) => Err(refuse(format!("`{start}`: {}", fault.kind))),
        }
    }
}

fn of_facts(name: String, facts: ImageFacts) -> Image {
    Image { name, id: facts.id, argv: facts.argv, env: facts.env, workdir: facts.workdir, build: None }
}

//! What a driver that knows images can do with them, besides running sandboxes that are made from one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use cloudbox_types::{Limits, Secret};

use crate::error::Error;

/// What is to be known of an image before anything is made from it. All of it is its author's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its id: `sha256:` and 64 hex digits.
    pub id: String,
    /// Its entry point and command.
    pub argv: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Its working directory; empty for `/`.
    pub workdir: String,
    /// Instructions that a build from it would run.
    pub on_build: Vec<String>,
    /// Bytes of all its layers.
    pub bytes: u64,
}

/// A build of an image by the daemon's own builder.
#[derive(Clone, Debug)]
pub struct BuildOrder {
    /// The folder that it may copy from.
    pub context: PathBuf,
    /// The instructions, as they were checked: every one on a line of its own, bases by their ids.
    pub dockerfile: String,
    /// What its steps may use: memory, processor and processes.
    pub limits: Limits,
    /// Bytes that the image may have.
    pub max_bytes: u64,
}

/// What a registry wants to know of who asks.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who.
    pub username: String,
    /// The password, or a token that has its place.
    pub password: Secret<String>,
    /// A token of the registry's own, in place of both.
    pub identity_token: Option<Secret<String>>,
}

/// Who is told what a build prints, a piece at a time.
pub type Told<'t> = &'t mut (dyn FnMut(&str) + Send);

/// Looks images up, fetches and builds them.
#[async_trait]
pub trait ImageHost: Send + Sync {
    /// An image that is here; none where there is none of this name.
    ///
    /// # Errors
    /// The daemon failed, or the image is of another kind of machine.
    async fn look_up(&self, name: &str) -> Result<Option<ImageFacts>, Error>;

    /// Fetches an image from its registry.
    ///
    /// # Errors
    /// [`Error::Image`] with what the registry or the daemon says.
    async fn pull(&self, name: &str, credentials: Option<&Credentials>) -> Result<(), Error>;

    /// Builds an image without a network, without what earlier builds left, and without secrets; its name, under which
    /// it stays until [`ImageHost::remove`].
    ///
    /// # Errors
    /// [`Error::Image`] for a step that failed, or an image that is too large; nothing of it is left then.
    async fn build(&self, order: &BuildOrder, told: Told<'_>) -> Result<String, Error>;

    /// Removes an image that was built.
    async fn remove(&self, name: &str);
}

//! A root file system made from an image of the daemon: its files, in a new image that has none of its settings.
//!
//! Neither `FROM` nor a commit would do: both keep volumes, which are writable places without a limit, and `FROM` runs what
//! the image has in `ONBUILD`. So a container is made from the image and never started, its files are read out, and
//! [`super::merge`] makes of them what is imported.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::builder::look_up;
use super::merge::{Bounds, Pieces, merge};
use super::remove::remove_container;
use super::{Shared, labels, tree};
use cloudbox_sandbox::error::Error;
use cloudbox_sandbox::spec::{RootFs, SandboxId};

/// How long a container that isn't started may take to be made: the daemon copies what the image has in its volumes.
const MADE_WITHIN: Duration = Duration::from_secs(120);
/// Pieces of the export that are read ahead.
const AHEAD: usize = 8;

/// The id of the new image. It goes on to its end when its caller gives up, so that nothing is left half done.
///
/// # Errors
/// The base is gone, can't be used, or the daemon fails.
pub(super) async fn make(shared: &Arc<Shared>, rootfs: &RootFs) -> Result<String, Error> {
    let task = adapt(Arc::clone(shared), rootfs.clone());
    shared.background.run(task).await?
}

async fn adapt(shared: Arc<Shared>, rootfs: RootFs) -> Result<String, Error> {
    let base = rootfs.base.clone().unwrap_or_default();
    let refuse = |why: String| Error::Image { image: base.clone(), why };
    let facts = look_up(&shared.docker, &base).await?.ok_or_else(|| {
        refuse("it is not on this machine any more. Deploy again, or install the runtime again".to_owned())
    })?;
    if facts.bytes > shared.max_image_bytes {
        let most = shared.max_image_bytes >> 20;
        return Err(refuse(format!("it has {} MB; the limit is {most} MB", facts.bytes >> 20)));
    }
    let id = SandboxId::generate();
    shared.alive.lock().insert(id.clone());
    let name = format!("cloudbox-image-{id}");
    let made = export(&shared, &rootfs, &base, (&name, &id)).await;
    if let Err(error) = remove_container(&shared, &name, &id).await {
        tracing::warn!(container = name, %error, "a container stays until the next sweep");
    }
    shared.alive.lock().remove(&id);
    made
}

/// Makes the container, and an image of what it holds.
async fn export(
    shared: &Arc<Shared>,
    rootfs: &RootFs,
    base: &str,
    (name, id): (&str, &SandboxId),
) -> Result<String, Error> {
    // Some images name no program, and the daemon wants one. It is never started.
    let never = Some(vec![super::config::INIT.to_owned()]);
    let body = ContainerCreateBody {
        image: Some(base.to_owned()),
        entrypoint: never,
        cmd: Some(vec![]),
        network_disabled: Some(true),
        labels: Some(labels(&shared.instance, id)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    let made = timeout(MADE_WITHIN, shared.docker.create_container(Some(options), body)).await;
    made.unwrap_or(Err(bollard::errors::Error::RequestTimeoutError))
        .map_err(|source| Error::Docker { what: "opening an image", source })?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (docker, exported) = (shared.docker.clone(), name.to_owned());
    tokio::spawn(async move {
        let mut pieces = std::pin::pin!(docker.export_container(&exported));
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| io::Error::other(format!("reading it failed: {error}")));
            if sender.send(piece).await.is_err() {
                break;
            }
        }
    });
    let (ours, bounds) = (rootfs.path.clone(), Bounds { bytes: shared.max_image_bytes });
    let stream = tree::stream(move |pipe| merge(Pieces::new(receiver), &ours, bounds, pipe));
    shared.images.import(rootfs, stream).await
}

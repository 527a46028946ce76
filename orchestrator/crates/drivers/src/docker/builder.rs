//! The daemon's own images: looked up, fetched, and built by its builder.
//!
//! What a build's steps run is a stranger's code in containers that are the builder's and not ours: root inside, with the
//! daemon's own profile. What the builder can bound is bounded here; whether there may be steps at all is the operator's
//! decision, before it comes to this.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error as DockerError;
use bollard::models::{BuildInfo, ContainerUpdateBody};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::image::{drain, status};
use super::tree::{append_folder, body, header, stream, whole};
use super::{SandboxId, Shared};
use cloudbox_sandbox::error::Error;
use cloudbox_sandbox::images::{BuildOrder, Credentials, ImageFacts, ImageHost, Told};

/// The instructions' name in a build's context, after all that comes from a stranger.
const DOCKERFILE: &str = ".cloudbox-dockerfile";
/// What the builder takes away after it has read it: the two files that are ours.
const IGNORE: (&str, &str) = (".dockerignore", ".cloudbox-dockerfile\n.dockerignore\n");
/// What names of images that are being built begin with; the instance follows.
const BUILDS: &str = "cloudbox/build-";
/// Microseconds of the period that processor time is counted in.
const PERIOD: i32 = 100_000;
/// Lines of a build that wait to be told.
const LINES: usize = 64;

/// An image of the daemon; none where it has none of this name or id.
///
/// # Errors
/// The daemon failed, or the image is of another kind of machine.
pub(super) async fn look_up(docker: &Docker, name: &str) -> Result<Option<ImageFacts>, Error> {
    let found = match docker.inspect_image(name).await {
        Ok(found) => found,
        Err(error) if status(&error) == Some(404) => return Ok(None),
        Err(source) => return Err(Error::Docker { what: "looking for an image", source }),
    };
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let (os, arch) = (found.os.unwrap_or_default(), found.architecture.unwrap_or_default());
    if !matches!(os.as_str(), "" | "linux") || !(arch.is_empty() || arch == here) {
        let why = format!("it is of {os}/{arch}, and this machine is linux/{here}");
        return Err(Error::Image { image: name.to_owned(), why });
    }
    let config = found.config.unwrap_or_default();
    let variables = config.env.unwrap_or_default();
    let pairs = variables.iter().filter_map(|pair| pair.split_once('='));
    Ok(Some(ImageFacts {
        id: found.id.unwrap_or_default(),
        argv: [config.entrypoint.unwrap_or_default(), config.cmd.unwrap_or_default()].concat(),
        env: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>(),
        workdir: config.working_dir.unwrap_or_default(),
        on_build: config.on_build.unwrap_or_default(),
        bytes: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
    }))
}

#[async_trait]
impl ImageHost for Shared {
    async fn look_up(&self, name: &str) -> Result<Option<ImageFacts>, Error> {
        self.watch.guard(look_up(&self.docker, name)).await
    }

    async fn pull(&self, name: &str, credentials: Option<&Credentials>) -> Result<(), Error> {
        let options = CreateImageOptionsBuilder::default().from_image(name).build();
        let credentials = credentials.map(|known| DockerCredentials {
            username: Some(known.username.clone()),
            password: Some(known.password.expose().clone()),
            identitytoken: known.identity_token.as_ref().map(|token| token.expose().clone()),
            ..DockerCredentials::default()
        });
        let pulled = drain(self.docker.create_image(Some(options), None, credentials)).await;
        pulled.map_err(|error| {
            let told = match error {
                DockerError::DockerResponseServerError { message, .. } => message,
                DockerError::DockerStreamError { error } => error,
                other => other.to_string(),
            };
            Error::Image { image: name.to_owned(), why: told.trim().to_owned() }
        })
    }

    async fn build(&self, order: &BuildOrder, told: Told<'_>) -> Result<String, Error> {
        let (lines, mut heard) = mpsc::channel(LINES);
        let cancelled = CancellationToken::new();
        // Who gives up drops this; the build is then broken off and cleared away by a task of its own.
        let _on_drop = cancelled.clone().drop_guard();
        let build = Build::new(self, order, lines);
        let building = self.background.run(build.run(cancelled));
        while let Some(line) = heard.recv().await {
            told(&line);
        }
        building.await?
    }

    async fn remove(&self, name: &str) {
        remove(&self.docker, name).await;
    }
}

/// Removes images that builds of an earlier life of this instance left.
pub(super) async fn remove_leftovers(shared: &Shared) {
    let filters = HashMap::from([("reference", vec![repository(&shared.instance.id)])]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    for image in shared.docker.list_images(Some(options)).await.unwrap_or_default() {
        for name in image.repo_tags {
            remove(&shared.docker, &name).await;
        }
    }
}

fn repository(instance: &str) -> String {
    let short: String = instance.chars().take(8).collect();
    format!("{BUILDS}{}", short.to_lowercase())
}

/// With the layers that nothing else has.
async fn remove(docker: &Docker, name: &str) {
    let options = RemoveImageOptionsBuilder::default().build();
    if let Err(error) = docker.remove_image(name, Some(options), None).await {
        tracing::debug!(image = name, %error, "an image stays");
    }
}

/// A build on its way.
struct Build {
    docker: Docker,
    order: BuildOrder,
    name: String,
    lines: mpsc::Sender<String>,
    /// Images of its steps, by the beginnings of their ids.
    steps: Vec<String>,
}

impl Build {
    fn new(shared: &Shared, order: &BuildOrder, lines: mpsc::Sender<String>) -> Self {
        let name = format!("{}:{}", repository(&shared.instance.id), SandboxId::generate());
        Self { docker: shared.docker.clone(), order: order.clone(), name, lines, steps: Vec::new() }
    }

    async fn run(mut self, cancelled: CancellationToken) -> Result<String, Error> {
        let built = cancelled.run_until_cancelled_owned(self.steps()).await;
        let built = built.unwrap_or_else(|| Err(refuse("the build was broken off")));
        let built = match built {
            Ok(()) => self.fair_size().await,
            Err(error) => Err(error),
        };
        let kept = if built.is_ok() { look_up(&self.docker, &self.name).await.ok().flatten() } else { None };
        if kept.is_none() {
            remove(&self.docker, &self.name).await;
        }
        let id = kept.map(|facts| facts.id).unwrap_or_default();
        for step in self.steps.iter().rev() {
            // Those of the bases belong to others; those that the image stands on are refused by the daemon.
            let is_own = !self.order.dockerfile.contains(&format!("sha256:{step}"))
                && !id.starts_with(&format!("sha256:{step}"));
            if is_own {
                remove(&self.docker, step).await;
            }
        }
        built.map(|()| self.name)
    }

    async fn steps(&mut self) -> Result<(), Error> {
        let limits = &self.order.limits;
        let memory = i32::try_from(limits.memory_bytes()).unwrap_or(i32::MAX);
        let quota = i64::from(limits.cpu_millis) * i64::from(PERIOD) / 1000;
        let options = BuildImageOptionsBuilder::default()
            .dockerfile(DOCKERFILE)
            .t(&self.name)
            // Nothing that another's build left is used, and nothing is left for another's.
            .nocache(true)
            .rm(true)
            .forcerm(true)
            .networkmode("none")
            .memory(memory)
            .memswap(memory)
            .cpuperiod(PERIOD)
            .cpuquota(i32::try_from(quota).unwrap_or(i32::MAX))
            .build();
        let (folder, dockerfile) = (self.order.context.clone(), self.order.dockerfile.clone());
        let context = stream(move |pipe| {
            whole(pipe, |tar| {
                append_folder(tar, &folder, std::path::Path::new(""))?;
                // Later files win over a stranger's of the same name, whose rules have been applied.
                for (name, text) in [(DOCKERFILE, dockerfile.as_str()), IGNORE] {
                    let mut header = header(0o644);
                    header.set_size(text.len() as u64);
                    tar.append_data(&mut header, name, text.as_bytes())?;
                }
                Ok(())
            })
        });
        let docker = self.docker.clone();
        let body = bollard::body_try_stream(body(context.pieces));
        let mut messages = std::pin::pin!(docker.build_image(options, None, Some(body)));
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| match error {
                bollard::errors::Error::DockerStreamError { error } => refuse(&error),
                source => Error::Docker { what: "building an image", source },
            })?;
            self.hear(message).await;
        }
        Ok(())
    }

    async fn hear(&mut self, message: BuildInfo) {
        let Some(text) = message.stream.or(message.status) else { return };
        if let Some(id) = id_after(&text, "---> Running in ") {
            // The builder has no bound for it.
            let body = ContainerUpdateBody {
                pids_limit: Some(i64::from(self.order.limits.pids)),
                ..ContainerUpdateBody::default()
            };
            if let Err(error) = self.docker.update_container(id, body).await {
                tracing::debug!(container = id, %error, "a step of a build has ended already");
            }
        } else if let Some(id) = id_after(&text, "---> ") {
            self.steps.push(id.to_owned());
        }
        // Who has stopped listening has cancelled.
        drop(self.lines.send(text).await);
    }

    async fn fair_size(&self) -> Result<(), Error> {
        let facts = look_up(&self.docker, &self.name).await?;
        let bytes = facts.ok_or_else(|| refuse("it has no instruction"))?.bytes;
        if bytes <= self.order.max_bytes {
            return Ok(());
        }
        Err(refuse(&format!("it has {} MB; the limit is {} MB", bytes >> 20, self.order.max_bytes >> 20)))
    }
}

fn refuse(why: &str) -> Error {
    Error::Image { image: "of the Dockerfile".to_owned(), why: why.trim().to_owned() }
}

/// The id that a line of the builder tells.
fn id_after<'t>(line: &'t str, words: &str) -> Option<&'t str> {
    let id = line.trim().strip_prefix(words)?;
    (id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

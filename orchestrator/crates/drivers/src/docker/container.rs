//! From a specification to a running container whose init has sent its pipes, and back to nothing.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error as DockerError;
use bollard::models::ContainerState;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Shared;
use super::config::Container;
use super::image::status;
use super::remove::remove_container;
use cloudbox_sandbox::driver::Sandbox;
use cloudbox_sandbox::error::Error;
use cloudbox_sandbox::handover::{Lent, lend};
use cloudbox_sandbox::link::{Control, Listener, Pipes};
use cloudbox_sandbox::live::Live;
use cloudbox_sandbox::remains::{Cell, Remains};
use cloudbox_sandbox::slot::Slot;
use cloudbox_sandbox::spec::{Network, SandboxId, SandboxSpec, Workspace};
use cloudbox_sandbox::uids::Uid;

/// The longest that a daemon under load was seen to take, several times over.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// The longest that an error is held back until what failed is removed.
const CLEARED_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether a container whose init doesn't call still lives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The only names that a sandbox without a network can look up.
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Makes a sandbox; on an error nothing of it is left.
pub(super) async fn create(shared: Arc<Shared>, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, Error> {
    let _permit = shared.creates.acquire().await.map_err(|_| Error::Gone)?;
    let id = SandboxId::generate();
    let uid = shared.uids.take();
    shared.alive.lock().insert(id.clone());
    let cell = DockerCell { shared: Arc::clone(&shared), id: id.clone(), uid, name: None, lent: None };
    let folder = shared.run_dir.sandbox(&id);
    let mut making = Making { shared: &shared, spec: &spec, folder: &folder, cell };
    let up = shared.watch.guard(making.run()).await;
    let cell = making.cell;
    match up {
        Ok((control, pipes, cgroup)) => {
            let slot = Slot::new(Arc::clone(&shared.run_dir), &folder);
            let (run_dir, cell) = (Arc::clone(&shared.run_dir), Box::new(cell));
            let remains = Remains { id, run_dir, slot, cgroup: Arc::from(cgroup), cell };
            shared.landlock_abi.get_or_init(|| control.kernel().landlock_abi);
            Ok(Box::new(Live::new(control, pipes, &spec, remains, shared.background.clone())))
        }
        Err(error) => {
            let clearing = shared.background.run(clear(cell));
            // With a daemon that is away it goes on for longer than anybody wants to wait for an error.
            drop(timeout(CLEARED_WITHIN, clearing).await);
            Err(error)
        }
    }
}

/// Removes what there is of a sandbox that did not come up.
async fn clear(mut cell: DockerCell) {
    cell.remove().await;
    if let Err(error) = cell.shared.run_dir.remove_sandbox(&cell.id) {
        tracing::warn!(sandbox.id = %cell.id, %error, "a sandbox's folder is left");
    }
}

/// What a container's first process has sent, and where it is.
type Up = (Control, Pipes, Box<dyn cloudbox_cgroup::Cgroup>);

/// A sandbox that is on its way.
struct Making<'a> {
    shared: &'a Arc<Shared>,
    spec: &'a SandboxSpec,
    /// Its folder on the host.
    folder: &'a Path,
    cell: DockerCell,
}

impl Making<'_> {
    async fn run(&mut self) -> Result<Up, Error> {
        self.shared.run_dir.create_sandbox(&self.cell.id)?;
        if let Workspace::Writable(folder) = &self.spec.workspace {
            self.cell.lent = Some(lend(folder.clone(), self.cell.uid.number()).await?);
        }
        let channel = self.folder.join("channel");
        DirBuilder::new().mode(0o711).create(&channel).map_err(Error::io("creating", &channel))?;
        let hosts = self.folder.join("hosts");
        std::fs::write(&hosts, HOSTS).map_err(Error::io("writing", &hosts))?;
        let listener = Listener::bind(&channel, self.cell.uid.number())?;
        self.make(&channel).await?;
        let deadline = Instant::now() + UP_WITHIN;
        let name = self.cell.name.as_deref().unwrap_or_default();
        timeout_at(deadline, self.shared.docker.start_container(name, None))
            .await
            .unwrap_or(Err(DockerError::RequestTimeoutError))
            .map_err(|source| Error::Docker { what: "starting a container", source })?;
        let mut control = tokio::select! {
            accepted = listener.accept(deadline) => accepted.map_err(|error| late(error, deadline))?,
            ended = self.ended() => return Err(ended),
        };
        let pipes = control.ready(deadline).await.map_err(|error| late(error, deadline))?;
        let pid = match control.init_pid().filter(|pid| *pid > 0) {
            Some(pid) => pid,
            None => self.init_pid().await?,
        };
        Ok((control, pipes, self.bounded(pid)?))
    }

    /// The container's cgroup, with all that the native driver sets besides what the daemon does.
    fn bounded(&self, pid: i32) -> Result<Box<dyn cloudbox_cgroup::Cgroup>, Error> {
        let Shared { hierarchy, ceiling, .. } = self.shared.as_ref();
        if let Some(ceiling) = ceiling {
            hierarchy.above_process(pid)?.set_ceiling(ceiling)?;
        }
        let cgroup = hierarchy.of_process(pid)?;
        cgroup.set_limits(&self.spec.limits)?;
        Ok(cgroup)
    }

    /// Has the container made; where its image was removed meanwhile, the image comes first, once.
    async fn make(&mut self, channel: &Path) -> Result<(), Error> {
        let images = &self.shared.images;
        let image = images.ensure(self.shared, &self.spec.rootfs).await?;
        match self.try_make(channel, &image).await {
            Err(error) if status(&error) == Some(404) => {
                images.forget(&self.spec.rootfs, &image).await;
                let image = images.ensure(self.shared, &self.spec.rootfs).await?;
                self.try_make(channel, &image).await
            }
            other => other,
        }
        .map_err(|source| Error::Docker { what: "making a container", source })
    }

    async fn try_make(&mut self, channel: &Path, image: &str) -> Result<(), DockerError> {
        let (slot, hosts) = (self.folder.join("slot"), self.folder.join("hosts"));
        let workspace = match &self.spec.workspace {
            Workspace::Slot => (slot.as_path(), self.shared.run_dir.can_mount()),
            Workspace::Writable(folder) => (folder.as_path(), false),
        };
        let container = Container {
            instance: &self.shared.instance,
            id: &self.cell.id,
            spec: self.spec,
            image,
            uid: self.cell.uid.number(),
            channel,
            hosts: (self.spec.network == Network::None).then_some(hosts.as_path()),
            workspace,
            engine: &self.shared.engine,
        };
        let name = container.name();
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        // Before the answer is there: an answer that gets lost must not leave a container behind.
        self.cell.name = Some(name);
        let created =
            timeout(UP_WITHIN, self.shared.docker.create_container(Some(options), container.body()));
        created.await.unwrap_or(Err(DockerError::RequestTimeoutError)).map(drop)
    }

    /// Never returns while the container runs; else why there is no init.
    async fn ended(&self) -> Error {
        loop {
            sleep(LOOK_EVERY).await;
            match self.state().await {
                Ok(state) if state.running == Some(false) => return self.explain(&state),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    fn explain(&self, state: &ContainerState) -> Error {
        let code = state.exit_code.unwrap_or_default();
        let why = state.error.as_deref().filter(|why| !why.is_empty()).unwrap_or("no reason given");
        Error::Setup {
            step: "init".to_owned(),
            message: format!(
                "{} of {} ended with code {code} before it called: {why}",
                super::config::INIT,
                self.spec.rootfs.name
            ),
        }
    }

    async fn state(&self) -> Result<ContainerState, Error> {
        let name = self.cell.name.as_deref().unwrap_or_default();
        let found = self.shared.docker.inspect_container(name, None).await;
        let found = found.map_err(|source| Error::Docker { what: "looking at a container", source })?;
        Ok(found.state.unwrap_or_default())
    }

    /// Asked of the daemon only where the socket doesn't tell: from inside a container with its own process ids.
    async fn init_pid(&self) -> Result<i32, Error> {
        let pid = self.state().await?.pid.and_then(|pid| i32::try_from(pid).ok());
        pid.filter(|pid| *pid > 0).ok_or(Error::Gone)
    }
}

/// A wait that was given up has a better name than what it waited for.
fn late(error: Error, deadline: Instant) -> Error {
    match error {
        Error::Gone if Instant::now() >= deadline => Error::StartTimeout { seconds: UP_WITHIN.as_secs() },
        other => other,
    }
}

/// A container, for as long as its sandbox lives.
struct DockerCell {
    shared: Arc<Shared>,
    id: SandboxId,
    /// Nobody else's until the container is gone.
    uid: Uid,
    /// None as long as the daemon was not asked for one.
    name: Option<String>,
    /// A folder of the host that is its user's as long as it lives.
    lent: Option<Lent>,
}

#[async_trait]
impl Cell for DockerCell {
    async fn remove(&mut self) {
        if let Some(name) = &self.name
            && let Err(error) = remove_container(&self.shared, name, &self.id).await
        {
            tracing::warn!(container = name, %error, "a container stays until the next sweep");
        }
        if let Some(lent) = self.lent.take() {
            lent.take_back().await;
        }
    }
}

impl Drop for DockerCell {
    fn drop(&mut self) {
        self.shared.alive.lock().remove(&self.id);
    }
}

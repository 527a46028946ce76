//! The Docker driver: a sandbox is a container of the machine's daemon.
//!
//! The daemon makes and removes containers, and that is all: frames, limits, freezing and killing go past it, to the
//! sandbox's init and its cgroup.

mod adapted;
mod builder;
mod config;
mod container;
mod daemon;
mod image;
mod merge;
mod remove;
mod sweep;
mod tree;
mod watch;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bollard::Docker;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::self_test::{self, Files};
use cloudbox_cgroup::Ceiling;
use cloudbox_cgroup::hierarchy::Hierarchy;
use cloudbox_sandbox::background::Background;
use cloudbox_sandbox::confinement;
use cloudbox_sandbox::driver::{Image, Layer, Sandbox, SandboxDriver, SweepReport};
use cloudbox_sandbox::error::Error;
use cloudbox_sandbox::images::ImageHost;
use cloudbox_sandbox::run_dir::RunDir;
use cloudbox_sandbox::spec::{Instance, RootFs, SandboxId, SandboxSpec};
use cloudbox_sandbox::uids::Uids;
use config::Engine;
use daemon::{Daemon, unavailable};
use image::Images;
use watch::Watch;

/// The label with the instance's id: what has it is ours.
const INSTANCE_LABEL: &str = "cloudbox.instance";
/// The label with the id of the service's life.
const BOOT_LABEL: &str = "cloudbox.boot";
/// The label with the sandbox's id.
const SANDBOX_LABEL: &str = "cloudbox.sandbox";

/// The first of the users that sandboxes get: 100,000 and more belong to nobody on an ordinary host.
const FIRST_UID: u32 = 100_000;

/// What containers do without.
const SHARED: (&str, &str) =
    ("user_namespace", "containers have the host's user namespace, and users that nobody else has");

/// What the driver is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose containers these are.
    pub instance: Instance,
    /// The daemon's socket, a path or `unix://` URL; none: `/var/run/docker.sock`.
    pub socket: Option<String>,
    /// A seccomp profile as JSON; none: the one of all sandboxes.
    pub seccomp: Option<String>,
    /// The OCI runtime, such as `runsc`; none: the daemon's default.
    pub runtime: Option<String>,
    /// What all sandboxes together may use, where that is bounded.
    pub ceiling: Option<Ceiling>,
    /// Containers that are made at once, at least 1. The daemon serves more, each more slowly.
    pub parallel_creates: usize,
    /// The static binary `cloudbox-init`, for the self-test; images of runtimes have their own.
    pub init: PathBuf,
    /// Bytes that an image may have which sandboxes are made from.
    pub max_image_bytes: u64,
    /// Whether to work without mandatory layers.
    pub is_weak_allowed: bool,
}

impl Settings {
    /// The usual ones, with an init.
    #[must_use]
    pub const fn new(instance: Instance, init: PathBuf) -> Self {
        Self {
            instance,
            socket: None,
            seccomp: None,
            runtime: None,
            ceiling: None,
            parallel_creates: 4,
            init,
            max_image_bytes: 4 << 30,
            is_weak_allowed: false,
        }
    }
}

/// Makes containers.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    /// As the daemon told, and as a container was seen from inside.
    layers: Vec<Layer>,
    /// Ends the look-out for the daemon.
    closing: CancellationToken,
}

/// What the driver and its sandboxes share.
#[derive(Debug)]
struct Shared {
    docker: Docker,
    watch: Watch,
    images: Images,
    engine: Engine,
    instance: Instance,
    hierarchy: Hierarchy,
    /// The cgroup above all sandboxes' cgroups, where it is ours.
    parent: Option<String>,
    /// What the cgroup above all sandboxes' cgroups is bounded by, where it is systemd's: there it comes with the first
    /// container, and may lose its limits whenever systemd sets it anew.
    ceiling: Option<Ceiling>,
    run_dir: Arc<RunDir>,
    uids: Arc<Uids>,
    creates: Semaphore,
    max_image_bytes: u64,
    /// The sandboxes of this life, from before the daemon hears of them until they are gone.
    alive: Mutex<HashSet<SandboxId>>,
    /// Sandboxes and images on their way, and kills.
    background: Background,
    /// The kernel's, as the first sandbox found it.
    landlock_abi: OnceLock<u32>,
}

impl Driver {
    /// Connects to the daemon, looks at what it can do, and proves it by making a container.
    ///
    /// # Errors
    /// [`Error::Unavailable`], with the remedy: nobody answers at the socket, or the cgroups can't be seen.
    /// [`Error::Weak`]: a mandatory layer is missing. [`Error::Io`]: the instance's folder can't be had.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, Error> {
        let daemon = Daemon::connect(settings.socket.as_deref()).await?;
        self_test::refuse_weak("docker", &daemon.layers, settings.is_weak_allowed)?;
        let hierarchy = Hierarchy::detect().map_err(|why| {
            unavailable(format!(
                "{why}. In a container, mount the host's /sys/fs/cgroup and use its process ids"
            ))
        })?;
        let run_dir = RunDir::open(&settings.instance.run_dir)?;
        let parent = if daemon.has_systemd_cgroups {
            None
        } else {
            let parent = format!("cloudbox-{}", settings.instance.id);
            hierarchy.create_parent(&parent, settings.ceiling.as_ref())?;
            Some(parent)
        };
        let engine = Engine {
            seccomp: settings.seccomp.or_else(confinement::docker_profile),
            runtime: settings.runtime,
            cgroup_parent: parent
                .as_ref()
                .map_or_else(|| slice(&settings.instance), |parent| format!("/{parent}")),
            has_remapped_users: daemon.has_remapped_users,
            has_cgroup_v2: daemon.has_cgroup_v2,
        };
        let shared = Shared {
            images: Images::new(daemon.docker.clone(), settings.instance.id.clone()),
            docker: daemon.docker,
            watch: Watch::new(),
            engine,
            instance: settings.instance,
            hierarchy,
            ceiling: settings.ceiling.filter(|_| parent.is_none()),
            parent,
            run_dir,
            uids: Arc::new(Uids::new(FIRST_UID)),
            creates: Semaphore::new(settings.parallel_creates.max(1)),
            max_image_bytes: settings.max_image_bytes,
            alive: Mutex::default(),
            background: Background::new(),
            landlock_abi: OnceLock::new(),
        };
        let (shared, closing) = (Arc::new(shared), CancellationToken::new());
        drop(tokio::spawn(watch::run(Arc::downgrade(&shared), closing.clone())));
        let mut driver = Self { shared, layers: daemon.layers, closing };
        let started = Instant::now();
        let tested = driver.test(&settings.init).await.and_then(|found| {
            let layers = [driver.layers.clone(), found].concat();
            self_test::judge("docker", &layers, settings.is_weak_allowed, started).map(|()| layers)
        });
        match tested {
            Ok(layers) => driver.layers = layers,
            Err(error) => {
                driver.close().await?;
                return Err(error);
            }
        }
        Ok(Arc::new(driver))
    }

    /// Has a throw-away container tried from inside.
    async fn test(&self, init: &Path) -> Result<Vec<Layer>, Error> {
        let files = Files::lay(&self.shared.run_dir, init)?;
        let sandbox = self.create(&self_test::spec(&files)).await?;
        let landlock_abi = self.shared.landlock_abi.get().copied().unwrap_or_default();
        let outcome = self_test::run(sandbox, &files, landlock_abi).await?;
        let groups = self.shared.parent.clone().unwrap_or_else(|| {
            // Where systemd makes a slice: within the one that its name says.
            format!("cloudbox.slice/{}", slice(&self.shared.instance))
        });
        let groups = cloudbox_layers::of_cgroup(&self.shared.hierarchy, &groups);
        let mut layers = outcome.layers(&[SHARED], cloudbox_layers::has_bounded_swap(&groups));
        layers.push(Layer::optional("uid_isolation", true, "each sandbox has a user of its own"));
        let can_mount = self.shared.run_dir.can_mount();
        let code = if can_mount {
            "code is mounted"
        } else {
            "code is copied into sandboxes; only root can mount it"
        };
        layers.push(Layer::optional("code_mounts", can_mount, code));
        layers.extend(groups);
        Ok(layers)
    }

    /// Waits for what is on its way and for kills, and takes back what was made when it was opened. The sandboxes must
    /// be gone or dropped; those that are not lose their code.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn close(&self) -> Result<(), Error> {
        self.shared.background.wait().await;
        sweep::last(&self.shared).await;
        // Last, since those give up where the daemon is found to hang.
        self.closing.cancel();
        let unmounted = self.shared.run_dir.close();
        if let Some(parent) = &self.shared.parent {
            self.end_groups(parent).await?;
        }
        unmounted
    }

    /// Ends what is left in the sandboxes' groups: a daemon that was stopped in the middle of a start goes on with it, though
    /// the container is removed by then, and knows nothing of its process.
    async fn end_groups(&self, parent: &str) -> Result<(), cloudbox_cgroup::Error> {
        let hierarchy = &self.shared.hierarchy;
        for name in hierarchy.below(parent) {
            cloudbox_cgroup::end(hierarchy.group(&format!("{parent}/{name}")).as_ref()).await?;
        }
        hierarchy.remove(parent)
    }
}

#[async_trait]
impl SandboxDriver for Driver {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn layers(&self) -> Vec<Layer> {
        self.layers.clone()
    }

    fn can_resize_tmp(&self) -> bool {
        cloudbox_sandbox::tmp::can_resize()
    }

    fn image_host(&self) -> Option<Arc<dyn ImageHost>> {
        Some(Arc::clone(&self.shared) as Arc<dyn ImageHost>)
    }

    fn trouble(&self) -> Option<String> {
        self.shared.watch.trouble()
    }

    async fn prepare(&self, rootfs: &RootFs) -> Result<(), Error> {
        self.shared.watch.guard(self.shared.images.ensure(&self.shared, rootfs)).await.map(drop)
    }

    async fn images(&self) -> Result<Vec<Image>, Error> {
        self.shared.watch.guard(self.shared.images.own()).await
    }

    async fn remove_image(&self, image: &Image) -> Result<bool, Error> {
        self.shared.watch.guard(self.shared.images.remove(image)).await
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<Box<dyn Sandbox>, Error> {
        // Where the caller gives up, a container that the daemon is about to make must still be known, or nobody would
        // remove it.
        let (shared, spec) = (Arc::clone(&self.shared), spec.clone());
        self.shared.background.run(container::create(shared, spec)).await?
    }

    async fn sweep(&self) -> Result<SweepReport, Error> {
        sweep::sweep(&self.shared).await
    }
}

/// The cgroup above all sandboxes' cgroups where systemd makes them: one within `cloudbox.slice`, which its name says. A
/// hyphen in the instance's id would say more of that kind.
fn slice(instance: &Instance) -> String {
    format!("cloudbox-{}.slice", instance.id.replace('-', "_"))
}

/// The labels of a container.
fn labels(instance: &Instance, id: &SandboxId) -> HashMap<String, String> {
    HashMap::from([
        (INSTANCE_LABEL.to_owned(), instance.id.clone()),
        (BOOT_LABEL.to_owned(), instance.boot.clone()),
        (SANDBOX_LABEL.to_owned(), id.to_string()),
    ])
}

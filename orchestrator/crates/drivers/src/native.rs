//! The native driver: namespaces, mounts and cgroups of this machine, without a container engine.
//!
//! A sandbox is a process of `cloudbox-init`, which sets itself up as told and then serves as in a container.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_protocol::control::Setup;
use parking_lot::Mutex;
use tokio::net::UnixStream;
use tokio::time::Instant;

use cloudbox_cgroup::hierarchy::Hierarchy;
use cloudbox_cgroup::{Ceiling, Cgroup};
use cloudbox_sandbox::background::Background;
use cloudbox_sandbox::link::{Control, Kernel, Pipes};
use cloudbox_sandbox::live::Live;
use cloudbox_sandbox::remains::Remains;
use cloudbox_sandbox::run_dir::RunDir;
use cloudbox_sandbox::slot::Slot;
use cloudbox_sandbox::uids::{Uid, Uids};
use cloudbox_sandbox::{
    Error, Instance, Layer, Network, RootFs, Sandbox, SandboxDriver, SandboxId, SandboxSpec, SweepReport,
    Workspace,
};
use cloudbox_types::limits;

use crate::self_test;

mod cell;
mod layers;
mod spawner;
mod sweep;

use cell::{Held, InitCell};
use spawner::{Spawned, Spawner};

/// The first of the users that sandboxes get: above what systems give to people and services, and not the Docker
/// driver's.
const FIRST_UID: u32 = 200_000;
/// How long a sandbox's init may take to set itself up.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What the driver needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which service it works for.
    pub instance: Instance,
    /// The static binary `cloudbox-init`.
    pub init: PathBuf,
    /// What all sandboxes together may use, where that is bounded.
    pub ceiling: Option<Ceiling>,
    /// Whether to work without mandatory layers, where a sandbox can be made at all.
    pub is_weak_allowed: bool,
}

/// Makes sandboxes from this machine's own means.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    layers: Vec<Layer>,
}

/// What the driver and its sandboxes share.
#[derive(Debug)]
struct Shared {
    run_dir: Arc<RunDir>,
    hierarchy: Hierarchy,
    /// The cgroup above all sandboxes' cgroups.
    parent: String,
    has_cgroups: bool,
    /// Why there are none.
    no_cgroups: Option<String>,
    spawner: Spawner,
    uids: Option<Arc<Uids>>,
    /// The sandboxes of this life.
    alive: Arc<Mutex<HashSet<SandboxId>>>,
    /// Sandboxes on their way, and kills.
    background: Background,
}

impl Driver {
    /// Looks at what the machine has, and proves it by making a sandbox.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the layer that is missing and what to do about it, or the run folder is in use.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, Error> {
        let Settings { instance, init, ceiling, is_weak_allowed } = settings;
        if !init.is_file() {
            return Err(layers::unavailable(format!(
                "{} is not there; build or install cloudbox-init",
                init.display()
            )));
        }
        let is_root = rustix::process::geteuid().is_root();
        let run_dir = RunDir::open(&instance.run_dir)?;
        let (hierarchy, mut no_cgroups) = match Hierarchy::detect() {
            Ok(hierarchy) => (hierarchy, None),
            Err(why) => (Hierarchy::V1(BTreeMap::new()), Some(why)),
        };
        let parent = hierarchy.place(&format!("cloudbox-{}", instance.id));
        if no_cgroups.is_none() {
            let made = hierarchy.create_parent(&parent, ceiling.as_ref());
            no_cgroups = made.err().map(|error| layers::no_cgroups(&error));
        }
        let shared = Shared {
            run_dir,
            hierarchy,
            parent,
            has_cgroups: no_cgroups.is_none(),
            no_cgroups,
            spawner: Spawner::new(init.clone())?,
            uids: is_root.then(|| Arc::new(Uids::new(FIRST_UID))),
            alive: Arc::default(),
            background: Background::new(),
        };
        let mut driver = Self { shared: Arc::new(shared), layers: Vec::new() };
        let started = Instant::now();
        let tested = driver.shared.test(&init).await.and_then(|layers| {
            self_test::judge("native", &layers, is_weak_allowed, started).map(|()| layers)
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

    /// Waits for what is on its way and for kills, and takes back what was made when it was opened. The sandboxes must
    /// be gone or dropped; those that are not lose their code.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn close(&self) -> Result<(), Error> {
        let shared = &self.shared;
        shared.background.wait().await;
        let unmounted = shared.run_dir.close();
        if shared.has_cgroups {
            shared.hierarchy.remove(&shared.parent)?;
        }
        unmounted
    }
}

impl Shared {
    /// What is to be removed of a sandbox, from its first trace on.
    fn begin(&self, spec: &SandboxSpec) -> Result<(Remains, Begun), Error> {
        let id = SandboxId::generate();
        let path = format!("{}/{id}", self.parent);
        let cgroup: Arc<dyn Cgroup> = if self.has_cgroups {
            self.hierarchy.create(&path, &spec.limits)?.into()
        } else {
            Arc::new(cloudbox_cgroup::Uncounted)
        };
        self.alive.lock().insert(id.clone());
        let uid = self.uids.as_ref().map(Uids::take);
        let begun = Begun {
            folder: self.run_dir.sandbox(&id),
            uid: uid.as_ref().map(Uid::number),
            held: Arc::default(),
        };
        let cell = InitCell {
            id: id.clone(),
            cgroup: cgroup.clone(),
            held: begun.held.clone(),
            uid,
            alive: self.alive.clone(),
        };
        let slot = Slot::new(self.run_dir.clone(), &begun.folder);
        Ok((Remains { id, run_dir: self.run_dir.clone(), slot, cgroup, cell: Box::new(cell) }, begun))
    }

    /// Brings the init up; what it leaves on an error is in `remains`.
    async fn bring_up(
        &self,
        spec: &SandboxSpec,
        remains: &Remains,
        begun: &Begun,
    ) -> Result<(Control, Pipes), Error> {
        self.run_dir.create_sandbox(&remains.id)?;
        if let (Workspace::Writable(folder), Some(uid)) = (&spec.workspace, begun.uid) {
            let lent = cloudbox_sandbox::handover::lend(folder.clone(), uid).await?;
            begun.held.lock().lent = Some(lent);
        }
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()
            .map_err(Error::io("pairing sockets for", &begun.folder))?;
        ours.set_nonblocking(true).map_err(Error::io("preparing the socket of", &begun.folder))?;
        let Spawned { child, added } = self.spawner.spawn(theirs.into(), remains.cgroup.clone()).await?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        begun.held.lock().child = Some(child);
        added?;
        let stream =
            UnixStream::from_std(ours).map_err(Error::io("registering the socket of", &begun.folder))?;
        let mut control = Control::new(stream, Some(pid));
        control.send_setup(&setup(spec, begun)).await?;
        let pipes = control.ready(Instant::now() + READY_WITHIN).await?;
        Ok((control, pipes))
    }

    /// Makes a sandbox, and says what its kernel did not give.
    async fn make(&self, spec: &SandboxSpec) -> Result<(Live, Kernel), Error> {
        let (remains, begun) = self.begin(spec)?;
        match self.bring_up(spec, &remains, &begun).await {
            Ok((control, pipes)) => {
                let kernel = control.kernel().clone();
                Ok((Live::new(control, pipes, spec, remains, self.background.clone()), kernel))
            }
            Err(error) => {
                self.background.kill(remains).await;
                Err(error)
            }
        }
    }
}

/// Where a sandbox is, and as whom it runs.
struct Begun {
    folder: PathBuf,
    uid: Option<u32>,
    held: Arc<Mutex<Held>>,
}

fn setup(spec: &SandboxSpec, begun: &Begun) -> Setup {
    let text = |path: &Path| path.display().to_string();
    let (workspace, is_workspace_writable) = match &spec.workspace {
        Workspace::Slot => (begun.folder.join("slot"), false),
        Workspace::Writable(folder) => (folder.clone(), true),
    };
    Setup {
        rootfs: text(&spec.rootfs.path),
        new_root: text(&begun.folder.join("root")),
        workspace: text(&workspace),
        is_workspace_writable,
        mounts: spec.mounts.iter().map(|(host, inside)| (text(host), text(inside))).collect(),
        has_host_network: spec.network == Network::Host,
        tmp_bytes: spec.limits.tmp_bytes(),
        max_file_bytes: spec.max_file_bytes,
        // A bind may raise the group's limit, which is the exact one, but not this one of the user.
        processes: limits::MOST_PIDS,
        host_uid: begun.uid,
    }
}

#[async_trait]
impl SandboxDriver for Driver {
    fn name(&self) -> &'static str {
        "native"
    }

    fn layers(&self) -> Vec<Layer> {
        self.layers.clone()
    }

    fn can_resize_tmp(&self) -> bool {
        cloudbox_sandbox::tmp::can_resize()
    }

    async fn prepare(&self, rootfs: &RootFs) -> Result<(), Error> {
        if rootfs.base.is_some() {
            return Err(Error::NoImages { driver: "native" });
        }
        // Bound where it is, so there is nothing to do, but to say early that it isn't there.
        tokio::fs::metadata(&rootfs.path).await.map(drop).map_err(Error::io("looking for", &rootfs.path))
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<Box<dyn Sandbox>, Error> {
        if spec.rootfs.base.is_some() {
            return Err(Error::NoImages { driver: "native" });
        }
        let (shared, spec) = (Arc::clone(&self.shared), spec.clone());
        let made = self.shared.background.run(async move { shared.make(&spec).await }).await?;
        made.map(|(live, _)| Box::new(live) as Box<dyn Sandbox>)
    }

    async fn sweep(&self) -> Result<SweepReport, Error> {
        self.shared.remove_leftovers().await
    }
}

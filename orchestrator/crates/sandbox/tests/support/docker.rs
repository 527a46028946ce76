//! A driver of its own for each test, and a second way to the daemon to look at what it did.

use std::path::Path;
use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, Docker};
use cloudbox_sandbox::docker::{Driver, Settings};
use cloudbox_sandbox::{Instance, Network, RootFs, SandboxSpec, Workspace};
use cloudbox_types::Limits;

use crate::init;

/// Whether Docker was left out on purpose: `CLOUDBOX_TEST_DRIVERS` names the drivers to test, all by default.
#[expect(clippy::print_stdout, reason = "a test that is left out says so")]
pub fn is_left_out() -> bool {
    #[expect(clippy::disallowed_methods, reason = "tests are told by their environment only")]
    let drivers = std::env::var("CLOUDBOX_TEST_DRIVERS");
    let is_out = drivers.is_ok_and(|drivers| !drivers.split(',').any(|driver| driver == "docker"));
    if is_out {
        println!("left out: CLOUDBOX_TEST_DRIVERS does not name docker");
    }
    is_out
}

/// A driver, its instance and its folder. The images of its tests are removed by [`World::close`].
pub struct World {
    pub driver: Arc<Driver>,
    pub docker: Docker,
    pub instance: Instance,
    pub rootfs: RootFs,
    pub folder: tempfile::TempDir,
}

impl World {
    /// With a root file system that no other test has.
    pub async fn open() -> Self {
        let folder = tempfile::Builder::new().prefix("cbx").tempdir().expect("a folder");
        let word = format!("{:016x}", rand::random::<u64>());
        let instance =
            Instance { id: word.clone(), boot: "now".to_owned(), run_dir: folder.path().join("run") };
        let rootfs = init::rootfs(&folder.path().join("rootfs"), &format!("test-{word}"), &word.repeat(4));
        let driver = open(&instance).await;
        let docker =
            Docker::connect_with_unix("/var/run/docker.sock", 30, API_DEFAULT_VERSION).expect("a client");
        Self { driver, docker, instance, rootfs, folder }
    }

    /// A sandbox of this world.
    pub fn spec(&self) -> SandboxSpec {
        SandboxSpec {
            rootfs: self.rootfs.clone(),
            limits: Limits::default(),
            workspace: Workspace::Slot,
            mounts: vec![],
            network: Network::None,
            max_file_bytes: 64 << 20,
            channel: cloudbox_protocol::channel::ChannelLimits::default(),
        }
    }

    /// The names of the instance's containers.
    pub async fn containers(&self) -> Vec<String> {
        let filters = std::collections::HashMap::from([(
            "label",
            vec![format!("cloudbox.instance={}", self.instance.id)],
        )]);
        let options = bollard::query_parameters::ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let found = self.docker.list_containers(Some(options)).await.expect("a list");
        found.into_iter().flat_map(|container| container.names.unwrap_or_default()).collect()
    }

    /// The image's name and tag.
    pub fn image(&self) -> String {
        format!("cloudbox/{}:{}", self.rootfs.name, &self.rootfs.digest[..12])
    }

    /// Ends the driver; nothing of it may be left.
    pub async fn close(self) {
        self.driver.close().await.expect("nothing in the way");
        assert_eq!(self.containers().await, Vec::<String>::new(), "containers are left");
        let folders = left_in(&self.instance.run_dir);
        assert_eq!(folders, Vec::<String>::new(), "folders are left");
        let force = bollard::query_parameters::RemoveImageOptionsBuilder::default().force(true).build();
        drop(self.docker.remove_image(&self.image(), Some(force), None).await);
    }
}

/// The driver of an instance; without a daemon the test fails, with the driver's own sentence.
pub async fn open(instance: &Instance) -> Arc<Driver> {
    Driver::open(Settings::new(instance.clone()))
        .await
        .unwrap_or_else(|error| panic!("{error}. CLOUDBOX_TEST_DRIVERS=native leaves these tests out"))
}

fn left_in(run_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run_dir).expect("the folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "staging").collect()
}

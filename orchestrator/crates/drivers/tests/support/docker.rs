//! A driver of its own for each test, with a root file system that no other has.

use std::path::Path;
use std::sync::Arc;

use cloudbox_drivers::docker::{Driver, Settings};
use cloudbox_sandbox::{Instance, Network, RootFs, SandboxSpec, Workspace};
use cloudbox_types::Limits;

use crate::{daemon, init};

/// A driver, its instance and its folder. The images of its tests are removed by [`World::close`].
pub struct World {
    pub driver: Arc<Driver>,
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
        Self { driver, instance, rootfs, folder }
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
        daemon::containers(&self.instance).await
    }

    /// Ends the driver; nothing of it may be left.
    pub async fn close(self) {
        self.driver.close().await.expect("nothing in the way");
        assert_eq!(self.containers().await, Vec::<String>::new(), "containers are left");
        let folders = left_in(&self.instance.run_dir);
        assert_eq!(folders, Vec::<String>::new(), "folders are left");
        daemon::remove_image(&self.rootfs).await;
    }
}

/// The driver of an instance; without a daemon the test fails, with the driver's own sentence.
pub async fn open(instance: &Instance) -> Arc<Driver> {
    Driver::open(Settings::new(instance.clone(), init::init().to_owned()))
        .await
        .unwrap_or_else(|error| panic!("{error}. CLOUDBOX_TEST_DRIVERS=native leaves these tests out"))
}

fn left_in(run_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run_dir).expect("the folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "staging").collect()
}

//! A second way to the daemon, to look at what a driver did.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveImageOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use cloudbox_sandbox::{Instance, RootFs};

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

/// A client of its own.
pub fn docker() -> Docker {
    Docker::connect_with_unix("/var/run/docker.sock", 30, API_DEFAULT_VERSION).expect("a client")
}

/// The names of an instance's containers. What is in the list and can't be looked at is none any more: Docker 20.10 puts an entry
/// back where a process ends while its container is being removed.
pub async fn containers(instance: &Instance) -> Vec<String> {
    let filters = HashMap::from([("label", vec![format!("cloudbox.instance={}", instance.id)])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let mut names = Vec::new();
    for listed in docker().list_containers(Some(options)).await.expect("a list") {
        let looked = docker().inspect_container(&listed.id.expect("its id"), None).await;
        if !matches!(looked, Err(Error::DockerResponseServerError { status_code: 404, .. })) {
            names.extend(listed.names.unwrap_or_default());
        }
    }
    names
}

/// The image's name and tag.
pub fn image(rootfs: &RootFs) -> String {
    format!("cloudbox/{}:{}", rootfs.name, &rootfs.digest[..12])
}

/// Removes a root file system's image, where there is one.
pub async fn remove_image(rootfs: &RootFs) {
    let force = RemoveImageOptionsBuilder::default().force(true).build();
    drop(docker().remove_image(&image(rootfs), Some(force), None).await);
}

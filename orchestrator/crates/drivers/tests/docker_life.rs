//! Images, leftovers and faults of the Docker driver.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/docker.rs"]
mod docker;
#[path = "support/init.rs"]
mod init;

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptions,
    RemoveImageOptionsBuilder,
};
use cloudbox_sandbox::{Error, Instance, Program, RootFs, SandboxDriver, SweepReport};
use cloudbox_types::Limits;
use docker::World;
use tokio::time::Instant;

async fn image_id(world: &World) -> Option<String> {
    daemon::docker().inspect_image(&daemon::image(&world.rootfs)).await.ok()?.id
}

async fn remove_image(world: &World) {
    let force = RemoveImageOptionsBuilder::default().force(true).build();
    daemon::docker()
        .remove_image(&daemon::image(&world.rootfs), Some(force), None)
        .await
        .expect("an image to remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_imported_once_however_many_ask() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    assert_eq!(image_id(&world).await, None);
    let all = (0..8).map(|_| world.driver.prepare(&world.rootfs));
    for outcome in futures::future::join_all(all).await {
        outcome.expect("an import");
    }
    let first = image_id(&world).await.expect("an image");
    // A service that starts again finds it by its label.
    let second =
        docker::open(&Instance { run_dir: world.folder.path().join("2"), ..world.instance.clone() }).await;
    second.prepare(&world.rootfs).await.expect("nothing to do");
    assert_eq!(image_id(&world).await, Some(first));
    second.close().await.expect("nothing in the way");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_digest_under_the_same_tag_is_replaced() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    world.driver.prepare(&world.rootfs).await.expect("an import");
    let first = image_id(&world).await.expect("an image");
    std::fs::write(world.rootfs.path.join("etc/changed"), "yes").expect("a file");
    let digest = format!("{}{}", &world.rootfs.digest[..12], "f".repeat(52));
    let changed = RootFs { digest: digest.clone(), ..world.rootfs.clone() };
    let second =
        docker::open(&Instance { run_dir: world.folder.path().join("2"), ..world.instance.clone() }).await;
    second.prepare(&changed).await.expect("an import");
    assert_ne!(image_id(&world).await.as_ref(), Some(&first));
    drop(daemon::docker().remove_image(&first, None::<RemoveImageOptions>, None).await);
    let image = daemon::docker().inspect_image(&daemon::image(&world.rootfs)).await.expect("an image");
    let labels = image.config.and_then(|config| config.labels).expect("labels");
    assert_eq!(labels.get("cloudbox.digest"), Some(&digest));
    second.close().await.expect("nothing in the way");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_removed_comes_back_with_the_next_sandbox() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    world.driver.prepare(&world.rootfs).await.expect("an import");
    remove_image(&world).await;
    let mut sandbox = world.driver.create(&world.spec()).await.expect("a sandbox");
    assert!(image_id(&world).await.is_some());
    sandbox.kill().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_can_not_be_read_or_has_no_init_leaves_nothing() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let missing = RootFs { path: world.folder.path().join("missing"), ..world.rootfs.clone() };
    let error = world.driver.prepare(&missing).await.expect_err("no folder");
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert_eq!(image_id(&world).await, None);

    std::fs::remove_file(world.rootfs.path.join("cloudbox/init")).expect("the init");
    let error = world.driver.create(&world.spec()).await.err().expect("no init");
    assert!(matches!(error, Error::Docker { what: "starting a container", .. }), "{error:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_ends_before_it_calls_is_seen_at_once() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    // Any static program that ends without a word: the init ends when the socket isn't where it looks.
    let init = world.rootfs.path.join("cloudbox/init");
    let bytes = std::fs::read(&init).expect("the init");
    let at =
        |needle: &[u8]| bytes.windows(needle.len()).position(|window| window == needle).expect("its socket");
    let mut broken = bytes.clone();
    broken[at(b"/run/cloudbox/control.sock") + 1] = b'n';
    std::fs::write(&init, broken).expect("another init");
    // At the deadline it would be another error.
    let error = world.driver.create(&world.spec()).await.err().expect("no call");
    assert!(matches!(&error, Error::Setup { step, .. } if step == "init"), "{error:?}");
    assert!(error.to_string().contains("code 2"), "{error}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_program_runs_to_its_end() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let mut sandbox = world.driver.create(&world.spec()).await.expect("a sandbox");
    // The only program there is: an init without a socket, which ends with 2.
    let program = Program {
        argv: vec!["/cloudbox/init".to_owned()],
        env: [].into(),
        cwd: None,
        has_fixed_threads: false,
    };
    let exit = sandbox.run(&program, Instant::now() + Duration::from_secs(300)).await.expect("an exit");
    assert_eq!((exit.code, exit.signal, exit.is_out_of_memory), (Some(2), None, false));
    assert!(sandbox.stats().expect("counters").memory_peak_bytes > 0);
    sandbox.kill().await;
    assert!(sandbox.stats().is_err(), "nothing is left to count");
    sandbox.kill().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_removes_earlier_lives_of_this_instance_and_nothing_else() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let mut alive = world.driver.create(&world.spec()).await.expect("a sandbox");
    let image = image_id(&world).await.expect("an image");
    let own = world.instance.id.as_str();
    let similar = format!("cloudbox-{}-0123456789abcdef", &own[..8]);
    make(&world, &image, "earlier", &[("cloudbox.instance", own), ("cloudbox.boot", "before")]).await;
    let other = format!("{}x", &own[..15]);
    make(&world, &image, &similar, &[("cloudbox.instance", &other), ("cloudbox.boot", "before")]).await;
    make(&world, &image, "unlabelled", &[]).await;

    let report = world.driver.sweep().await.expect("a sweep");
    // One that a slow daemon made the driver do by itself may have come first.
    assert!(report.removed <= 1 && report.failed == 0, "{report:?}");
    let gone = daemon::docker().inspect_container(&format!("{own}-earlier"), None).await;
    assert!(gone.is_err(), "it is of an earlier life");
    assert_eq!(world.driver.sweep().await.expect("a sweep"), SweepReport::default());
    assert!(alive.stats().is_ok(), "this life's sandbox lives on");
    alive.kill().await;
    for name in [&similar, &format!("{own}-unlabelled")] {
        let force = RemoveContainerOptionsBuilder::default().force(true).build();
        daemon::docker().remove_container(name, Some(force)).await.expect("somebody else's is still there");
    }
    world.close().await;
}

/// Makes a container by hand, as somebody else would; its name is unique unless it has a dash.
async fn make(world: &World, image: &str, name: &str, labels: &[(&str, &str)]) {
    let name = if name.contains('-') { name.to_owned() } else { format!("{}-{name}", world.instance.id) };
    let labels: HashMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["/cloudbox/init".to_owned()]),
        labels: Some(labels),
        host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    daemon::docker().create_container(Some(options), body).await.expect("a container");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_was_cut_off_is_cleaned_up_by_the_next() {
    if daemon::is_left_out() {
        return;
    }
    let World { driver, instance, rootfs, folder } = World::open().await;
    driver.close().await.expect("nothing in the way");
    drop(driver);
    // The folder of a sandbox whose container is gone, as after a restart of the machine.
    let old = instance.run_dir.join("00c0ffee00c0ffee");
    std::fs::create_dir_all(old.join("slot")).expect("a folder");
    let instance = Instance { boot: "next".to_owned(), ..instance };
    let driver = docker::open(&instance).await;
    assert_eq!(driver.sweep().await.expect("a sweep"), SweepReport { removed: 1, failed: 0 });
    assert!(!old.exists());
    World { driver, instance, rootfs, folder }.close().await;
}

/// As of a container that was removed while the daemon started it.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_container_owns_ends_with_the_driver() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let group = format!("cloudbox-{}/abandoned", world.instance.id);
    let hierarchy = cloudbox_cgroup::hierarchy::Hierarchy::detect().expect("cgroups");
    let group = hierarchy.create(&group, &Limits::default()).expect("a group");
    #[expect(clippy::disallowed_methods, reason = "a process that no container has")]
    let mut left = tokio::process::Command::new("sleep").arg("3600").spawn().expect("a process");
    let pid = left.id().and_then(|pid| i32::try_from(pid).ok()).expect("it runs");
    group.add(pid).expect("a member");
    world.close().await;
    assert!(!left.wait().await.expect("its end").success());
    assert!(group.processes().is_empty());
}

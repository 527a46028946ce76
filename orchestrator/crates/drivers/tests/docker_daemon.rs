//! What the driver asks of the daemon, and what it does while the daemon is away.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/docker.rs"]
mod docker;
#[path = "support/init.rs"]
mod init;
#[path = "support/proxy.rs"]
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use cloudbox_drivers::docker::{Driver, Settings};
use cloudbox_sandbox::{Error, Instance, SandboxDriver};
use docker::World;
use proxy::Proxy;

/// A driver behind a proxy. Its instance is another one than the world's, whose driver would sweep its containers.
async fn behind_proxy(world: &World) -> (Arc<Driver>, Instance, Proxy) {
    let socket = world.folder.path().join("docker.sock");
    let proxy = Proxy::open(&socket);
    let id = format!("{:016x}", rand::random::<u64>());
    let instance = Instance { id, run_dir: world.folder.path().join("2"), ..world.instance.clone() };
    let settings = Settings {
        socket: Some(format!("unix://{}", socket.display())),
        ..Settings::new(instance.clone(), init::init().to_owned())
    };
    (Driver::open(settings).await.expect("a driver"), instance, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_takes_two_requests_to_make_and_one_to_remove() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let (driver, _, proxy) = behind_proxy(&world).await;
    driver.prepare(&world.rootfs).await.expect("an import");
    proxy.take_asked();
    let mut sandbox = driver.create(&world.spec()).await.expect("a sandbox");
    assert_eq!(proxy.take_asked(), ["POST /containers/create", "POST /containers/*/start"]);
    assert!(sandbox.stats().expect("counters").memory_peak_bytes > 0);
    sandbox.freeze(true).expect("frozen");
    sandbox.freeze(false).expect("thawed");
    assert_eq!(proxy.take_asked(), [""; 0], "counters and freezing go past the daemon");
    sandbox.kill().await;
    assert_eq!(proxy.take_asked(), ["DELETE /containers/*"]);
    driver.close().await.expect("nothing in the way");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_daemon_is_away_nothing_is_made_and_kills_wait() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let (driver, instance, mut proxy) = behind_proxy(&world).await;
    let mut sandbox = driver.create(&world.spec()).await.expect("a sandbox");
    proxy.go_away();

    let error = driver.create(&world.spec()).await.err().expect("no daemon");
    assert!(matches!(error, Error::Docker { .. } | Error::Unavailable { .. }), "{error:?}");
    assert!(driver.sweep().await.is_err());
    sandbox.stats().expect("what runs does so without the daemon");
    let killing = tokio::spawn(async move { sandbox.kill().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!killing.is_finished(), "the container is still there");
    proxy.take_asked();

    proxy.come_back();
    killing.await.expect("a kill");
    assert_eq!(daemon::containers(&instance).await, Vec::<String>::new());
    while driver.trouble().is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    driver.create(&world.spec()).await.expect("a sandbox").kill().await;
    driver.close().await.expect("nothing in the way");
    world.close().await;
}

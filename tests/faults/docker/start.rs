//! I3: which driver `auto` takes, and never by accident.

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Driver, Home};

use super::proxy::{Mode, Proxy};

#[tokio::test(flavor = "multi_thread")]
async fn i3_auto_never_changes_to_native_by_itself() {
    if !Driver::Docker.is_tested() || !Driver::Native.is_tested() {
        return;
    }
    let home = Home::new();
    let mut proxy = Proxy::open(home.path());
    let plan = Plan::new(Driver::Docker).auto().at(&home).with("DOCKER_HOST", &proxy.url());

    proxy.set(Mode::Hangs);
    let why = plan.clone().refused().await;
    assert!(why.contains("does not answer within"), "{why}");
    proxy.set(Mode::Well);
    let service = plan.clone().start().await;
    assert!(service.ready_line.contains("docker"), "{}", service.ready_line);
    service.stop().await;

    proxy.set(Mode::Gone);
    let why = plan.clone().refused().await;
    assert!(why.contains("Functions ran in containers so far"), "{why}");
    // Where somebody asks for it, it does change.
    let native = Plan::new(Driver::Native).at(&home).with("DOCKER_HOST", &proxy.url()).start().await;
    native.stop().await;

    // A machine without a daemon from the beginning.
    let service = Plan::new(Driver::Native).auto().with("DOCKER_HOST", &proxy.url()).start().await;
    assert!(service.ready_line.contains("native"), "{}", service.ready_line);
    service.stop().await;
}

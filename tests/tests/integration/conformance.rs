//! Every conformance case in every runtime on every driver: what a function sees and what its callers get is the same.

use cloudbox_tests::conformance::cases;
use cloudbox_tests::{Driver, Service};

/// Runs the cases one after another: together they would compete for the machine, and the timeouts would tell of that.
async fn run(runtime: &str, driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let service = Service::start(driver).await;
    let api = service.api();
    let wanted = cloudbox_tests::machine::variable("CLOUDBOX_TEST_CASES").unwrap_or_default();
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| case.name.contains(&wanted)) {
        wrong.extend(case.run(runtime, &api).await);
    }
    assert!(wrong.is_empty(), "{runtime} on {}:\n{}", driver.as_str(), wrong.join("\n"));
    service.stop().await;
}

#[tokio::test]
async fn node_native() {
    run("node", Driver::Native).await;
}

#[tokio::test]
async fn node_docker() {
    run("node", Driver::Docker).await;
}

#[tokio::test]
async fn python_native() {
    run("python", Driver::Native).await;
}

#[tokio::test]
async fn python_docker() {
    run("python", Driver::Docker).await;
}

#[tokio::test]
async fn go_native() {
    run("go", Driver::Native).await;
}

#[tokio::test]
async fn go_docker() {
    run("go", Driver::Docker).await;
}

//! Every conformance case in every runtime on every driver: what a function sees and what its callers get is the same.

use cloudbox_tests::conformance::cases;
use cloudbox_tests::{Api, Driver, Plan, Service, both_drivers};

async fn run(language: &str, driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let service = Service::start(driver).await;
    all(language, None, &service.api(), driver).await;
    service.stop().await;
}

/// Runs the cases one after another: together they would compete for the machine, and the timeouts would tell of that.
async fn all(language: &str, runtime: Option<&str>, api: &Api, driver: Driver) {
    let wanted = cloudbox_tests::machine::variable("CLOUDBOX_TEST_CASES").unwrap_or_default();
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| case.name.contains(&wanted)) {
        wrong.extend(case.run(language, runtime, api).await);
    }
    let what = runtime.unwrap_or(language);
    assert!(wrong.is_empty(), "{what} on {}:\n{}", driver.as_str(), wrong.join("\n"));
}

/// On runtimes of one's choice, `CLOUDBOX_TEST_RUNTIMES=nodejs14,go1.18`, installed where they are not here: `make test-runtimes`.
async fn chosen(driver: Driver) {
    let chosen = cloudbox_tests::machine::variable("CLOUDBOX_TEST_RUNTIMES").unwrap_or_default();
    for runtime in chosen.split(',').filter(|name| !name.is_empty()) {
        let languages = [("nodejs", "node"), ("python", "python"), ("go", "go")];
        let (_, language) = languages.into_iter().find(|(prefix, _)| runtime.starts_with(prefix)).unwrap();
        let service = Plan::new(driver).with("CLOUDBOX_RUNTIMES_STRICT", "true").start().await;
        let api = service.api();
        let mut found = api.settled_runtime(runtime).await;
        if found["state"] == "installable" {
            found = api.install_runtime(runtime, &serde_json::json!({})).await;
        }
        assert_eq!(found["state"], "ready", "{found}");
        all(language, Some(runtime), &api, driver).await;
        service.stop().await;
    }
}

both_drivers! { chosen }

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

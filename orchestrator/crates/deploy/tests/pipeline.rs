//! The pipeline over a fake driver: what is kept, what is logged, and what is left on the disk, however it ends.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "pipeline/fake.rs"]
mod fake;
#[path = "pipeline/place.rs"]
mod place;

use std::sync::atomic::Ordering;

use cloudbox_deploy::Error;
use cloudbox_types::{DeploymentStatus, FunctionStatus, Language, Secret, Stage, StageStatus};
use place::Place;

/// What a copy of this program does when it is taken for a toolchain.
#[test]
fn print_the_version() {
    println!("1.3.9");
}

#[tokio::test]
async fn a_script_becomes_a_version() {
    let place = Place::new().await;
    let mut settings = place::settings("hello", "good");
    settings.environment.insert("KEY".to_owned(), Secret::new("value".to_owned()));
    let function = place.function(settings).await;
    let outcome = place.deploy(function.id).await;

    let (function, version) = outcome.active.unwrap();
    assert_eq!(function.status, FunctionStatus::Deployed);
    assert_eq!((function.active_version, version.number), (Some(1), 1));
    assert_eq!(function.resolved_runtime.as_deref(), Some("script1.3"));
    assert_eq!((version.runtime.as_str(), version.main.as_str()), ("script1.3", "index.js"));
    assert_eq!((version.handler_style.as_str(), version.entry_point.as_str()), ("data", "handler"));
    assert_eq!(place.code(&version.digest, "index.js").as_deref(), Some("good"));

    let deployment = outcome.deployment;
    assert_eq!(deployment.status, DeploymentStatus::Deployed);
    assert_eq!(deployment.stage, Stage::HealthCheck);
    let is_done = |stage: &cloudbox_types::StageReport| {
        stage.status == StageStatus::Succeeded && stage.duration_ms.is_some()
    };
    assert!(deployment.stages.len() == 5 && deployment.stages.iter().all(is_done));
    for line in [
        "[validate] warning: runtime script1.2 is not on this machine; script1.3 serves in its place",
        "[validate] javascript on script1.3 (1.3.9)",
        "[validate] checked index.js",
        "[install] no dependencies",
        "[build] 1 files, 4 bytes, SHA-256",
        "[health_check] loaded with KEY=value",
    ] {
        assert!(deployment.build_logs.contains(line), "{line}\n{}", deployment.build_logs);
    }
    place.assert_clean();
}

#[tokio::test]
async fn a_compiled_function_leaves_its_program_alone() {
    let place = Place::new().await;
    let mut settings = place::settings("hello", "good");
    (settings.language, settings.runtime) = (Language::Go, "compiled1.3".to_owned());
    let function = place.function(settings).await;
    let (_, version) = place.deploy(function.id).await.active.unwrap();
    assert_eq!(version.main, "function");
    assert_eq!(place.code(&version.digest, "function").as_deref(), Some("compiled good"));
    assert_eq!(place.code(&version.digest, "index.go"), None);
    place.assert_clean();
}

#[tokio::test]
async fn the_entry_point_may_name_the_file() {
    let place = Place::new().await;
    let mut settings = place::settings("hello", "becomes-module");
    settings.entry_point = "app.run".to_owned();
    let function = place.function(settings).await;
    let (_, version) = place.deploy(function.id).await.active.unwrap();
    assert_eq!(version.main, "app.mjs", "the check renamed it");
    assert!(place.code(&version.digest, "app.mjs").is_some());
    assert!(place.code(&version.digest, ".cloudbox-main").is_none());
}

#[tokio::test]
async fn each_stage_that_fails_ends_it_with_a_sentence() {
    let place = Place::new().await;
    let long = "x".repeat((1 << 20) + 1);
    for (code, stage, sentence) in [
        ("", Stage::Validate, "the function has no code: set `code` or upload a package, then deploy again"),
        (long.as_str(), Stage::Validate, "`code` has 1048577 bytes; the limit is 1048576"),
        ("bad-syntax", Stage::Validate, "the syntax check failed: index.js:3:5: SyntaxError: unexpected"),
        ("hangs-in-check", Stage::Validate, "the syntax check took longer than 120 s"),
        (
            "eats-in-check",
            Stage::Validate,
            "the syntax check needs more than the 1024 MB that a build may use",
        ),
        ("dies-in-check", Stage::Validate, "the syntax check was ended by signal 9"),
        (
            "leaves-link",
            Stage::Build,
            "the build left \"link\", which is neither a regular file nor a folder",
        ),
        ("bad-note", Stage::Validate, "the build does not name the file to load"),
        ("throws", Stage::HealthCheck, "the code can't be loaded: Error: thrown"),
        ("eats-in-load", Stage::HealthCheck, "the code needs more than its 128 MB of memory to load"),
        ("hangs-in-load", Stage::HealthCheck, "the code did not load within 30 s"),
        ("exits-in-load", Stage::HealthCheck, "the code can't be loaded: the process exited with code 3"),
    ] {
        let name = format!("f-{}", place.count.fetch_add(1, Ordering::Relaxed));
        let function = place.function(place::settings(&name, code)).await;
        let outcome = place.deploy(function.id).await;
        let deployment = outcome.deployment;
        assert!(outcome.active.is_none());
        assert_eq!(deployment.error.as_deref(), Some(sentence));
        assert_eq!((deployment.status, deployment.stage), (DeploymentStatus::Failed, stage));
        assert!(deployment.build_logs.ends_with(&format!("failed: {sentence}\n")));
        assert_stages(&deployment, stage);
        let function = place.store.function(function.id).await.unwrap().unwrap();
        assert_eq!((function.status, function.active_version), (FunctionStatus::Failed, None));
        assert_eq!(place.artefacts(), 0, "{code}");
        place.assert_clean();
    }
}

fn assert_stages(deployment: &cloudbox_types::Deployment, failed: Stage) {
    let mut is_past = false;
    for report in &deployment.stages {
        let wanted = match (report.name == failed, is_past) {
            (true, _) => StageStatus::Failed,
            (false, false) => StageStatus::Succeeded,
            (false, true) => StageStatus::Skipped,
        };
        assert_eq!(report.status, wanted, "{:?}", report.name);
        is_past |= report.name == failed;
    }
}

#[tokio::test]
async fn the_authors_output_is_in_the_logs() {
    let place = Place::new().await;
    let function = place.function(place::settings("hello", "throws")).await;
    let logs = place.deploy(function.id).await.deployment.build_logs;
    for line in [
        "[health_check] printed at the top",
        "[health_check] Error: thrown",
        "[health_check]     at index.js:1",
    ] {
        assert!(logs.contains(line), "{logs}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_said() {
    let place = Place::new().await;
    let mut unknown = place::settings("unknown", "good");
    unknown.runtime = "script9".to_owned();
    let mut typed = place::settings("typed", "good");
    typed.language = Language::Typescript;
    let mut entry = place::settings("entry", "good");
    entry.entry_point = "../../x.handler".to_owned();
    for (settings, sentence) in [
        (unknown, "runtime \"script9\" does not serve javascript; it must be one of script1.2, script1.3"),
        (typed, "no compiler yet"),
        (entry, "`entry_point` \"../../x.handler\" must be"),
    ] {
        let function = place.function(settings).await;
        let deployment = place.deploy(function.id).await.deployment;
        assert!(deployment.error.as_ref().unwrap().starts_with(sentence), "{:?}", deployment.error);
        place.assert_clean();
    }
}

#[tokio::test]
async fn a_failure_leaves_the_version_that_is_active() {
    let place = Place::new().await;
    let function = place.function(place::settings("hello", "good")).await;
    let (_, first) = place.deploy(function.id).await.active.unwrap();
    place.change(function.id, "throws").await;
    assert!(place.deploy(function.id).await.active.is_none());
    let kept = place.store.function(function.id).await.unwrap().unwrap();
    assert_eq!(kept.active_version, Some(1));
    assert!(place.code(&first.digest, "index.js").is_some());

    place.change(function.id, "good").await;
    let (_, third) = place.deploy(function.id).await.active.unwrap();
    assert_eq!((third.number, &third.digest), (3, &first.digest));
    assert_eq!(place.artefacts(), 1, "the same artefact is kept once");
}

#[tokio::test]
async fn one_deployment_of_a_function_runs_at_a_time() {
    let place = Place::new().await;
    let function = place.function(place::settings("hello", "good")).await;
    let first = place.deployer.begin(&function).await.unwrap();
    let refused = place.deployer.begin(&function).await;
    assert!(matches!(refused, Err(Error::Store(cloudbox_store::Error::Refused { .. }))));
    assert!(place.deployer.run(first, &|_, _| {}).await.unwrap().active.is_some());
    assert!(place.deployer.begin(&function).await.is_ok());
}

#[tokio::test]
async fn a_function_deleted_meanwhile_leaves_nothing() {
    let place = Place::new().await;
    let function = place.function(place::settings("hello", "deleted-in-check")).await;
    let deployment = place.deployer.begin(&function).await.unwrap();
    let store = std::sync::Arc::clone(&place.store);
    place.driver.in_check(move || {
        let store = std::sync::Arc::clone(&store);
        Box::pin(async move { store.delete_function(function.id).await.unwrap() })
    });
    let error = place.deployer.run(deployment, &|_, _| {}).await.unwrap_err();
    assert!(matches!(error, Error::Store(cloudbox_store::Error::Missing { .. })), "{error:?}");
    assert_eq!(place.artefacts(), 0);
    place.assert_clean();
}

#[tokio::test]
async fn the_next_life_ends_what_a_crash_left() {
    let place = Place::new().await;
    let function = place.function(place::settings("hello", "good")).await;
    let left = place.deployer.begin(&function).await.unwrap();
    for folder in ["builds/build-x/workspace", "code/.taking-x"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
    }
    std::fs::create_dir_all(place.path("code/abc")).unwrap();
    place.deployer.recover().await.unwrap();
    place.deployer.recover().await.unwrap();

    let ended = place.store.deployment(left.id).await.unwrap().unwrap();
    assert_eq!(ended.status, DeploymentStatus::Failed);
    assert!(ended.error.unwrap().contains("deploy again"));
    assert_eq!(place.artefacts(), 1, "what a version may have stays");
    place.assert_clean();
    assert!(place.deploy(function.id).await.active.is_some());
}

async fn with_packages(place: &Place, name: &str, packages: &[(&str, &str)]) -> cloudbox_deploy::Outcome {
    let mut settings = place::settings(name, "good");
    let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
    settings.dependencies = packages.iter().map(owned).collect();
    let function = place.function(settings).await;
    place.deploy(function.id).await
}

#[tokio::test]
async fn packages_are_installed_once_for_each_set() {
    let place = Place::new().await;
    let first = with_packages(&place, "first", &[("b", ""), ("a", "1.0")]).await;
    let (_, version) = first.active.unwrap();
    assert!(first.deployment.build_logs.contains("[install] installed 2 files"));
    assert_eq!(place.code(&version.digest, "packages/a==1.0").as_deref(), Some("a==1.0"));
    assert_eq!(place.code(&version.digest, "packages/unwanted"), None);
    assert_eq!(place.code(&version.digest, "wanted"), None, "the manifest is not the function's");

    let second = with_packages(&place, "second", &[("a", "1.0"), ("b", "")]).await;
    assert!(second.deployment.build_logs.contains("[install] dependencies unchanged: reused"));
    assert_eq!(second.active.unwrap().1.digest, version.digest);
    let third = with_packages(&place, "third", &[("a", "1.1"), ("b", "")]).await;
    assert_ne!(third.active.unwrap().1.digest, version.digest);
    place.assert_clean();
}

#[tokio::test]
async fn packages_that_fail_are_told_without_secrets() {
    let place = Place::new().await;
    for (name, packages, stage, sentence) in [
        ("name", ("a;b", "1"), Stage::Validate, "dependency \"a;b\": its name must be letters"),
        ("version", ("a", "x"), Stage::Validate, "dependency \"a\": its version \"x\" must be numbers"),
        (
            "missing",
            ("missing", "1"),
            Stage::Install,
            "Failed to install dependencies: no missing at http://***@mirror/",
        ),
        (
            "link",
            ("link", "1"),
            Stage::Install,
            "Failed to install dependencies: the build left \"passwd\", which is neither",
        ),
    ] {
        let deployment = with_packages(&place, name, &[packages]).await.deployment;
        assert_eq!((deployment.status, deployment.stage), (DeploymentStatus::Failed, stage));
        let error = deployment.error.unwrap();
        assert!(error.contains(sentence), "{error}");
        assert!(!deployment.build_logs.contains("token-1") && !deployment.build_logs.contains("pass-2"));
        let is_told = deployment.build_logs.contains("warning: `builds.files` names ");
        assert_eq!(is_told, stage == Stage::Install, "a file that is gone: {}", deployment.build_logs);
        assert_eq!(std::fs::read_dir(place.path("dependencies")).unwrap().count(), 0);
        place.assert_clean();
    }
}

#[tokio::test]
async fn builds_without_a_network_say_so() {
    let place = Place::with_network(false).await;
    let error = with_packages(&place, "offline", &[("a", "1")]).await.deployment.error.unwrap();
    assert!(error.starts_with("Failed to install dependencies: builds have no network"), "{error}");
    assert!(error.contains("not installed before: a 1;"), "{error}");
    place.assert_clean();
}

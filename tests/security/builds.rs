//! F: what a build may do. Names in `dependencies`, packages of a hostile registry, and code that is hostile to a compiler.

mod registry;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Driver, Language, Stage};
use serde_json::{Value, json};

use registry::Registry;

/// What no answer of a build may have in it: of the machine's files.
const HOST: [&str; 3] = ["root:x:0:0:root:/root", "admin-token", "secret-key"];

#[tokio::test]
async fn f4_f5_docker() {
    attack(Driver::Docker).await;
}

#[tokio::test]
async fn f4_f5_native() {
    attack(Driver::Native).await;
}

async fn attack(driver: Driver) {
    let registry = Registry::start().await;
    let plan = Plan::new(driver).with("NPM_CONFIG_REGISTRY", &registry.url);
    let Some(stage) = Stage::with(plan).await else { return };
    f5_names_are_data(&stage).await;
    f4_scripts_are_not_run(&stage).await;
    f4_no_internal_request(&stage, &registry).await;
    f4_host_files(&stage).await;
    f4_a_large_binary(&stage).await;
    stage.is_healthy().await;
    let builds = std::fs::read_dir(stage.service.home().data().join("builds")).unwrap();
    assert_eq!(builds.count(), 0, "no build leaves anything");
    stage.stop().await;
}

/// Deploys a function; its status, and all that the answer says.
async fn deployed(
    stage: &Stage,
    name: &str,
    language: Language,
    code: &str,
    dependencies: &Value,
) -> (u16, String) {
    let function = json!({ "name": name, "language": language.as_str(), "code": code, "dependencies": dependencies, "timeout": 60 });
    let created = stage.api.create(&function).await;
    if created.status != 201 {
        return (created.status, created.text());
    }
    let answer = stage.api.deploy(name).await;
    let said = answer.text();
    for secret in HOST {
        assert!(!said.contains(secret), "{name}: {secret:?} in {said}");
    }
    assert!(!said.contains(&stage.service.home().path().display().to_string()), "{name}: {said}");
    (answer.status, said)
}

/// F5: refused by the list of what is allowed, before anything is done with them.
async fn f5_names_are_data(stage: &Stage) {
    let tricks = [
        ("x; touch /tmp/f5", "1.0.0"),
        ("$(touch /tmp/f5)", "1.0.0"),
        ("--index-url=http://169.254.169.254/", "1.0.0"),
        ("-r", "/etc/passwd"),
        ("../x", "1.0.0"),
        ("good.org/x", "git+file:///etc"),
        ("good.org/x", "file:///etc/passwd"),
        ("good.org/x", "http://169.254.169.254/x.tgz"),
        ("good.org/x", "1.0.0; touch /tmp/f5"),
        ("good.org/x", "1.0.0\n--index-url=http://169.254.169.254/"),
    ];
    for language in Language::ALL {
        for (index, (name, version)) in tricks.into_iter().enumerate() {
            // A name that every language has, so that the version is what is looked at.
            let name = if language == Language::Go { name } else { name.trim_start_matches("good.org/") };
            let function = format!("f5-{}-{index}", language.extension());
            let code = if language == Language::Go { "package main\n" } else { "x = 1" };
            let (status, said) = deployed(stage, &function, language, code, &json!({ name: version })).await;
            assert!([400, 422].contains(&status), "{language:?} {name:?} {version:?}: {status} {said}");
            assert!(said.contains("must be"), "{language:?} {name:?} {version:?}: {said}");
        }
    }
    assert!(!std::path::Path::new("/tmp/f5").exists());
}

/// F4: a package's own scripts are not run.
async fn f4_scripts_are_not_run(stage: &Stage) {
    let code = "exports.handler = async () => require('scripted');";
    let (status, said) =
        deployed(stage, "f4-scripts", Language::Node, code, &json!({ "scripted": "1.0.0" })).await;
    assert_eq!(status, 200, "{said}");
    let answer: Value = stage.call("f4-scripts", &json!({})).await.with(200).json();
    assert_eq!(answer["response"], json!({ "ran": false }));
}

/// F4: whatever a package names, nothing but the registry is reached.
async fn f4_no_internal_request(stage: &Stage, registry: &Registry) {
    let code = "exports.handler = async () => 1;";
    for (package, host) in
        [("metadata", "169.254.169.254"), ("nested", "127.0.0.1"), ("elsewhere", "internal.example")]
    {
        let name = format!("f4-{package}");
        let (status, said) = deployed(stage, &name, Language::Node, code, &json!({ package: "1.0.0" })).await;
        assert_eq!(status, 422, "{package} from {host}: {said}");
        assert!(said.contains("Failed to install dependencies"), "{package}: {said}");
    }
    assert_eq!(registry.canary_calls(), 0, "a build reached another service of this machine");
}

/// F4: what a compiler tells of files is of its own sandbox's.
async fn f4_host_files(stage: &Stage) {
    let handler =
        "func handler(data, context map[string]interface{}) (string, error) { return secret, nil }\n";
    for (name, code) in [
        (
            "embed",
            format!(
                "package main\n\nimport _ \"embed\"\n\n//go:embed ../../../etc/shadow\nvar secret string\n\n{handler}"
            ),
        ),
        ("line", format!("package main\n\n//line /etc/shadow:1\nvar secret int = \"x\"\n\n{handler}")),
        (
            "cgo",
            format!(
                "package main\n\n// #include \"/etc/shadow\"\nimport \"C\"\n\nvar secret string\n\n{handler}"
            ),
        ),
    ] {
        let (status, said) = deployed(stage, &format!("f4-{name}"), Language::Go, &code, &json!({})).await;
        assert_eq!(status, 422, "{name}: {said}");
    }
}

/// F4: a program of a gigabyte meets the bounds of size, memory or time.
async fn f4_a_large_binary(stage: &Stage) {
    let code = "package main\n\nvar large = [1 << 30]byte{1, 1<<30 - 1: 1}\n\n\
                func handler(data, context map[string]interface{}) (int, error) { return int(large[0]), nil }\n";
    let (status, said) = deployed(stage, "f4-large", Language::Go, code, &json!({})).await;
    assert_eq!(status, 422, "{said}");
}

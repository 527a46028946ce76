//! The whole way with real drivers and real toolchains: what the native API's document shows is deployed and called.
//!
//! A driver or a language that this machine lacks is skipped, with a line that says so.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../../sandbox/tests/support/init.rs"]
#[expect(dead_code, reason = "some of it is for the sandbox crate's tests")]
mod init;
#[path = "real/machine.rs"]
mod machine;
#[path = "real/sources.rs"]
mod sources;

use cloudbox_types::{Language, Stage};
use machine::{DriverKind, Machine};
use serde_json::json;

macro_rules! on_each_driver {
    ($($case:ident),* $(,)?) => {
        mod native {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let Some(machine) = super::Machine::open(super::DriverKind::Native).await else { return };
                    super::$case(&machine).await;
                    machine.close().await;
                }
            )*
        }
        mod docker {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let Some(machine) = super::Machine::open(super::DriverKind::Docker).await else { return };
                    super::$case(&machine).await;
                    machine.close().await;
                }
            )*
        }
    };
}

on_each_driver!(node, python, go, bad_node, bad_python, bad_go);

async fn node(machine: &Machine) {
    for (entry_point, code) in [
        ("handler", sources::NODE),
        ("index.handler", sources::NODE),
        ("app.handler", "export const handler = async (data) => ({ greeting: `Hello, ${data.name}!` });"),
    ] {
        let Some(outcome) = machine.deploy(Language::Javascript, entry_point, code).await else { return };
        let answer = machine.call(&outcome, json!({"name": "Ada"})).await;
        assert_eq!(answer["greeting"], "Hello, Ada!", "{}", outcome.deployment.build_logs);
    }
}

async fn python(machine: &Machine) {
    let Some(outcome) = machine.deploy(Language::Python, "handler", sources::PYTHON).await else { return };
    let answer = machine.call(&outcome, json!({"name": "Ada"})).await;
    assert_eq!(answer["greeting"], "Hello, Ada!");
}

async fn go(machine: &Machine) {
    let Some(outcome) = machine.deploy(Language::Go, "main", sources::GO).await else { return };
    let answer = machine.call(&outcome, json!({"name": "Ada"})).await;
    assert_eq!(answer["message"], "Hello from Go!");
    assert_eq!(answer["input"], json!({"name": "Ada"}));
    let logs = &outcome.deployment.build_logs;
    assert!(logs.contains("encoding/json"), "the import that was left unused is told: {logs}");
    let (_, version) = outcome.active.as_ref().unwrap();
    assert_eq!(machine.files(&version.digest), ["function"]);
}

async fn bad_node(machine: &Machine) {
    let code = "exports.handler = async () => {\n  const a = 1;\n  return a b;\n};\n";
    machine.assert_fails(Language::Javascript, code, Stage::Validate, "index.js:3:").await;
    let code = "exports.handle = async () => 1;\n";
    machine.assert_fails(Language::Javascript, code, Stage::HealthCheck, "handler").await;
    let code = "const a = missing;\nexports.handler = async () => a;\n";
    machine.assert_fails(Language::Javascript, code, Stage::HealthCheck, "missing is not defined").await;
    let code = "exports.handler = async () => 1;\nprocess.exit(7);\n";
    machine.assert_fails(Language::Javascript, code, Stage::HealthCheck, "7").await;
}

async fn bad_python(machine: &Machine) {
    let code = "def handler(data, context):\n    return 1\n  return 2\n";
    machine.assert_fails(Language::Python, code, Stage::Validate, "index.py:3").await;
    let code = "import nothing_of_this_name\ndef handler(data, context):\n    return 1\n";
    machine.assert_fails(Language::Python, code, Stage::HealthCheck, "nothing_of_this_name").await;
}

async fn bad_go(machine: &Machine) {
    let code = "package main\n\nfunc handler(data, context map[string]interface{}) (int, error) {\n\treturn 1 1\n}\n";
    machine.assert_fails(Language::Go, code, Stage::Build, "index.go:4:").await;
    let code = "package main\n\nfunc handler(data, context map[string]interface{}) (int, error) {\n\treturn missing, nil\n}\n";
    machine.assert_fails(Language::Go, code, Stage::Build, "undefined: missing").await;
    let code = "package main\n\nimport _ \"embed\"\n\n//go:embed /etc/passwd\nvar secret string\n\nfunc handler(data, context map[string]interface{}) (string, error) { return secret, nil }\n";
    machine.assert_fails(Language::Go, code, Stage::Build, "index.go").await;
}

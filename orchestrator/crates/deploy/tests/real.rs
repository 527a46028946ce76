//! The whole way with real drivers and real toolchains: what the native API's document shows is deployed and called.
//!
//! A driver or a language that this machine lacks is skipped, with a line that says so.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../../drivers/tests/support/init.rs"]
#[expect(dead_code, reason = "some of it is for the sandbox crate's tests")]
mod init;
#[path = "../../protocol/tests/support/invoke.rs"]
mod invoke;
#[path = "real/machine.rs"]
mod machine;
#[path = "real/sources.rs"]
mod sources;

use cloudbox_types::{DeploymentStatus, Language, Stage};
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

on_each_driver!(
    node,
    python,
    go,
    bad_node,
    bad_python,
    bad_go,
    node_packages,
    node_modules_and_prebuilt_files,
    python_packages,
    go_packages,
    go_packages_of_a_large_tree,
    packages_that_are_refused,
);

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
    let code = "exports.hander = async () => 1;\n";
    machine.assert_fails(Language::Javascript, code, Stage::Validate, "handler").await;
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
    machine.assert_fails(Language::Go, code, Stage::Validate, "index.go:4:").await;
    let code = "package main\n\nfunc handler(data, context map[string]interface{}) (int, error) {\n\treturn missing, nil\n}\n";
    machine.assert_fails(Language::Go, code, Stage::Build, "undefined: missing").await;
    let code = "package main\n\nimport _ \"embed\"\n\n//go:embed /etc/passwd\nvar secret string\n\nfunc handler(data, context map[string]interface{}) (string, error) { return secret, nil }\n";
    machine.assert_fails(Language::Go, code, Stage::Build, "index.go").await;
}

async fn node_packages(machine: &Machine) {
    let code = "const isNumber = require('is-number');\nconst _ = require('lodash');\n\
                exports.handler = async (data) => [isNumber(data.n), _.chunk([1, 2, 3], 2), require('axios').VERSION];\n";
    let packages = [("axios", "^1.0.0"), ("is-number", "7.0.0"), ("lodash", "^4.17.21")];
    let deploy = || machine.try_deploy(Language::Javascript, "handler", code, &packages);
    let Some(outcome) = deploy().await else { return };
    assert!(outcome.active.is_some(), "{}", outcome.deployment.build_logs);
    let answer = machine.call(&outcome, json!({"n": "5"})).await;
    assert_eq!((&answer[0], &answer[1]), (&json!(true), &json!([[1, 2], [3]])));
    assert!(answer[2].as_str().unwrap().starts_with("1."));
    assert_no_settings(&outcome.deployment.build_logs);
    let (_, version) = outcome.active.as_ref().unwrap();
    let mut files = machine.files(&version.digest);
    files.sort();
    assert_eq!(files, ["index.js", "node_modules"]);

    let (one, other) = tokio::join!(deploy(), deploy());
    for again in [one.unwrap(), other.unwrap()] {
        assert!(again.deployment.build_logs.contains("[install] dependencies unchanged: reused"));
        assert_eq!(again.active.as_ref().unwrap().1.digest, version.digest);
    }
}

/// Two modules that need some twenty others.
async fn go_packages_of_a_large_tree(machine: &Machine) {
    let code = "package main\n\nimport (\n\t\"github.com/spf13/cobra\"\n\t\"github.com/spf13/viper\"\n)\n\n\
                func handler(data, context map[string]interface{}) (string, error) {\n\
                \tviper.SetDefault(\"name\", data[\"name\"])\n\
                \tcommand := &cobra.Command{Use: \"greet \" + viper.GetString(\"name\")}\n\
                \treturn command.UseLine(), nil\n}\n";
    let packages = [("github.com/spf13/cobra", "v1.9.1"), ("github.com/spf13/viper", "1.20.1")];
    let Some(outcome) = machine.try_deploy(Language::Go, "handler", code, &packages).await else { return };
    assert!(outcome.active.is_some(), "{}", outcome.deployment.build_logs);
    assert_eq!(machine.call(&outcome, json!({"name": "Ada"})).await, json!("greet Ada"));
}

async fn go_packages(machine: &Machine) {
    let code = "package main\n\nimport \"github.com/google/uuid\"\n\n\
                func handler(data, context map[string]interface{}) (string, error) {\n\t\
                return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(data[\"n\"].(string))).String(), nil\n}\n";
    let packages = [("github.com/google/uuid", "v1.6.0")];
    let deploy =
        |code: String| async move { machine.try_deploy(Language::Go, "handler", &code, &packages).await };
    let Some(outcome) = deploy(code.to_owned()).await else { return };
    assert!(outcome.active.is_some(), "{}", outcome.deployment.build_logs);
    let answer = machine.call(&outcome, json!({"n": "python.org"})).await;
    assert_eq!(answer, json!("886313e1-3b8a-5372-9b90-0c9aee199e5d"));
    assert_no_settings(&outcome.deployment.build_logs);
    let (_, version) = outcome.active.as_ref().unwrap();
    assert_eq!(machine.files(&version.digest), ["function"]);

    let changed = deploy(code.replace(".String()", ".Version().String()")).await.unwrap();
    assert!(changed.deployment.build_logs.contains("[install] dependencies unchanged: reused"));
    assert_eq!(machine.call(&changed, json!({"n": "x"})).await, json!("VERSION_5"));

    let missing = code.replace("google/uuid", "google/other");
    let failed = deploy(missing).await.unwrap().deployment;
    let error = failed.error.unwrap();
    assert!(
        error.contains("is in no module of the function's dependencies"),
        "{error}\n{}",
        failed.build_logs
    );
}

/// ES modules, a helper of express's, and a package whose compiled file is an optional dependency of it.
async fn node_modules_and_prebuilt_files(machine: &Machine) {
    let code = "import { z } from 'zod';\nimport createError from 'http-errors';\n\
                import { crc32 } from '@node-rs/crc32';\nconst Input = z.object({ n: z.coerce.number() });\n\
                export const handler = async (data) => [Input.parse(data).n, createError(404).message, crc32('hello')];\n";
    let packages = [("zod", "^3.23.0"), ("http-errors", "2.0.0"), ("@node-rs/crc32", "1.10.6")];
    let outcome = machine.try_deploy(Language::Javascript, "handler", code, &packages).await;
    let Some(outcome) = outcome else { return };
    assert!(outcome.active.is_some(), "{}", outcome.deployment.build_logs);
    assert_eq!(machine.call(&outcome, json!({"n": "5"})).await, json!([5, "Not Found", 907_060_870]));
}

async fn python_packages(machine: &Machine) {
    let code = "import sys\nimport numpy\nimport six\nimport pydantic\nimport requests\n\nclass Model(pydantic.BaseModel):\n    n: int\n\n\
                def handler(data, context):\n    \
                return [six.__version__, Model(n=data['n']).n, requests.__name__, sys.path[0], int(numpy.arange(4).sum())]\n";
    let packages = [("numpy", "*"), ("pydantic", "*"), ("requests", ">=2.28"), ("six", "1.16.0")];
    let outcome = machine.try_deploy(Language::Python, "handler", code, &packages).await;
    let Some(outcome) = outcome else { return };
    assert!(outcome.active.is_some(), "{}", outcome.deployment.build_logs);
    let answer = machine.call(&outcome, json!({"n": "5"})).await;
    assert_eq!(answer, json!(["1.16.0", 5, "requests", "/workspace", 6]));
    assert_no_settings(&outcome.deployment.build_logs);
}

fn assert_no_settings(logs: &str) {
    for part in ["_authToken", "/root/", "/home/", "build-"] {
        assert!(!logs.contains(part), "{part}: {logs}");
    }
}

async fn packages_that_are_refused(machine: &Machine) {
    for (language, code, package, stage, words) in [
        (Language::Javascript, sources::NODE, ("x; id", "1"), Stage::Validate, "its name must be"),
        (Language::Python, sources::PYTHON, ("six", "git+file:///x"), Stage::Validate, "its version"),
        (Language::Javascript, sources::NODE, ("lodash", "^99.0.0"), Stage::Install, "lodash@^99.0.0"),
        (Language::Python, sources::PYTHON, ("six", ">=99"), Stage::Install, "six>=99"),
        (Language::Go, sources::GO, ("github.com/google/uuid", "v99.0.0"), Stage::Install, "v99.0.0"),
        (Language::Go, sources::GO, ("github.com/google/uuid", "$(id)"), Stage::Validate, "its version"),
    ] {
        let Some(outcome) = machine.try_deploy(language, "handler", code, &[package]).await else { continue };
        let deployment = outcome.deployment;
        assert_eq!((deployment.status, deployment.stage), (DeploymentStatus::Failed, stage));
        let error = deployment.error.unwrap();
        assert!(error.contains(words), "{error}\n{}", deployment.build_logs);
        let start =
            if stage == Stage::Install { "Failed to install dependencies: " } else { "dependency \"" };
        assert!(error.starts_with(start), "{error}");
        assert_no_settings(&deployment.build_logs);
    }
}

//! The program's own client against a real service: the examples of this repository, from deploy to logs.

use std::process::Output;

use cloudbox_tests::{Answer, Service, machine};
use reqwest::Method;
use serde_json::{Value, json};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_examples_go_from_deploy_to_logs() {
    let Some(driver) = machine::drivers().first().copied() else { return };
    let service = Service::start(driver).await;
    for language in ["node", "python", "go"] {
        the_example_works(&service, language).await;
    }
    let listed = out(&service.client(&["list"]).await);
    assert_eq!(listed.lines().count(), 4, "a head and three functions: {listed}");
    let runtimes = out(&service.client(&["runtimes"]).await);
    assert!(runtimes.contains("nodejs20") && runtimes.contains("ready"), "{runtimes}");
    failures_show_in_the_exit_code(&service).await;
    folders_and_archives_are_packages(&service).await;
    secrets_come_from_stdin(&service).await;
    service.stop().await;
}

async fn the_example_works(service: &Service, language: &str) {
    let folder = format!("examples/functions/{language}");
    let name = format!("hello-{language}");
    let deployed = service.client(&["deploy", &folder]).await;
    assert!(deployed.status.success(), "{}", err(&deployed));
    let url = out(&deployed);
    assert!(url.starts_with(&service.base) && url.ends_with(&name), "{url}");

    // As `make run` prints it.
    let request = service.api().anonymous().public(Method::POST, &name, "").json(&json!({ "name": "Ada" }));
    let answer: Value = Answer::of(request).await.with(200).json();
    assert_eq!(answer["greeting"], "Hello, Ada!", "{answer}");
    let invoked = service.client(&["invoke", &name, "--data", r#"{"name": "Bob"}"#]).await;
    assert!(out(&invoked).contains("Hello, Bob!") && err(&invoked).contains("greets Bob"), "{invoked:?}");
    let again = service.client(&["deploy", &folder, "--quiet"]).await;
    assert!(again.status.success() && out(&again) == url, "{again:?}");
    let function: Value = service.api().function(&name).await.with(200).json();
    assert_eq!(function["active_version"], 1, "the second deploy had nothing to do");
    let logs = out(&service.client(&["logs", &name]).await);
    assert!(logs.contains("greets Ada") && logs.contains("greets Bob"), "{logs}");
}

async fn failures_show_in_the_exit_code(service: &Service) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.js");
    std::fs::write(&file, "exports.handler = async ( => 1;\n").unwrap();
    let failed = service.client(&["deploy", file.to_str().unwrap()]).await;
    assert_eq!(failed.status.code(), Some(1), "{}", err(&failed));
    assert!(err(&failed).contains("SyntaxError"), "{}", err(&failed));
    let missing = service.client(&["invoke", "none"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("NOT_FOUND"), "{}", err(&missing));
    let wrong = service.client(&["invoke"]).await;
    assert_eq!(wrong.status.code(), Some(2));
}

async fn folders_and_archives_are_packages(service: &Service) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("greeter");
    for (name, text) in [
        (
            "index.ts",
            "import { greet } from './lib/greet';\nexport const handler = async (d: { name: string }) => greet(d.name);\n",
        ),
        ("lib/greet.ts", "export const greet = (name: string): string => `Hello, ${name}!`;\n"),
        ("cloudbox.toml", "public = true\n[environment]\nSECRET = 'never packed'\n"),
        (".env", "SECRET=1\n"),
        ("node_modules/x/index.js", "throw new Error('never packed');\n"),
    ] {
        let path = place.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let words = ["deploy", place.to_str().unwrap()];
    let deployed = service.client(&words).await;
    assert!(deployed.status.success(), "{}", err(&deployed));
    assert!(out(&deployed).ends_with("/greeter"), "{}", out(&deployed));
    assert!(err(&deployed).contains("compiled 2 TypeScript files"), "{}", err(&deployed));
    let invoked = service.client(&["invoke", "greeter", "--data", r#"{"name": "Ada"}"#]).await;
    assert!(out(&invoked).contains("Hello, Ada!"), "{invoked:?}");
    let again = service.client(&words).await;
    assert!(err(&again).contains("version 1 stays"), "the same files are the same package: {}", err(&again));

    let archive = folder.path().join("packed-1.0.tgz");
    let package = service.api().get(&service.api().functions("/greeter/package")).await.with(200).body;
    std::fs::write(&archive, package).unwrap();
    let deployed = service.client(&["deploy", archive.to_str().unwrap(), "--name", "packed", "--json"]).await;
    assert!(deployed.status.success(), "{}", err(&deployed));
    let summary: Value = serde_json::from_str(&out(&deployed)).unwrap();
    assert_eq!((&summary["status"], &summary["is_new"]), (&json!("deployed"), &json!(true)), "{summary}");
    let function: Value = service.api().function("packed").await.with(200).json();
    assert_eq!(function["language"], "typescript", "as its files tell");
    let invoked = service.client(&["invoke", "packed", "--data", r#"{"name": "Bob"}"#]).await;
    assert!(out(&invoked).contains("Hello, Bob!"), "{invoked:?}");

    let tidied = service.client(&["storage", "gc", "--dry-run"]).await;
    assert!(tidied.status.success() && err(&tidied).contains("would remove 0 items"), "{tidied:?}");
    let tidied = service.client(&["storage", "gc", "--grace", "0", "--json"]).await;
    let garbage: Value = serde_json::from_str(&out(&tidied)).unwrap();
    assert_eq!((&garbage["dry_run"], &garbage["failed"]), (&json!(false), &json!(0)), "{garbage}");
    let invoked = service.client(&["invoke", "greeter", "--data", r#"{"name": "Ada"}"#]).await;
    assert!(out(&invoked).contains("Hello, Ada!"), "{invoked:?}");
}

async fn secrets_come_from_stdin(service: &Service) {
    let code = "exports.handler = async () => process.env.CLI_SECRET ?? null;";
    service.api().launch("secretive", "javascript", code).await;
    let got = async || out(&service.client(&["invoke", "secretive"]).await);
    assert_eq!(got().await, "null");
    for (value, seen) in [("one\n", "\"one\""), ("two\r\n", "\"two\""), ("a\nb\n\n", "\"a\\nb\\n\"")] {
        let set = service.client_with(&["secrets", "set", "CLI_SECRET"], value).await;
        assert!(set.status.success() && err(&set).contains("CLI_SECRET is set"), "{set:?}");
        assert!(out(&set).is_empty() && !err(&set).contains(value.trim()), "no value is shown: {set:?}");
        assert_eq!(got().await, seen, "the next call has it, without its line's end");
    }
    let listed = service.client(&["secrets", "list"]).await;
    assert!(out(&listed).contains("CLI_SECRET") && out(&listed).contains("********"), "{listed:?}");
    let rotated = service.client(&["secrets", "rotate"]).await;
    assert!(rotated.status.success() && err(&rotated).contains("encrypted anew"), "{rotated:?}");
    let refused = service.client_with(&["secrets", "set", "NO-NAME"], "x").await;
    assert!(refused.status.code() == Some(1) && err(&refused).contains("name"), "{refused:?}");
    let large = service.client_with(&["secrets", "set", "LARGE"], &"x".repeat(70_000)).await;
    assert!(large.status.code() == Some(2) && err(&large).contains("65536 bytes"), "{large:?}");
    let gone = service.client(&["secrets", "unset", "CLI_SECRET"]).await;
    assert!(gone.status.success() && err(&gone).contains("CLI_SECRET is gone"), "{gone:?}");
    assert_eq!(got().await, "null");
    let again = service.client(&["secrets", "unset", "CLI_SECRET"]).await;
    assert!(again.status.code() == Some(1) && err(&again).contains("NOT_FOUND"), "{again:?}");
}

//! `cloudbox deploy`.

use insta::assert_snapshot;
use serde_json::json;

use crate::samples::{deployment, folder, function};
use crate::stage::Stage;

const CODE: &str = "exports.handler = async () => 1;\n";
const LIST: &str = "/api/projects/default/functions";
const ONE: &str = "/api/projects/default/functions/hello";

/// A service on which a deployment runs through two stages and ends well.
fn with_deployment(stage: Stage) -> Stage {
    let started = json!({ "status": "building", "version": 4, "deployment_id": 9 });
    let watched = &format!("GET {ONE}/deployments/9");
    stage
        .on(&format!("POST {ONE}/deploy"), 202, &started)
        .on(watched, 200, &deployment(&json!({})))
        .on(watched, 200, &deployment(&json!({ "stage": "health_check" })))
        .on(
            watched,
            200,
            &deployment(
                &json!({ "status": "deployed", "stage": "health_check", "build_logs": "[validate] warning: nodejs18 is not here\n[build] 1 file\n" }),
            ),
        )
}

fn path(file: &std::path::Path) -> &str {
    file.to_str().unwrap()
}

#[tokio::test]
async fn a_new_function_is_created_and_deployed() {
    let (_folder, file) = folder(&[("hello.js", CODE)]);
    let missing = json!({ "error": "there is no such function", "code": "NOT_FOUND" });
    let stage = with_deployment(Stage::new().await)
        .on(&format!("GET {ONE}"), 404, &missing)
        .on(&format!("GET {ONE}"), 200, &function(&json!({ "active_version": 4, "is_public": true })))
        .on(&format!("POST {LIST}"), 201, &function(&json!({ "status": "draft", "active_version": null })));
    let words = ["deploy", path(&file), "--public", "--memory=256", "--env", "KEY=a=b", "--token", "t"];
    assert_snapshot!(stage.run(&words).await);
}

#[tokio::test]
async fn only_what_differs_is_sent() {
    let (folder, _) =
        folder(&[("main.js", CODE), ("cloudbox.toml", "name = 'hello'\nmemory = 128\ntimeout = 5\n")]);
    let stage = Stage::new().await.on(&format!("GET {ONE}"), 200, &function(&json!({}))).on(
        &format!("PATCH {ONE}"),
        200,
        &function(&json!({ "timeout": 5 })),
    );
    assert_snapshot!(stage.run(&["deploy", path(folder.path())]).await);
}

#[tokio::test]
async fn changed_code_is_deployed_with_progress() {
    let (_folder, file) = folder(&[("hello.js", "exports.handler = async () => 2;\n")]);
    let stage = with_deployment(Stage::new().await).on(&format!("GET {ONE}"), 200, &function(&json!({}))).on(
        &format!("PATCH {ONE}"),
        200,
        &function(&json!({})),
    );
    assert_snapshot!(stage.run(&["deploy", path(&file)]).await);
}

#[tokio::test]
async fn nothing_changed_is_nothing_to_do_unless_forced() {
    let (_folder, file) = folder(&[("hello.js", CODE)]);
    let stage = Stage::new().await.on(&format!("GET {ONE}"), 200, &function(&json!({})));
    assert_snapshot!("nothing_changed", stage.run(&["deploy", path(&file)]).await);
    assert_snapshot!("nothing_changed_quiet", stage.run(&["deploy", path(&file), "-q"]).await);
    assert_snapshot!("nothing_changed_json", stage.run(&["deploy", path(&file), "--json"]).await);
    let stage = with_deployment(stage);
    assert_snapshot!(
        "nothing_changed_forced",
        stage.run(&["deploy", path(&file), "--force", "--no-wait"]).await
    );
}

#[tokio::test]
async fn variables_that_are_not_named_keep_their_values_unless_the_file_names_all() {
    let current = function(&json!({ "environment": { "OLD": "********" } }));
    let stage = Stage::new().await.on(&format!("GET {ONE}"), 200, &current).on(
        &format!("PATCH {ONE}"),
        200,
        &current,
    );
    let (_folder, file) = folder(&[("hello.js", CODE), (".env", "# mine\nFROM_FILE='x'\nBOTH=file\n")]);
    let env_file = file.with_file_name(".env");
    let words = ["deploy", path(&file), "--env", "BOTH=flag", "--env-file", path(&env_file)];
    assert_snapshot!("variables_added", stage.run(&words).await);
    let (folder, _) =
        folder(&[("hello.js", CODE), ("cloudbox.toml", "name = 'hello'\n[environment]\nNEW = '1'\n")]);
    assert_snapshot!("variables_replaced", stage.run(&["deploy", path(folder.path())]).await);
}

#[tokio::test]
async fn a_failed_deployment_shows_the_build_logs() {
    let (_folder, file) = folder(&[("hello.js", "exports.handler = (;\n")]);
    let started = json!({ "status": "building", "version": 4, "deployment_id": 9 });
    let failed =
        deployment(&json!({ "status": "failed", "stage": "validate", "error": "the code has a syntax error",
        "build_logs": "index.js:1\nexports.handler = (;\nSyntaxError: Unexpected token ';'\n" }));
    let stage = Stage::new()
        .await
        .on(&format!("GET {ONE}"), 200, &function(&json!({})))
        .on(&format!("PATCH {ONE}"), 200, &function(&json!({})))
        .on(&format!("POST {ONE}/deploy"), 202, &started)
        .on(&format!("GET {ONE}/deployments/9"), 200, &failed);
    assert_snapshot!(stage.run(&["deploy", path(&file)]).await);
}

#[tokio::test]
async fn another_runtime_is_asked_for_with_the_sources_language() {
    let (_folder, file) = folder(&[("hello.js", CODE)]);
    let why = "python3.11 does not run javascript";
    let refusal = json!({ "error": format!("runtime {why}"), "code": "VALIDATION_ERROR", "request_id": "r",
        "details": [{ "field": "runtime", "message": why }] });
    let stage = Stage::new().await.on(&format!("GET {ONE}"), 200, &function(&json!({})));
    let stage = stage.on(&format!("PATCH {ONE}"), 400, &refusal);
    assert_snapshot!(stage.run(&["deploy", path(&file), "--runtime", "python3.11"]).await);
}

#[tokio::test]
async fn refused_fields_are_named() {
    let (_folder, file) = folder(&[("hello.js", CODE)]);
    let refusal = json!({ "error": "the request has 1 problem", "code": "VALIDATION_ERROR", "request_id": "r",
        "details": [{ "field": "memory", "message": "must be 64 to 1024 (MB)" }] });
    let stage = Stage::new().await.on(&format!("POST {LIST}"), 400, &refusal);
    assert_snapshot!(stage.run(&["deploy", path(&file), "--memory", "9999"]).await);
}

#[tokio::test]
async fn an_image_is_deployed_each_time_and_one_that_is_built_with_its_package() {
    let custom = |image: &serde_json::Value, build: &serde_json::Value| {
        function(
            &json!({ "runtime": "custom", "language": "custom", "code": null, "image": image, "build": build }),
        )
    };
    let (folder, _) = folder(&[("cloudbox-function.yml", "name: hello\nimage: my-org/x:1\n")]);
    let named = custom(&json!("my-org/x:1"), &json!(null));
    let stage = with_deployment(Stage::new().await).on(&format!("GET {ONE}"), 200, &named);
    let text = stage.run(&["deploy", path(folder.path())]).await;
    assert!(text.starts_with("exit 0") && text.contains(&format!("POST {ONE}/deploy")), "{text}");
    assert!(!text.contains("PATCH"), "nothing differs: {text}");

    let example = "name: hello\nruntime: custom\nimage: my-org/x:1\nbuild:\n  dockerfile: ./Dockerfile\n  context: ./\n";
    let (folder, _) = self::folder(&[("cloudbox-function.yml", example), ("Dockerfile", "FROM scratch\n")]);
    let created = json!({ "status": "draft", "active_version": null });
    let stage = with_deployment(Stage::new().await)
        .on(&format!("GET {ONE}"), 404, &json!({ "error": "none", "code": "NOT_FOUND" }))
        .on(&format!("GET {ONE}"), 200, &function(&json!({ "active_version": 4 })))
        .on(&format!("POST {LIST}"), 201, &function(&created));
    let text = stage.run(&["deploy", path(folder.path()), "--no-wait"]).await;
    let sent = r#"{"name":"hello","runtime":"custom","language":"custom","build":{"dockerfile":"./Dockerfile","context":"./"}}"#;
    assert!(text.contains(&format!("POST {LIST} {sent}")), "{text}");
}

#[tokio::test]
async fn what_cant_be_deployed_is_told_before_anything_is_sent() {
    let stage = Stage::new().await;
    let (folder, _) = folder(&[("a.js", ""), ("b.py", "")]);
    let text = stage.run(&["deploy", path(folder.path())]).await;
    assert_snapshot!("two_languages", text.replace(path(folder.path()), "DIR"));
    let (folder, file) =
        self::folder(&[("hello.js", CODE), ("cloudbox.toml", "memroy = 1\n"), ("42.rb", "")]);
    let text = stage.run(&["deploy", path(folder.path())]).await;
    assert_snapshot!("unknown_key", text.replace(path(folder.path()), "DIR"));
    let text = stage.run(&["deploy", path(&file.with_file_name("42.rb"))]).await;
    assert_snapshot!("unknown_language", text.replace(path(folder.path()), "DIR"));
    assert_snapshot!("bad_name", stage.run(&["deploy", path(&file), "--name", "No Good"]).await);
    assert_snapshot!("bad_variable", stage.run(&["deploy", path(&file), "--env", "hunter2"]).await);
}

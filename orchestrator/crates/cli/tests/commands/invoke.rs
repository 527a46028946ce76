//! `cloudbox invoke`, and failures that every subcommand may meet.

use insta::assert_snapshot;
use serde_json::json;

use crate::stage::Stage;

const EXECUTE: &str = "POST /api/projects/default/functions/hello/execute";

fn answer() -> String {
    r#"{"response":{"n":1.10},"status":"success","execution_time":1.5,"memory_usage":1,"response_size":9,
        "logs":"called\n","invocation_id":"i","version":3,"start":"warm"}"#
        .to_owned()
}

#[tokio::test]
async fn the_result_goes_to_stdout_and_the_logs_to_stderr() {
    let stage = Stage::new().await.on_text(EXECUTE, 200, &answer());
    assert_snapshot!("result", stage.run(&["invoke", "hello"]).await);
    assert_snapshot!("result_json", stage.run(&["invoke", "hello", "--json"]).await);
}

#[tokio::test]
async fn everything_a_handler_looks_at_can_be_given() {
    let stage = Stage::new().await.on_text(EXECUTE.replace("default", "shop").as_str(), 200, &answer());
    let words = [
        "invoke",
        "hello",
        "-d",
        r#"{"big": 12345678901234567890123}"#,
        "-X",
        "PUT",
        "--path",
        "/a/b",
        "-H",
        "X-A: 1",
        "--query",
        "a=1&b=2",
        "--timeout",
        "1.5",
        "--project",
        "shop",
        "--token",
        "t",
    ];
    assert_snapshot!(stage.run(&words).await);
}

#[tokio::test]
async fn a_function_that_fails_exits_with_1() {
    let failure = json!({ "error": "ReferenceError: foo is not defined", "code": "RUNTIME_ERROR", "request_id": "r",
        "logs": "before\n", "execution_time": 1.0, "stack": "ReferenceError: foo is not defined\n    at handler (index.js:1)" });
    let stage = Stage::new().await.on(EXECUTE, 500, &failure);
    assert_snapshot!("failure", stage.run(&["invoke", "hello"]).await);
    assert_snapshot!("failure_json", stage.run(&["invoke", "hello", "--json"]).await);
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    for (name, status, code, message) in [
        ("unauthorized", 401, "UNAUTHORIZED", "a credential is needed"),
        ("not_deployed", 409, "NOT_DEPLOYED", "the function was never deployed"),
        ("overloaded", 503, "OVERLOADED", "the queue is full"),
    ] {
        let body = json!({ "error": message, "code": code });
        let stage = Stage::new().await.on(EXECUTE, status, &body);
        assert_snapshot!(name, stage.run(&["invoke", "hello"]).await);
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    let stage = Stage::new().await;
    // Port 1 is privileged and has no server on any sensible machine.
    assert_snapshot!(stage.run_at("http://127.0.0.1:1", &["invoke", "hello"]).await);
}

#[tokio::test]
async fn an_answer_that_is_not_ours_is_told_as_such() {
    let stage = Stage::new().await.on_text(EXECUTE, 502, "<html>Bad Gateway</html>");
    assert_snapshot!("not_ours_error", stage.run(&["invoke", "hello"]).await);
    let stage = Stage::new().await.on_text(EXECUTE, 200, "<html>hi</html>");
    assert_snapshot!("not_ours_success", stage.run(&["invoke", "hello"]).await);
}

#[tokio::test]
async fn wrong_use_exits_with_2() {
    let stage = Stage::new().await;
    assert_snapshot!("no_name", stage.run(&["invoke"]).await);
    assert_snapshot!("no_json", stage.run(&["invoke", "hello", "-d", "plain"]).await);
    assert_snapshot!("no_url", stage.run_at("ftp://x", &["invoke", "hello"]).await);
}

//! `cloudbox list`, `runtimes` and `logs`.

use insta::assert_snapshot;
use serde_json::json;

use crate::samples::{execution, function};
use crate::stage::Stage;

const LIST: &str = "GET /api/projects/default/functions?limit=1000";
const LOGS: &str = "GET /api/projects/default/functions/hello/logs";

#[tokio::test]
async fn every_page_of_functions_is_listed() {
    let other =
        function(&json!({ "name": "bye", "status": "draft", "active_version": null, "is_public": true,
        "resolved_runtime": null, "url": "/p/1/functions/bye" }));
    let stage = Stage::new()
        .await
        .on(LIST, 200, &json!({ "items": [function(&json!({ "is_active": false }))], "next_cursor": "7" }))
        .on(&format!("{LIST}&cursor=7"), 200, &json!({ "items": [other], "next_cursor": null }));
    assert_snapshot!("functions", stage.run(&["list"]).await);
    let text = stage.run(&["ls", "--json"]).await;
    assert!(text.contains("\"name\": \"hello\"") && text.contains("\"name\": \"bye\""), "{text}");
}

#[tokio::test]
async fn an_empty_project_says_so_on_stderr() {
    let stage = Stage::new().await.on(LIST, 200, &json!({ "items": [], "next_cursor": null }));
    assert_snapshot!(stage.run(&["list"]).await);
}

#[tokio::test]
async fn runtimes_show_who_serves_them() {
    let runtime = |name: &str, state: &str, resolved: &str, is_default: bool| {
        json!({ "name": name, "languages": ["javascript", "typescript"], "version": "", "state": state,
            "resolved": resolved, "end_of_life": "2025-04-30", "is_default": is_default })
    };
    let items =
        [runtime("nodejs18", "absent", "nodejs20", true), runtime("nodejs20", "ready", "nodejs20", false)];
    let stage =
        Stage::new().await.on("GET /api/runtimes", 200, &json!({ "items": items, "next_cursor": null }));
    assert_snapshot!(stage.run(&["runtimes"]).await);
}

#[tokio::test]
async fn runtimes_are_installed_and_removed() {
    let runtime = |name: &str, state: &str, detail: Option<&str>| {
        json!({ "name": name, "languages": ["go"], "version": "1.19.13", "state": state, "detail": detail,
            "is_installed": state == "ready", "resolved": name, "end_of_life": null, "is_default": false })
    };
    let (begun, failed) =
        (runtime("go1.19", "installing", Some("fetching")), runtime("go1.18", "failed", Some("no network")));
    let stage = Stage::new()
        .await
        .on("POST /api/runtimes/go1.19/install", 202, &begun)
        .on("POST /api/runtimes/go1.18/install", 202, &failed)
        .on("GET /api/runtimes/go1.19", 200, &begun)
        .on("GET /api/runtimes/go1.19", 200, &runtime("go1.19", "ready", None))
        .on("GET /api/runtimes/go1.18", 200, &failed)
        .on_text("DELETE /api/runtimes/go1.19", 204, "");
    let text = stage.run(&["runtimes", "install", "go1.19", "go1.18"]).await;
    assert!(text.contains("go1.19: fetching") && text.contains("go1.18: no network"), "{text}");
    let text = stage.run(&["runtimes", "remove", "go1.19"]).await;
    assert!(text.contains("removed go1.19"), "{text}");
    let text = stage.run(&["runtimes", "install"]).await;
    assert!(text.contains("name runtimes with"), "{text}");
}

#[tokio::test]
async fn logs_are_oldest_first() {
    let newer =
        execution(&json!({ "id": "b", "status": "error", "http_status": 500, "code": "RUNTIME_ERROR",
        "error": "Error: no", "logs": "one\ntwo\n", "start": "cold" }));
    let items = json!({ "items": [newer, execution(&json!({ "id": "a" }))], "next_cursor": "5" });
    let stage = Stage::new().await.on(&format!("{LOGS}?limit=20"), 200, &items).on(
        &format!("{LOGS}?since=2026-01-01T00%3A00%3A00Z&status=error&limit=2"),
        200,
        &items,
    );
    assert_snapshot!("logs", stage.run(&["logs", "hello"]).await);
    let words = ["logs", "hello", "--since", "2026-01-01T00:00:00Z", "--status", "error", "-n2"];
    assert!(stage.run(&words).await.starts_with("exit 0"));
    let text = stage.run(&["logs", "hello", "--json"]).await;
    assert!(text.contains("\"next_cursor\": \"5\""), "{text}");
}

#[tokio::test]
async fn followed_logs_go_on_after_the_list_and_show_no_call_twice() {
    let (first, second) = (execution(&json!({ "id": "a" })), execution(&json!({ "id": "b", "path": "/x" })));
    let stream = format!(
        ": hello\n\nevent: execution\ndata: {first}\n\nevent: execution\ndata: {second}\n\nevent: x\ndata: {{}}\n\n"
    );
    let stage = Stage::new()
        .await
        .on(&format!("{LOGS}?limit=20"), 200, &json!({ "items": [first], "next_cursor": null }))
        .on_text(&format!("{LOGS}?follow=true"), 200, &stream);
    assert_snapshot!("logs_followed", stage.run(&["logs", "hello", "-f"]).await);
    let text = stage.run(&["logs", "hello", "-f", "--json", "-q"]).await;
    assert_eq!(text.matches("\"trigger\":\"http\"").count(), 2, "{text}");
}

#[tokio::test]
async fn garbage_is_listed_with_what_becomes_of_it() {
    let item = |kind: &str, state: &str, waits_s: Option<u64>, error: Option<&str>| {
        json!({ "kind": kind, "name": "ab12", "place": "node", "bytes": 7, "state": state, "waits_s": waits_s,
            "error": error })
    };
    let answer = json!({ "dry_run": false, "removed": 1, "removed_bytes": 7, "removable": 0, "removable_bytes": 0,
        "waiting": 1, "waiting_bytes": 7, "failed": 1, "notes": ["the object store was left out"],
        "items": [item("artefact", "removed", None, None), item("image", "waiting", Some(9), None),
            item("package", "failed", None, Some("no way"))] });
    let stage = Stage::new().await.on("POST /api/storage/gc", 200, &answer);
    let text = stage.run(&["storage", "gc", "--grace", "0"]).await;
    for part in [
        "exit 1",
        "ab12",
        "waits 9 s",
        "failed: no way",
        "the object store was left out",
        "removed 1 items of 7 bytes",
        "1 more of 7 bytes wait",
        "1 of them could not be removed",
        r#"POST /api/storage/gc {"dry_run":false,"grace_s":0}"#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

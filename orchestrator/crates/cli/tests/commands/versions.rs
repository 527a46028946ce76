//! `cloudbox versions`, `activate`, `rollback`, `diff`, `alias` and `scale`.

use insta::assert_snapshot;
use serde_json::json;

use crate::stage::Stage;

const BASE: &str = "/api/projects/default/functions/hello";

#[tokio::test]
async fn versions_say_who_and_when() {
    let version = |number: i64, is_active: bool| {
        json!({ "version": number, "is_active": is_active, "aliases": ["prod", "beta"], "author": "admin",
            "created_at": "2026-01-31T12:00:00Z", "runtime": "nodejs20", "language": "javascript",
            "entry_point": "index.handler", "handler_style": "data", "dependencies": {}, "digest": "00" })
    };
    let items = json!({ "items": [version(2, true), version(1, false)], "next_cursor": null });
    let stage = Stage::new().await.on(&format!("GET {BASE}/versions?limit=1000"), 200, &items);
    assert_snapshot!(stage.run(&["versions", "hello"]).await);
}

#[tokio::test]
async fn a_switch_says_what_was_before() {
    let answer = json!({ "active_version": 1, "previous_version": 2 });
    let stage = Stage::new().await.on(&format!("POST {BASE}/versions/1/activate"), 200, &answer).on(
        &format!("POST {BASE}/rollback"),
        200,
        &answer,
    );
    assert_snapshot!("activate", stage.run(&["activate", "hello", "1"]).await);
    assert_snapshot!("rollback", stage.run(&["rollback", "hello", "--json"]).await);
}

#[tokio::test]
async fn a_diff_is_lines_and_hunks() {
    let answer = json!({ "from": 1, "to": 2,
        "settings": [{ "name": "runtime", "from": "nodejs18", "to": "nodejs20" }],
        "dependencies": [{ "name": "axios", "from": null, "to": "1" }],
        "source": "--- version 1\n+++ version 2\n@@ -1 +1 @@\n-a\n+b\n", "files": null });
    let stage = Stage::new().await.on(&format!("GET {BASE}/versions/1/diff/2"), 200, &answer);
    assert_snapshot!(stage.run(&["diff", "hello", "1", "2"]).await);
}

#[tokio::test]
async fn an_alias_is_set_with_its_split() {
    let alias = json!({ "alias": "prod", "version": 1, "rolled_back": null, "url": "/p/1/functions/hello:prod",
        "author": "admin", "updated_at": "2026-01-31T12:00:00Z",
        "split": { "version": 2, "weight": 10.0, "sticky": "key", "max_error_rate": 0.05 } });
    let stage = Stage::new().await.on(&format!("PUT {BASE}/aliases/prod"), 200, &alias).on(
        &format!("GET {BASE}/aliases?limit=1000"),
        200,
        &json!({ "items": [alias], "next_cursor": null }),
    );
    let set =
        ["alias", "set", "hello", "prod", "1", "--split", "2", "--weight", "10", "--max-error-rate", "0.05"];
    assert_snapshot!("alias_set", stage.run(&set).await);
    assert_snapshot!("alias_list", stage.run(&["alias", "list", "hello"]).await);
}

#[tokio::test]
async fn a_scale_is_shown_and_changed() {
    let counts = |idle: u32, busy: u32| {
        json!({ "total": idle + busy, "starting": 0, "idle": idle, "frozen": idle, "busy": busy, "draining": 0,
            "waiting_calls": 0 })
    };
    let mut of_version = counts(1, 2);
    of_version["version"] = json!(3);
    let scaling = json!({ "min_instances": 1, "max_instances": 20, "concurrency": 1, "minInstances": 1,
        "maxInstances": 20, "targetConcurrency": 1, "active_version": 3, "instances": counts(1, 2),
        "versions": [of_version] });
    let stage = Stage::new().await.on(&format!("GET {BASE}/scaling"), 200, &scaling).on(
        &format!("PATCH {BASE}/scaling"),
        200,
        &scaling,
    );
    assert_snapshot!("scale_show", stage.run(&["scale", "hello"]).await);
    assert_snapshot!("scale_set", stage.run(&["scale", "hello", "--min", "1", "--max", "20"]).await);
}

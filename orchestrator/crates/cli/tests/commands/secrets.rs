//! `cloudbox secrets`. `set` reads this process's own stdin, and is tried by the integration tests.

use serde_json::json;

use crate::stage::Stage;

const ALL: &str = "/api/projects/default/secrets";

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn secrets_are_listed_without_their_values() {
    let secret = json!({ "name": "DATABASE_URL", "value": "********", "created_at": "2026-01-31T12:00:00Z",
        "updated_at": "2026-01-31T12:00:00.25Z" });
    let stage = Stage::new().await.on(
        &format!("GET {ALL}?limit=1000"),
        200,
        &json!({ "items": [secret], "next_cursor": null }),
    );
    let text = stage.run(&["secrets", "list", "--token", "t"]).await;
    has(&text, &["exit 0", "NAME", "DATABASE_URL", "********", "2026-01-31T12:00:00Z", "(Bearer t)"]);
    let text = stage.run(&["secrets", "ls", "--json"]).await;
    has(&text, &["exit 0", "\"name\": \"DATABASE_URL\"", "\"next_cursor\": null"]);
}

#[tokio::test]
async fn a_value_in_the_command_line_is_refused() {
    let text = Stage::new().await.run(&["secrets", "set", "KEY=private"]).await;
    has(&text, &["exit 2", "comes from stdin", "`cloudbox secrets set KEY < FILE`"]);
    assert!(!text.contains("private"), "{text}");
}

#[tokio::test]
async fn a_secret_is_taken_away() {
    let stage = Stage::new().await.on_text(&format!("DELETE {ALL}/OLD"), 204, "");
    has(&stage.run(&["secrets", "unset", "OLD"]).await, &["exit 0", "OLD is gone"]);
    has(&stage.run(&["secrets", "unset", "NONE"]).await, &["exit 1", "NOT_FOUND"]);
    has(&stage.run(&["secrets", "unset"]).await, &["exit 2", "<NAME>"]);
    has(&stage.run(&["secrets", "forget", "OLD"]).await, &["exit 2", "forget"]);
}

#[tokio::test]
async fn a_rotation_says_what_it_could_not_read() {
    let rotate = "POST /api/secrets/rotate";
    let rotated = |unreadable: u64| json!({ "key_id": "66687aad", "rotated": 12, "unreadable": unreadable });
    let stage = Stage::new().await.on(rotate, 200, &rotated(0)).on(rotate, 200, &rotated(2));
    let text = stage.run(&["secrets", "rotate"]).await;
    has(&text, &["exit 0", "12 rows are encrypted anew with key 66687aad"]);
    assert!(!text.contains("can't be decrypted"), "{text}");
    has(&stage.run(&["secrets", "rotate"]).await, &["exit 0", "2 rows can't be decrypted by any key"]);
    has(&stage.run(&["secrets", "rotate", "--json"]).await, &["\"unreadable\": 2"]);
    let refused = json!({ "error": "this needs an administrator", "code": "FORBIDDEN", "request_id": "r" });
    let stage = Stage::new().await.on(rotate, 403, &refused);
    has(&stage.run(&["secrets", "rotate"]).await, &["exit 1", "FORBIDDEN"]);
}

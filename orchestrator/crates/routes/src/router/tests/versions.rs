//! Versions, aliases, and how callers name them.

use super::*;

const BASE: &str = "/api/projects/1/functions/a";

/// A public function with this many versions.
async fn versions(app: &TestApp, count: usize) {
    app.deployed("a", true).await;
    for number in 2..=count {
        let code = json!({"code": format!("x{number}"), "dependencies": {"left-pad": format!("{number}")}});
        assert_eq!(app.call("PATCH", BASE, Some(code)).await.status, 200);
        assert_eq!(app.call("POST", &format!("{BASE}/deploy?wait=true"), None).await.status, 200);
    }
}

async fn put(app: &TestApp, alias: &str, body: Value) -> Answer {
    app.call("PUT", &format!("{BASE}/aliases/{alias}"), Some(body)).await
}

/// The version that an anonymous call gets.
async fn served(app: &TestApp, path: &str) -> String {
    let answer = app.anonymous("GET", path, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.headers["x-cloudbox-version"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn history_is_read_and_the_active_version_moves() {
    let app = TestApp::start().await;
    versions(&app, 3).await;
    let list = app.get(&format!("{BASE}/versions")).await.json();
    let told = |item: &Value| (item["version"].as_i64(), item["is_active"].as_bool(), item["author"].clone());
    assert_eq!(told(&list["items"][0]), (Some(3), Some(true), json!("admin")));
    assert_eq!(told(&list["items"][2]), (Some(1), Some(false), json!("admin")));
    let page = app.get(&format!("{BASE}/versions?limit=2")).await.json();
    let rest =
        app.get(&format!("{BASE}/versions?cursor={}", page["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!((&rest["items"][0]["version"], &rest["next_cursor"]), (&json!(1), &Value::Null));
    assert_eq!(app.get(&format!("{BASE}/versions/2")).await.json()["code"], "x2");

    let done = app.call("POST", &format!("{BASE}/versions/1/activate"), None).await.json();
    assert_eq!(done, json!({"active_version": 1, "previous_version": 3}));
    assert_eq!(served(&app, "/p/1/functions/a").await, "1");
    assert_eq!(app.get(BASE).await.json()["active_version"], 1);
    let back = app.call("POST", &format!("{BASE}/rollback"), None).await.json();
    assert_eq!(back["active_version"], 3);
    let history = app.get(&format!("{BASE}/activations")).await.json();
    assert_eq!(history["items"][0]["cause"], "rollback");
    assert_eq!(history["items"].as_array().unwrap().len(), 5);
    for bad in ["9", "x", "-1", "+1"] {
        assert_eq!(app.call("POST", &format!("{BASE}/versions/{bad}/activate"), None).await.status, 404);
    }
    let kept = app.call("DELETE", &format!("{BASE}/versions/3"), None).await;
    assert_eq!((kept.status, kept.json()["code"].as_str().unwrap()), (409, "CONFLICT"));
    assert!(kept.text.contains("activate another version first"), "{}", kept.text);
    assert_eq!(app.call("DELETE", &format!("{BASE}/versions/2"), None).await.status, 204);
    assert_eq!(app.get(&format!("{BASE}/versions/2")).await.status, 404);
}

#[tokio::test]
async fn a_deploy_may_leave_the_active_version() {
    let app = TestApp::start().await;
    versions(&app, 1).await;
    let made = app.call("POST", &format!("{BASE}/deploy?wait=true&activate=false"), None).await;
    assert_eq!((made.status, &made.json()["version"]), (200, &json!(2)));
    assert_eq!(served(&app, "/p/1/functions/a").await, "1");
    assert_eq!(app.call("POST", &format!("{BASE}/deploy?activate=x"), None).await.fields(), ["activate"]);
    let deployments = app.get(&format!("{BASE}/deployments")).await.json();
    assert_eq!(
        (&deployments["items"][0]["activates"], &deployments["items"][0]["author"]),
        (&json!(false), &json!("admin"))
    );
}

#[tokio::test]
async fn two_versions_are_compared() {
    let app = TestApp::start().await;
    versions(&app, 3).await;
    let diff = app.get(&format!("{BASE}/versions/2/diff/3")).await.json();
    assert_eq!(diff["dependencies"], json!([{"name": "left-pad", "from": "2", "to": "3"}]));
    assert_eq!((&diff["settings"], &diff["files"]), (&json!([]), &Value::Null));
    let source = diff["source"].as_str().unwrap();
    assert!(source.starts_with("--- version 2\n+++ version 3\n@@ -1 +1 @@\n-x2\n"), "{source}");
    assert_eq!(app.get(&format!("{BASE}/versions/1/diff/1")).await.json()["source"], "");
    assert_eq!(app.get(&format!("{BASE}/versions/1/diff/9")).await.status, 404);
}

#[tokio::test]
async fn aliases_are_named_in_every_way() {
    let app = TestApp::start().await;
    versions(&app, 3).await;
    let made = put(&app, "prod", json!({"version": 1})).await;
    assert_eq!((made.status, &made.json()["url"]), (200, &json!("/p/1/functions/a:prod")));
    let id = app.get(BASE).await.json()["id"].to_string();
    for path in [
        "/p/1/functions/a:prod".to_owned(),
        "/p/1/functions/a:prod/below".to_owned(),
        "/p/1/functions/a%3Aprod".to_owned(),
        "/_functions/a:prod".to_owned(),
        format!("/invoke/{id}:prod"),
    ] {
        assert_eq!(served(&app, &path).await, "1", "{path}");
    }
    assert_eq!(served(&app, "/p/1/functions/a:active").await, "3");
    for (version, expected) in [(json!("prod"), 1), (json!(2), 2), (json!("2"), 2), (json!("active"), 3)] {
        let answer = app.post(&format!("{BASE}/execute"), json!({"version": version})).await.json();
        assert_eq!(answer["version"], expected, "{version}");
    }
    assert_eq!(app.post(&format!("{BASE}:prod/execute"), json!({})).await.json()["version"], 1);
    assert_eq!(app.get("/p/1/functions/a:2").await.headers["x-cloudbox-version"], "2");
    assert_eq!(app.anonymous("GET", "/p/1/functions/a:2", "").await.status, 404, "numbers are for users");
    for path in ["/p/1/functions/a:none", "/p/1/functions/a:", "/p/1/functions/a:B", "/p/1/functions/a:99"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    assert_eq!(app.post(&format!("{BASE}/execute"), json!({"version": "none"})).await.status, 404);
    for odd in [json!("A b"), json!({}), json!(-1), json!(1.5)] {
        let refused = app.post(&format!("{BASE}/execute"), json!({"version": odd})).await;
        assert_eq!(refused.fields(), ["version"], "{odd}");
    }
    let list = app.get(&format!("{BASE}/aliases")).await.json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["alias"].clone()).collect();
    assert_eq!(names, ["active", "prod"]);
    let page = app.get(&format!("{BASE}/aliases?limit=1")).await.json();
    assert_eq!(page["next_cursor"], "active");
    let rest = app.get(&format!("{BASE}/aliases?limit=1&cursor=active")).await.json();
    assert_eq!((&rest["items"][0]["alias"], &rest["next_cursor"]), (&json!("prod"), &Value::Null));
    assert_eq!(app.get(&format!("{BASE}/versions")).await.json()["items"][2]["aliases"], json!(["prod"]));
    let kept = app.call("DELETE", &format!("{BASE}/versions/1"), None).await;
    assert!(kept.status == 409 && kept.text.contains("alias prod"), "{}", kept.text);
    assert_eq!(app.call("DELETE", &format!("{BASE}/aliases/prod"), None).await.status, 204);
    assert_eq!(app.call("DELETE", &format!("{BASE}/aliases/prod"), None).await.status, 404);
    assert_eq!(app.get(&format!("{BASE}/aliases/prod")).await.status, 404);
    assert_eq!(app.call("DELETE", &format!("{BASE}/aliases/active"), None).await.status, 409);
}

#[tokio::test]
async fn a_split_is_checked_and_shown() {
    let app = TestApp::start().await;
    versions(&app, 3).await;
    let split = json!({"version": 2, "weight": 25, "sticky": "header:X-User", "max_error_rate": 0.1});
    let made = put(&app, "prod", json!({"version": 1, "split": split})).await.json();
    let shown = json!({"version": 2, "weight": 25.0, "sticky": "header:x-user", "max_error_rate": 0.1,
        "min_calls": 20, "window_s": 60});
    assert_eq!((&made["split"], &made["rolled_back"]), (&shown, &Value::Null));
    assert_eq!(app.get(&format!("{BASE}/aliases/prod")).await.json(), made);
    for (split, field) in [
        (json!({"version": 1, "weight": 1}), "split.version"),
        (json!({"version": 2, "weight": 101}), "split.weight"),
        (json!({"version": 2, "weight": 1, "sticky": "ip"}), "split.sticky"),
        (json!({"version": 2, "weight": 1, "sticky": "cookie:a b"}), "split.sticky"),
        (json!({"version": 2, "weight": 1, "max_error_rate": 2}), "split.max_error_rate"),
        (json!({"version": 2, "weight": 1, "min_calls": 5}), "split.min_calls"),
        (json!({"version": 2, "weight": 1, "max_error_rate": 0, "window_s": 0}), "split.window_s"),
    ] {
        let refused = put(&app, "prod", json!({"version": 1, "split": split})).await;
        assert_eq!((refused.status, refused.fields()), (400, vec![field.to_owned()]), "{split}");
    }
    assert_eq!(put(&app, "Prod", json!({"version": 1})).await.fields(), ["alias"]);
    assert_eq!(put(&app, "7", json!({"version": 1})).await.fields(), ["alias"]);
    assert_eq!(put(&app, "prod", json!({"version": 9})).await.status, 404);
    // Of the active version itself.
    let set = put(&app, "active", json!({"version": 1, "split": {"version": 3, "weight": 100}})).await;
    assert_eq!((set.status, served(&app, "/p/1/functions/a").await.as_str()), (200, "3"));
    assert_eq!(app.get(BASE).await.json()["active_version"], 1);
    assert_eq!(put(&app, "active", json!({"version": 2})).await.json()["split"], Value::Null);
    assert_eq!(served(&app, "/p/1/functions/a").await, "2");
}

#[tokio::test]
async fn the_dashboards_way_to_versions() {
    let app = TestApp::start().await;
    versions(&app, 3).await;
    let id = app.get(BASE).await.json()["id"].to_string();
    let base = format!("/api/functions/{id}");
    let list = app.get(&format!("{base}/versions")).await.json();
    let first = &list["items"][0];
    assert_eq!((&first["id"], &first["version"], &first["isActive"]), (&json!(3), &json!(3), &json!(true)));
    for version in [json!(1), json!("2")] {
        let switched = app.post(&format!("{base}/switch-version"), json!({"versionId": version})).await;
        assert_eq!((switched.status, &switched.json()["success"]), (200, &json!(true)));
        let expected = version.to_string().replace('"', "");
        assert_eq!(switched.json()["activeVersion"].to_string(), expected);
        assert_eq!(served(&app, &format!("/invoke/{id}")).await, expected);
    }
    for odd in [json!({"versionId": null}), json!({"versionId": "x"}), json!({"versionId": 1.5})] {
        assert_eq!(app.post(&format!("{base}/switch-version"), odd).await.fields(), ["versionId"]);
    }
    assert_eq!(app.post(&format!("{base}/switch-version"), json!({"versionId": 9})).await.status, 404);
    assert_eq!(app.call("DELETE", &format!("{base}/versions/2"), None).await.status, 409);
    assert_eq!(app.call("DELETE", &format!("{base}/versions/1"), None).await.status, 204);
    assert_eq!(app.get(&format!("{base}/versions")).await.json()["items"].as_array().unwrap().len(), 2);
}

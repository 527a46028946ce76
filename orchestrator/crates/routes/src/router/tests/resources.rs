//! Projects and functions.

use super::*;

#[tokio::test]
async fn projects_are_made_read_changed_listed_and_deleted() {
    let app = TestApp::start().await;
    let made = app.post("/api/projects", json!({"name": "My shop", "description": "d"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json()["slug"], "my-shop");
    let id = made.json()["id"].as_i64().unwrap();
    for key in [id.to_string(), "my-shop".to_owned()] {
        assert_eq!(app.get(&format!("/api/projects/{key}")).await.json()["id"], id);
    }
    let changed = app.call("PATCH", "/api/projects/my-shop", Some(json!({"slug": "shop"}))).await;
    assert_eq!((changed.status, &changed.json()["slug"]), (200, &json!("shop")));
    assert_eq!(changed.json()["name"], "My shop");
    let all = app.get("/api/projects").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert_eq!(all["next_cursor"], Value::Null);
    assert_eq!(app.call("DELETE", "/api/projects/shop", None).await.status, 204);
    assert_eq!(app.get("/api/projects/shop").await.status, 404);
    assert_eq!(*app.backend.deleted.lock(), [format!("project {id}")]);
}

#[tokio::test]
async fn slugs_are_unique_and_bodies_checked() {
    let app = TestApp::start().await;
    let taken = app.post("/api/projects", json!({"name": "x", "slug": "default"})).await;
    assert_eq!((taken.status, taken.json()["code"].as_str().unwrap()), (409, "CONFLICT"));
    let bad = app.post("/api/projects", json!({"name": 1, "slug": "A B", "odd": 1})).await;
    assert_eq!((bad.status, bad.fields()), (400, ["name", "slug", "odd"].map(str::to_owned).to_vec()));
    let unnamed = app.post("/api/projects", json!({})).await;
    assert_eq!(unnamed.fields(), ["name"]);
    assert_eq!(app.post("/api/projects", json!({"name": "日本"})).await.fields(), ["slug"]);
}

#[tokio::test]
async fn a_function_reads_back_what_was_made_and_hides_secrets() {
    let app = TestApp::start().await;
    let body = json!({
        "name": "process-payment", "description": "Pays", "runtime": "nodejs18", "language": "javascript",
        "code": "exports.handler = 1", "entry_point": "handler", "timeout": 30, "memory": 128,
        "environment": {"API_KEY": "canary"}, "dependencies": {"axios": "^1.0.0"}, "is_public": true, "cpu": 0.5,
    });
    let made = app.post("/api/projects/default/functions", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(!made.text.contains("canary"));
    let function = made.json();
    for field in [
        "name",
        "description",
        "runtime",
        "language",
        "code",
        "entry_point",
        "timeout",
        "memory",
        "dependencies",
        "is_public",
        "cpu",
    ] {
        assert_eq!(function[field], body[field], "{field}");
    }
    assert_eq!(function["environment"], json!({"API_KEY": "********"}));
    assert_eq!((&function["status"], &function["active_version"]), (&json!("draft"), &Value::Null));
    assert_eq!(function["url"], "/p/1/functions/process-payment");
    assert_eq!(function["project_id"], 1);
    let id = function["id"].as_i64().unwrap();
    for key in ["process-payment".to_owned(), id.to_string()] {
        assert_eq!(app.get(&format!("/api/projects/1/functions/{key}")).await.json()["id"], id);
    }
}

#[tokio::test]
async fn a_function_is_of_its_project_alone() {
    let app = TestApp::start().await;
    app.post("/api/projects", json!({"name": "other"})).await;
    let made = app.post("/api/projects/1/functions", json!({"name": "a"})).await.json();
    let id = made["id"].as_i64().unwrap();
    for path in [format!("/api/projects/other/functions/{id}"), "/api/projects/other/functions/a".to_owned()]
    {
        assert_eq!(app.get(&path).await.status, 404);
        assert_eq!(app.call("DELETE", &path, None).await.status, 404);
        assert_eq!(app.call("POST", &format!("{path}/deploy"), None).await.status, 404);
        assert_eq!(app.call("POST", &format!("{path}/execute"), None).await.status, 404);
    }
    assert_eq!(app.post("/api/projects/other/functions", json!({"name": "a"})).await.status, 201);
    assert_eq!(app.post("/api/projects/1/functions", json!({"name": "a"})).await.status, 409);
}

#[tokio::test]
async fn a_patch_keeps_what_it_does_not_name() {
    let app = TestApp::start().await;
    app.post("/api/projects/1/functions", json!({"name": "a", "timeout": 5, "environment": {"K": "v"}}))
        .await;
    let path = "/api/projects/1/functions/a";
    let body = json!({"memory": 256, "environment": {"K": "********", "N": "x"}});
    let changed = app.call("PATCH", path, Some(body)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!((&changed.json()["memory"], &changed.json()["timeout"]), (&json!(256), &json!(5)));
    let kept = app.backend.store.function_by_name(ProjectId(1), "a").await.unwrap().unwrap();
    let environment = &kept.settings.environment;
    assert_eq!((environment["K"].expose().as_str(), environment["N"].expose().as_str()), ("v", "x"));
    let bad = app.call("PATCH", path, Some(json!({"timeout": 301, "nope": 1}))).await;
    assert_eq!((bad.status, bad.fields()), (400, ["timeout", "nope"].map(str::to_owned).to_vec()));
    let renamed = app.call("PATCH", path, Some(json!({"name": "b"}))).await;
    assert_eq!(renamed.json()["url"], "/p/1/functions/b");
    assert_eq!(app.get(path).await.status, 404);
}

#[tokio::test]
async fn functions_are_listed_in_pages_and_deleted() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c"] {
        app.post("/api/projects/1/functions", json!({"name": name})).await;
    }
    let first = app.get("/api/projects/1/functions?limit=2").await.json();
    let names = |page: &Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].to_string())
            .collect::<Vec<_>>()
            .join("")
    };
    assert_eq!(names(&first), "\"a\"\"b\"");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/api/projects/1/functions?limit=2&cursor={cursor}")).await.json();
    assert_eq!((names(&second), &second["next_cursor"]), ("\"c\"".to_owned(), &Value::Null));
    assert_eq!(app.call("DELETE", "/api/projects/1/functions/a", None).await.status, 204);
    assert_eq!(app.call("DELETE", "/api/projects/1/functions/a", None).await.status, 404);
}

#[tokio::test]
async fn runtimes_are_listed() {
    let app = TestApp::start().await;
    let list = app.get("/api/runtimes").await.json();
    assert_eq!(list["items"][0]["name"], "nodejs18");
    assert_eq!(list["items"][0]["state"], "ready");
}

#[tokio::test]
async fn runtimes_are_installed_and_removed() {
    let app = TestApp::start().await;
    for (method, path, status) in [
        ("POST", "/api/runtimes/nodejs18/install", 200),
        ("POST", "/api/runtimes/python3.9/install", 202),
        ("POST", "/api/runtimes/go1.19/install", 409),
        ("POST", "/api/runtimes/cobol/install", 404),
        ("GET", "/api/runtimes/nodejs18", 200),
        ("GET", "/api/runtimes/cobol", 404),
        ("DELETE", "/api/runtimes/nodejs18", 204),
        ("DELETE", "/api/runtimes/go1.19", 409),
        ("DELETE", "/api/runtimes/cobol", 404),
    ] {
        let answer = app.call(method, path, None).await;
        assert_eq!(answer.status, status, "{method} {path}");
        if status < 204 {
            assert!(answer.json()["state"].is_string(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_scale_is_read_and_changed_by_itself() {
    let app = TestApp::start().await;
    app.deployed("hello", false).await;
    let path = "/api/projects/1/functions/hello/scaling";
    let before = app.get(path).await.json();
    assert_eq!((&before["min_instances"], &before["maxInstances"]), (&json!(0), &json!(10)));
    assert_eq!((&before["active_version"], &before["versions"]), (&json!(1), &json!([])));
    let after = app.call("PATCH", path, Some(json!({"minInstances": 2, "max_instances": 4}))).await;
    assert_eq!(after.status, 200, "{}", after.text);
    let function = app.get("/api/projects/1/functions/hello").await.json();
    for of in [&after.json(), &function, &app.get(path).await.json()] {
        assert_eq!((&of["min_instances"], &of["max_instances"]), (&json!(2), &json!(4)), "{of}");
    }
    let refused = app.call("PATCH", path, Some(json!({"targetConcurrency": 101}))).await;
    assert_eq!((refused.status, refused.fields()), (400, vec!["targetConcurrency".to_owned()]));
    let nowhere = "/api/projects/1/functions/nobody/scaling";
    assert_eq!(app.call("PATCH", nowhere, Some(json!({}))).await.status, 404);
}

//! Secrets of a project: functions have them from the next call on, and nobody else sees them.

use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

both_drivers! { a_projects_secrets_reach_its_functions }

async fn put(api: &Api, name: &str, value: &str) -> Answer {
    let path = format!("/api/projects/{}/secrets/{name}", api.project);
    Answer::of(api.request(Method::PUT, &path).json(&json!({ "value": value }))).await
}

/// What the function has, as it says.
async fn has(api: &Api, name: &str) -> Value {
    api.execute(name, &json!({})).await.with(200).json::<Value>()["response"].clone()
}

async fn a_projects_secrets_reach_its_functions(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    let code = "exports.handler = async () => [process.env.SHARED || null, process.env.OWN || null];";
    let function =
        json!({ "name": "reader", "language": "javascript", "code": code, "environment": { "OWN": "mine" } });
    let _ = api.create(&function).await.with(201);
    let _ = api.deploy("reader").await.with(200);
    assert_eq!(has(&api, "reader").await, json!([null, "mine"]));

    let set = put(&api, "SHARED", "first-secret-value").await.with(200);
    assert_eq!(set.json::<Value>()["value"], "********");
    assert_eq!(has(&api, "reader").await, json!(["first-secret-value", "mine"]), "without a build");
    let _ = put(&api, "SHARED", "second-secret-value").await.with(200);
    let _ = put(&api, "OWN", "the-projects").await.with(200);
    assert_eq!(has(&api, "reader").await, json!(["second-secret-value", "mine"]), "its own wins");
    api.launch("later", "javascript", code).await;
    assert_eq!(has(&api, "later").await, json!(["second-secret-value", "the-projects"]));

    let listed = api.get("/api/projects/default/secrets").await.with(200);
    let names: Vec<_> =
        listed.json::<Value>()["items"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["SHARED", "OWN"]);
    for text in [listed.text(), api.function("reader").await.with(200).text(), service.home().log_text()] {
        assert!(!text.contains("secret-value") && !text.contains("the-projects"), "{text}");
    }
    let _ = api.post("/api/projects", &json!({ "name": "Other", "slug": "other" })).await.with(201);
    let other = api.in_project("other");
    other.launch("stranger", "javascript", code).await;
    assert_eq!(has(&other, "stranger").await, json!([null, null]));

    // Who may run code needs no right to change a function; code that comes with a call has what the call gives it.
    let inline =
        json!({ "code": "exports.handler = async () => process.env.SHARED || null", "env": { "OWN": "x" } });
    let ran: Value = api.post("/execute", &inline).await.with(200).json();
    assert_eq!((&ran["success"], &ran["data"]), (&json!(true), &Value::Null), "{ran}");
    let gone = api.request(Method::DELETE, "/api/projects/default/secrets/SHARED");
    let _ = Answer::of(gone).await.with(204);
    assert_eq!(has(&api, "reader").await, json!([null, "mine"]));
    let _ = api.get("/api/projects/default/secrets/SHARED").await.error(ErrorCode::NotFound);
    let _ = put(&api, "CLOUDBOX_X", "x").await.error(ErrorCode::ValidationError);
    let _ = put(&api, "A-B", "x").await.error(ErrorCode::ValidationError);
    let rotated: Value = api.post("/api/secrets/rotate", &json!({})).await.with(200).json();
    assert_eq!((&rotated["rotated"], &rotated["unreadable"]), (&json!(0), &json!(0)), "{rotated}");
    service.stop().await;
}

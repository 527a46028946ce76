//! What the service refuses, and how it says so. No refusal reaches a sandbox, so one driver is enough.

use cloudbox_tests::{Answer, Service, machine};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn bad_requests_have_their_codes() {
    let Some(driver) = machine::drivers().first().copied() else { return };
    let service = Service::start(driver).await;
    fields_are_checked(&service).await;
    credentials_are_checked(&service).await;
    names_are_looked_up(&service).await;
    bodies_are_limited(&service).await;
    runtimes_are_known(&service).await;
    service.stop().await;
}

async fn fields_are_checked(service: &Service) {
    let api = service.api();
    let good =
        json!({ "name": "good", "language": "javascript", "code": "exports.handler = async () => 1;" });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (field, value) in [
        ("name", json!("Not Good")),
        ("name", json!("123")),
        ("timeout", json!(0)),
        ("timeout", json!(301)),
        ("memory", json!(63)),
        ("memory", json!("128")),
        ("language", json!("cobol")),
        ("environment", json!({ "A=B": "x" })),
        ("is_public", json!("yes")),
        ("surprise", json!(1)),
    ] {
        let refusal = api.create(&with(field, value)).await.error(ErrorCode::ValidationError);
        let named = refusal["details"][0]["field"].as_str().unwrap_or_default();
        assert!(named.starts_with(field), "{field}: {refusal}");
    }
    let many = json!({ "name": "no good", "language": "javascript", "timeout": 0, "memory": 1 });
    let refusal = api.create(&many).await.error(ErrorCode::ValidationError);
    assert!(
        refusal["details"].as_array().is_some_and(|details| details.len() >= 3),
        "all at once: {refusal}"
    );
    for body in ["", "[1", "[]", "\"x\""] {
        let request = api.request(Method::POST, &api.functions("")).body(body);
        let request = request.header("content-type", "application/json");
        let _ = Answer::of(request).await.error(ErrorCode::ValidationError);
    }
    let _ = api.create(&good).await.with(201);
    let _ = api.create(&good).await.error(ErrorCode::Conflict);
}

async fn credentials_are_checked(service: &Service) {
    let api = service.api();
    let mut wrong = api.clone();
    wrong.token = Some("not-the-token".to_owned());
    for caller in [api.anonymous(), wrong] {
        for path in ["/api/projects", &api.functions(""), &api.functions("/good")] {
            let _ = caller.get(path).await.error(ErrorCode::Unauthorized);
        }
        let _ = caller.execute("good", &json!({})).await.error(ErrorCode::Unauthorized);
    }
    let _ = api.anonymous().get("/health").await.with(200);
}

async fn names_are_looked_up(service: &Service) {
    let api = service.api();
    for path in [
        "/nowhere",
        "/api/projects/none/functions",
        "/api/projects/default/functions/none",
        "/p/none/functions/x",
    ] {
        let _ = api.get(path).await.error(ErrorCode::NotFound);
    }
    let request = api.request(Method::DELETE, "/api/runtimes");
    let _ = Answer::of(request).await.error(ErrorCode::MethodNotAllowed);
    let _ = api.execute("good", &json!({})).await.error(ErrorCode::NotDeployed);
    let _ = api.execute("good", &json!({ "dta": 1 })).await.error(ErrorCode::ValidationError);
}

async fn bodies_are_limited(service: &Service) {
    let api = service.api();
    let body = json!({ "data": "x".repeat(7 << 20) });
    let _ = api.execute("good", &body).await.error(ErrorCode::PayloadTooLarge);
    let _ = api.get("/health").await.with(200);
}

async fn runtimes_are_known(service: &Service) {
    let api = service.api();
    let list: Value = api.get("/api/runtimes").await.with(200).json();
    let names: Vec<&str> =
        list["items"].as_array().unwrap().iter().filter_map(|item| item["name"].as_str()).collect();
    for name in ["nodejs18", "python3.9", "go1.19"] {
        assert!(names.contains(&name), "{name} is in {names:?}");
    }
    let unknown = json!({ "name": "odd", "language": "javascript", "runtime": "nodejs3", "code": "exports.handler = 1" });
    let refusal = api.create(&unknown).await.error(ErrorCode::ValidationError);
    assert!(refusal["details"][0]["field"] == "runtime", "{refusal}");
}

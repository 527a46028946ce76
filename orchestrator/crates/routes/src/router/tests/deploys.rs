//! Deployments and the lists of executions.

use cloudbox_types::{Record, RecordStatus, Trigger};
use jiff::Timestamp;

use super::*;

#[tokio::test]
async fn a_deploy_answers_at_once_or_when_it_is_done() {
    let app = TestApp::start().await;
    app.post("/api/projects/1/functions", json!({"name": "a", "code": "x"})).await;
    let path = "/api/projects/1/functions/a";
    let done = app.call("POST", &format!("{path}/deploy?wait=true"), None).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let body = done.json();
    assert_eq!(body["status"], "deployed");
    assert_eq!((&body["version"], &body["resolved_runtime"]), (&json!(1), &json!("nodejs18")));
    assert_eq!(body["build_logs"], "looking\n");
    assert_eq!(app.get(path).await.json()["status"], "deployed");
    let begun = app.call("POST", &format!("{path}/deploy"), None).await;
    assert_eq!(begun.status, 202);
    assert_eq!((&begun.json()["status"], &begun.json()["version"]), (&json!("building"), &json!(2)));
    let second = app.call("POST", &format!("{path}/deploy"), None).await;
    assert_eq!((second.status, second.json()["code"].as_str().unwrap()), (409, "CONFLICT"));
    assert_eq!(app.call("POST", &format!("{path}/deploy?wait=perhaps"), None).await.fields(), ["wait"]);
}

#[tokio::test]
async fn a_failed_build_tells_stage_and_logs() {
    let app = TestApp::start().await;
    app.post("/api/projects/1/functions", json!({"name": "a"})).await;
    let failed = app.call("POST", "/api/projects/1/functions/a/deploy?wait=true", None).await;
    assert_eq!(failed.status, 422);
    let body = failed.json();
    assert_eq!((&body["code"], &body["stage"]), (&json!("DEPLOYMENT_ERROR"), &json!("validate")));
    assert_eq!((&body["error"], &body["build_logs"]), (&json!("there is no code"), &json!("looking\n")));
}

#[tokio::test]
async fn deployments_are_read_and_followed() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    let base = "/api/projects/1/functions/a/deployments";
    let list = app.get(base).await.json();
    let id = list["items"][0]["id"].as_i64().unwrap();
    let one = app.get(&format!("{base}/{id}")).await.json();
    assert_eq!((&one["status"], one["stages"].as_array().unwrap().len()), (&json!("deployed"), 5));
    assert_eq!(app.get(&format!("{base}/{id}/logs")).await.text, "looking\n");
    let stream = app.get(&format!("{base}/{id}/logs?follow=true")).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    let at = |text: &str| stream.text.find(text).unwrap_or_else(|| panic!("{text} in {}", stream.text));
    assert!(at("event: log") < at("looking") && at("looking") < at("event: end"));
    for bad in ["999", "x", "-1"] {
        assert_eq!(app.get(&format!("{base}/{bad}")).await.status, 404);
    }
}

fn record(function: FunctionId, status: RecordStatus, logs: &str) -> Record {
    Record {
        id: InvocationId::generate(),
        project_id: ProjectId(1),
        function_id: function,
        version: 1,
        created_at: Timestamp::now(),
        status,
        code: (status == RecordStatus::Timeout).then_some(ErrorCode::Timeout),
        error: None,
        method: "POST".to_owned(),
        path: "/p/1/functions/a".to_owned(),
        http_status: 200,
        execution_time_ms: 1.5,
        memory_bytes: 7,
        cpu_time_ms: 1.0,
        response_bytes: 2,
        logs: logs.to_owned(),
        is_warm: true,
        trigger: Trigger::Http,
        driver: "fake".to_owned(),
        egress: Vec::new(),
        host_calls: Vec::new(),
        timing: None,
    }
}

#[tokio::test]
async fn executions_are_listed_newest_first_and_filtered() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    let id = app.backend.store.function_by_name(ProjectId(1), "a").await.unwrap().unwrap().id;
    let records = [record(id, RecordStatus::Success, "first"), record(id, RecordStatus::Timeout, "second")];
    app.backend.store.append_records(&records).await.unwrap();
    let path = "/api/projects/1/functions/a/logs";
    let all = app.get(path).await.json();
    assert_eq!(all["items"][0]["logs"], "second");
    assert_eq!(
        (&all["items"][0]["code"], &all["items"][0]["status"]),
        (&json!("TIMEOUT"), &json!("timeout"))
    );
    assert_eq!((&all["items"][1]["start"], &all["items"][1]["trigger"]), (&json!("warm"), &json!("http")));
    let count = |page: Value| page["items"].as_array().unwrap().len();
    assert_eq!(count(app.get(&format!("{path}?status=success")).await.json()), 1);
    assert_eq!(count(app.get(&format!("{path}?since=2999-01-01T00:00:00Z")).await.json()), 0);
    assert_eq!(count(app.get(&format!("{path}?since=2000-01-01T00:00:00Z")).await.json()), 2);
    let first = app.get(&format!("{path}?limit=1")).await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("{path}?limit=1&cursor={next}")).await.json();
    assert_eq!(second["items"][0]["logs"], "first");
    for (bad, field) in [("since=yesterday", "since"), ("status=fine", "status"), ("follow=7", "follow")] {
        assert_eq!(app.get(&format!("{path}?{bad}")).await.fields(), [field]);
    }
}

#[tokio::test]
async fn executions_are_followed_until_the_service_ends() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    let id = app.backend.store.function_by_name(ProjectId(1), "a").await.unwrap().unwrap().id;
    app.backend.store.append_records(&[record(id, RecordStatus::Success, "earlier")]).await.unwrap();
    let since = "/api/projects/1/functions/a/logs?follow=true&since=2000-01-01T00:00:00Z";
    let request = Request::builder().uri(since).header("authorization", format!("Bearer {TOKEN}"));
    let response = app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let closing = app.closing.clone();
    let mut frames = response.into_body().into_data_stream();
    let first = futures::StreamExt::next(&mut frames).await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    assert!(text.contains("event: execution") && text.contains("earlier"), "{text}");
    // A long call is kept after shorter ones that were accepted later.
    let long = Record { created_at: Timestamp::UNIX_EPOCH, ..record(id, RecordStatus::Success, "long") };
    app.backend.store.append_records(&[record(id, RecordStatus::Success, "short"), long]).await.unwrap();
    let mut rest = String::new();
    while !rest.contains("long") {
        rest += std::str::from_utf8(&futures::StreamExt::next(&mut frames).await.unwrap().unwrap()).unwrap();
    }
    closing.cancel();
    while let Some(frame) = futures::StreamExt::next(&mut frames).await {
        rest += std::str::from_utf8(&frame.unwrap()).unwrap();
    }
    let counts = ["earlier", "short", "long"].map(|logs| rest.matches(logs).count());
    assert_eq!(counts, [0, 1, 1], "each once: {rest}");
}

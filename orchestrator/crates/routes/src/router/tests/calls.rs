//! Calls: `execute` and the public routes.

use super::*;

const EXECUTE: &str = "/api/projects/1/functions/a/execute";

#[tokio::test]
async fn execute_passes_everything_on_and_answers_everything() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    let body = json!({
        "data": {"n": 1}, "headers": {"User-Agent": "MyApp/1.0"}, "method": "PUT", "path": "/x/y",
        "query": {"q": "1 2"}, "timeout_ms": 1500,
    });
    let answer = app.post(EXECUTE, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let shown = answer.json();
    let seen = &shown["response"];
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["query"]),
        (&json!("PUT"), &json!("/x/y"), &json!("q=1+2"))
    );
    assert_eq!(
        (&seen["body"], &seen["data"], &seen["mode"]),
        (&json!("{\"n\":1}"), &json!("Body"), &json!("Raw"))
    );
    assert_eq!(
        (&seen["headers"], &seen["timeout_ms"]),
        (&json!([["user-agent", "MyApp/1.0"]]), &json!(1500))
    );
    assert_eq!(
        (&shown["status"], &shown["version"], &shown["start"]),
        (&json!("success"), &json!(1), &json!("warm"))
    );
    assert_eq!((&shown["execution_time"], &shown["memory_usage"]), (&json!(2.0), &json!(1000)));
    assert_eq!(shown["logs"], "a line\n");
    assert_eq!(shown["invocation_id"], answer.headers["x-cloudbox-invocation-id"].to_str().unwrap());
    assert_eq!(answer.headers["x-cloudbox-start"], "warm");
    assert_eq!(answer.headers["x-cloudbox-version"], "1");
}

#[tokio::test]
async fn execute_needs_no_body() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    let seen = app.call("POST", EXECUTE, None).await.json()["response"].clone();
    assert_eq!(
        (&seen["method"], &seen["data"], &seen["body"]),
        (&json!("POST"), &json!("Query"), &json!(""))
    );
    assert_eq!(seen["path"], "/p/1/functions/a");
}

#[tokio::test]
async fn execute_refuses_what_it_does_not_know() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    for (body, field) in [
        (json!({"dat": 1}), "dat"),
        (json!({"timeout_ms": "x"}), "timeout_ms"),
        (json!({"headers": {"a": 1}}), "headers.a"),
        (json!({"method": "a b"}), "method"),
    ] {
        let answer = app.post(EXECUTE, body).await;
        assert_eq!((answer.status, answer.fields()), (400, vec![field.to_owned()]), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_failed_execute_has_the_codes_status_and_everything_inside() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    for code in [
        ErrorCode::RuntimeError,
        ErrorCode::OutOfMemory,
        ErrorCode::Timeout,
        ErrorCode::InvalidResponse,
        ErrorCode::Overloaded,
    ] {
        let answer = app.post(EXECUTE, json!({"data": format!("fail {code}")})).await;
        assert_eq!(answer.status, code.http_status());
        let body = answer.json();
        assert_eq!((&body["code"], &body["error"]), (&json!(code.as_str()), &json!("secret message")));
        assert_eq!((&body["logs"], &body["execution_time"]), (&json!("a line\n"), &json!(2.0)));
        assert_eq!(body["stack"], "at secret:1");
        assert_eq!(answer.headers["retry-after"], "3");
        assert!(answer.headers.contains_key("x-cloudbox-invocation-id"));
    }
}

#[tokio::test]
async fn what_was_never_deployed_says_so() {
    let app = TestApp::start().await;
    app.post("/api/projects/1/functions", json!({"name": "a", "code": "x"})).await;
    let answer = app.call("POST", EXECUTE, None).await;
    assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), (409, "NOT_DEPLOYED"));
}

#[tokio::test]
async fn the_public_calls_with_any_method_and_path() {
    let app = TestApp::start().await;
    app.deployed("a", true).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let answer = app.anonymous(method, "/p/default/functions/a?x=1&y", "").await;
        assert_eq!(answer.status, 200, "{method}: {}", answer.text);
        let seen = answer.json();
        assert_eq!((seen["method"].as_str().unwrap(), &seen["query"]), (method, &json!("x=1&y")));
        assert_eq!((&seen["data"], &seen["mode"]), (&json!("Query"), &json!("Http")));
    }
    assert_eq!(app.anonymous("HEAD", "/p/1/functions/a", "").await.status, 200);
    let below = app.anonymous("POST", "/p/1/functions/a/b/c%20d/", "hello").await.json();
    assert_eq!((&below["path"], &below["body"]), (&json!("/p/1/functions/a/b/c%20d/"), &json!("hello")));
    assert_eq!(below["data"], "Body");
    let slash = app.anonymous("GET", "/p/1/functions/a/", "").await;
    assert_eq!(slash.status, 200, "{}", slash.text);
    let no_text = app.anonymous("GET", "/p/1/functions/a/%ff", "").await;
    assert_eq!(no_text.json()["path"], "/p/1/functions/a/%ff", "{}", no_text.text);
    assert_eq!(app.anonymous("GET", "/p/1/functions/%ff", "").await.status, 404);
}

#[tokio::test]
async fn the_public_can_not_tell_a_private_function_from_none() {
    let app = TestApp::start().await;
    app.deployed("a", false).await;
    let private = app.anonymous("POST", "/p/1/functions/a", "").await;
    let none = app.anonymous("POST", "/p/1/functions/none", "").await;
    assert_eq!((private.status, none.status), (404, 404));
    for answer in [&private, &none] {
        let id = answer.headers["x-cloudbox-invocation-id"].to_str().unwrap();
        let told = json!({"error": "there is no such function", "code": "NOT_FOUND", "invocation_id": id});
        assert_eq!(answer.json(), told);
        assert!(!answer.headers.contains_key("x-cloudbox-version"));
    }
    let big = "x".repeat(MAX_REQUEST_BYTES + 1);
    assert_eq!(app.anonymous("POST", "/p/1/functions/a", &big).await.status, 404);
    let known = app.call("POST", "/p/1/functions/a", None).await;
    assert_eq!(known.status, 200);
    assert!(!known.text.contains(TOKEN), "{}", known.text);
}

#[tokio::test]
async fn public_errors_have_an_id_and_nothing_inside() {
    let app = TestApp::start().await;
    app.deployed("a", true).await;
    let answer = app.anonymous("POST", "/p/1/functions/a", "fail RUNTIME_ERROR").await;
    assert_eq!(answer.status, 500);
    let body = answer.json();
    assert_eq!(body["invocation_id"], answer.headers["x-cloudbox-invocation-id"].to_str().unwrap());
    assert_eq!(body.as_object().unwrap().len(), 3);
    assert!(!answer.text.contains("secret") && !answer.text.contains("a line"));
    app.call("PATCH", "/api/projects/1/functions/a", Some(json!({"expose_errors": true}))).await;
    let exposed = app.anonymous("POST", "/p/1/functions/a", "fail RUNTIME_ERROR").await.json();
    assert_eq!((&exposed["error"], &exposed["stack"]), (&json!("secret message"), &json!("at secret:1")));
}

#[tokio::test]
async fn public_bodies_have_a_limit() {
    let app = TestApp::start().await;
    app.deployed("a", true).await;
    let whole = app.anonymous("POST", "/p/1/functions/a", &"x".repeat(MAX_REQUEST_BYTES)).await;
    assert_eq!(whole.status, 200);
    let over = app.anonymous("POST", "/p/1/functions/a", &"x".repeat(MAX_REQUEST_BYTES + 1)).await;
    assert_eq!((over.status, over.json()["code"].as_str().unwrap()), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn a_trace_goes_through() {
    let app = TestApp::start().await;
    app.deployed("a", true).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = Request::builder()
        .uri("/p/1/functions/a")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .body(Body::empty())
        .unwrap();
    let answer = app.send(request).await;
    let child = answer.headers["traceparent"].to_str().unwrap();
    assert!(child.contains(trace) && !child.contains("b7ad6b7169203331"));
    assert!(answer.text.contains(child), "the function sees the same span: {}", answer.text);
}

#[tokio::test]
async fn browsers_are_let_in_by_the_functions_own_settings() {
    let app = TestApp::start().await;
    app.deployed("a", true).await;
    let cors = json!({"cors": {"origins": ["https://a.example"]}});
    assert_eq!(app.call("PATCH", "/api/projects/1/functions/a", Some(cors)).await.status, 200);
    let request = |method: &str| {
        Request::builder()
            .method(method)
            .uri("/p/1/functions/a")
            .header("origin", "https://a.example")
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .unwrap()
    };
    let asked = app.send(request("OPTIONS")).await;
    assert_eq!((asked.status, asked.headers.contains_key("x-cloudbox-version")), (204, false));
    let called = app.send(request("POST")).await;
    assert_eq!(called.headers["access-control-allow-origin"], "https://a.example");
}

//! What holds on every route: credentials, the envelope, ids, limits, the document.

use super::*;

#[tokio::test]
async fn every_operation_but_the_public_ones_needs_a_credential() {
    let app = TestApp::start().await;
    let document = serde_json::to_value(super::super::document()).unwrap();
    let mut checked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].as_array();
            if security.is_none_or(|all| all.contains(&json!({}))) {
                continue;
            }
            let path = path.replace(['{', '}'], "");
            for token in [None, Some("Bearer wrong"), Some("Basic x")] {
                let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
                if let Some(token) = token {
                    request = request.header("authorization", token);
                }
                // A bad body and a bad query: the credential is looked at first.
                let answer = app.send(request.body(Body::from("{bad")).unwrap()).await;
                assert_eq!(answer.status, 401, "{method} {path} {token:?}");
                assert_eq!(answer.json()["code"], "UNAUTHORIZED");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                checked += 1;
            }
        }
    }
    assert!(checked >= 40, "{checked}");
}

/// What may be done without a credential, beside calls of functions.
const PUBLIC: [&str; 5] =
    ["get /health", "get /health/live", "get /health/ready", "get /info", "get /metrics"];

#[tokio::test]
async fn without_a_valid_credential_a_private_function_is_not_there() {
    let app = TestApp::start().await;
    app.deployed("private", false).await;
    let document = serde_json::to_value(super::super::document()).unwrap();
    let (mut public, mut checked) = (Vec::new(), 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(security) = operation["security"].as_array() else {
                public.push(format!("{method} {path}"));
                continue;
            };
            if !security.contains(&json!({})) {
                continue;
            }
            let named =
                [("{project}", "default"), ("{name}", "private"), ("{function}", "private"), ("{path}", "x")];
            let path = named.iter().fold(path.clone(), |path, (from, to)| path.replace(from, to));
            for token in [None, Some("Bearer wrong"), Some("Basic x")] {
                let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
                if let Some(token) = token {
                    request = request.header("authorization", token);
                }
                let answer = app.send(request.body(Body::from("{bad")).unwrap()).await;
                assert_eq!(answer.status, 404, "{method} {path} {token:?}");
                assert_eq!(answer.json()["code"], "NOT_FOUND");
                checked += 1;
            }
        }
    }
    assert_eq!(public, PUBLIC);
    // Six paths of five methods, and the function service's three.
    assert_eq!(checked, 3 * (6 * 5 + 3));
}

/// Routes that `routes!` adds are documented by being added; those of every method are not.
#[test]
fn every_route_is_documented() {
    let document = serde_json::to_value(super::super::document()).unwrap();
    let documented = document["paths"].as_object().unwrap();
    let added = include_str!("../../router.rs").split(".route(\"").skip(1);
    let paths: Vec<_> = added.filter_map(|rest| rest.split('"').next()).collect();
    assert!(!paths.is_empty());
    for path in paths {
        let documented_as = path.replace("{*path}", "{path}");
        let is_there =
            [path, &documented_as, path.trim_end_matches('/')].iter().any(|it| documented.contains_key(*it));
        assert!(is_there, "{path} is not in the document");
    }
}

#[tokio::test]
async fn errors_have_one_shape() {
    let app = TestApp::start().await;
    for (method, path, status, code) in [
        ("GET", "/nothing/here", 404, "NOT_FOUND"),
        ("PUT", "/api/projects", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/projects/99", 404, "NOT_FOUND"),
        ("GET", "/api/projects/1/functions/none", 404, "NOT_FOUND"),
        ("GET", "/api/projects/%ff/functions", 404, "NOT_FOUND"),
        ("GET", "/api/projects?limit=0", 400, "VALIDATION_ERROR"),
        ("GET", "/api/projects?cursor=x", 400, "VALIDATION_ERROR"),
    ] {
        let answer = app.get(path).await;
        let answer = if method == "GET" { answer } else { app.call(method, path, None).await };
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        let body = answer.json();
        assert_eq!(body["code"], code);
        assert!(body["error"].as_str().is_some_and(|sentence| !sentence.is_empty()));
        assert_eq!(body["request_id"], answer.headers["x-request-id"].to_str().unwrap());
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_callers_request_id_is_kept_unless_it_is_odd() {
    let app = TestApp::start().await;
    let ask = |id: &str| {
        Request::builder().uri("/health/live").header("x-request-id", id).body(Body::empty()).unwrap()
    };
    assert_eq!(app.send(ask("abc-1")).await.headers["x-request-id"], "abc-1");
    let long = "x".repeat(129);
    for odd in ["", "a b", &long] {
        let made = app.send(ask(odd)).await.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(made.len(), 36, "{odd:?} {made}");
    }
}

#[tokio::test]
async fn bodies_over_the_limit_and_no_json_are_told_apart() {
    let app = TestApp::start().await;
    let big = json!({"name": "x".repeat(MAX_REQUEST_BYTES)});
    let answer = app.post("/api/projects", big).await;
    assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), (413, "PAYLOAD_TOO_LARGE"));
    for bad in ["", "{", "[]", "7", "{\"name\": \"a\"} x"] {
        let request = Request::builder()
            .method("POST")
            .uri("/api/projects")
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Body::from(bad))
            .unwrap();
        let answer = app.send(request).await;
        assert_eq!((answer.status, answer.fields()), (400, vec!["body".to_owned()]), "{bad}");
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let app = TestApp::start().await;
    app.deployed("p", false).await;
    let answer = app.post("/api/projects/1/functions/p/execute", json!({"data": "panic"})).await;
    assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), (500, "INTERNAL_ERROR"));
    assert!(!answer.text.contains("as asked"));
}

#[tokio::test]
async fn health_tells_how_it_is_and_when_it_ends() {
    let app = TestApp::start().await;
    let health = app.anonymous("GET", "/health", "").await;
    assert_eq!(health.status, 200);
    let body = health.json();
    for key in [
        "uptime",
        "totalInvocations",
        "successfulInvocations",
        "failedInvocations",
        "memory",
        "load",
        "sandbox",
    ] {
        assert!(!body[key].is_null(), "{key}: {body}");
    }
    assert_eq!((body["status"].as_str(), body["health"].as_str()), (Some("ok"), Some("healthy")));
    assert_eq!(app.anonymous("GET", "/health/ready", "").await.status, 200);
    app.closing.cancel();
    assert_eq!(app.anonymous("GET", "/health/ready", "").await.status, 503);
    assert_eq!(app.anonymous("GET", "/health", "").await.json()["status"], "unhealthy");
    assert_eq!(app.anonymous("GET", "/health/live", "").await.status, 200);
}

#[tokio::test]
async fn metrics_docs_and_document_are_there() {
    let app = TestApp::start().await;
    app.get("/api/projects").await;
    let metrics = app.anonymous("GET", "/metrics", "").await;
    assert!(metrics.text.contains("cloudbox_http_requests_total{"), "{}", metrics.text);
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let document = app.anonymous("GET", "/openapi.json", "").await;
    assert!(document.json()["paths"]["/api/projects/{project}/functions/{function}/execute"].is_object());
    let docs = app.anonymous("GET", "/docs/", "").await;
    assert_eq!(docs.status, 200);
    assert!(docs.text.contains("swagger"), "{}", docs.text);
}

#[test]
fn the_document_is_as_it_was_reviewed() {
    let document = serde_json::to_value(super::super::document()).unwrap();
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let names = |value: &Value, key: &str| {
                let all = value.as_array().cloned().unwrap_or_default();
                all.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
            };
            let responses =
                operation["responses"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
            let secured = match operation["security"].as_array() {
                None => "public",
                Some(all) if all.contains(&json!({})) => "either",
                Some(_) => "bearer",
            };
            lines.push(format!(
                "{} {path} ({}) {secured} -> {responses}",
                method.to_uppercase(),
                names(&operation["parameters"], "name")
            ));
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let fields =
            schema["properties"].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        lines.push(format!("{name}: {}", fields.unwrap_or_default().join(" ")));
    }
    insta::assert_snapshot!("openapi", lines.join("\n"));
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let document = serde_json::to_value(super::super::document()).unwrap();
    let mut ids = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        ids.extend(item.as_object().unwrap().values().map(|operation| operation["operationId"].to_string()));
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

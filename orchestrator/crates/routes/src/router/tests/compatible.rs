//! The compatible routes: their shapes, their errors, who may do what, and which route a path means.

use cloudbox_api_types::function_service::ServiceError;

use super::*;

/// An error of the function service is of the shape that the document has for it, with nothing beside.
#[track_caller]
fn documented(answer: &Answer) {
    let error: ServiceError = serde_json::from_str(&answer.text).unwrap();
    assert!(!error.success, "{}", answer.text);
}

async fn other_project(app: &TestApp) {
    let made = app.post("/api/projects", json!({"name": "Shop", "slug": "shop"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test]
async fn the_function_service_makes_calls_and_changes_functions() {
    let app = TestApp::start().await;
    let body =
        json!({"function_name": "hello", "code": "x", "runtime": "node18", "file_path": "api/hello.js"});
    let made = app.post("/api/functions/projects/default", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.headers["location"], "/api/functions/1/hello");
    let card = &made.json()["function"];
    assert_eq!(made.json()["success"], true);
    let shown = [&card["function_name"], &card["file_path"], &card["runtime"], &card["is_active"]];
    assert_eq!(shown, [&json!("hello"), &json!("index.js"), &json!("node18"), &json!(true)]);
    assert_eq!((&card["status"], &card["invocation_count"]), (&json!("deployed"), &json!(0)));
    let called = app.anonymous("POST", "/api/v1/functions/default/hello?q=1", r#"{"name": "World"}"#).await;
    assert_eq!(called.status, 200, "{}", called.text);
    let answer = called.json();
    assert_eq!((&answer["success"], &answer["duration"]), (&json!(true), &json!(2.0)));
    assert_eq!(answer["logs"], json!(["[LOG] a line"]));
    let seen = &answer["result"];
    assert_eq!((&seen["body"], &seen["mode"]), (&json!(r#"{"name": "World"}"#), &json!("Raw")));
    assert_eq!((&seen["path"], &seen["query"]), (&json!("/api/v1/functions/default/hello"), &json!("q=1")));
    assert!(called.headers.contains_key("x-cloudbox-invocation-id"));
    assert_eq!(app.anonymous("POST", "/api/v1/functions/hello", "{}").await.json()["success"], true);
    let read = app.anonymous("GET", "/api/v1/functions/default/hello", "").await;
    assert_eq!((read.status, read.json()["function"]["id"].clone()), (200, card["id"].clone()));
    let path = "/api/v1/functions/default/hello";
    let off = app.call("PATCH", path, Some(json!({"is_active": false}))).await;
    assert_eq!((off.status, &off.json()["function"]["is_active"]), (200, &json!(false)));
    let code = app.get("/api/functions/code/default/hello").await.json();
    assert_eq!((&code["code"], &code["success"]), (&json!("x"), &json!(true)));
    for list in ["/api/v1/projects/1/functions", "/api/functions/projects/default"] {
        let functions = app.get(list).await.json()["functions"].as_array().unwrap().len();
        assert_eq!(functions, 1, "{list}");
    }
    let gone = app.call("DELETE", "/api/functions/default/hello", None).await;
    assert_eq!((gone.status, gone.json()), (200, json!({"success": true})));
    assert_eq!(app.get("/api/functions/default/hello").await.status, 404);
}

#[tokio::test]
async fn a_registration_makes_the_function_or_changes_it() {
    let app = TestApp::start().await;
    let body =
        |code: &str| json!({"projectId": 1, "functionName": "built", "filePath": "api/a.py", "code": code});
    let first = app.post("/api/functions/register", body("1")).await;
    assert_eq!(
        (first.status, &first.json()["function"]["runtime"]),
        (201, &json!("python3.9")),
        "{}",
        first.text
    );
    let again = app.post("/api/functions/register", body("2")).await;
    assert_eq!(
        (again.status, &again.json()["function"]["active_version"]),
        (200, &json!(2)),
        "{}",
        again.text
    );
    let same = app.post("/api/functions/register", body("2")).await;
    assert_eq!(same.json()["function"]["active_version"], 2, "nothing changed");
    for (body, field) in [
        (json!({"function_name": "a"}), "project_id"),
        (json!({"project_id": true, "function_name": "a"}), "project_id"),
        (json!({"project_id": 1}), "function_name"),
    ] {
        let answer = app.post("/api/functions/register", body).await;
        assert_eq!((answer.status, answer.fields()), (400, vec![field.to_owned()]));
    }
}

#[tokio::test]
async fn errors_of_the_function_service_say_success_and_name_fields_as_they_were_sent() {
    let app = TestApp::start().await;
    for (method, path, status) in [
        ("GET", "/api/functions/default/none", 404),
        ("GET", "/api/v1/projects/none/functions", 404),
        ("PATCH", "/api/functions/default/none", 404),
    ] {
        let answer = app.call(method, path, Some(json!({}))).await;
        assert_eq!((answer.status, &answer.json()["success"]), (status, &json!(false)), "{}", answer.text);
        assert!(answer.json()["error"].is_string() && answer.json()["request_id"].is_string());
        documented(&answer);
    }
    let body = json!({"functionName": "Bad Name", "isActive": "no", "name2": 1, "runtime": "node"});
    let answer = app.post("/api/functions/projects/1", body).await;
    let mut fields = answer.fields();
    fields.sort_unstable();
    assert_eq!((answer.status, &answer.json()["success"]), (400, &json!(false)));
    documented(&answer);
    assert_eq!(fields, ["functionName", "isActive", "name2", "runtime"]);
    let twice = app.post("/api/functions/projects/1", json!({"name": "a", "function_name": "b"})).await;
    assert_eq!((twice.status, twice.fields()), (400, vec!["function_name".to_owned()]));
}

#[tokio::test]
async fn failed_calls_of_the_function_service_show_as_much_as_the_caller_may_see() {
    let app = TestApp::start().await;
    app.deployed("closed", true).await;
    app.post("/api/functions/projects/1", json!({"name": "open", "code": "x"})).await;
    app.deployed("private", false).await;
    let call = async |name: &str| {
        app.anonymous("POST", &format!("/api/v1/functions/1/{name}"), "fail RUNTIME_ERROR").await
    };
    let open = call("open").await;
    let body = open.json();
    assert_eq!(
        (open.status, &body["success"], &body["error"]),
        (500, &json!(false), &json!("secret message"))
    );
    assert_eq!((&body["logs"], &body["duration"]), (&json!(["[LOG] a line"]), &json!(2.0)));
    let closed = call("closed").await;
    assert_eq!((closed.status, &closed.json()["success"]), (500, &json!(false)));
    assert!(!closed.text.contains("secret") && !closed.text.contains("a line"), "{}", closed.text);
    documented(&open);
    documented(&closed);
    let fine = app.anonymous("POST", "/api/v1/functions/1/closed", "{}").await.json();
    assert_eq!((&fine["success"], &fine["logs"]), (&json!(true), &json!([])));
    let known = app.call("POST", "/api/v1/functions/1/closed", Some(json!("fail RUNTIME_ERROR"))).await;
    assert_eq!(known.json()["error"], "secret message");
    let none = call("none").await;
    for answer in [&call("private").await, &none] {
        let body = answer.json();
        assert_eq!((answer.status, &body["error"]), (404, &json!("there is no such function")));
        assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    }
    for path in ["/api/v1/functions/1/private", "/api/v1/functions/1/none"] {
        assert_eq!(app.anonymous("GET", path, "").await.status, 404);
    }
}

#[tokio::test]
async fn a_create_whose_build_fails_leaves_nothing_and_a_change_keeps_the_version() {
    let app = TestApp::start().await;
    let body = |code: &str| json!({"name": "a", "code": code});
    let failed = app.post("/api/functions", body("broken")).await;
    assert_eq!((failed.status, &failed.json()["code"]), (422, &json!("DEPLOYMENT_ERROR")), "{}", failed.text);
    assert!(failed.json()["build_logs"].is_string() && failed.json()["stage"].is_string());
    assert_eq!(app.get("/api/functions/a").await.status, 404);
    let made = app.post("/api/functions", body("fine")).await;
    assert_eq!((made.status, &made.json()["requires_api_key"]), (201, &json!(false)), "{}", made.text);
    let changed = app.call("PATCH", "/api/functions/a", Some(json!({"code": "broken"}))).await;
    assert_eq!(changed.status, 422);
    let read = app.get("/api/functions/a").await.json();
    assert_eq!((&read["status"], &read["active_version"]), (&json!("failed"), &json!(1)));
    assert_eq!(app.anonymous("GET", "/invoke/a", "").await.status, 200);
    let again = app.call("PATCH", "/api/functions/a", Some(json!({"code": "broken"}))).await;
    assert_eq!(again.status, 422, "the same code is tried again");
    let limits = app.call("PATCH", "/api/functions/a", Some(json!({"memory": 256}))).await;
    assert_eq!(limits.status, 200, "nothing to build");
    let draft = app.post("/api/functions", json!({"name": "package"})).await;
    assert_eq!((draft.status, &draft.json()["status"]), (201, &json!("draft")));
}

#[tokio::test]
async fn edge_functions_speak_milliseconds_and_upper_case() {
    let app = TestApp::start().await;
    let made = app
        .post(
            "/api/edge-functions",
            json!({"name": "hello-world", "code": "x", "runtime": "JAVASCRIPT", "timeout": 15000, "memory": 128,
                "envVars": {"API_KEY": "k"}, "triggerType": "HTTP"}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = made.json();
    let path = format!("/api/edge-functions/{}", shown["id"]);
    assert_eq!(made.headers["location"], path.as_str());
    assert_eq!(
        (&shown["timeout"], &shown["memory"], &shown["runtime"]),
        (&json!(15000), &json!(128), &json!("JAVASCRIPT"))
    );
    assert_eq!((&shown["envVars"], &shown["handler"]), (&json!({"API_KEY": "********"}), &json!("handler")));
    assert_eq!(
        (&shown["status"], &shown["isPublic"], &shown["domainId"]),
        (&json!("ACTIVE"), &json!(false), &Value::Null)
    );
    let called = app
        .post(
            &format!("{path}/invoke"),
            json!({"method": "GET", "path": "/", "headers": {}, "queryParams": {}}),
        )
        .await;
    assert_eq!((called.status, &called.json()["statusCode"]), (200, &json!(200)), "{}", called.text);
    let seen: Value = serde_json::from_str(called.json()["body"].as_str().unwrap()).unwrap();
    assert_eq!((&seen["method"], &seen["path"], &seen["mode"]), (&json!("GET"), &json!("/"), &json!("Http")));
    let posted = app
        .post(&format!("{path}/invoke"), json!({"body": "{\"a\": 1}", "queryParams": {"q": [1, 2]}}))
        .await;
    let seen: Value = serde_json::from_str(posted.json()["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&seen["method"], &seen["body"], &seen["query"]),
        (&json!("POST"), &json!("{\"a\": 1}"), &json!("q=1&q=2"))
    );
    let failed = app.post(&format!("{path}/invoke"), json!({"body": "fail TIMEOUT"})).await;
    let body = failed.json();
    assert_eq!((failed.status, &body["statusCode"], &body["code"]), (504, &json!(504), &json!("TIMEOUT")));
    assert_eq!(body["body"], json!({"error": "secret message", "stack": "at secret:1"}));
    assert_eq!(app.anonymous("GET", &format!("/invoke/{}", shown["id"]), "").await.status, 404);
    let changed =
        app.call("PATCH", &path, Some(json!({"status": "INACTIVE", "isPublic": true}))).await.json();
    assert_eq!((&changed["status"], &changed["isPublic"]), (&json!("INACTIVE"), &json!(true)));
    assert_eq!(app.get("/api/edge-functions").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.get(&format!("{path}/logs")).await.json()["items"], json!([]));
    assert_eq!(app.call("DELETE", &path, None).await.status, 204);
    assert_eq!(app.get(&path).await.status, 404);
}

#[tokio::test]
async fn edge_functions_refuse_what_is_out_of_range_or_not_there_yet() {
    let app = TestApp::start().await;
    for (field, value) in [
        ("timeout", json!(999)),
        ("timeout", json!(30_001)),
        ("timeout", json!(1500)),
        ("memory", json!(63)),
        ("memory", json!(513)),
        ("runtime", json!("COBOL")),
        ("triggerType", json!("CRON")),
        ("domainId", json!("domain-id")),
        ("subdomain", json!("api")),
        ("path", json!("/webhook")),
        ("status", json!("GONE")),
        ("envVars", json!({"A": 1})),
        ("handler", json!("../x")),
    ] {
        let mut body = json!({"name": "a", "code": "x"});
        body[field] = value.clone();
        let answer = app.post("/api/edge-functions", body).await;
        assert_eq!(answer.status, 400, "{field} {value}: {}", answer.text);
        assert!(answer.fields()[0].starts_with(field), "{field} {value}: {}", answer.text);
    }
    let nulls = json!({"name": "a", "code": "x", "domainId": null, "subdomain": null, "path": null});
    assert_eq!(app.post("/api/edge-functions", nulls).await.status, 201);
}

#[tokio::test]
async fn the_short_ways_find_the_project_by_header_host_or_default() {
    let app = TestApp::start().await;
    other_project(&app).await;
    for project in ["default", "shop"] {
        let body = json!({"name": "where", "code": "x", "is_public": true});
        let made = app.post(&format!("/api/functions/projects/{project}"), body).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    app.call("PATCH", "/api/functions/shop/where", Some(json!({"is_active": false}))).await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::builder().uri("/_functions/where/x?y=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(ask(&[]).await.json()["path"], "/_functions/where/x");
    assert_eq!(ask(&[]).await.json()["base_path"], "/_functions/where");
    // The shop's backend says who it is.
    app.call("DELETE", "/api/functions/shop/where", None).await;
    for headers in [
        &[("x-project-id", "shop")][..],
        &[("host", "shop.example.com:8080")],
        &[("host", "other.example.com"), ("x-project-id", "2")],
    ] {
        assert_eq!(ask(headers).await.status, 404, "{headers:?}");
    }
    for headers in [
        &[("host", "other.example.com")][..],
        &[("host", "127.0.0.1:8080")],
        &[("host", "shop.example.com"), ("x-project-id", "default")],
    ] {
        assert_eq!(ask(headers).await.status, 200, "{headers:?}");
    }
    let twice = ask(&[("x-project-id", "1"), ("x-project-id", "2")]).await;
    assert_eq!((twice.status, twice.fields()), (400, vec!["X-Project-Id".to_owned()]));
}

#[tokio::test]
async fn the_short_ways_are_public_ways() {
    let app = TestApp::start().await;
    app.deployed("open", true).await;
    app.deployed("private", false).await;
    let id = app.get("/api/projects/1/functions/open").await.json()["id"].clone();
    let private = app.get("/api/projects/1/functions/private").await.json()["id"].clone();
    for way in [format!("/invoke/{id}"), "/invoke/open".to_owned(), "/_functions/open".to_owned()] {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PURGE"] {
            let answer = app.anonymous(method, &format!("{way}?x=1"), "").await;
            assert_eq!(answer.status, 200, "{method} {way}: {}", answer.text);
            assert_eq!(answer.headers["content-security-policy"], "sandbox");
        }
        for below in ["/", "/a/b%20c", "/%ff"] {
            let seen = app.anonymous("GET", &format!("{way}{below}"), "").await.json();
            assert_eq!(seen["path"], format!("{way}{below}"));
            assert_eq!(seen["base_path"], way);
        }
        let failed = app.anonymous("POST", &way, "fail RUNTIME_ERROR").await;
        assert_eq!((failed.status, failed.json().as_object().unwrap().len()), (500, 3), "{}", failed.text);
        let key = Request::builder().uri(&way).header("x-api-key", "some-key").body(Body::empty()).unwrap();
        assert_eq!(app.send(key).await.status, 200);
    }
    for way in [format!("/invoke/{private}"), "/_functions/private".to_owned(), "/invoke/999".to_owned()] {
        let hidden = app.anonymous("GET", &way, "").await;
        assert_eq!(
            (hidden.status, &hidden.json()["error"]),
            (404, &json!("there is no such function")),
            "{way}"
        );
    }
    assert_eq!(app.get(&format!("/invoke/{private}")).await.status, 200);
}

#[tokio::test]
async fn paths_of_two_meanings_have_one() {
    let app = TestApp::start().await;
    other_project(&app).await;
    for name in ["execution-logs", "hello"] {
        app.post("/api/functions/projects/shop", json!({"name": name, "code": "x"})).await;
    }
    let id = app.get("/api/functions/shop/hello").await.json()["function"]["id"].clone();
    let logs = app.get(&format!("/api/functions/{id}/execution-logs?page=1&limit=20&filter=all")).await;
    let empty = json!({"page": 1, "limit": 20, "total": 0, "totalPages": 0});
    assert_eq!((logs.status, logs.json()), (200, json!({"logs": [], "pagination": empty})), "{}", logs.text);
    let by_id = app.get(&format!("/api/functions/{id}")).await;
    assert_eq!(by_id.json()["name"], "hello", "by its id in whichever project");
    assert_eq!(app.get("/api/functions/hello").await.status, 404, "by its name in the default project");
    // A word of the other routes as a function's name: by the function service's other path.
    assert_eq!(app.get("/api/v1/functions/shop/execution-logs").await.status, 200);
    for (query, field) in
        [("page=0", "page"), ("page=x", "page"), ("limit=0", "limit"), ("filter=some", "filter")]
    {
        let answer = app.get(&format!("/api/functions/{id}/execution-logs?{query}")).await;
        assert_eq!((answer.status, answer.fields()), (400, vec![field.to_owned()]));
    }
    assert_eq!(app.get(&format!("/api/functions/{id}/execution-logs/nope")).await.status, 404);
}

#[tokio::test]
async fn the_dashboard_counts_functions_and_calls() {
    let app = TestApp::start().await;
    app.deployed("a", true).await;
    app.post("/api/projects/1/functions", json!({"name": "b", "is_active": false})).await;
    let stats = app.get("/api/dashboard/stats").await;
    assert_eq!(
        stats.json(),
        json!({"totalFunctions": 2, "activeFunctions": 1, "inactiveFunctions": 1, "totalExecutions": 0,
            "successfulExecutions": 0, "failedExecutions": 0, "successRate": 100.0, "averageExecutionTime": 0.0}),
        "{}",
        stats.text
    );
    assert_eq!(app.get("/api/dashboard/recent-activity?limit=5").await.json()["items"], json!([]));
}

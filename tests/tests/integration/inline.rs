//! Code that comes with the call: run, tried and looked at without a stored function.

use cloudbox_tests::{Api, Driver, Service, both_drivers};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};

/// The form of the document that these routes come from.
const PLATFORM: &str = "export default async function handler(request, context) {
  const { name } = request.body;
  context.log.info('Processing request', { name });
  if (!name) return context.error('name is missing', 'NO_NAME');
  return context.success({ message: `Hello, ${name}!`, key: context.env.API_KEY, calls: ++calls, q: request.query.q,
    id: request.params.id + context.params.id });
}
let calls = 0;
export const config = { name: 'My Function', timeout: 30000, memory: 128, env_required: ['API_KEY'] };
";

async fn inline_code(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    code_runs_and_is_warm_the_second_time(&api).await;
    failures_have_their_codes(&api).await;
    every_language_runs(&api).await;
    sources_are_looked_at(&api).await;
    stored_functions_run_too(&api).await;
    service.stop().await;
}

both_drivers! { inline_code }

async fn code_runs_and_is_warm_the_second_time(api: &Api) {
    let body = json!({
        "code": PLATFORM, "env": { "API_KEY": "k" },
        "request": { "method": "POST", "headers": { "X-A": "b" }, "query": { "q": "1" }, "body": { "name": "Ada" },
            "params": { "id": 7 } },
    });
    for (path, calls) in [("/execute", 1), ("/execute", 2), ("/test", 3)] {
        let answer = api.post(path, &body).await.with(200);
        let shown: Value = answer.json();
        let data = json!({ "message": "Hello, Ada!", "key": "k", "calls": calls, "q": "1", "id": "77" });
        assert_eq!((&shown["success"], &shown["data"]), (&json!(true), &data), "{shown}");
        assert_eq!(shown["logs"][0]["level"], "info", "{shown}");
        assert_eq!(shown["logs"][0]["message"], "Processing request");
        assert_eq!(shown["logs"][0]["fields"], json!({ "name": "Ada" }));
        assert!(
            shown["execution_time"].as_f64() > Some(0.0) && shown["correlation_id"].is_string(),
            "{shown}"
        );
        let start = answer.headers["x-cloudbox-start"].to_str().unwrap();
        assert_eq!(start, if calls == 1 { "cold" } else { "warm" });
    }
    let records: Value = api.get("/api/projects/1/inline-executions?limit=2").await.with(200).json();
    let newest = &records["items"][0];
    assert_eq!((&newest["trigger"], &newest["status"]), (&json!("test"), &json!("success")), "{records}");
    assert!(newest["logs"].as_str().unwrap().contains("Processing request"), "{records}");
    let more =
        format!("/api/projects/1/inline-executions?cursor={}", records["next_cursor"].as_str().unwrap());
    let rest: Value = api.get(&more).await.with(200).json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null), "{rest}");
    let functions: Value = api.get(&api.functions("")).await.with(200).json();
    assert_eq!(functions["items"], json!([]), "nothing is stored");
}

async fn failures_have_their_codes(api: &Api) {
    let post = |body: Value| async move { api.post("/execute", &body).await };
    let no = json!({ "code": PLATFORM, "env": { "API_KEY": "k" }, "request": { "body": {} } });
    let shown: Value = post(no).await.with(200).json();
    assert_eq!(shown["error"], json!({ "message": "name is missing", "code": "NO_NAME" }), "{shown}");
    assert_eq!(shown["success"], json!(false));

    let shown: Value =
        post(json!({ "code": "export default async function handler(request) {\n  return 1 +;\n}" }))
            .await
            .with(422)
            .json();
    assert_eq!((&shown["error"]["line"], &shown["error"]["column"]), (&json!(2), &json!(13)), "{shown}");
    assert_eq!(shown["error"]["code"], "DEPLOYMENT_ERROR");

    let shown: Value = post(json!({ "code": "exports.handler = () => { throw new Error('as asked') }" }))
        .await
        .with(500)
        .json();
    assert_eq!(shown["error"]["code"], "RUNTIME_ERROR", "{shown}");
    assert!(shown["error"]["message"].as_str().unwrap().contains("as asked"), "{shown}");

    let endless =
        json!({ "code": "exports.handler = () => { while (true) {} }", "config": { "timeout": 500 } });
    let shown: Value = post(endless).await.with(504).json();
    assert_eq!(shown["error"]["code"], "TIMEOUT", "{shown}");

    for (body, field) in [
        (json!({}), "code"),
        (json!({ "code": "x", "function_id": 1 }), "code"),
        (json!({ "code": PLATFORM }), "env.API_KEY"),
        (json!({ "code": "exports.handler = () => 1", "config": { "timeout": 300_001 } }), "config.timeout"),
        (json!({ "code": "exports.handler = () => 1", "config": { "memory": 1 } }), "config.memory"),
        (json!({ "code": "x", "language": "cobol" }), "language"),
        (json!({ "code": "x", "env": { "A=B": "c" } }), "env.A=B"),
        (json!({ "code": "x", "request": { "headers": 7 } }), "request.headers"),
        (json!({ "code": "x", "surprise": 1 }), "surprise"),
        (json!({ "function_id": 1, "env": { "A": "b" } }), "env"),
        (json!({ "function_id": 1, "egress": [] }), "egress"),
        (json!({ "function_id": 1, "runtime": "nodejs20" }), "runtime"),
        (json!({ "function_id": 1, "config": { "timeout": 500 } }), "config"),
    ] {
        let refusal = post(body.clone()).await.error(ErrorCode::ValidationError);
        assert_eq!(refusal["details"][0]["field"], field, "{body}: {refusal}");
    }
    let nowhere = json!({ "code": "exports.handler = () => 1", "project_id": 99 });
    let _ = post(nowhere).await.error(ErrorCode::NotFound);
    let _ = post(json!({ "function_id": 99 })).await.error(ErrorCode::NotFound);
}

async fn every_language_runs(api: &Api) {
    for (language, code) in [
        ("python", "def handler(data, context):\n    return {'n': data['n'] + 1}\n"),
        (
            "go",
            "package main\n\nfunc handler(data map[string]interface{}, context map[string]interface{}) \
                (interface{}, error) {\n\treturn map[string]interface{}{\"n\": data[\"n\"].(float64) + 1}, nil\n}\n",
        ),
    ] {
        let body = json!({ "code": code, "language": language, "request": { "body": { "n": 1 } } });
        let shown: Value = api.post("/execute", &body).await.with(200).json();
        assert_eq!(shown["data"], json!({ "n": 2 }), "{language}: {shown}");
    }
}

async fn sources_are_looked_at(api: &Api) {
    let look = |language: &'static str, code: &'static str| async move {
        let shown: Value =
            api.post("/validate", &json!({ "code": code, "language": language })).await.with(200).json();
        shown
    };
    let shown = look("javascript", PLATFORM).await;
    assert_eq!(
        (&shown["valid"], &shown["errors"], &shown["warnings"]),
        (&json!(true), &json!([]), &json!([]))
    );
    assert_eq!(shown["config"]["memory"], 128);

    let code = "const { exec } = require('child_process');\nexports.handler = (d) => eval(d.x);";
    let shown = look("javascript", code).await;
    let rules: Vec<_> = shown["warnings"].as_array().unwrap().iter().map(|it| it["rule"].clone()).collect();
    assert_eq!(rules, ["child-process", "eval"], "{shown}");
    assert_eq!((&shown["warnings"][1]["line"], &shown["warnings"][1]["column"]), (&json!(2), &json!(26)));

    for (language, code, place) in [
        ("javascript", "exports.handler = () => {\n  return (;\n}", (2, 11)),
        ("python", "def handler(data, context):\n    return data +\n", (2, 18)),
        (
            "go",
            "package main\n\nfunc handler(data interface{}) (interface{}, error) {\n\treturn data,, nil\n}\n",
            (4, 14),
        ),
    ] {
        let shown = look(language, code).await;
        let error = &shown["errors"][0];
        assert_eq!(shown["valid"], json!(false));
        assert_eq!(
            (&error["line"], &error["column"]),
            (&json!(place.0), &json!(place.1)),
            "{language}: {shown}"
        );
    }
    let deep: Value = api.post("/validate", &json!({ "code": "(".repeat(500_000) })).await.with(200).json();
    assert_eq!(deep["valid"], json!(false));
    let info: Value = api.anonymous().get("/info").await.with(200).json();
    assert_eq!(info["name"], "cloudbox", "{info}");
}

async fn stored_functions_run_too(api: &Api) {
    api.launch("stored", "javascript", "exports.handler = async (data) => ({ got: data })").await;
    let id = api.function("stored").await.with(200).json::<Value>()["id"].clone();
    for id in [id.clone(), json!("stored")] {
        let body = json!({ "function_id": id, "request": { "body": [1] } });
        let shown: Value = api.post("/execute", &body).await.with(200).json();
        assert_eq!(shown["data"], json!({ "got": [1] }), "{shown}");
        let shown: Value = api.post("/validate", &json!({ "function_id": id })).await.with(200).json();
        assert_eq!(shown["valid"], json!(true), "{shown}");
    }
    // An id says in which project it is.
    let other = api.in_project("other");
    let _ = api.post("/api/projects", &json!({ "name": "Other", "slug": "other" })).await.with(201);
    other.launch("elsewhere", "javascript", "exports.handler = async () => 'there'").await;
    let id = other.function("elsewhere").await.with(200).json::<Value>()["id"].clone();
    let shown: Value = api.post("/execute", &json!({ "function_id": id })).await.with(200).json();
    assert_eq!(shown["data"], "there", "{shown}");
    let wrong = json!({ "function_id": id, "project_id": 1 });
    let _ = api.post("/execute", &wrong).await.error(ErrorCode::NotFound);
}

//! A function's documents: projects apart, quotas that hold, and arguments that come from an attacker.

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, both_drivers};
use serde_json::{Value, json};

/// Makes the host call that its data says, as the shim of an attacker could: no entity's name or argument is looked at
/// before the service does.
const ASK: &str = "exports.handler = async ({ method, args }, context) => { \
     try { return { value: await context.hostCall(method, args) }; } \
     catch (error) { return { code: error.code, message: error.message }; } };";

/// Makes as many operations as its data says; the code of the first error.
const FLOOD: &str = "exports.handler = async ({ count }, context) => { \
     const { things } = context.db.project.entities; \
     const done = await Promise.all([...Array(count)].map(() => things.count().catch((error) => error.code))); \
     return done.filter((one) => typeof one === 'string'); };";

async fn ask(api: &Api, method: &str, entity: &Value, args: Value) -> Value {
    let data = json!({"method": method, "args": {"entity": entity, "args": args}});
    response(&api.execute("ask", &json!({"data": data})).await)
}

#[track_caller]
fn response(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].clone()
}

async fn documents(driver: Driver) {
    let plan = Plan::new(driver)
        .with("CLOUDBOX_DOCUMENTS_PER_PROJECT", "3")
        .with("CLOUDBOX_DOCUMENTS_BYTES_PER_DOCUMENT", "100")
        .with("CLOUDBOX_DOCUMENTS_OPERATIONS_PER_CALL", "20");
    let service = plan.start().await;
    let ours = service.api();
    assert_eq!(ours.post("/api/projects", &json!({"name": "Other", "slug": "other"})).await.status, 201);
    let theirs = ours.in_project("other");
    for api in [&ours, &theirs] {
        api.launch("ask", "javascript", ASK).await;
    }
    projects_are_apart(&ours, &theirs).await;
    quotas_hold(&ours, &theirs).await;
    a_dry_run_leaves_nothing(&ours).await;
    odd_calls_are_refused(&ours).await;
    service.stop().await;
}

async fn projects_are_apart(ours: &Api, theirs: &Api) {
    let users = json!("users");
    let made = ask(ours, "db.create", &users, json!([{"id": "1", "name": "Ada"}])).await;
    assert_eq!(made["value"]["name"], "Ada");
    for (method, args, expected) in [
        ("db.findMany", json!([]), json!([])),
        ("db.findOne", json!(["1"]), Value::Null),
        ("db.count", json!([{"$or": [{}, {"project_id": 1}]}]), json!(0)),
        ("db.update", json!(["1", {"name": "Eve"}]), Value::Null),
        ("db.deleteMany", json!([{}]), json!(0)),
    ] {
        assert_eq!(ask(theirs, method, &users, args).await, json!({"value": expected}), "{method}");
    }
    assert_eq!(ask(theirs, "db.create", &users, json!([{"id": "1"}])).await["value"]["id"], "1");
    assert_eq!(ask(ours, "db.findOne", &users, json!(["1"])).await["value"]["name"], "Ada");
}

async fn quotas_hold(ours: &Api, theirs: &Api) {
    let things = json!("things");
    for _ in 0..2 {
        assert!(ask(ours, "db.create", &things, json!([{}])).await["value"].is_object());
    }
    let full = ask(ours, "db.create", &things, json!([{}])).await;
    assert_eq!(full["code"], "QUOTA_EXCEEDED");
    assert!(full["message"].as_str().unwrap().contains("the limit is 3 (documents.per_project)"), "{full}");
    let long = ask(theirs, "db.create", &things, json!([{"text": "x".repeat(100)}])).await;
    assert_eq!(long["code"], "QUOTA_EXCEEDED", "{long}");
    assert!(
        ask(theirs, "db.create", &things, json!([{}])).await["value"].is_object(),
        "a quota is a project's own"
    );

    theirs.launch("flood", "javascript", FLOOD).await;
    for _ in 0..2 {
        let refused = response(&theirs.execute("flood", &json!({"data": {"count": 23}})).await);
        assert_eq!(refused, json!(["QUOTA_EXCEEDED", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"]));
    }
}

async fn a_dry_run_leaves_nothing(api: &Api) {
    let code = "exports.handler = async (data, context) => { \
         const { users } = context.db.project.entities; \
         await users.delete('1'); \
         await users.create({ id: 'dry' }); \
         context.log.warn('seen', { count: await users.count() }); \
         return users.findMany(); };";
    let tried = api.post("/test", &json!({"code": code})).await;
    let shown: Value = serde_json::from_slice(&tried.body).unwrap();
    assert_eq!((tried.status, &shown["data"][0]["id"]), (200, &json!("dry")), "{shown}");
    let line = &shown["logs"][0];
    assert_eq!(
        (&line["level"], &line["message"], &line["fields"]),
        (&json!("warn"), &json!("seen"), &json!({"count": 1}))
    );
    let users = json!("users");
    assert_eq!(ask(api, "db.findOne", &users, json!(["dry"])).await["value"], Value::Null);
    assert_eq!(ask(api, "db.findOne", &users, json!(["1"])).await["value"]["name"], "Ada");
    // What was asked is in the record.
    let records: Value = api.get("/api/projects/1/inline-executions?limit=1").await.with(200).json();
    let asked: Vec<_> = records["items"][0]["host_calls"].as_array().unwrap().iter().collect();
    let names: Vec<_> = asked.iter().map(|call| call["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["db.delete", "db.create", "db.count", "db.findMany"], "{records}");
    assert!(asked.iter().all(|call| call["ok"] == true && call["duration_ms"].is_number()), "{records}");
}

async fn odd_calls_are_refused(api: &Api) {
    let users = json!("users");
    for (method, code) in
        [("db.drop", "VALIDATION_ERROR"), ("db", "UNKNOWN_METHOD"), ("sql.run", "UNKNOWN_METHOD")]
    {
        assert_eq!(ask(api, method, &users, json!([])).await["code"], code, "{method}");
    }
    for entity in
        [json!("users' OR '1'='1"), json!("users; DROP TABLE documents"), json!(null), json!({"a": 1})]
    {
        assert_eq!(ask(api, "db.findMany", &entity, json!([])).await["code"], "VALIDATION_ERROR", "{entity}");
    }
    for filter in [json!({"a\"b": 1}), json!({"$where": "1"}), json!({"a": {"$gt": {"b": 1}}})] {
        assert_eq!(
            ask(api, "db.findMany", &users, json!([filter])).await["code"],
            "VALIDATION_ERROR",
            "{filter}"
        );
    }
    let spliced = json!([{"name": "' OR 1=1 --", "x') OR (1=1": "' OR '1'='1"}]);
    assert_eq!(ask(api, "db.findMany", &users, spliced).await, json!({"value": []}));
    assert_eq!(ask(api, "db.count", &users, json!([])).await, json!({"value": 1}));
}

both_drivers! { documents }

//! The main job as one story, on every driver and every database: create, deploy, call, look, change, restart, remove.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudbox_api_types::{Deployed, Deployment, ExecuteAnswer, Function, List, Project};
use cloudbox_tests::postgres::Postgres;
use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

const FIRST: &str = "exports.handler = async (data) => { console.log('first'); return { n: data.n + 1 }; };";
const SECOND: &str = "exports.handler = async (data) => ({ n: data.n + 2, key: process.env.KEY });";

#[tokio::test]
async fn native_sqlite() {
    tell(Driver::Native, None).await;
}

#[tokio::test]
async fn native_postgres() {
    let server = Postgres::shared().unwrap();
    tell(Driver::Native, Some(server.new_database().unwrap())).await;
}

#[tokio::test]
async fn docker_sqlite() {
    tell(Driver::Docker, None).await;
}

#[tokio::test]
async fn docker_postgres() {
    let server = Postgres::shared().unwrap();
    tell(Driver::Docker, Some(server.new_database().unwrap())).await;
}

async fn tell(driver: Driver, database: Option<String>) {
    if !driver.is_tested() {
        return;
    }
    let home = Home::new();
    let plan = || {
        let plan = Plan::new(driver).at(&home);
        match &database {
            Some(url) => plan.with("CLOUDBOX_DATABASE_URL", url),
            None => plan,
        }
    };
    let service = plan().start().await;
    assert!(service.ready_line.contains(driver.as_str()), "{}", service.ready_line);
    let health: Value = service.api().anonymous().get("/health").await.with(200).json();
    assert_eq!(
        (health["status"].as_str(), health["sandbox"]["driver"].as_str()),
        (Some("ok"), Some(driver.as_str()))
    );
    first_life(&service.api()).await;
    service.stop().await;

    let service = plan().start().await;
    second_life(&service.api()).await;
    service.stop().await;
}

async fn first_life(api: &Api) {
    let project: Project = api.post("/api/projects", &json!({ "name": "My shop" })).await.with(201).json();
    assert_eq!(project.slug, "my-shop");
    let shop = api.in_project("my-shop");
    let made: Function = shop
        .create(&json!({ "name": "add", "runtime": "nodejs18", "language": "javascript", "code": FIRST,
            "environment": { "KEY": "secret" }, "timeout": 5 }))
        .await
        .with(201)
        .json();
    assert_eq!((made.status.as_str(), made.active_version, made.timeout), ("draft", None, 5));
    assert_eq!(made.environment["KEY"], "********");
    let _ = shop.execute("add", &json!({})).await.error(ErrorCode::NotDeployed);

    let deployed: Deployed = shop.deploy("add").await.with(200).json();
    assert_eq!((deployed.status.as_str(), deployed.version), ("deployed", 1));
    assert_eq!(deployed.stages.len(), 5, "{deployed:?}");
    assert!(deployed.stages.iter().all(|stage| stage.status == "succeeded"), "{deployed:?}");
    let cold = shop.execute("add", &json!({ "data": { "n": 1 } })).await.with(200);
    let answer: ExecuteAnswer = cold.json();
    assert_eq!((answer.response.get(), answer.logs.as_str(), answer.version), (r#"{"n":2}"#, "first\n", 1));
    let timing = timing_of(&cold).unwrap();
    assert!(answer.start == "cold" && timing["load"] > 0.0, "{timing:?}");
    assert!(answer.execution_time > 0.0 && answer.memory_usage > 0, "{answer:?}");

    // A change of the code counts from the next deploy on, and runs as the next version.
    let changed: Function = shop.patch("add", &json!({ "code": SECOND })).await.with(200).json();
    assert_eq!(changed.active_version, Some(1));
    let answer: ExecuteAnswer = shop.execute("add", &json!({ "data": { "n": 1 } })).await.with(200).json();
    assert_eq!(answer.response.get(), r#"{"n":2}"#);
    deploy_in_steps(&shop).await;
    let answer: ExecuteAnswer = shop.execute("add", &json!({ "data": { "n": 1 } })).await.with(200).json();
    assert_eq!((answer.response.get(), answer.version), (r#"{"n":3,"key":"secret"}"#, 2));

    // Not public: to a stranger it isn't there. Public: anyone may call it.
    let stranger = shop.anonymous();
    let call = || stranger.public(Method::POST, "add", "").json(&json!({ "n": 5 }));
    let _ = Answer::of(call()).await.error(ErrorCode::NotFound);
    let _ = shop.patch("add", &json!({ "is_public": true })).await.with(200);
    let answer = Answer::of(call()).await.with(200);
    assert_eq!((answer.json::<Value>()["n"].as_i64(), timing_of(&answer)), (Some(7), None));
    let ours = shop.public(Method::POST, "add", "").json(&json!({ "n": 5 }));
    let timing = timing_of(&Answer::of(ours).await.with(200)).unwrap();
    assert!(timing["exec"] > 0.0, "{timing:?}");
}

/// Where a call's time went, in ms: for who has a credential. None where the answer doesn't say.
fn timing_of(answer: &Answer) -> Option<BTreeMap<String, f64>> {
    let header = answer.headers.get("server-timing")?.to_str().unwrap();
    let spans: Vec<(&str, f64)> = header
        .split(", ")
        .map(|span| span.split_once(";dur=").unwrap())
        .map(|(name, ms)| (name, ms.parse().unwrap()))
        .collect();
    let names: Vec<&str> = spans.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["queue", "lease", "load", "exec", "total"], "{header}");
    let (total, parts) = spans.split_last().unwrap();
    assert!(parts.iter().map(|(_, ms)| ms).sum::<f64>() <= total.1 + 0.005, "{header}");
    Some(spans.into_iter().map(|(name, ms)| (name.to_owned(), ms)).collect())
}

/// The deploy that isn't waited for: 202, then `building` until it is `deployed`.
async fn deploy_in_steps(api: &Api) {
    let request = api.request(Method::POST, &api.functions("/add/deploy"));
    let started: Value = Answer::of(request).await.with(202).json();
    assert_eq!((started["status"].as_str(), started["version"].as_i64()), (Some("building"), Some(2)));
    let path = api.functions(&format!("/add/deployments/{}", started["deployment_id"]));
    for _ in 0..600 {
        let deployment: Deployment = api.get(&path).await.with(200).json();
        if deployment.status != "building" {
            assert_eq!(deployment.status, "deployed", "{deployment:?}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the deployment goes on and on");
}

/// A service that was restarted knows its functions, versions, values and records.
async fn second_life(api: &Api) {
    let shop = api.in_project("my-shop");
    let function: Function = shop.function("add").await.with(200).json();
    assert_eq!((function.status.as_str(), function.active_version), ("deployed", Some(2)));
    let records = shop.logs("add", "limit=10").await;
    assert_eq!(records.items.len(), 5, "{records:?}");
    for timing in records.items.iter().map(|call| call.timing.unwrap()) {
        assert!(timing.exec > 0.0 && timing.total >= timing.exec + timing.load, "{timing:?}");
    }
    let newest_first = records.items.iter().map(|call| (call.version, call.trigger.as_str()));
    let expected = [(2, "http"), (2, "http"), (2, "execute"), (1, "execute"), (1, "execute")];
    assert_eq!(newest_first.collect::<Vec<_>>(), expected);

    let answer: ExecuteAnswer = shop.execute("add", &json!({ "data": { "n": 1 } })).await.with(200).json();
    assert_eq!((answer.response.get(), answer.version), (r#"{"n":3,"key":"secret"}"#, 2));
    let page = shop.logs("add", "limit=2").await;
    let cursor = page.next_cursor.unwrap();
    let rest = shop.logs("add", &format!("limit=10&cursor={cursor}")).await;
    assert_eq!((page.items.len(), rest.items.len(), rest.next_cursor), (2, 4, None));
    assert_eq!(shop.logs("add", "status=error").await.items.len(), 0);

    let path = shop.functions("/add");
    let _ = Answer::of(shop.request(Method::DELETE, &path)).await.with(204);
    let _ = shop.function("add").await.error(ErrorCode::NotFound);
    let functions: List<Function> = shop.get(&shop.functions("")).await.with(200).json();
    assert!(functions.items.is_empty());
}

/// A home is shared by the lives of one story only.
#[tokio::test]
async fn two_services_dont_share_a_folder() {
    let Some(driver) = cloudbox_tests::machine::drivers().first().copied() else { return };
    let service = Plan::new(driver).start().await;
    let home = Arc::clone(service.home());
    let second = tokio::spawn(Plan::new(driver).at(&home).start()).await;
    assert!(second.is_err_and(|error| error.is_panic()), "the second service must refuse to start");
    let _ = service.api().get("/health").await.with(200);
    service.stop().await;
}

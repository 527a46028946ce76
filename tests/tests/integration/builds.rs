//! Builds while they go on: followed line by line, queued, refused, called off.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::silent::SilentRegistry;
use cloudbox_tests::{Answer, Api, Driver, both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

both_drivers! { builds_are_followed_queued_and_called_off, a_step_that_takes_too_long_is_ended }

/// The events of a followed deployment, as they come: name, id and data.
struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    async fn of(api: &Api, path: &str, last: Option<&str>) -> Self {
        let mut request = api.request(Method::GET, &format!("{path}/logs?follow=true"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    /// The next one; none at the end of the stream.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                let data = serde_json::from_str(&field("data:")).unwrap_or_default();
                let found = (field("event:"), field("id:"), data);
                self.text = rest.to_owned();
                if found.0.is_empty() {
                    continue;
                }
                return Some(found);
            }
            let piece = self.response.chunk().await.unwrap()?;
            self.text.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// Reads on until an event fits: its id.
    async fn until(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> (String, Value) {
        loop {
            let (found, id, data) = self.next().await.expect("the event comes before the stream ends");
            if found == name && fits(&data) {
                return (id, data);
            }
        }
    }
}

fn has(data: &Value, part: &str) -> bool {
    data["text"].as_str().is_some_and(|text| text.contains(part) && text.ends_with('\n'))
}

/// Begins a deployment of a new function: its path, and its answer.
async fn begin(api: &Api, name: &str) -> Answer {
    let code = "def handler(data, context):\n    return 'built'\n";
    let function =
        json!({ "name": name, "language": "python", "code": code, "dependencies": { "six": "1.16.0" } });
    let _ = api.create(&function).await.with(201);
    api.post(&api.functions(&format!("/{name}/deploy")), &json!({})).await
}

async fn begun(api: &Api, name: &str) -> String {
    let answer: Value = begin(api, name).await.with(202).json();
    api.functions(&format!("/{name}/deployments/{}", answer["deployment_id"]))
}

async fn builds_are_followed_queued_and_called_off(driver: Driver) {
    let registry = SilentRegistry::start().await;
    let plan = Plan::new(driver).with("PIP_INDEX_URL", &registry.url);
    let plan = plan.with("CLOUDBOX_BUILDS_PARALLEL", "1").with("CLOUDBOX_BUILDS_QUEUE_LEN", "1");
    let service = plan.start().await;
    let api = service.api();

    // The installation waits for a registry that says nothing, and what it printed before is here.
    let first = begun(&api, "first").await;
    let mut events = Events::of(&api, &first, None).await;
    events.until("stage", |stage| stage["name"] == "install" && stage["status"] == "running").await;
    let (seen, line) = events.until("log", |data| has(data, "Looking in indexes")).await;
    assert_eq!(line["stage"], "install", "{line}");

    let second = begun(&api, "second").await;
    let mut waiting = Events::of(&api, &second, None).await;
    let (_, queued) = waiting.until("queued", |_| true).await;
    assert_eq!(queued, json!({ "place": 1 }));
    assert_eq!(api.get(&second).await.with(200).json::<Value>()["queue_place"], 1);
    let refused = begin(&api, "third").await;
    assert!(!refused.header("retry-after").is_empty());
    let refused = refused.error(ErrorCode::Overloaded);
    assert!(refused["error"].as_str().unwrap().contains("wait to be built"), "{refused}");
    assert_eq!(api.function("third").await.with(200).json::<Value>()["status"], "draft", "nothing was begun");

    for (path, stream, stage) in [(&second, &mut waiting, "validate"), (&first, &mut events, "install")] {
        let ended: Value = api.post(&format!("{path}/cancel"), &json!({})).await.with(200).json();
        assert_eq!((&ended["status"], &ended["stage"]), (&json!("failed"), &json!(stage)), "{ended}");
        assert!(ended["error"].as_str().unwrap().contains("called off"), "{ended}");
        let (_, last) = stream.until("end", |_| true).await;
        assert_eq!(last["status"], "failed", "{last}");
        assert!(stream.next().await.is_none());
        let again = api.post(&format!("{path}/cancel"), &json!({})).await.error(ErrorCode::Conflict);
        assert!(again["error"].as_str().unwrap().contains("has ended"), "{again}");
    }
    // Its sandbox and its folder are gone when the answer is there, but for what the machine still takes down.
    let builds = service.home().data().join("builds");
    while std::fs::read_dir(&builds).unwrap().count() > 0 {
        sleep(Duration::from_millis(50)).await;
    }

    // Who comes again gets what is new since the event that it names.
    let mut rest = Events::of(&api, &first, Some(&seen)).await;
    let mut names = Vec::new();
    while let Some((name, _, data)) = rest.next().await {
        assert!(!has(&data, "Looking in indexes"), "{data}");
        names.push(name);
    }
    assert_eq!(names.last().map(String::as_str), Some("end"), "{names:?}");

    let _ = api.patch("first", &json!({ "dependencies": {} })).await.with(200);
    let _ = api.deploy("first").await.with(200);
    service.stop().await;
}

async fn a_step_that_takes_too_long_is_ended(driver: Driver) {
    let registry = SilentRegistry::start().await;
    let plan = Plan::new(driver).with("PIP_INDEX_URL", &registry.url);
    let service = plan.with("CLOUDBOX_BUILDS_TIMEOUT_S", "10").start().await;
    let api = service.api();
    let path = begun(&api, "slow").await;
    let ended = loop {
        let now: Value = api.get(&path).await.with(200).json();
        if now["status"] == "failed" {
            break now;
        }
        assert_ne!(now["status"], "deployed", "{now}");
        sleep(Duration::from_millis(200)).await;
    };
    assert!(ended["error"].as_str().unwrap().contains("took longer than 10 s"), "{ended}");
    let builds = service.home().data().join("builds");
    while std::fs::read_dir(&builds).unwrap().count() > 0 {
        sleep(Duration::from_millis(50)).await;
    }
    service.stop().await;
}

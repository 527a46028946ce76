//! F2, F3, I7: the object store that nodes share is away, slow, lies, or the node dies while it fetches.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use cloudbox_tests::pack::tgz;
use cloudbox_tests::s3::{Line, S3};
use cloudbox_tests::{Answer, Api, Driver, Plan, Service, both_drivers};
use futures::future::join_all;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

/// Between two looks; how often is bounded by the test's own end.
const PAUSE: Duration = Duration::from_millis(100);

both_drivers! { f2_i7_object_store_away_or_changed, f3_first_loads_at_once_and_a_kill }

/// A service with the object store and two functions; `cold`'s artefact is not here, and the second value is its name.
struct Site {
    s3: S3,
    service: Service,
    api: Api,
    cold: String,
}

impl Site {
    async fn start(driver: Driver) -> Self {
        let s3 = S3::start().await;
        let service = plan(driver, &s3).start().await;
        let api = service.api();
        api.launch("warm", "javascript", "exports.handler = async () => 'warm';").await;
        answers(&api, "warm").await;
        let before = artefacts(&service);
        // Enough that an answer that is cut holds a part of it.
        let _ = api.create(&json!({ "name": "cold", "language": "javascript" })).await.with(201);
        let noise: String =
            (0..40_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let package = tgz(&[("index.js", "exports.handler = async () => 'cold';"), ("noise.txt", &noise)]);
        let request = api.request(Method::POST, &api.functions("/cold/deploy?wait=true"));
        let _ = Answer::of(request.header("content-type", "application/gzip").body(package)).await.with(200);
        let cold = artefacts(&service).difference(&before).next().unwrap().clone();
        let site = Self { s3, service, api, cold };
        site.forget();
        site
    }

    fn code(&self) -> PathBuf {
        self.service.home().data().join("code")
    }

    /// As on a node that never had it.
    fn forget(&self) {
        std::fs::remove_dir_all(self.code().join(&self.cold)).unwrap();
    }

    /// Folders of code that are not whole, or not wanted.
    fn is_without_parts(&self) -> bool {
        artefacts(&self.service).iter().all(|name| name.len() == 64)
    }

    fn key(&self) -> String {
        format!("artefacts/{}.tar.gz", self.cold)
    }
}

fn plan(driver: Driver, s3: &S3) -> Plan {
    s3.settings().iter().fold(Plan::new(driver), |plan, (name, value)| plan.with(name, value))
}

fn artefacts(service: &Service) -> BTreeSet<String> {
    let names = std::fs::read_dir(service.home().data().join("code")).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn answers(api: &Api, name: &str) -> Answer {
    let answer = api.execute(name, &json!({})).await.with(200);
    assert_eq!(answer.json::<Value>()["response"], name);
    answer
}

/// Asks until it is what it should be: after a start that failed the next one waits a little.
async fn comes_to(api: &Api, status: u16) -> Answer {
    loop {
        let answer = api.execute("cold", &json!({})).await;
        if answer.status == status {
            return answer;
        }
        assert!(matches!(answer.status, 500 | 503), "{}", answer.text());
        tokio::time::sleep(PAUSE).await;
    }
}

async fn f2_i7_object_store_away_or_changed(driver: Driver) {
    let site = Site::start(driver).await;
    let lines = [Line::Down, Line::Silent, Line::Forbidden, Line::Truncated, Line::Short];
    for (line, timeout) in lines.into_iter().zip(11..) {
        site.s3.set(line);
        // Under other settings it is tried again at once, and not only when the last failure is a while ago.
        let _ = site.api.patch("cold", &json!({ "timeout": timeout })).await.with(200);
        let answer = site.api.execute("cold", &json!({})).await.with(503);
        assert!(answer.headers.contains_key("retry-after"), "{line:?}");
        assert_eq!(answer.json::<Value>()["code"], "OVERLOADED", "{line:?}");
        let warm = answers(&site.api, "warm").await;
        assert_eq!(warm.headers["x-cloudbox-start"], "warm", "{line:?}");
        assert!(site.is_without_parts() && !site.code().join(&site.cold).exists(), "{line:?}");
    }
    // A package can't be kept where no other node would find it.
    site.s3.set(Line::Down);
    let path = site.api.functions("/cold/package");
    let request = site.api.request(Method::PUT, &path).header("content-type", "application/gzip");
    let refused = Answer::of(request.body(tgz(&[("index.js", "1")]))).await.with(503);
    assert!(refused.headers.contains_key("retry-after"));

    site.s3.set(Line::Whole);
    comes_to(&site.api, 200).await;

    // F2: one byte of the object is another one.
    let object = site.s3.object(&site.key()).await;
    for at in [object.len() / 2, object.len() - 6] {
        let mut changed = object.clone();
        changed[at] ^= 1;
        site.s3.replace(&site.key(), changed).await;
        site.forget();
        // The sandbox that is warm has the code; a change of settings ends it.
        let _ = site.api.patch("cold", &json!({ "timeout": 20 + at % 7 })).await.with(200);
        let answer = comes_to(&site.api, 500).await;
        assert!(answer.text().contains("INTEGRITY"), "{}", answer.text());
        assert!(site.is_without_parts() && !site.code().join(&site.cold).exists());
        site.s3.replace(&site.key(), object.clone()).await;
        comes_to(&site.api, 200).await;
    }
    // What is here is looked at again, and mended from there.
    let file = site.code().join(&site.cold).join("noise.txt");
    std::fs::write(&file, "changed").unwrap();
    let _ = site.api.patch("cold", &json!({ "timeout": 29 })).await.with(200);
    comes_to(&site.api, 200).await;
    assert!(std::fs::metadata(&file).unwrap().len() > 1000);
    site.service.stop().await;
}

async fn f3_first_loads_at_once_and_a_kill(driver: Driver) {
    let site = Site::start(driver).await;
    let empty = json!({});
    let calls = (0..50).map(|_| site.api.execute("cold", &empty));
    for answer in join_all(calls).await {
        assert_eq!(answer.with(200).json::<Value>()["response"], "cold");
    }
    assert!(site.is_without_parts());

    // Killed half way through.
    site.forget();
    let _ = site.api.patch("cold", &json!({ "timeout": 20 })).await.with(200);
    site.s3.set(Line::Stalled);
    let path = site.api.functions("/cold/execute");
    let call = tokio::spawn(Answer::attempt(site.api.request(Method::POST, &path).json(&json!({}))));
    while site.is_without_parts() {
        tokio::time::sleep(PAUSE).await;
    }
    let home = std::sync::Arc::clone(site.service.home());
    site.service.signal(Signal::SIGKILL);
    let _ = site.service.ended().await;
    assert!(call.await.unwrap().is_err(), "it was answered by nobody");
    site.s3.set(Line::Whole);
    let service = plan(driver, &site.s3).at(&home).start().await;
    let again = Site { service, cold: site.cold, api: site.api, s3: site.s3 };
    assert!(again.is_without_parts() && !again.code().join(&again.cold).exists());
    let api = again.service.api();
    assert_eq!(comes_to(&api, 200).await.json::<Value>()["response"], "cold");
    answers(&api, "warm").await;
    again.service.stop().await;
}

//! D4 and D5: which sandbox serves which call, and what happens to calls when their function changes or goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloudbox_tests::{Api, Language, Stage, on_both_drivers};
use serde_json::{Value, json};

on_both_drivers! { d4_twins_share_nothing, d5_changes_while_calls_run }

/// The sandbox that served a call, and the environment's word.
async fn identity(api: &Api, name: &str) -> (String, Value) {
    let answer: Value = api.execute(name, &json!({ "data": {} })).await.with(200).json();
    (answer["response"]["id"].as_str().unwrap().to_owned(), answer["response"]["word"].clone())
}

/// The same code in another function, project, version, environment or size never meets the same sandbox; and what was changed
/// counts from the next call on.
async fn d4_twins_share_nothing(stage: &Stage) {
    let _ = stage.api.post("/api/projects", &json!({ "name": "twins", "slug": "twins" })).await.with(201);
    let twins = stage.api.in_project("twins");
    for language in Language::ALL {
        let (one, other) =
            (format!("one-{}", language.extension()), format!("other-{}", language.extension()));
        let code = cloudbox_tests::stage::source("state", language);
        stage.api.launch(&one, language.as_str(), &code).await;
        stage.api.launch(&other, language.as_str(), &code).await;
        twins.launch(&one, language.as_str(), &code).await;
        let first = identity(&stage.api, &one).await.0;
        assert_eq!(identity(&stage.api, &one).await.0, first, "{language:?}: a warm sandbox serves again");
        let mut seen = vec![first, identity(&stage.api, &other).await.0, identity(&twins, &one).await.0];
        for change in [
            json!({ "environment": { "WORD": "first" } }),
            json!({ "environment": { "WORD": "second" } }),
            json!({ "memory": 192 }),
        ] {
            let _ = stage.api.patch(&one, &change).await.with(200);
            let (id, word) = identity(&stage.api, &one).await;
            let expected = change["environment"].get("WORD").cloned().unwrap_or_else(|| json!("second"));
            assert_eq!(word, expected, "{language:?}: {change}");
            seen.push(id);
        }
        let _ = stage.api.deploy(&one).await.with(200);
        seen.push(identity(&stage.api, &one).await.0);
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "{language:?}: {seen:?}");
    }
}

/// Calls on end, until told to stop; each is answered with the word of a version that was active while it ran.
async fn keep_calling(api: &Api, name: &str, is_over: &AtomicBool) -> u32 {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let answer = api.execute(name, &json!({ "data": { "way": "sleep", "ms": 20 } })).await;
        match answer.status {
            200 => count += 1,
            404 | 409 | 503 => {}
            _ => panic!("{}", answer.text()),
        }
    }
    count
}

/// A new environment, a new version and the end of a function, under load: what runs ends well, and nothing old serves after
/// the change was answered.
async fn d5_changes_while_calls_run(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("changes-{}", language.extension());
        let settings = json!({ "max_instances": 3, "timeout": 20, "environment": { "WORD": "0" } });
        stage.deploy(&name, language, "state", &settings).await;
        let is_over = AtomicBool::new(false);
        let callers = futures::future::join_all((0..6).map(|_| keep_calling(&stage.api, &name, &is_over)));
        let changes = async {
            for round in 1..=3 {
                let word = round.to_string();
                let change = json!({ "environment": { "WORD": word } });
                let _ = stage.api.patch(&name, &change).await.with(200);
                let sleep = json!({ "way": "sleep", "ms": 0 });
                for _ in 0..5 {
                    let answer: Value = stage.call(&name, &sleep).await.with(200).json();
                    assert_eq!(answer["response"], json!(word), "{language:?}: nothing old serves");
                }
                let deployed: Value = stage.api.deploy(&name).await.with(200).json();
                for _ in 0..5 {
                    let answer: Value = stage.call(&name, &sleep).await.with(200).json();
                    assert_eq!(answer["version"], deployed["version"], "{language:?}: nothing old serves");
                }
            }
            let path = stage.api.functions(&format!("/{name}"));
            let gone = stage.api.request(reqwest::Method::DELETE, &path);
            let _ = cloudbox_tests::Answer::of(gone).await.with(204);
            let _ = stage.call(&name, &json!({})).await.with(404);
            tokio::time::sleep(Duration::from_millis(100)).await;
            is_over.store(true, Ordering::Relaxed);
        };
        let (counts, ()) = tokio::join!(callers, changes);
        assert!(counts.iter().all(|count| *count > 0), "{language:?}: every caller was answered: {counts:?}");
    }
}

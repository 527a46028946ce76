//! C: forged, late and broken answers.

mod interleaving;

pub use interleaving::runtimes;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloudbox_tests::{Answer, Language, Stage, on_both_drivers};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

on_both_drivers! {
    c1_forged_frames, c2_descriptors, c3_exits_in_every_form, c4_late_answers, c5_patched_internals, c7_attacks_at_load,
}

/// What an attacker's own call may be answered with, where it is no result.
const OWN_FAULTS: [ErrorCode; 4] =
    [ErrorCode::InvalidResponse, ErrorCode::RuntimeError, ErrorCode::Timeout, ErrorCode::OutOfMemory];
/// Ways to forge that are seen before the call's own answer.
const SEEN_AT_ONCE: [&str; 7] = [
    "a foreign nonce",
    "two frames",
    "half a frame",
    "an endless header",
    "a frame out of turn",
    "an unknown kind",
    "noise",
];
/// The one way to forge that spends no sandbox: what is printed is no frame.
const HARMLESS: &str = "a frame in the logs";
/// How long a sandbox may be called on until what lingers in it has come to light.
const COMES_TO_LIGHT: Duration = Duration::from_secs(30);

/// A word that no other call has.
pub fn word() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("word-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Deploys an attack, and gives its name and the ways that it knows.
async fn launch(stage: &Stage, attack: &str, language: Language) -> (String, Vec<String>) {
    let name = format!("{attack}-{}", language.extension());
    stage.deploy(&name, language, attack, &json!({ "timeout": 2 })).await;
    let ways: Value = stage.call(&name, &json!({ "way": "ways" })).await.with(200).json();
    (name, serde_json::from_value(ways["response"].clone()).unwrap())
}

/// A result, or one of the faults that a call may have brought upon itself.
fn result_or_own_fault(answer: &Answer, what: &str) -> Option<Value> {
    if answer.status == 200 {
        return Some(answer.json::<Value>()["response"].clone());
    }
    let code = answer.json::<Value>()["code"].clone();
    assert!(OWN_FAULTS.iter().any(|own| code == own.as_str()), "{what}: {}", answer.text());
    None
}

/// The next calls are answered with their own words, and nothing else.
async fn is_right(stage: &Stage, name: &str, times: usize, what: &str) {
    for _ in 0..times {
        let word = word();
        let answer = stage.call(name, &json!({ "word": word })).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let body: Value = answer.json();
        let response = body["response"].get("word").unwrap_or(&body["response"]);
        assert_eq!(*response, json!(word), "{what}");
        assert!(!answer.text().contains("forged"), "{what}: {}", answer.text());
    }
}

/// Frames of the function's own making, while its call runs and afterwards: no call but its own is the worse for it.
async fn c1_forged_frames(stage: &Stage) {
    for language in Language::ALL {
        let (name, ways) = launch(stage, "forge", language).await;
        for way in ways {
            let what = format!("{language:?}: {way}");
            let word = word();
            let answer = stage.call(&name, &json!({ "way": way, "word": word })).await;
            let result = result_or_own_fault(&answer, &what);
            if SEEN_AT_ONCE.contains(&way.as_str()) {
                let _ = answer.error(ErrorCode::InvalidResponse);
                let next: Value = stage.call(&name, &json!({ "word": "" })).await.with(200).json();
                assert_eq!(next["start"], "cold", "{what}: its sandbox is not used again");
            } else {
                // With the right nonce it may lie about its own result.
                let own = if way == "its own nonce" { "spoilt" } else { &word };
                assert!(result.is_none_or(|result| result == own), "{what}: {}", answer.text());
                if way != HARMLESS {
                    spend(stage, &name, &what).await;
                }
            }
            is_right(stage, &name, 3, &what).await;
        }
        is_right(stage, &name, 20, "in the end").await;
    }
}

/// Calls until what the attack left under way has ended its sandbox. What is written after an answer may meet a later
/// request on its way, and fail that one call; which one it is, is up to the machine's scheduler.
async fn spend(stage: &Stage, name: &str, what: &str) {
    let began = Instant::now();
    loop {
        let next = stage.call(name, &json!({ "word": "next" })).await;
        let Some(result) = result_or_own_fault(&next, what) else { return };
        assert_eq!(result, "next", "{what}");
        if next.json::<Value>()["start"] == "cold" {
            return;
        }
        assert!(began.elapsed() < COMES_TO_LIGHT, "{what}: its sandbox is still in use");
        sleep(Duration::from_millis(2)).await;
    }
}

/// The conversation's descriptors closed, replaced, read and given away: an error or the right answer, and nothing of
/// another call.
async fn c2_descriptors(stage: &Stage) {
    for language in Language::ALL {
        let (name, ways) = launch(stage, "descriptors", language).await;
        for way in ways {
            let what = format!("{language:?}: {way}");
            let word = word();
            let answer = stage.call(&name, &json!({ "way": way, "word": word })).await;
            if let Some(result) = result_or_own_fault(&answer, &what) {
                assert_eq!(result, json!({ "word": word, "stolen": "" }), "{what}");
            }
            for _ in 0..5 {
                let stolen = stolen_at(stage, &name, &what).await;
                assert_eq!(stolen, "", "{what}: nothing was read of another call");
            }
        }
    }
}

/// A call that is answered with its own word; what it found stolen.
async fn stolen_at(stage: &Stage, name: &str, what: &str) -> String {
    let word = word();
    let answer = stage.call(name, &json!({ "word": word })).await;
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    let response = answer.json::<Value>()["response"].clone();
    assert_eq!(response["word"], json!(word), "{what}");
    response["stolen"].as_str().unwrap().to_owned()
}

/// An end of the process, in the middle of a call: an error that says so at once, and a new process for the next call.
async fn c3_exits_in_every_form(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("exits-{}", language.extension());
        stage.deploy(&name, language, "exits", &json!({ "timeout": 60 })).await;
        let ways: Value = stage.call(&name, &json!({ "way": "ways" })).await.with(200).json();
        for way in ways["response"].as_array().unwrap() {
            let answer = stage.call(&name, &json!({ "way": way })).await;
            assert_eq!(answer.status, 500, "{language:?}: {way}: {}", answer.text());
            let error = answer.error(ErrorCode::RuntimeError);
            // Some versions of a language notice a recursion before the stack is at its end.
            let says_so = error["error"].as_str().unwrap().contains("process");
            assert!(says_so || way == "too deep a recursion", "{language:?}: {way}: {error}");
            let took = error["execution_time"].as_f64().unwrap();
            assert!(took < 30_000.0, "{language:?}: {way}: did not wait for the timeout");
            let next: Value = stage.call(&name, &json!({ "way": "none" })).await.with(200).json();
            assert_eq!(next["response"], "none", "{language:?}: after {way}");
        }
    }
}

/// An answer after the timeout, a callback or a log function that was kept, a child that comes back into the shim.
async fn c4_late_answers(stage: &Stage) {
    for language in Language::ALL {
        let (name, ways) = launch(stage, "late", language).await;
        for way in ways {
            let what = format!("{language:?}: {way}");
            let data = json!({ "way": way, "word": word() });
            if way == "late" {
                let answer = stage.api.execute(&name, &json!({ "data": data, "timeout_ms": 300 })).await;
                let _ = answer.error(ErrorCode::Timeout);
            } else {
                let answer: Value = stage.call(&name, &data).await.with(200).json();
                assert_eq!(answer["response"], data["word"], "{what}");
            }
            is_right(stage, &name, 5, &what).await;
        }
    }
}

/// What the shim is made of, replaced by what lies and throws: the answers are exact.
async fn c5_patched_internals(stage: &Stage) {
    let probes = [
        json!(null),
        json!("Grüße 🎉 \u{2028} \" \\ \u{0}"),
        json!([1, -1.5, 1e300, 9_007_199_254_740_991_i64, true, [], {}]),
        json!({ "a": { "b": [{ "c": "d" }] }, "__proto__": 1, "": "" }),
        json!("x".repeat(100_000)),
    ];
    for language in Language::ALL {
        let name = format!("patch-{}", language.extension());
        stage.deploy(&name, language, "patch", &json!({})).await;
        for way in ["none", "patch", "none", "none"] {
            for probe in &probes {
                let answer = stage.call(&name, &json!({ "way": way, "probe": probe })).await;
                assert_eq!(answer.status, 200, "{language:?}: {}", answer.text());
                assert_eq!(answer.json::<Value>()["response"], *probe, "{language:?} after {way}");
            }
        }
    }
}

/// What goes wrong while code is loaded is the function's own failure, at its call and at its deploy.
async fn c7_attacks_at_load(stage: &Stage) {
    let ways = [
        "throws",
        "exits",
        "is killed",
        "says loaded",
        "says noise",
        "closes all",
        "eats memory",
        "has no handler",
    ];
    for language in Language::ALL {
        let name = format!("load-{}", language.extension());
        stage.deploy(&name, language, "load", &json!({ "timeout": 2 })).await;
        for way in ways {
            let what = format!("{language:?}: {way}");
            let _ = stage.api.patch(&name, &json!({ "environment": { "WAY": way } })).await.with(200);
            let answer = stage.call(&name, &json!({ "word": "mine" })).await;
            assert!(!answer.text().contains("forged"), "{what}");
            match answer.status {
                200 => assert_eq!(answer.json::<Value>()["response"], "mine", "{what}"),
                _ => assert!(answer.json::<Value>()["code"].is_string(), "{what}: {}", answer.text()),
            }
            if way == "throws" {
                let _ = stage.api.deploy(&name).await.error(ErrorCode::DeploymentError);
            }
            let _ = stage.api.patch(&name, &json!({ "environment": {} })).await.with(200);
            is_right(stage, &name, 3, &what).await;
        }
    }
}

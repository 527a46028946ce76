//! D: what one call may see of another.

mod dial;
mod sharing;
mod twins;

use std::path::Path;
use std::time::Duration;

use cloudbox_tests::{Language, Stage, on_both_drivers};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::protocol::{runtimes, word};

on_both_drivers! { d1_survivors, d1_idle_sandboxes_rest, d3_request_objects_kept }

/// Longer than what a sandbox may be idle before it is frozen.
const IDLE: Duration = Duration::from_millis(300);

/// A timer, thread, process or goroutine that a call leaves: the answer counts, the next call is another sandbox's, and
/// nothing of the first is in its logs.
async fn d1_survivors(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("survive-{}", language.extension());
        stage.deploy(&name, language, "survive", &json!({})).await;
        let ways: Value = stage.call(&name, &json!({ "way": "ways" })).await.with(200).json();
        for way in ways["response"].as_array().unwrap() {
            let left = word();
            let answer: Value =
                stage.call(&name, &json!({ "way": way, "word": left })).await.with(200).json();
            assert_eq!(answer["response"], json!(left), "{language:?}: {way}");
            for start in ["cold", "warm"] {
                let own = word();
                let next: Value = stage.call(&name, &json!({ "word": own })).await.with(200).json();
                assert_eq!(next["response"], json!(own), "{language:?}: after {way}");
                assert_eq!(next["start"], start, "{language:?}: after {way}");
                assert_eq!(next["logs"], "", "{language:?}: after {way}");
            }
        }
    }
}

/// What top-level code started may stay, but it doesn't run while there is no call.
async fn d1_idle_sandboxes_rest(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("ticks-{}", language.extension());
        stage.deploy(&name, language, "survive", &json!({ "environment": { "TICKS": "1" } })).await;
        let ticks = async || {
            let answer: Value = stage.call(&name, &json!({ "way": "ticks" })).await.with(200).json();
            (answer["response"].as_u64().unwrap(), answer["start"].clone())
        };
        let (before, _) = ticks().await;
        // A tick is a millisecond: left to itself it would have counted thousands.
        sleep(10 * IDLE).await;
        let (after, start) = ticks().await;
        assert_eq!(start, "warm", "{language:?}: a thread of the load is no survivor");
        assert!(after - before < 1500, "{language:?}: {before} ticks, then {after}");
    }
    sleep(IDLE).await;
    let used = processor_time(stage.service.home().path());
    sleep(IDLE).await;
    assert_eq!(processor_time(stage.service.home().path()), used, "what is idle uses no processor");
}

/// Clock ticks that the runtimes of this service have used.
fn processor_time(home: &Path) -> u64 {
    let of = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default().to_owned();
        let number = |index| after_name.split(' ').nth(index).and_then(|text: &str| text.parse::<u64>().ok());
        number(12).unwrap_or_default() + number(13).unwrap_or_default()
    };
    runtimes(home).into_iter().map(of).sum()
}

/// A handler that keeps and changes all it was given: the next call is given its own.
async fn d3_request_objects_kept(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("reuse-{}", language.extension());
        stage.deploy(&name, language, "state", &json!({ "environment": { "WORD": "own" } })).await;
        for _ in 0..5 {
            let own = word();
            let request = json!({
                "data": { "way": "reuse", "word": own }, "headers": { "X-Word": own }, "query": { "word": own },
            });
            let answer: Value = stage.api.execute(&name, &request).await.with(200).json();
            let expected = json!({ "word": own, "header": own, "query": own, "earlier": 0 });
            assert_eq!(answer["response"], expected, "{language:?}");
        }
        let last: Value = stage.call(&name, &json!({})).await.with(200).json();
        assert_eq!(last["response"]["word"], "own", "{language:?}: the environment");
    }
}

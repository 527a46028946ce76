//! C: forged, late and broken answers.

use std::time::Duration;

use cloudbox_tests::{Language, Stage, on_both_drivers};
use serde_json::{Value, json};

on_both_drivers! { c3_exits_in_every_form }

/// An exit of the process, in the middle of a call: an error that says so, and a new process for the next call.
async fn c3_exits_in_every_form(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("exits-{}", language.extension());
        stage.deploy(&name, language, "exits", &json!({})).await;
        for way in ["exit", "signal"] {
            let answer = stage.call(&name, &json!({ "way": way })).await;
            let error = answer.error(cloudbox_types::ErrorCode::RuntimeError);
            assert!(error["error"].as_str().unwrap().contains("process"), "{language:?}: {error}");
            // A function whose processes die is started again after a pause that grows.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let next: Value = stage.call(&name, &json!({ "way": "none" })).await.with(200).json();
        assert_eq!(next["response"], "none", "{language:?}");
    }
}

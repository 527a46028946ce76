//! D2: what one function may find of another; and the dial that says what calls of one function may share.

use std::time::Duration;

use cloudbox_tests::{Language, Stage, on_both_drivers};
use serde_json::{Value, json};

on_both_drivers! { d2_leaks_between_functions, d_isolation_is_a_dial }

/// Files, shared memory, sockets, ports, processes and names that one function makes, while it runs and afterwards: another
/// function and another project see none of it.
async fn d2_leaks_between_functions(stage: &Stage) {
    let _ =
        stage.api.post("/api/projects", &json!({ "name": "elsewhere", "slug": "elsewhere" })).await.with(201);
    let elsewhere = stage.api.in_project("elsewhere");
    for language in Language::ALL {
        let (planter, looker) =
            (format!("plants-{}", language.extension()), format!("looks-{}", language.extension()));
        stage.deploy(&planter, language, "state", &json!({})).await;
        stage.deploy(&looker, language, "state", &json!({})).await;
        let code = cloudbox_tests::stage::source("state", language);
        elsewhere.launch(&looker, language.as_str(), &code).await;
        let look = async |when: &str| {
            for api in [&stage.api, &elsewhere] {
                let found = api.execute(&looker, &json!({ "data": { "way": "look" } })).await.with(200);
                assert_eq!(found.json::<Value>()["response"], json!([]), "{language:?}, {when}");
            }
        };
        let data = json!({ "way": "plant", "word": "planted" });
        let plant = stage.call(&planter, &data);
        let looks = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_millis(250)).await;
                look("while it runs").await;
            }
        };
        let (planted, ()) = tokio::join!(plant, looks);
        assert_eq!(planted.with(200).json::<Value>()["response"], "planted");
        look("afterwards").await;
        let own: Value = stage.call(&planter, &json!({ "way": "look" })).await.with(200).json();
        let own = own["response"].to_string();
        assert!(own.contains("/tmp/planted"), "{language:?}: its own file is there: {own}");
    }
}

/// The globals and the files that a call finds, for each setting; answers, logs and errors are the same in all.
async fn d_isolation_is_a_dial(stage: &Stage) {
    let settings = [
        ("version", [[1, 1], [2, 2], [3, 3]]),
        ("process", [[1, 1], [1, 2], [1, 3]]),
        ("invocation", [[1, 1], [1, 1], [1, 1]]),
    ];
    for language in Language::ALL {
        let mut failures = Vec::new();
        for (isolation, expected) in settings {
            let name = format!("{isolation}-{}", language.extension());
            let function =
                json!({ "isolation": isolation, "max_instances": 1, "environment": { "WORD": "own" } });
            stage.deploy(&name, language, "state", &function).await;
            for counts in expected {
                let answer: Value = stage.call(&name, &json!({ "way": "count" })).await.with(200).json();
                assert_eq!(answer["response"], json!(counts), "{language:?} {isolation}");
                assert_eq!(answer["logs"], "counted\n", "{language:?} {isolation}");
            }
            let error: Value = stage.call(&name, &json!({ "way": "throw" })).await.with(500).json();
            failures.push([
                error["code"].clone(),
                error["error"].clone(),
                error["stack"].clone(),
                error["logs"].clone(),
            ]);
            let after: Value = stage.call(&name, &json!({})).await.with(200).json();
            assert_eq!(after["response"]["word"], "own", "{language:?} {isolation}");
        }
        assert!(failures.iter().all(|failure| *failure == failures[0]), "{language:?}: {failures:?}");
    }
}

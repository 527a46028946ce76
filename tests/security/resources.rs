//! A: memory, processes, descriptors, disk and time.

use std::path::Path;
use std::time::Duration;

use cloudbox_tests::{Answer, Language, Stage, on_both_drivers};
use futures::future::join_all;
use serde_json::{Value, json};

mod load;

on_both_drivers! {
    a1_memory_bombs,
    a2_fork_and_thread_bombs,
    a3_descriptors_to_the_limit,
    a4_a_full_disk,
    a5_endless_loops,
}

/// MB of the functions under attack.
const MEMORY_MB: u64 = 96;
/// How long the last processes of an attack may take to go: the end of a wait, never a measure.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// Every way to the memory limit ends at it, and the next call has a new process.
async fn a1_memory_bombs(stage: &Stage) {
    for language in Language::ALL {
        let name = deploy(stage, language, "bombs", &json!({"memory": MEMORY_MB, "pids": 256})).await;
        for way in ["heap", "off-heap", "shared", "children"] {
            let answer = stage.call(&name, &json!({ "way": way })).await;
            let error: Value = answer.with(500).json();
            let code = error["code"].as_str().unwrap_or_default();
            assert!(
                ["OUT_OF_MEMORY", "RUNTIME_ERROR"].contains(&code),
                "{way} in {language:?} under {MEMORY_MB} MB: {error}"
            );
            // What the kernel ended is told as such; what a runtime refused by itself may be its own error.
            assert!(way == "heap" || code == "OUT_OF_MEMORY", "{way} in {language:?}: {error}");
            answers(stage, &name).await;
        }
    }
}

/// No more processes and threads than are allowed, and none is left when the call is over.
async fn a2_fork_and_thread_bombs(stage: &Stage) {
    const PIDS: u64 = 32;
    for language in Language::ALL {
        let name =
            deploy(stage, language, "bombs", &json!({"memory": 1024, "pids": PIDS, "timeout": 60})).await;
        answers(stage, &name).await;
        for way in ["forks", "threads"] {
            let before = tasks(stage);
            let answer = stage.call(&name, &json!({ "way": way })).await;
            let found: Value = answer.json();
            if answer.status == 200 {
                let started = found["response"]["started"].as_u64().unwrap();
                assert!(started < PIDS, "{way} in {language:?}: {found}");
            } else {
                // A runtime that can't start a thread may end itself.
                assert_eq!(found["code"], "RUNTIME_ERROR", "{way} in {language:?}: {found}");
            }
            let mut waited = Duration::ZERO;
            while tasks(stage) > before + PIDS / 4 && waited < GONE_WITHIN {
                tokio::time::sleep(Duration::from_millis(50)).await;
                waited += Duration::from_millis(50);
            }
            let left = tasks(stage);
            assert!(left <= before + PIDS / 4, "{way} in {language:?}: {left} tasks, {before} before");
            answers(stage, &name).await;
        }
    }
}

/// Descriptors end at the limit, and the sandbox goes on serving with all of them open.
async fn a3_descriptors_to_the_limit(stage: &Stage) {
    let before = descriptors(stage);
    for language in Language::ALL {
        let name = deploy(stage, language, "bombs", &json!({})).await;
        let found: Value = stage.call(&name, &json!({"way": "descriptors"})).await.with(200).json();
        assert_eq!(found["response"]["error"], "EMFILE", "{language:?}: {found}");
        let opened = found["response"]["opened"].as_u64().unwrap();
        assert!((900..=1024).contains(&opened), "{language:?}: {opened}");
        answers(stage, &name).await;
    }
    let after = descriptors(stage);
    assert!(after < before + 60, "the service had {before} descriptors and has {after}");
}

/// Bytes, files and sizes end at the limits of `/tmp`; what is deleted can be used again; nothing is on the host's disk.
async fn a4_a_full_disk(stage: &Stage) {
    const TMP_MB: u64 = 16;
    let before = bytes(&stage.service.home().data());
    for language in Language::ALL {
        let name = deploy(stage, language, "bombs", &json!({"tmp_mb": TMP_MB, "memory": 256})).await;
        for _ in 0..2 {
            let found: Value = stage.call(&name, &json!({"way": "disk"})).await.with(200).json();
            let found = &found["response"];
            let files = found["files"].as_array().unwrap();
            let written: u64 = files.iter().map(|file| file["written"].as_u64().unwrap()).sum();
            assert!(((TMP_MB - 2) << 20..=TMP_MB << 20).contains(&written), "{language:?}: {found}");
            assert!(files.iter().all(|file| file["error"] == "ENOSPC"), "{language:?}: {found}");
            assert_eq!(found["inodes"]["error"], "ENOSPC", "{language:?}: {found}");
            assert!(found["inodes"]["made"].as_u64().unwrap() <= 4096, "{language:?}: {found}");
            assert_eq!(found["sparse"], "EFBIG", "{language:?}: {found}");
            assert!(found["after"].as_u64().unwrap() >= (TMP_MB - 2) << 20, "{language:?}: {found}");
        }
    }
    let grown = bytes(&stage.service.home().data()).saturating_sub(before);
    assert!(grown < 32 << 20, "the data folder grew by {grown} bytes, which artefacts alone don't");
}

/// Whatever the code is busy with or blocks, the deadline ends it.
async fn a5_endless_loops(stage: &Stage) {
    let settings = json!({"timeout": 1, "cpu": 0.25});
    join_all(Language::ALL.map(|language| {
        let settings = &settings;
        async move {
            let name = deploy(stage, language, "loops", settings).await;
            for way in ["sync", "regex", "native", "bigint", "signals", "stop"] {
                let answer = stage.call(&name, &json!({ "way": way })).await;
                let error = answer.error(cloudbox_types::ErrorCode::Timeout);
                let took = error["execution_time"].as_f64().unwrap();
                assert!((1000.0..3000.0).contains(&took), "{way} in {language:?}: {error}");
                answers(stage, &name).await;
            }
        }
    }))
    .await;
}

/// Deploys an attack under a name of its own.
async fn deploy(stage: &Stage, language: Language, attack: &str, settings: &Value) -> String {
    let name = format!("{attack}-{}", language.extension());
    stage.deploy(&name, language, attack, settings).await;
    name
}

/// The next call of the same function is an ordinary one. A function whose processes died several times is started again
/// after a pause that grows.
async fn answers(stage: &Stage, name: &str) {
    let mut answer: Option<Answer> = None;
    for _ in 0..20 {
        let found = stage.call(name, &json!({"way": "none"})).await;
        let is_paused = found.status == 503;
        answer = Some(found);
        if !is_paused {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let found: Value = answer.unwrap().with(200).json();
    assert_eq!(found["response"], "none");
}

/// Processes and threads of all the service's sandboxes.
fn tasks(stage: &Stage) -> u64 {
    let id = std::fs::read_to_string(stage.service.home().data().join("instance-id")).unwrap();
    let group = format!("cloudbox-{}", id.trim());
    let places = ["pids", ""].map(|root| Path::new("/sys/fs/cgroup").join(root).join(&group));
    let text = places.iter().find_map(|place| std::fs::read_to_string(place.join("pids.current")).ok());
    text.unwrap().trim().parse().unwrap()
}

/// Descriptors that the service has open.
fn descriptors(stage: &Stage) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", stage.pid())).unwrap().count()
}

/// Bytes of all files below a folder; what is mounted there is not on its disk.
fn bytes(folder: &Path) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && entry.file_name() != "run" {
            sum += bytes(&entry.path());
        } else if let Ok(about) = entry.metadata() {
            sum += about.len();
        }
    }
    sum
}

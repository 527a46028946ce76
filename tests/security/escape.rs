//! B: ways out of the sandbox, and what may be seen from inside.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use cloudbox_tests::{Language, Stage, on_both_drivers};
use serde_json::{Value, json};

on_both_drivers! {
    b1_b2_b3_files_secrets_and_other_processes,
    b4_b5_b6_networks_sockets_and_privileged_calls,
    b7_what_a_sandbox_says_of_itself,
    b8_b9_signals_and_odd_files,
    b10_what_node_has_of_its_own,
}

/// B1: nothing outside of `/tmp` can be written, and nothing in it be run. B2: no secret, and hardly a process, is in sight.
/// B3: the init, which is in sight, is out of reach.
async fn b1_b2_b3_files_secrets_and_other_processes(stage: &Stage) {
    let data = stage.service.home().data();
    let token = std::fs::read_to_string(data.join("admin-token")).unwrap();
    let others = "canary-of-another-function";
    let tenant = json!({"environment": {"SECRET": others}});
    stage.deploy_code("tenant", Language::Node, "exports.handler = () => process.env.SECRET", &tenant).await;
    let found: Value = stage.call("tenant", &json!({})).await.with(200).json();
    assert_eq!(found["response"], others, "it is there to be found");
    let places =
        ["admin-token", "secret-key", "cloudbox.db", "run"].map(|name| data.join(name).display().to_string());
    for language in Language::ALL {
        let name = deploy(stage, language).await;
        assert_eq!(probe(stage, &name, &json!({"way": "writes"})).await, json!([]), "{language:?} wrote");
        refused(language, &probe(stage, &name, &json!({"way": "execs"})).await);
        let search = json!({"way": "secrets", "canaries": [token.trim(), others], "paths": places});
        let found = probe(stage, &name, &search).await;
        assert_eq!(found["seen"], json!([]), "{language:?} found secrets");
        assert!(found["pids"].as_u64().unwrap() <= 32, "{language:?}: {found}");
        for variable in found["environment"].as_array().unwrap() {
            let variable = variable.as_str().unwrap();
            assert!(!variable.contains("CLOUDBOX") && variable != "SECRET", "{language:?}: {found}");
        }
        refused(language, &probe(stage, &name, &json!({"way": "others"})).await);
    }
}

/// B4: nothing connects and no name is resolved; B5: no family of sockets but the three of every program; B6: no call that
/// needs a right.
async fn b4_b5_b6_networks_sockets_and_privileged_calls(stage: &Stage) {
    let port: u16 = stage.service.base.rsplit(':').next().unwrap().parse().unwrap();
    let name = format!("cloudbox-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    // Where another test of this process has it already, it is there all the same.
    let _listener = UnixListener::bind_addr(&address);
    let reach = json!({"way": "network", "addresses": [["127.0.0.1", port]], "abstract": name});
    for language in Language::ALL {
        let name = deploy(stage, language).await;
        let mut found = probe(stage, &name, &reach).await;
        assert_eq!(found["sockets"].take(), json!([]), "sockets in sight of {language:?}");
        refused(language, &found);
        if language == Language::Node {
            continue;
        }
        refused(language, &probe(stage, &name, &json!({"way": "families"})).await);
        let mut found = probe(stage, &name, &json!({"way": "privileged"})).await;
        if let Some(end) = found.as_object_mut().unwrap().remove("x32") {
            assert_eq!(end, "SIGSYS");
        }
        refused(language, &found);
    }
}

/// B7: rights, limits, mounts and descriptors, as the kernel tells them to the code itself.
async fn b7_what_a_sandbox_says_of_itself(stage: &Stage) {
    for language in Language::ALL {
        let name = deploy(stage, language).await;
        let found = probe(stage, &name, &json!({"way": "audit"})).await;
        rights(language, found["status"].as_str().unwrap());
        limits(language, found["limits"].as_str().unwrap());
        mounts(language, found["mounts"].as_str().unwrap());
        assert_eq!(found["oom_score"], "500", "{language:?} is killed before the service");
        for (number, target) in found["fds"].as_object().unwrap() {
            let target = target.as_str().unwrap();
            // Go's runtime looks at its group's quota through the last.
            let harmless = [
                "pipe:",
                "anon_inode:",
                "/dev/null",
                "/dev/urandom",
                "/proc/",
                "/workspace/",
                "/sys/fs/cgroup/",
            ];
            assert!(
                harmless.iter().any(|start| target.starts_with(start)),
                "descriptor {number} of {language:?} is {target}"
            );
        }
    }
}

fn rights(language: Language, status: &str) {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().to_owned()
    };
    assert_eq!((field("NoNewPrivs").as_str(), field("Seccomp").as_str()), ("1", "2"), "{language:?}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set} of {language:?}");
    }
    for ids in ["Uid", "Gid", "Groups"] {
        assert!(!field(ids).split_whitespace().any(|id| id == "0"), "{ids} of {language:?}: {}", field(ids));
    }
}

fn limits(language: Language, text: &str) {
    for (name, soft, hard) in [
        ("Max core file size", "0", "0"),
        ("Max open files", "1024", "1024"),
        ("Max file size", "67108864", "67108864"),
        ("Max locked memory", "65536", "65536"),
        ("Max msgqueue size", "0", "0"),
        ("Max nice priority", "0", "0"),
        ("Max realtime priority", "0", "0"),
        ("Max pending signals", "256", "256"),
        ("Max stack size", "8388608", "67108864"),
    ] {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let values: Vec<&str> = line.split_whitespace().take(2).collect();
        assert_eq!(values, [soft, hard], "{name} of {language:?}");
    }
}

/// Read only but for `/tmp` and the two that the kernel fills; and there nothing can be run or own a right.
fn mounts(language: Language, table: &str) {
    for line in table.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (point, options) = (fields[4], fields[5].split(',').collect::<Vec<_>>());
        let has = |option: &str| options.contains(&option);
        let is_writable = ["/tmp", "/proc", "/dev"]
            .iter()
            .any(|own| point == *own || point.starts_with(&format!("{own}/")));
        // With the first version of cgroups Docker puts their mounts, which are read only, on a folder of root's.
        let is_roots = point == "/sys/fs/cgroup" && line.contains("mode=755");
        assert!(is_writable || is_roots || has("ro"), "{language:?}: {line}");
        if point == "/tmp" {
            assert!(has("noexec") && has("nosuid") && has("nodev"), "{language:?}: {line}");
        }
    }
}

/// B8: signals to everybody reach the sandbox alone. B9: what is left in `/tmp` neither misleads nor holds up who clears away.
async fn b8_b9_signals_and_odd_files(stage: &Stage) {
    let canary = stage.service.home().path().join("canary");
    std::fs::write(&canary, "unchanged").unwrap();
    for language in Language::ALL {
        let name = deploy(stage, language).await;
        let odd = json!({"way": "odd_files", "outside": canary});
        assert_eq!(probe(stage, &name, &odd).await, "made", "{language:?}");
        let answer = stage.call(&name, &json!({"way": "kill_all"})).await;
        assert!([200, 500].contains(&answer.status), "{language:?}: {}", answer.text());
        stage.neighbours_answer().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(probe(stage, &name, &json!({"way": "none"})).await, "none", "{language:?}");
        // The harness looks whether anything is left of its sandboxes.
        let path = stage.api.functions(&format!("/{name}"));
        let _ = cloudbox_tests::Answer::of(stage.api.request(reqwest::Method::DELETE, &path)).await.with(204);
    }
    assert_eq!(std::fs::read_to_string(&canary).unwrap(), "unchanged");
}

/// B10: the inspector, libraries, a detached child and 64 workers stay inside.
async fn b10_what_node_has_of_its_own(stage: &Stage) {
    let settings = json!({"memory": 768, "pids": 128, "timeout": 60});
    stage.deploy("escape-js", Language::Node, "escape", &settings).await;
    let found = probe(stage, "escape-js", &json!({"way": "internals"})).await;
    assert_eq!(found["shell"], "ENOENT", "{found}");
    assert!(!found["snapshot"].as_str().unwrap().starts_with("done"), "{found}");
    assert!(found["workers"].as_u64().unwrap() <= 64, "{found}");
    assert_eq!(probe(stage, "escape-js", &json!({"way": "none"})).await, "none");
}

/// Deploys the attack under a name of its own.
async fn deploy(stage: &Stage, language: Language) -> String {
    let name = format!("escape-{}", language.extension());
    stage.deploy(&name, language, "escape", &json!({"memory": 256, "timeout": 60})).await;
    name
}

/// What an attempt found.
async fn probe(stage: &Stage, name: &str, data: &Value) -> Value {
    let mut found: Value = stage.call(name, data).await.with(200).json();
    found["response"].take()
}

/// None of these attempts succeeded.
fn refused(language: Language, found: &Value) {
    for (what, result) in found.as_object().unwrap().iter().filter(|(_, result)| !result.is_null()) {
        assert!(!result.as_str().unwrap().starts_with("done"), "{what} by {language:?}: {result}");
    }
}

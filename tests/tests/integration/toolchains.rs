//! Toolchains that are fetched, used and removed.

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Api, Driver};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};

#[tokio::test]
async fn native() {
    install(Driver::Native, "nodejs22").await;
}

#[tokio::test]
async fn docker() {
    // Another one, since bundles are shared by all services of a machine.
    install(Driver::Docker, "nodejs24").await;
}

async fn install(driver: Driver, runtime: &str) {
    if !driver.is_tested() {
        return;
    }
    let service = Plan::new(driver).with("CLOUDBOX_RUNTIMES_STRICT", "true").start().await;
    let api = service.api();
    let path = format!("/api/runtimes/{runtime}");
    let before: Value = api.get(&path).await.with(200).json();
    if before["state"] != "installable" {
        // The machine's own serves as well; what is here to be tried is not.
        assert_eq!(before["state"], "ready", "{before}");
        return service.stop().await;
    }
    let settings = json!({ "name": "on", "language": "javascript", "runtime": runtime,
        "code": "exports.handler = async () => process.version;" });
    let _ = api.create(&settings).await.with(201);
    let refused = api.deploy("on").await.error(ErrorCode::DeploymentError);
    assert!(
        refused["error"].as_str().unwrap().contains(&format!("runtime {runtime} is not on this machine")),
        "{refused}"
    );

    let begun: Value = api.post(&format!("{path}/install"), &json!({})).await.with(202).json();
    assert_eq!(begun["state"], "installing");
    let refused = api.delete(&path).await.error(ErrorCode::Conflict);
    assert!(refused["error"].as_str().unwrap().contains("is being installed"), "{refused}");
    let installed = api.settled_runtime(runtime).await;
    assert_eq!(
        (&installed["state"], &installed["is_installed"]),
        (&json!("ready"), &json!(true)),
        "{installed}"
    );
    let _ = api.post(&format!("{path}/install"), &json!({})).await.with(200);

    let _ = api.deploy("on").await.with(200);
    let answer: Value = api.execute("on", &json!({})).await.with(200).json();
    let version = answer["response"].as_str().unwrap();
    assert!(version.starts_with(&format!("v{}.", runtime.trim_start_matches("nodejs"))), "{version}");

    let needed = api.delete(&path).await.error(ErrorCode::Conflict);
    assert!(needed["error"].as_str().unwrap().contains("needed by on version 2"), "{needed}");
    let _ = api.delete(&api.functions("/on")).await.with(204);
    api.remove_runtime(runtime).await;
    let after: Value = api.get(&path).await.with(200).json();
    assert_eq!(after["state"], "installable");
    the_end_of_life_is_told(&api).await;
    let own = api.delete("/api/runtimes/nodejs20").await;
    assert!([204, 409].contains(&own.status), "the machine's own is no toolchain of the service's");
    service.stop().await;
}

/// Where this machine has such a runtime of Node or Python itself.
async fn the_end_of_life_is_told(api: &Api) {
    let runtimes: Value = api.get("/api/runtimes").await.with(200).json();
    let list = runtimes["items"].as_array().unwrap();
    // Those whose end is past.
    let ended = ["nodejs14", "nodejs16", "nodejs18", "nodejs20", "python3.7", "python3.8", "python3.9"];
    let is_here = |it: &&Value| it["state"] == "ready" && ended.contains(&it["name"].as_str().unwrap());
    for runtime in list.iter().filter(is_here) {
        let (name, end) = (runtime["name"].as_str().unwrap(), runtime["end_of_life"].as_str().unwrap());
        let (language, code) = if name.starts_with("node") {
            ("javascript", "exports.handler = async () => 1;")
        } else {
            ("python", "def handler(data, context):\n    return 1\n")
        };
        let function = format!("ended-{}", name.replace('.', "-"));
        let new = json!({ "name": function, "language": language, "runtime": name, "code": code });
        let _ = api.create(&new).await.with(201);
        let deployed: Value = api.deploy(&function).await.with(200).json();
        let warning = format!("[validate] warning: {name} reached its end of life on {end}");
        assert!(deployed["build_logs"].as_str().unwrap().contains(&warning), "{deployed}");
    }
}

//! Images: as the toolchain of a runtime, as a function's own, and built from a Dockerfile. No registry is asked.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home, TestImage, images, machine, pack};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The end of a wait, and never its measure.
const PATIENCE: Duration = Duration::from_secs(300);
/// What an image's author may say, all of it.
const SETTINGS: [&str; 7] = [
    "USER root",
    "VOLUME /data",
    "ENV PATH=/usr/local/bin:/usr/bin:/bin FROM_IMAGE=yes",
    "WORKDIR /app",
    "EXPOSE 80",
    "HEALTHCHECK CMD [\"/bin/false\"]",
    "LABEL cloudbox.instance=forged",
];

#[tokio::test(flavor = "multi_thread")]
async fn docker() {
    if !Driver::Docker.is_tested() {
        return;
    }
    let home = Home::new();
    let settings = "[images]\nallow = [\"cbx-test-*\"]\ndockerfiles = true\nrun = true\n[pool.spares]\n";
    let path = home.path().join("cloudbox.toml");
    std::fs::write(&path, settings).unwrap();
    let service =
        Plan::new(Driver::Docker).at(&home).with("CLOUDBOX_CONFIG", path.to_str().unwrap()).start().await;
    let api = service.api();
    // Makes the bundles that the images are made from.
    api.launch("own-node", "javascript", "exports.handler = async () => process.version;").await;
    api.launch("own-python", "python", "def handler(data, context):\n    return 1\n").await;
    a_runtime_is_an_image(&api).await;
    let program = std::fs::read_to_string(machine::root().join("examples/custom/program.py")).unwrap();
    let runtime = images::runtime_of(&api, "own-python").await;
    let files = [("/app/program.py", program.as_str()), ("/etc/marker", "python")];
    let python = TestImage::import(&runtime, &files, &SETTINGS);
    let entry = "ENTRYPOINT [\"python3\",\"program.py\"]";
    let custom = TestImage::import(&runtime, &files, &[&SETTINGS[..], &[entry]].concat());
    a_function_has_an_image(&api, &python.name, &custom.name).await;
    an_image_is_built(&api, &python.name).await;
    refusals(&api, &python.name).await;
    service.stop().await;
}

async fn a_runtime_is_an_image(api: &Api) {
    let runtime = images::runtime_of(api, "own-node").await;
    let path = format!("/api/runtimes/{runtime}");
    let image = TestImage::import(&runtime, &[("/etc/marker", "node")], &SETTINGS);
    let asked = json!({ "image": image.name });
    let other = if runtime == "nodejs22" { "nodejs24" } else { "nodejs22" };
    let _ = api.post(&format!("/api/runtimes/{other}/install"), &asked).await.with(202);
    let _ = api.post(&format!("{path}/install"), &asked).await.with(202);
    let installed = until(api, &path, |it| it["state"] != "installing").await;
    assert_eq!(
        (&installed["image"], &installed["detail"]),
        (&json!(image.name), &Value::Null),
        "{installed}"
    );
    let refused = until(api, &format!("/api/runtimes/{other}"), |it| it["state"] != "installing").await;
    assert!(refused["detail"].as_str().unwrap().contains(&format!("{other} is wanted")), "{refused}");

    let code = "const fs = require('fs');\nexports.handler = async () => ({\n  marker: fs.readFileSync('/etc/marker', \
                'utf8'), uid: process.getuid(), own: process.env.FROM_IMAGE ?? null,\n  write: (() => { try { \
                fs.writeFileSync('/data/x', ''); return true } catch (e) { return e.code } })(),\n  mode: \
                fs.statSync('/etc/marker').mode & 0o7777 });";
    let function = json!({ "name": "on-image", "runtime": runtime, "code": code });
    let _ = api.create(&function).await.with(201);
    let deployed: Value = api.deploy("on-image").await.with(200).json();
    assert!(deployed["build_logs"].as_str().unwrap().contains(&image.name), "{deployed}");
    let answer: Value = api.execute("on-image", &json!({})).await.with(200).json();
    let seen = &answer["response"];
    assert_eq!(seen["marker"], "node", "{answer}");
    assert!(seen["uid"].as_u64().unwrap() >= 100_000, "{answer}");
    assert_ne!(seen["write"], true, "a volume of the image is no writable place: {answer}");
    assert_eq!(seen["mode"], 0o755, "nothing lends rights: {answer}");

    let _ = Answer::of(api.request(Method::DELETE, &api.functions("/on-image"))).await.with(204);
    let _ = Answer::of(api.request(Method::DELETE, &api.functions("/own-node"))).await.with(204);
    let by = Instant::now() + PATIENCE;
    while Answer::of(api.request(Method::DELETE, &path)).await.status != 204 {
        assert!(Instant::now() < by, "its sandboxes are not gone");
        sleep(Duration::from_millis(200)).await;
    }
    let after: Value = api.get(&path).await.with(200).json();
    assert_eq!(
        (&after["image"], &after["state"]),
        (&Value::Null, &json!("ready")),
        "what was there serves again"
    );
}

async fn a_function_has_an_image(api: &Api, python: &str, custom: &str) {
    // A shim of ours in it.
    let code = "def handler(data, context):\n    return open('/etc/marker').read()\n";
    let function =
        json!({ "name": "shim", "runtime": "custom", "image": python, "language": "python", "code": code });
    let _ = api.create(&function).await.with(201);
    let _ = api.deploy("shim").await.with(200);
    let answer: Value = api.execute("shim", &json!({})).await.with(200).json();
    assert_eq!(answer["response"], "python");

    // A program of its own.
    let function =
        json!({ "name": "program", "image": custom, "environment": { "GREETING": "hi" }, "is_public": true });
    let made: Value = api.create(&function).await.with(201).json();
    assert_eq!(
        (&made["runtime"], &made["language"], &made["image"]),
        (&json!("custom"), &json!("custom"), &json!(custom))
    );
    let _ = api.deploy("program").await.with(200);
    for start in ["cold", "warm"] {
        let answer = api.execute("program", &json!({ "data": { "n": 1 } })).await.with(200);
        let answer: Value = answer.json();
        assert_eq!(answer["response"], json!({ "greeting": "hi", "data": { "n": 1 } }), "{answer}");
        assert_eq!(answer["start"], start, "{answer}");
        assert!(answer["logs"].to_string().contains("called by POST"), "{answer}");
    }
    let answer = Answer::of(api.anonymous().public(Method::POST, "program", "").json(&json!([1]))).await;
    assert_eq!(answer.with(200).json::<Value>()["data"], json!([1]));
    let version: Value = api.get(&api.functions("/program/versions/1")).await.with(200).json();
    assert!(version["image"].as_str().unwrap().starts_with(&format!("{custom} (sha256:")), "{version}");
}

async fn an_image_is_built(api: &Api, base: &str) {
    let program = std::fs::read_to_string(machine::root().join("examples/custom/program.py")).unwrap();
    let dockerfile = format!(
        "FROM {base}\nCOPY . /built\nRUN [\"python3\", \"-c\", \"import socket; print('ran', len(socket.if_nameindex()))\"]\n\
         WORKDIR /built\nENV GREETING=built\nENTRYPOINT [\"python3\", \"program.py\"]\n"
    );
    let function = json!({ "name": "built", "runtime": "custom", "build": { "dockerfile": "./Dockerfile", "context": "./app" } });
    let _ = api.create(&function).await.with(201);
    let none = api.deploy("built").await.error(ErrorCode::DeploymentError);
    assert!(none["error"].as_str().unwrap().contains("upload one with the Dockerfile"), "{none}");
    let package = pack::tgz(&[("Dockerfile", &dockerfile), ("app/program.py", &program)]);
    let upload = api.request(Method::PUT, &api.functions("/built/package")).body(package);
    let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
    let deployed: Value = api.deploy("built").await.with(200).json();
    // Of the network there is the loopback device alone.
    assert!(deployed["build_logs"].as_str().unwrap().contains("[build] ran 1\n"), "{deployed}");
    let answer: Value = api.execute("built", &json!({ "data": 7 })).await.with(200).json();
    assert_eq!(answer["response"], json!({ "greeting": "built", "data": 7 }));
    assert!(!machine::docker("/images/json").unwrap().contains("cloudbox/build-"), "what was built is gone");

    let broken = pack::tgz(&[("Dockerfile", &format!("FROM {base}\nRUN [\"python3\", \"-c\", \"1/0\"]\n"))]);
    let upload = api.request(Method::PUT, &api.functions("/built/package")).body(broken);
    let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
    let _ = api.patch("built", &json!({ "build": {} })).await.with(200);
    let refused = api.deploy("built").await.error(ErrorCode::DeploymentError);
    assert!(refused["build_logs"].as_str().unwrap().contains("ZeroDivisionError"), "{refused}");
    assert_eq!(refused["stage"], "build", "{refused}");
}

async fn refusals(api: &Api, allowed: &str) {
    let runtime = images::runtime_of(api, "own-python").await;
    let hostile =
        TestImage::import(&runtime, &[], &["ONBUILD RUN [\"python3\", \"-c\", \"1\"]", "CMD [\"python3\"]"]);
    for (function, why) in [
        (json!({ "image": "evil/x" }), "none of those that the operator allows: cbx-test-*"),
        (json!({ "image": "cbx-test-none:1" }), "images.registries"),
        (json!({ "image": "cloudbox/nodejs20:1" }), "own images"),
        (json!({ "image": "no name" }), "no image's name"),
        (json!({ "image": allowed }), "neither an ENTRYPOINT nor a CMD"),
        (json!({ "image": allowed, "language": "javascript", "code": "exports.handler = 1" }), "can't start"),
    ] {
        let mut function = function;
        function["name"] = json!("refused");
        let _ = api.create(&function).await.with(201);
        let refused = api.deploy("refused").await.error(ErrorCode::DeploymentError);
        assert!(refused["error"].as_str().unwrap().contains(why), "{function}: {refused}");
        let _ = Answer::of(api.request(Method::DELETE, &api.functions("/refused"))).await.with(204);
    }
    let dockerfile = format!("FROM {}\nCMD [\"python3\"]\n", hostile.name);
    let _ = api.create(&json!({ "name": "onbuild", "build": {} })).await.with(201);
    let package = pack::tgz(&[("Dockerfile", &dockerfile)]);
    let upload = api.request(Method::PUT, &api.functions("/onbuild/package")).body(package);
    let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
    let refused = api.deploy("onbuild").await.error(ErrorCode::DeploymentError);
    assert!(refused["error"].as_str().unwrap().contains("ONBUILD"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn native() {
    if !Driver::Native.is_tested() {
        return;
    }
    let service = Plan::new(Driver::Native).start().await;
    let api = service.api();
    let remedy = "--sandbox docker";
    let refused = api
        .post("/api/runtimes/nodejs20/install", &json!({ "image": "node:20" }))
        .await
        .error(ErrorCode::Conflict);
    assert!(refused["error"].as_str().unwrap().contains(remedy), "{refused}");
    let runtime: Value = api.get("/api/runtimes/custom").await.with(200).json();
    assert_eq!(runtime["state"], "absent");
    assert!(runtime["detail"].as_str().unwrap().contains(remedy), "{runtime}");
    let _ = api.create(&json!({ "name": "custom", "image": "my-org/my-runtime" })).await.with(201);
    let refused = api.deploy("custom").await.error(ErrorCode::DeploymentError);
    assert!(refused["error"].as_str().unwrap().contains(remedy), "{refused}");
    service.stop().await;
}

async fn until(api: &Api, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let by = Instant::now() + PATIENCE;
    loop {
        let found: Value = api.get(path).await.with(200).json();
        if is_so(&found) {
            return found;
        }
        assert!(Instant::now() < by, "{found}");
        sleep(Duration::from_millis(200)).await;
    }
}

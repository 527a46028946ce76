//! Images: as the toolchain of a runtime, as a function's own, built from a Dockerfile, and fetched from a registry.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudbox_tests::registry::{self, Registry};
use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home, Service, TestImage, images, machine, pack};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

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
    let mut registry = Registry::start();
    let mut settings = "[images]\nallow = [\"cbx-test-*\"]\ndockerfiles = true\nrun = true\n".to_owned();
    if let Some(registry) = &registry {
        // The file is read when it is needed.
        let (name, file) = (registry.name(), registry.credentials("wrong"));
        let from = settings.replace("\"cbx-test-*\"", &format!("\"cbx-test-*\", \"{name}/*\""));
        settings = format!("{from}registries = [\"{name}\"]\ncredentials = {file:?}\n");
    }
    settings.push_str("[pool.spares]\n");
    let path = home.path().join("cloudbox.toml");
    std::fs::write(&path, &settings).unwrap();
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
    a_function_changes_its_kind(&api, &custom.name).await;
    let mut base = python.name.clone();
    if let Some(registry) = &mut registry {
        let files = [files[0], ("/etc/marker", "fetched")];
        let sent = TestImage::import(&runtime, &files, &[&SETTINGS[..], &[entry]].concat());
        an_image_is_fetched(&api, &home, registry, sent).await;
        base = registry.take(&python.name, "team/python");
    }
    an_image_is_built(&api, &python.name).await;
    an_image_is_built_again(&api, &home, &python.name).await;
    a_folder_says_what_its_image_is(&service, &python.name, &custom.name).await;
    refusals(&api, &python.name).await;
    what_nothing_refers_to_goes(&api, &python.name).await;
    service.stop().await;

    // The settings say the same of a runtime, from the next start on.
    let named = format!("{settings}[runtimes.images]\n\"{runtime}\" = \"{base}\"\n");
    std::fs::write(&path, named).unwrap();
    let service =
        Plan::new(Driver::Docker).at(&home).with("CLOUDBOX_CONFIG", path.to_str().unwrap()).start().await;
    let api = service.api();
    let installed = api.settled_runtime(&runtime).await;
    assert_eq!((&installed["image"], &installed["state"]), (&json!(base), &json!("ready")), "{installed}");
    let code = "def handler(data, context):\n    return open('/etc/marker').read()\n";
    let _ = api.create(&json!({ "name": "by-setting", "runtime": runtime, "code": code })).await.with(201);
    let _ = api.deploy("by-setting").await.with(200);
    let answer: Value = api.execute("by-setting", &json!({})).await.with(200).json();
    assert_eq!(answer["response"], "python", "{answer}");
    if let Some(registry) = &mut registry {
        registry.end();
        let image = format!("{}/team/down:1", registry.name());
        let _ = api.create(&json!({ "name": "down", "image": image })).await.with(201);
        let refused = api.deploy("down").await.error(ErrorCode::DeploymentError);
        assert!(refused["error"].as_str().unwrap().contains("can't be reached"), "{refused}");
        let _ = registry::forget(&base);
    }
    service.stop().await;
}

/// Names of images that the daemon has and this installation has made of others' images and that may go, with their states.
async fn made_of_images(api: &Api, order: Value) -> Vec<(String, String)> {
    let garbage: Value = api.post("/api/storage/gc", &order).await.with(200).json();
    assert_eq!((&garbage["failed"], &garbage["notes"]), (&json!(0), &json!([])), "{garbage}");
    let items = garbage["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "image");
    let text = |item: &Value, field| item[field].as_str().unwrap().to_owned();
    let all = items.map(|item| (text(item, "name"), text(item, "state")));
    all.filter(|(name, _)| name.starts_with("cloudbox/image-")).collect()
}

/// Of these, those that nothing needs.
async fn adapted(api: &Api, order: Value) -> Vec<String> {
    let all = made_of_images(api, order).await;
    all.into_iter().filter(|(_, state)| state != "needed").map(|(name, _)| name).collect()
}

/// An image of others goes with its last version, and not before; one that is built above all, since nobody can make it again.
async fn what_nothing_refers_to_goes(api: &Api, base: &str) {
    let at_once = json!({ "grace_s": 0 });
    // Those of deployments that were refused, and of the runtime that was an image, once their containers are gone.
    while made_of_images(api, at_once.clone()).await.iter().any(|(name, _)| name.contains("image-node")) {}
    while !adapted(api, at_once.clone()).await.is_empty() {}
    let program = std::fs::read_to_string(machine::root().join("examples/custom/program.py")).unwrap();
    let dockerfile = format!("FROM {base}\nCOPY . /own\nWORKDIR /own\nCMD [\"python3\", \"program.py\"]\n");
    let _ = api.create(&json!({ "name": "going", "build": {} })).await.with(201);
    for version in 1..=2 {
        let program = format!("{program}# {version}\n");
        let package = pack::tgz(&[("Dockerfile", &dockerfile), ("program.py", &program)]);
        let upload = api.request(Method::PUT, &api.functions("/going/package")).body(package);
        let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
        let _ = api.deploy("going").await.with(200);
    }
    assert_eq!(adapted(api, at_once.clone()).await, [""; 0], "each version has its own");
    let _ = api.post(&api.functions("/going/rollback"), &json!({})).await.with(200);
    let answer: Value = api.execute("going", &json!({ "data": 3 })).await.with(200).json();
    assert_eq!(answer["response"]["data"], 3, "the version that nobody had called is there: {answer}");

    let _ = api.delete(&api.functions("/going/versions/2")).await.with(204);
    let waiting = adapted(api, json!({})).await;
    assert_eq!(waiting.len(), 1, "its grace isn't over: {waiting:?}");
    assert_eq!(until_gone(api, &waiting[0]).await, waiting, "one of two");
    let answer: Value = api.execute("going", &json!({ "data": 4 })).await.with(200).json();
    assert_eq!(answer["response"]["data"], 4, "{answer}");
    let _ = api.delete(&api.functions("/going")).await.with(204);
    let last = adapted(api, json!({ "dry_run": true, "grace_s": 0 })).await;
    assert_eq!(last.len(), 1, "{last:?}");
    let _ = until_gone(api, &last[0]).await;
}

/// Collects until the daemon has no image of this name: the last container of a version may be on its way out.
async fn until_gone(api: &Api, name: &str) -> Vec<String> {
    let mut gone = Vec::new();
    for _ in 0..600 {
        gone.extend(adapted(api, json!({ "grace_s": 0 })).await);
        if !machine::docker("/images/json").unwrap().contains(&format!("\"{name}\"")) {
            return gone;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{name} is still there; gone: {gone:?}");
}

async fn a_runtime_is_an_image(api: &Api) {
    let runtime = images::runtime_of(api, "own-node").await;
    let path = format!("/api/runtimes/{runtime}");
    let image = TestImage::import(&runtime, &[("/etc/marker", "node")], &SETTINGS);
    let asked = json!({ "image": image.name });
    let other = if runtime == "nodejs22" { "nodejs24" } else { "nodejs22" };
    let _ = api.post(&format!("/api/runtimes/{other}/install"), &asked).await.with(202);
    let installed = api.install_runtime(&runtime, &asked).await;
    assert_eq!(
        (&installed["image"], &installed["detail"]),
        (&json!(image.name), &Value::Null),
        "{installed}"
    );
    let refused = api.settled_runtime(other).await;
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

    let _ = api.delete(&api.functions("/on-image")).await.with(204);
    let _ = api.delete(&api.functions("/own-node")).await.with(204);
    api.remove_runtime(&runtime).await;
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

/// From code to a program of an image, and back.
async fn a_function_changes_its_kind(api: &Api, custom: &str) {
    api.launch("changing", "javascript", "exports.handler = async () => 'code';").await;
    let runtime = images::runtime_of(api, "changing").await;
    let change = json!({ "image": custom, "language": "custom" });
    let changed: Value = api.patch("changing", &change).await.with(200).json();
    assert_eq!((&changed["runtime"], &changed["code"]), (&json!("custom"), &Value::Null), "{changed}");
    let _ = api.deploy("changing").await.with(200);
    let answer: Value = api.execute("changing", &json!({ "data": 1 })).await.with(200).json();
    assert_eq!(answer["response"]["data"], 1, "{answer}");
    let back = json!({ "language": "javascript", "runtime": runtime,
        "code": "exports.handler = async () => 'again';" });
    let changed: Value = api.patch("changing", &back).await.with(200).json();
    assert_eq!(changed["image"], Value::Null, "{changed}");
    let _ = api.deploy("changing").await.with(200);
    let answer: Value = api.execute("changing", &json!({})).await.with(200).json();
    assert_eq!(answer["response"], "again", "{answer}");
    let _ = api.post(&api.functions("/changing/versions/2/activate"), &json!({})).await.with(200);
    let answer: Value = api.execute("changing", &json!({ "data": 2 })).await.with(200).json();
    assert_eq!(answer["response"]["data"], 2, "the version keeps its image: {answer}");
    let _ = api.delete(&api.functions("/changing")).await.with(204);
}

/// From a registry that wants credentials, and that is down in the end.
async fn an_image_is_fetched(api: &Api, home: &Home, registry: &mut Registry, sent: TestImage) {
    let refused = async |image: &str, parts: &[&str]| {
        let _ = api.create(&json!({ "name": "fetched", "image": image })).await.with(201);
        let refused = api.deploy("fetched").await.error(ErrorCode::DeploymentError);
        let why = refused["error"].as_str().unwrap();
        assert!(parts.iter().all(|part| why.contains(part)) && why.contains(image), "{parts:?}: {refused}");
        let _ = api.delete(&api.functions("/fetched")).await.with(204);
    };
    let image = registry.take(&sent.name, "team/program");
    // The daemon has none of it any more.
    drop(sent);
    refused(&image, &["does not take the credentials", "the operator's file"]).await;
    std::fs::remove_file(registry.credentials("none")).unwrap();
    refused(&image, &["wants credentials", "docker login"]).await;
    let _ = registry.credentials(registry::PASSWORD);
    refused(&image.replace(":1", ":2"), &["no image of this name and tag"]).await;
    refused(&image.replace("program", "nothing"), &["no image of this name and tag"]).await;

    let before = imported(home);
    let _ = api.create(&json!({ "name": "fetched", "image": image })).await.with(201);
    let _ = api.deploy("fetched").await.with(200);
    let answer: Value = api.execute("fetched", &json!({ "data": 1 })).await.with(200).json();
    assert_eq!(answer["response"]["data"], 1, "{answer}");
    let _ = registry::forget(&image);
    what_was_removed_is_back(api, home, "fetched", &before).await;
    let _ = api.delete(&api.functions("/fetched")).await.with(204);
    let _ = registry::forget(&image);
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
    let logs = deployed["build_logs"].as_str().unwrap();
    assert!(logs.contains("[build] ran 1\n"), "{deployed}");
    let answer: Value = api.execute("built", &json!({ "data": 7 })).await.with(200).json();
    assert_eq!(answer["response"], json!({ "greeting": "built", "data": 7 }));
    // Other services of this machine build, too.
    let tag = logs.lines().find_map(|line| line.split_once("Successfully tagged ")).unwrap().1;
    assert!(!machine::docker("/images/json").unwrap().contains(tag), "what was built is gone: {tag}");

    let broken = pack::tgz(&[("Dockerfile", &format!("FROM {base}\nRUN [\"python3\", \"-c\", \"1/0\"]\n"))]);
    let upload = api.request(Method::PUT, &api.functions("/built/package")).body(broken);
    let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
    let _ = api.patch("built", &json!({ "build": {} })).await.with(200);
    let refused = api.deploy("built").await.error(ErrorCode::DeploymentError);
    assert!(refused["build_logs"].as_str().unwrap().contains("ZeroDivisionError"), "{refused}");
    assert_eq!(refused["stage"], "build", "{refused}");
}

async fn an_image_is_built_again(api: &Api, home: &Home, base: &str) {
    let before = imported(home);
    let program = std::fs::read_to_string(machine::root().join("examples/custom/program.py")).unwrap();
    let dockerfile = format!("FROM {base}\nCOPY program.py /own/\nCMD [\"python3\", \"/own/program.py\"]\n");
    let package = pack::tgz(&[("Dockerfile", &dockerfile), ("program.py", &program)]);
    let _ = api.create(&json!({ "name": "rebuilt", "build": {} })).await.with(201);
    let upload = api.request(Method::PUT, &api.functions("/rebuilt/package")).body(package);
    let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
    let _ = api.deploy("rebuilt").await.with(200);
    what_was_removed_is_back(api, home, "rebuilt", &before).await;
    let _ = api.delete(&api.functions("/rebuilt")).await.with(204);
}

/// Somebody makes room in the daemon while the service runs: the next cold start has the image again.
async fn what_was_removed_is_back(api: &Api, home: &Home, function: &str, before: &BTreeSet<String>) {
    let made: Vec<String> = imported(home).difference(before).cloned().collect();
    assert_eq!(made.len(), 1, "{made:?}");
    for n in 1..=2 {
        // Nothing warm is left, and no container that keeps the image.
        let _ = api.patch(function, &json!({ "environment": { "N": n.to_string() } })).await.with(200);
        is_removed(home, &made[0]).await;
        let answer = loop {
            let answer = api.execute(function, &json!({ "data": n })).await;
            // That it takes long is no failure.
            if answer.status != 503 || !answer.text().contains("is being made") {
                break answer.with(200);
            }
        };
        assert_eq!(answer.json::<Value>()["response"]["data"], n);
    }
    assert!(imported(home).contains(&made[0]));
    // A start that no call has asked for does the same.
    let _ = api.patch(function, &json!({ "environment": {} })).await.with(200);
    is_removed(home, &made[0]).await;
    let _ = api.patch(function, &json!({ "min_instances": 1 })).await.with(200);
    let path = api.functions(&format!("/{function}/scaling"));
    while api.get(&path).await.with(200).json::<Value>()["instances"]["idle"] != json!(1) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(imported(home).contains(&made[0]));
    let answer: Value = api.execute(function, &json!({ "data": 3 })).await.with(200).json();
    assert_eq!((&answer["response"]["data"], &answer["start"]), (&json!(3), &json!("warm")));
}

/// Once no container keeps it.
async fn is_removed(home: &Home, image: &str) {
    while imported(home).contains(image) {
        registry::remove(image);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The images that this service imported and the daemon has.
fn imported(home: &Home) -> BTreeSet<String> {
    let instance = std::fs::read_to_string(home.data().join("instance-id")).unwrap();
    let answer = machine::docker("/images/json").unwrap();
    let images: Vec<Value> = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let own = images.iter().filter(|image| {
        image["Labels"]["cloudbox.imported-by"].as_str().is_some_and(|id| instance.starts_with(id))
    });
    own.filter_map(|image| Some(image["RepoTags"][0].as_str()?.to_owned())).collect()
}

/// By the client, from a folder with a `cloudbox-function.yml`.
async fn a_folder_says_what_its_image_is(service: &Service, base: &str, program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let deploy = async || {
        let deployed = service.client(&["deploy", folder.path().to_str().unwrap(), "--json"]).await;
        (
            deployed.status.code(),
            String::from_utf8_lossy(&[deployed.stdout, deployed.stderr].concat()).into_owned(),
        )
    };
    let file = "name: by-file\nruntime: custom\nimage: my-org/my-runtime:latest\nbuild:\n  dockerfile: ./Dockerfile\n  \
                context: ./\nenvironment:\n  GREETING: from the file\n";
    write("cloudbox-function.yml", file);
    write(
        "Dockerfile",
        &format!("FROM {base}\nCOPY . /built\nWORKDIR /built\nENTRYPOINT [\"python3\", \"program.py\"]\n"),
    );
    let source = std::fs::read_to_string(machine::root().join("examples/custom/program.py")).unwrap();
    write("program.py", &source.replace("\"data\":", "\"files\": sorted(os.listdir(\"/built\")), \"data\":"));
    write(".hidden", "");
    write("secret.txt", "");
    write(".dockerignore", "Dockerfile\n*.txt\n.dockerignore\n");
    let (code, text) = deploy().await;
    assert_eq!(code, Some(0), "{text}");
    let answer: Value = service.api().execute("by-file", &json!({ "data": 7 })).await.with(200).json();
    let built = json!({ "greeting": "from the file", "data": 7, "files": [".hidden", "program.py"] });
    assert_eq!(answer["response"], built, "{answer}");

    // The same where the package is uploaded as it is.
    let package = pack::tgz(&[
        ("Dockerfile", &std::fs::read_to_string(folder.path().join("Dockerfile")).unwrap()),
        ("program.py", &std::fs::read_to_string(folder.path().join("program.py")).unwrap()),
        ("docs/notes.txt", "x"),
        (".dockerignore", "**/*.txt\nDockerfile\n.dockerignore\n"),
    ]);
    let api = service.api();
    let upload = api.request(Method::PUT, &api.functions("/by-file/package")).body(package);
    let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
    let _ = api.deploy("by-file").await.with(200);
    let answer: Value = api.execute("by-file", &json!({})).await.with(200).json();
    assert_eq!(answer["response"]["files"], json!(["docs", "program.py"]), "{answer}");

    write("cloudbox-function.yml", &format!("name: by-name\nimage: {program}\n"));
    for name in ["Dockerfile", "program.py", ".hidden", "secret.txt"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    for version in [1, 2] {
        let (code, text) = deploy().await;
        assert_eq!(code, Some(0), "{text}");
        let function: Value = api.function("by-name").await.with(200).json();
        assert_eq!((&function["active_version"], &function["package"]), (&json!(version), &Value::Null));
    }
    let answer: Value = api.execute("by-name", &json!({ "data": 1 })).await.with(200).json();
    assert_eq!(answer["response"]["data"], 1, "{answer}");
    write("cloudbox-function.yml", "runtime: custom\nimgae: x\n");
    let (code, text) = deploy().await;
    assert!(code != Some(0) && text.contains("imgae") && text.contains("line 2"), "{text}");
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
        let _ = api.delete(&api.functions("/refused")).await.with(204);
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
    for (settings, why) in [("nodejs20 = \"node:20\"", remedy), ("nodejs20 = \"no name\"", "no image's name")]
    {
        let home = Home::new();
        let path = home.path().join("cloudbox.toml");
        std::fs::write(&path, format!("[runtimes.images]\n{settings}\n")).unwrap();
        let plan = Plan::new(Driver::Native).at(&home).with("CLOUDBOX_CONFIG", path.to_str().unwrap());
        let said = plan.refusal().await;
        assert!(said.contains("runtimes.images.nodejs20") && said.contains(why), "{said}");
    }
}

//! Two nodes on one PostgreSQL database and one S3 server: what one changes the other takes over, and what nothing refers to
//! any more goes from all three.

use cloudbox_tests::pack::tgz;
use cloudbox_tests::postgres::Postgres;
use cloudbox_tests::registry::{PASSWORD, Registry, forget};
use cloudbox_tests::s3::S3;
use cloudbox_tests::{Answer, Api, Driver, Home, Plan, Service, TestImage, both_drivers, images, machine};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The end of a wait, and never its measure.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// 32 bytes: nodes share the key of encrypted values.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

async fn two_nodes(driver: Driver) {
    let (server, s3) = (Postgres::shared().unwrap(), S3::start().await);
    let url = server.new_database().unwrap();
    let home = Home::new();
    let config = home.path().join("cloudbox.toml");
    let registry = if driver == Driver::Docker { Registry::start() } else { None };
    let mut images = "[images]\nallow = [\"cbx-test-*\"]\ndockerfiles = true\n".to_owned();
    if let Some(registry) = &registry {
        let (name, file) = (registry.name(), registry.credentials(PASSWORD));
        let from = images.replace("\"cbx-test-*\"", &format!("\"cbx-test-*\", \"{name}/*\""));
        images = format!("{from}registries = [\"{name}\"]\ncredentials = {file:?}\n");
    }
    std::fs::write(&config, if driver == Driver::Docker { &images } else { "" }).unwrap();
    let node = async || {
        let plan = Plan::new(driver)
            .with("CLOUDBOX_CONFIG", config.to_str().unwrap())
            .with("CLOUDBOX_DATABASE_URL", &url)
            .with("CLOUDBOX_SECRET_KEY", KEY)
            .with("CLOUDBOX_STORAGE_GC_INTERVAL_S", "0");
        let settings = s3.settings();
        let plan = settings.iter().fold(plan, |plan, (name, value)| plan.with(name, value));
        // Nothing fails here: a machine that is busy with other tests may take its time.
        plan.with("CLOUDBOX_STORAGE_TIMEOUT_S", "60").start().await
    };
    // One after the other: the first one makes the tables.
    let one = node().await;
    begin_slowly(&one.api()).await;
    let other = node().await;
    others_deployments_go_on(&one.api()).await;
    changes_reach_the_other_node(&one.api(), &other.api()).await;
    garbage_goes_from_all_places(&one, &other, &s3).await;
    other.stop().await;
    if driver == Driver::Docker {
        an_image_is_built_where_it_is_needed(&one, &node).await;
    }
    if let Some(registry) = &registry {
        an_image_is_fetched_where_it_is_needed(&one, &node, registry).await;
    }
    one.stop().await;
}

both_drivers! { two_nodes }

fn code(text: &str) -> String {
    format!("exports.handler = async () => ['{text}', process.env.SHARED ?? null];")
}

/// Calls until the answer is the one that the change makes.
async fn comes_to(api: &Api, name: &str, expected: &Value) {
    let by = Instant::now() + PATIENCE;
    loop {
        let answer = api.execute(name, &json!({})).await;
        let seen: Value = answer.json();
        if seen["response"] == *expected || seen["code"] == *expected {
            return;
        }
        assert!(Instant::now() < by, "{name} should come to {expected}: {seen}");
        sleep(PAUSE).await;
    }
}

async fn changes_reach_the_other_node(one: &Api, other: &Api) {
    one.launch("shared", "javascript", &code("one")).await;
    // Nobody told it of a function that it never heard of: it looks in the database, and fetches the artefact.
    comes_to(other, "shared", &json!(["one", null])).await;

    let _ = one.patch("shared", &json!({ "code": code("two") })).await.with(200);
    let _ = one.deploy("shared").await.with(200);
    comes_to(other, "shared", &json!(["two", null])).await;
    let _ = other.post(&other.functions("/shared/rollback"), &json!({})).await.with(200);
    comes_to(one, "shared", &json!(["one", null])).await;
    let secret = one.request(Method::PUT, "/api/projects/default/secrets/SHARED");
    let _ = Answer::of(secret.json(&json!({ "value": "s" }))).await.with(200);
    comes_to(other, "shared", &json!(["one", "s"])).await;

    let _ = one.patch("shared", &json!({ "is_active": false })).await.with(200);
    comes_to(other, "shared", &json!("DISABLED")).await;
    let _ = other.patch("shared", &json!({ "is_active": true, "name": "renamed" })).await.with(200);
    comes_to(one, "renamed", &json!(["one", "s"])).await;
    comes_to(one, "shared", &json!("NOT_FOUND")).await;
    let _ = one.delete(&one.functions("/renamed")).await.with(204);
    comes_to(other, "renamed", &json!("NOT_FOUND")).await;

    let project: Value =
        one.post("/api/projects", &json!({ "name": "Shop", "slug": "shop" })).await.with(201).json();
    let (there, here) = (other.in_project("shop"), one.in_project("shop"));
    there.launch("sold", "javascript", &code("shop")).await;
    comes_to(&here, "sold", &json!(["shop", null])).await;
    let _ = one.delete(&format!("/api/projects/{}", project["id"])).await.with(204);
    comes_to(&there, "sold", &json!("NOT_FOUND")).await;
}

/// Begins a deployment whose code takes longer to load than a node to start.
async fn begin_slowly(api: &Api) {
    let code = "await new Promise((resolve) => setTimeout(resolve, 5000));\nexport const handler = async () => 'slow';";
    let function = json!({ "name": "slow", "language": "javascript", "code": code });
    let _ = api.create(&function).await.with(201);
    let _ = api.post(&api.functions("/slow/deploy"), &json!({})).await.with(202);
}

/// A node that starts leaves others' deployments alone.
async fn others_deployments_go_on(api: &Api) {
    let by = Instant::now() + PATIENCE;
    loop {
        let function: Value = api.function("slow").await.with(200).json();
        match function["status"].as_str().unwrap() {
            "building" => assert!(Instant::now() < by, "{function}"),
            status => {
                assert_eq!(status, "deployed", "{function}");
                break;
            }
        }
        sleep(PAUSE).await;
    }
    let _ = api.delete(&api.functions("/slow")).await.with(204);
}

async fn gc(api: &Api) -> Value {
    let garbage: Value = api.post("/api/storage/gc", &json!({ "grace_s": 0 })).await.with(200).json();
    assert_eq!((&garbage["failed"], &garbage["notes"]), (&json!(0), &json!([])), "{garbage}");
    garbage
}

async fn upload(api: &Api, name: &str, text: &str) {
    let _ = api.create(&json!({ "name": name, "language": "javascript" })).await.with(201);
    let request = api.request(Method::POST, &api.functions(&format!("/{name}/deploy?wait=true")));
    let package = tgz(&[("index.js", &code(text))]);
    let _ = Answer::of(request.header("content-type", "application/gzip").body(package)).await.with(200);
}

/// The names of all artefacts and packages of a node.
fn here(service: &Service) -> Vec<String> {
    let names = ["code", "packages"].map(|folder| {
        let entries = std::fs::read_dir(service.home().data().join(folder)).unwrap();
        entries
            .map(move |entry| format!("{folder}/{}", entry.unwrap().file_name().display()))
            .collect::<Vec<_>>()
    });
    names.concat()
}

async fn garbage_goes_from_all_places(one: &Service, other: &Service, s3: &S3) {
    let apis = [one.api(), other.api()];
    upload(&apis[0], "kept", "kept").await;
    upload(&apis[1], "gone", "gone").await;
    for api in &apis {
        comes_to(api, "kept", &json!(["kept", "s"])).await;
        comes_to(api, "gone", &json!(["gone", "s"])).await;
    }
    let _ = apis[0].delete(&apis[0].functions("/gone")).await.with(204);
    // What is left is an artefact and a package in the object store, the artefact at both nodes, and the package where it was
    // uploaded; each node hears of the deletion and lets go of its sandboxes before that.
    let by = Instant::now() + PATIENCE;
    loop {
        for api in &apis {
            let _ = gc(api).await;
        }
        let names = s3.names().await;
        let objects = |folder: &str| names.iter().filter(|name| name.starts_with(folder)).count();
        let (at_one, at_other) = (here(one), here(other));
        let left = (objects("artefacts/"), objects("packages/"), at_one.len(), at_other.len());
        if left == (1, 1, 2, 1) {
            break;
        }
        assert!(Instant::now() < by, "{left:?}: {names:?} {at_one:?} {at_other:?}");
        sleep(PAUSE).await;
    }
    for api in &apis {
        comes_to(api, "kept", &json!(["kept", "s"])).await;
    }
    // A node that lost its copy fetches it, since it stayed where both find it.
    for entry in std::fs::read_dir(other.home().data().join("code")).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let _ = apis[1].patch("kept", &json!({ "timeout": 7 })).await.with(200);
    comes_to(&apis[1], "kept", &json!(["kept", "s"])).await;
    assert_eq!(
        gc(&apis[0]).await["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["place"] == "object_store")
            .count(),
        0
    );
}

/// An image of a Dockerfile is with the node that built it. All nodes use one daemon here, so it is removed there, before a node
/// starts that is to call it: one that runs gets an image ready as soon as it hears of a version.
async fn an_image_is_built_where_it_is_needed(one: &Service, node: &impl AsyncFn() -> Service) {
    let api = one.api();
    api.launch("base", "python", "def handler(data, context):\n    return 1\n").await;
    let base = TestImage::import(&images::runtime_of(&api, "base").await, &[], &[]);
    let program = std::fs::read_to_string(machine::root().join("examples/custom/program.py")).unwrap();
    let _ = api
        .create(&json!({ "name": "built", "build": { "dockerfile": "./docker/Dockerfile" } }))
        .await
        .with(201);
    let deploy = async |text: &str| {
        let dockerfile = format!(
            "FROM {}\nCOPY . /own\nENV GREETING={text}\nWORKDIR /own\nCMD [\"python3\", \"program.py\"]\n",
            base.name
        );
        let package = tgz(&[("docker/Dockerfile", &dockerfile), ("program.py", &program)]);
        let upload = api.request(Method::PUT, &api.functions("/built/package")).body(package);
        let _ = Answer::of(upload.header("content-type", "application/gzip")).await.with(200);
        let _ = api.deploy("built").await.with(200);
        the_daemon_forgets_what_was_built(one).await;
    };
    deploy("first").await;
    let other = node().await;
    comes_to(&other.api(), "built", &json!({ "greeting": "first", "data": "" })).await;
    other.stop().await;
    deploy("second").await;
    drop(base);
    let other = node().await;
    comes_to(&other.api(), "built", &json!("OVERLOADED")).await;
    let refused: Value = other.api().execute("built", &json!({})).await.with(503).json();
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("can't be started on this node") && why.contains("images.registries"), "{refused}");
    other.stop().await;
    let _ = api.delete(&api.functions("/built")).await.with(204);
}

/// One that has a name comes from the registry that it came from before.
async fn an_image_is_fetched_where_it_is_needed(
    one: &Service,
    node: &impl AsyncFn() -> Service,
    registry: &Registry,
) {
    let api = one.api();
    let program = std::fs::read_to_string(machine::root().join("examples/custom/program.py")).unwrap();
    let settings = ["ENV GREETING=fetched", "ENTRYPOINT [\"python3\",\"/own/program.py\"]"];
    let runtime = images::runtime_of(&api, "base").await;
    let sent = TestImage::import(&runtime, &[("/own/program.py", &program)], &settings);
    let image = registry.take(&sent.name, "team/program");
    drop(sent);
    let _ = api.create(&json!({ "name": "named", "image": image })).await.with(201);
    let _ = api.deploy("named").await.with(200);
    let _ = forget(&image);
    the_daemon_forgets_what_was_built(one).await;
    let other = node().await;
    comes_to(&other.api(), "named", &json!({ "greeting": "fetched", "data": "" })).await;
    other.stop().await;
    let _ = api.delete(&api.functions("/named")).await.with(204);
    let _ = forget(&image);
}

/// Until no container is made of it any more, the daemon keeps it.
async fn the_daemon_forgets_what_was_built(node: &Service) {
    let id = std::fs::read_to_string(node.home().data().join("instance-id")).unwrap();
    let filter = format!("{{\"label\":[\"cloudbox.imported-by={}\"]}}", id.trim());
    let path: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let by = Instant::now() + PATIENCE;
    loop {
        let listed = machine::docker(&format!("/images/json?filters={path}")).unwrap();
        let found = listed.split('"').find(|text| text.starts_with("cloudbox/image-custom:"));
        let Some(name) = found else { return };
        let _ = forget(name);
        assert!(Instant::now() < by, "{name} should go");
        sleep(PAUSE).await;
    }
}

//! What nothing refers to any more goes, and nothing else: on the node, and in the object store.

use std::fs;
use std::path::{Path, PathBuf};

use cloudbox_tests::pack::tgz;
use cloudbox_tests::s3::{Line, S3};
use cloudbox_tests::{Answer, Api, Driver, Plan, both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

async fn garbage(driver: Driver) {
    let plan = Plan::new(driver);
    let store = plan.home().path().join("store");
    let plan = plan.with("CLOUDBOX_STORAGE_URL", store.to_str().unwrap());
    let service = plan.with("CLOUDBOX_STORAGE_GC_INTERVAL_S", "0").start().await;
    let (api, data) = (service.api(), service.home().data());
    what_is_needed_stays(&api).await;
    what_nothing_refers_to_goes(&api, &data, &store).await;
    uploads_to_a_folder_that_were_broken_off_go(&api, &store).await;
    what_another_installation_keeps_stays(&api, &store).await;
    service.stop().await;
}

both_drivers! { garbage }

/// In a bucket nobody sees them, and they take room all the same.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_were_broken_off_go() {
    let Some(driver) = [Driver::Native, Driver::Docker].into_iter().find(|driver| driver.is_tested()) else {
        return;
    };
    let s3 = S3::start().await;
    let plan = s3.settings().iter().fold(Plan::new(driver), |plan, (name, value)| plan.with(name, value));
    let service = plan.with("CLOUDBOX_STORAGE_GC_INTERVAL_S", "0").start().await;
    let api = service.api();
    let _ = api.create(&json!({ "name": "sent", "language": "javascript" })).await.with(201);
    upload(&api, "sent", tgz(&[("index.js", &code("sent"))])).await;
    let objects = s3.names().await;
    let package = objects.iter().find(|name| name.starts_with("packages/")).unwrap();
    assert!(collect(&api, &json!({})).await.is_empty());
    // Of an object that was sent again later, of one that was not, and of somebody else's.
    s3.begin_upload(package).await;
    s3.begin_upload(&format!("artefacts/{}.tar.gz", "0".repeat(64))).await;
    s3.begin_upload("packages/readme.txt").await;

    let uploads = [("upload", "object_store"); 2];
    let waiting = collect(&api, &json!({})).await;
    assert_eq!(kinds(&waiting), uploads, "{waiting:?}");
    assert!(waiting.iter().all(|item| item["state"] == "waiting" && item["waits_s"].as_u64() > Some(0)));
    let would = collect(&api, &now(true)).await;
    assert!(would.iter().all(|item| item["state"] == "removable"), "{would:?}");
    assert_eq!(s3.uploads().await.len(), 3, "a dry run ends nothing");
    let removed = collect(&api, &now(false)).await;
    assert_eq!(kinds(&removed), uploads, "{removed:?}");
    assert!(removed.iter().all(|item| item["state"] == "removed"), "{removed:?}");
    assert_eq!(s3.uploads().await, ["packages/readme.txt"], "what has no name of ours is not ours");
    assert_eq!(s3.names().await, objects);
    answers(&api, "sent", "sent").await;

    s3.begin_upload(package).await;
    s3.set(Line::Forbidden);
    let left_out: Value = api.post("/api/storage/gc", &now(false)).await.with(200).json();
    assert!(left_out["notes"].to_string().contains("object store"), "{left_out}");
    s3.set(Line::Whole);
    assert_eq!(s3.uploads().await.len(), 2);

    // More than a bucket lists at once, of one object and of many.
    for number in 0..1005 {
        let of = if number < 505 { 0 } else { number };
        s3.begin_upload(&format!("artefacts/{of:064x}.tar.gz")).await;
    }
    let all: Value = api.post("/api/storage/gc", &now(false)).await.with(200).json();
    assert_eq!((&all["removed"], &all["failed"]), (&json!(1006), &json!(0)), "{}", all["notes"]);
    assert_eq!(s3.uploads().await, ["packages/readme.txt"]);
    service.stop().await;
}

/// What is found but for images and bundles: those of other releases may be there.
async fn collect(api: &Api, order: &Value) -> Vec<Value> {
    let garbage: Value = api.post("/api/storage/gc", order).await.with(200).json();
    assert_eq!((&garbage["failed"], &garbage["notes"]), (&json!(0), &json!([])), "{garbage}");
    let items = garbage["items"].as_array().unwrap().clone();
    items.into_iter().filter(|item| item["kind"] != "image" && item["kind"] != "bundle").collect()
}

fn now(dry_run: bool) -> Value {
    json!({ "dry_run": dry_run, "grace_s": 0 })
}

fn kinds(items: &[Value]) -> Vec<(&str, &str)> {
    items.iter().map(|item| (item["kind"].as_str().unwrap(), item["place"].as_str().unwrap())).collect()
}

async fn upload(api: &Api, name: &str, package: Vec<u8>) {
    let request = api.request(Method::POST, &api.functions(&format!("/{name}/deploy?wait=true")));
    let _ = Answer::of(request.header("content-type", "application/gzip").body(package)).await.with(200);
}

async fn answers(api: &Api, name: &str, expected: &str) {
    let answer: Value = api.execute(name, &json!({})).await.with(200).json();
    assert_eq!(answer["response"], expected, "{name}: {answer}");
}

fn code(text: &str) -> String {
    format!("exports.handler = async () => '{text}';")
}

async fn what_is_needed_stays(api: &Api) {
    api.launch("kept", "javascript", &code("one")).await;
    let _ = api.patch("kept", &json!({ "code": code("two") })).await.with(200);
    let _ = api.deploy("kept").await.with(200);
    let _ = api.create(&json!({ "name": "packed", "language": "javascript" })).await.with(201);
    upload(api, "packed", tgz(&[("index.js", &code("packed"))])).await;
    let inline = json!({ "code": "export default async (request, context) => context.success(++calls); let calls = 0;" });
    let first: Value = api.post("/execute", &inline).await.with(200).json();
    assert_eq!(first["data"], 1, "{first}");

    let found = collect(api, &now(false)).await;
    assert!(found.is_empty(), "{found:?}");
    let again: Value = api.post("/execute", &inline).await.with(200).json();
    assert_eq!(again["data"], 2, "it stayed warm: {again}");
    answers(api, "packed", "packed").await;
    answers(api, "kept", "two").await;
    let _ = api.post(&api.functions("/kept/rollback"), &json!({})).await.with(200);
    answers(api, "kept", "one").await;
    let _ = api.get(&api.functions("/packed/package")).await.with(200);
}

async fn what_nothing_refers_to_goes(api: &Api, data: &Path, store: &Path) {
    let _ = api.create(&json!({ "name": "gone", "language": "javascript" })).await.with(201);
    upload(api, "gone", tgz(&[("index.js", &code("gone"))])).await;
    answers(api, "gone", "gone").await;
    // As a service that was killed may leave it.
    let left = data.join("code").join("0".repeat(64));
    fs::create_dir(&left).unwrap();
    fs::write(left.join("index.js"), "left").unwrap();
    // None of ours.
    fs::write(store.join("packages/readme.txt"), "by hand").unwrap();
    let deleted = api.request(Method::DELETE, &api.functions("/gone"));
    let _ = Answer::of(deleted).await.with(204);

    let waiting = collect(api, &json!({})).await;
    assert!(waiting.iter().all(|item| item["state"] == "waiting"), "{waiting:?}");
    let expected = [
        ("artefact", "node"),
        ("artefact", "node"),
        ("artefact", "object_store"),
        ("package", "node"),
        ("package", "object_store"),
    ];
    let would = loop {
        // The last sandbox of the function may be on its way out.
        let would = collect(api, &now(true)).await;
        if would.len() == expected.len() {
            break would;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let mut found = kinds(&would);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert!(
        would.iter().all(|item| item["state"] == "removable" && item["bytes"].as_u64() > Some(0)),
        "{would:?}"
    );
    let path_of = |item: &Value| -> PathBuf {
        let name = item["name"].as_str().unwrap();
        match (item["kind"].as_str().unwrap(), item["place"].as_str().unwrap()) {
            ("artefact", "node") => data.join("code").join(name),
            ("package", "node") => data.join("packages").join(name),
            ("artefact", _) => store.join("artefacts").join(format!("{name}.tar.gz")),
            _ => store.join("packages").join(name),
        }
    };
    assert!(would.iter().all(|item| path_of(item).exists()), "a dry run removes nothing");

    let removed = collect(api, &now(false)).await;
    assert!(removed.iter().all(|item| item["state"] == "removed"), "{removed:?}");
    assert_eq!(removed.len(), would.len());
    assert!(!would.iter().any(|item| path_of(item).exists()), "{would:?}");
    assert!(collect(api, &now(false)).await.is_empty(), "and that is all");
    assert!(store.join("packages/readme.txt").exists(), "what has no name of ours is not ours");
    assert!(
        !fs::read_dir(data.join("code"))
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with('.') })
    );
    answers(api, "kept", "one").await;
    answers(api, "packed", "packed").await;
    let wrong = api.post("/api/storage/gc", &json!({ "grace_s": 99_999_999 })).await;
    assert_eq!(wrong.error(ErrorCode::ValidationError)["details"][0]["field"], "grace_s");
}

/// There they are files beside their objects.
async fn uploads_to_a_folder_that_were_broken_off_go(api: &Api, store: &Path) {
    let left = store.join("artefacts").join(format!("{}.tar.gz#1", "0".repeat(64)));
    let own = store.join("packages/readme.txt#1");
    [&left, &own].iter().for_each(|path| fs::write(path, "half").unwrap());
    let waiting = collect(api, &json!({})).await;
    assert_eq!(kinds(&waiting), [("upload", "object_store")], "{waiting:?}");
    assert_eq!((&waiting[0]["state"], &waiting[0]["bytes"]), (&json!("waiting"), &json!(4)));
    let removed = collect(api, &now(false)).await;
    assert_eq!(removed[0]["state"], "removed", "{removed:?}");
    assert!(!left.exists() && own.exists());
    fs::remove_file(own).unwrap();
}

/// Its rows are in a database that this service doesn't know.
async fn what_another_installation_keeps_stays(api: &Api, store: &Path) {
    fs::write(store.join("installations/another"), "").unwrap();
    let deleted = api.request(Method::DELETE, &api.functions("/packed"));
    let _ = Answer::of(deleted).await.with(204);
    let garbage: Value = api.post("/api/storage/gc", &now(false)).await.with(200).json();
    let notes = garbage["notes"].to_string();
    assert!(notes.contains("another") && notes.contains("prefix"), "{garbage}");
    let items = garbage["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["place"] == "node"), "{garbage}");
    assert_eq!(
        fs::read_dir(store.join("packages")).unwrap().count(),
        2,
        "its object, and the note beside it"
    );
}

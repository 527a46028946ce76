//! I6 and I7: a database and a store of artefacts that are slow, locked, read only, full or gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use cloudbox_tests::postgres::Postgres;
use cloudbox_tests::{Answer, Home, Plan};
use reqwest::Method;
use serde_json::{Value, json};

use crate::proxy::{Line, Proxy};
use crate::site::{Disk, Site, Stranger, driver, eventually, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn i6_sqlite_locked_by_another_program() {
    let Some(driver) = driver() else { return };
    let mut site = Site::start(Plan::new(driver)).await;
    let stranger = Stranger::open(&site.database(), "BEGIN EXCLUSIVE");
    for number in 0..20 {
        site.call(json!(number)).await;
    }
    site.change_is_refused().await;
    site.is_not_ready("another program holds its lock").await;
    // A reader doesn't wait for the records.
    let _ = in_time(site.api.logs("one", "limit=1")).await;
    drop(stranger);
    site.recovers().await;
    assert_eq!(Stranger::ask(&site.database(), "PRAGMA integrity_check"), "[('ok',)]");
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_sqlite_moved_and_replaced() {
    let Some(driver) = driver() else { return };
    let mut site = Site::start(Plan::new(driver)).await;
    let (database, aside) = (site.database(), site.service.home().path().join("aside.db"));
    fs::rename(&database, &aside).unwrap();
    site.call(json!("moved")).await;
    site.change_is_refused().await;
    site.is_not_ready("moved or replaced").await;
    assert!(!database.exists(), "no new database takes its place");

    fs::copy(&aside, &database).unwrap();
    site.call(json!("replaced")).await;
    site.change_is_refused().await;

    fs::rename(&aside, &database).unwrap();
    site.recovers().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_sqlite_log_grows_while_somebody_reads() {
    let Some(driver) = driver() else { return };
    let mut site = Site::start(Plan::new(driver)).await;
    let log = site.service.home().data().join("cloudbox.db-wal");
    let bytes = || fs::metadata(&log).unwrap().len();
    let reader = Stranger::open(&site.database(), "BEGIN;SELECT count(*) FROM records");
    for _ in 0..24 {
        site.call(json!({ "log": 1_000_000 })).await;
    }
    site.has_all_records().await;
    assert!(bytes() > 20 << 20, "the reader keeps the log: {}", bytes());
    drop(reader);
    eventually("the log is cut", async || {
        site.both_answer().await;
        site.has_all_records().await;
        bytes() <= 16 << 20
    })
    .await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_disk_full() {
    let Some(driver) = driver() else { return };
    let Some(disk) = Disk::mount("size=30m") else { return };
    let mut site = Site::start(Plan::new(driver).at(&Home::on(disk.path()))).await;
    let filler = disk.fill();
    for number in 0..20 {
        site.call(json!({ "number": number, "log": 5000 })).await;
    }
    site.change_is_refused().await;
    site.is_not_ready("full").await;
    let health: Value = in_time(site.api.anonymous().get("/health")).await.json();
    let warnings = health["warnings"].to_string();
    assert!(warnings.contains("answered but not recorded") || warnings.contains("wait in"), "{health}");

    // What a call on a full disk promises is its answer; of its record, that it is whole or not there.
    fs::remove_file(filler).unwrap();
    eventually("there is a database again", async || {
        site.api.anonymous().get("/health/ready").await.status == 200
    })
    .await;
    site.recount().await;
    site.recovers().await;
    let log = site.service.home().log_text();
    assert!(!log.contains("panicked") && !log.contains("is no record"), "{log}");
    assert_eq!(Stranger::ask(&site.database(), "PRAGMA integrity_check"), "[('ok',)]");
    let _ = in_time(site.api.deploy("other")).await.with(200);
    site.both_answer().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_postgres_down_at_the_start() {
    let Some(driver) = driver() else { return };
    let server = Postgres::shared().unwrap();
    let url = server.new_database().unwrap();
    let proxy = Proxy::start(server.folder());
    proxy.set(Line::Cut);
    let said = Plan::new(driver).with("CLOUDBOX_DATABASE_URL", &proxy.url(&url)).refusal().await;
    assert!(said.contains("can't be reached") && said.contains("check that it runs"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_postgres_gone_for_seconds() {
    let Some(driver) = driver() else { return };
    let server = Postgres::shared().unwrap();
    let url = server.new_database().unwrap();
    let proxy = Proxy::start(server.folder());
    let mut site = Site::start(Plan::new(driver).with("CLOUDBOX_DATABASE_URL", &proxy.url(&url))).await;

    // One deployment is under way when it goes.
    let path = site.api.functions("/other/deploy");
    let _ = Answer::of(site.api.request(Method::POST, &path)).await.with(202);
    proxy.set(Line::Cut);
    for number in 0..20 {
        site.call(json!(number)).await;
    }
    site.change_is_refused().await;
    site.change_is_refused().await;
    site.is_not_ready("doesn't answer").await;
    proxy.set(Line::Whole);
    eventually("the deployment ends", async || {
        let list: Value = site.api.get(&site.api.functions("/other/deployments")).await.json();
        let last = &list["items"][0];
        assert_ne!(last["status"], "failed", "{last}");
        last["status"] == "deployed" && last["version"] == 2
    })
    .await;
    site.recovers().await;
    let _ = in_time(site.api.deploy("other")).await.with(200);
    site.both_answer().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_postgres_slow() {
    let Some(driver) = driver() else { return };
    let server = Postgres::shared().unwrap();
    let url = server.new_database().unwrap();
    let proxy = Proxy::start(server.folder());
    let mut site = Site::start(Plan::new(driver).with("CLOUDBOX_DATABASE_URL", &proxy.url(&url))).await;
    proxy.set(Line::Slow(Duration::from_secs(10)));
    for number in 0..20 {
        site.call(json!(number)).await;
    }
    site.change_is_refused().await;
    site.is_not_ready("doesn't answer").await;
    proxy.set(Line::Whole);
    site.recovers().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_postgres_read_only() {
    let Some(driver) = driver() else { return };
    let server = Postgres::start().unwrap();
    let url = server.new_database().unwrap();
    let mut site = Site::start(Plan::new(driver).with("CLOUDBOX_DATABASE_URL", &url)).await;
    let reload = "SELECT pg_reload_conf()";
    server.run(&["ALTER SYSTEM SET default_transaction_read_only = on", reload]).unwrap();
    eventually("the server is read only", async || site.create("probe").await.status == 503).await;
    for number in 0..20 {
        site.call(json!(number)).await;
    }
    site.change_is_refused().await;
    site.is_not_ready("takes no changes").await;
    let _ = in_time(site.api.function("one")).await.with(200);
    server.run(&["ALTER SYSTEM RESET default_transaction_read_only", reload]).unwrap();
    site.recovers().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_postgres_without_connections() {
    let Some(driver) = driver() else { return };
    let server = Postgres::start().unwrap();
    // Limits are for users that are no superusers.
    server.run(&["CREATE ROLE guest LOGIN", "CREATE DATABASE guest OWNER guest"]).unwrap();
    let url = format!("postgres://guest@localhost/guest?host={}", server.folder().display());
    let mut site = Site::start(Plan::new(driver).with("CLOUDBOX_DATABASE_URL", &url)).await;
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'";
    server.run(&["ALTER ROLE guest CONNECTION LIMIT 0", end_all]).unwrap();
    for number in 0..20 {
        site.call(json!(number)).await;
    }
    site.change_is_refused().await;
    site.is_not_ready("database").await;
    server.run(&["ALTER ROLE guest CONNECTION LIMIT -1"]).unwrap();
    site.recovers().await;
    site.service.stop().await;
}

/// What is done to the file of an artefact.
type Damage = fn(&PathBuf);

const DAMAGES: [(&str, Damage); 5] = [
    ("removed", |file| fs::remove_dir_all(file.parent().unwrap()).unwrap()),
    ("emptied", |file| fs::remove_file(file).unwrap()),
    ("truncated", |file| {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("flipped", |file| {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    }),
    ("unreadable", |file| fs::set_permissions(file, fs::Permissions::from_mode(0o0)).unwrap()),
];

#[tokio::test(flavor = "multi_thread")]
async fn i7_damaged_artefacts_are_never_run() {
    let Some(driver) = driver() else { return };
    let mut site = Site::start(Plan::new(driver)).await;
    let code = site.service.home().data().join("code");
    for (name, damage) in DAMAGES {
        let before: Vec<_> = fs::read_dir(&code).unwrap().map(|entry| entry.unwrap().path()).collect();
        let source = format!("exports.handler = async () => '{name}-is-right';");
        site.api.launch(name, "javascript", &source).await;
        let mut all = fs::read_dir(&code).unwrap().map(|entry| entry.unwrap().path());
        let artefact = all.find(|path| !before.contains(path)).unwrap();
        let right = format!("{name}-is-right");
        let call = async || -> Value { in_time(site.api.execute(name, &json!({}))).await.with(200).json() };
        assert_eq!(call().await["response"], right.as_str());

        damage(&artefact.join("index.js"));
        assert_eq!(call().await["response"], right.as_str(), "{name}: the warm one runs on");

        // Other settings: the next call needs a new sandbox.
        let _ = site.api.patch(name, &json!({ "memory": 192 })).await.with(200);
        for _ in 0..2 {
            let refused = in_time(site.api.execute(name, &json!({}))).await;
            let body = refused.error(cloudbox_types::ErrorCode::InternalError);
            let sentence = body["error"].as_str().unwrap();
            assert!(sentence.contains("INTEGRITY") && sentence.contains("deploy"), "{sentence}");
        }
        let public = in_time(Answer::of(site.api.anonymous().public(Method::GET, name, ""))).await;
        assert_eq!(public.status, 500, "{}", public.text());

        // The same code once more: what is damaged is replaced.
        let _ = in_time(site.api.deploy(name)).await.with(200);
        assert_eq!(call().await["response"], right.as_str(), "{name}: deployed again");
    }
    site.both_answer().await;
    site.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_artefacts_are_read_again_after_a_start() {
    let Some(driver) = driver() else { return };
    let site = Site::start(Plan::new(driver)).await;
    let home = site.service.home().clone();
    site.service.stop().await;
    let artefact = fs::read_dir(home.data().join("code")).unwrap().next().unwrap().unwrap().path();
    let file = artefact.join("index.js");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("return data", "return 'evil'")).unwrap();

    let service = Plan::new(driver).at(&home).start().await;
    let api = service.api();
    let refused = in_time(api.execute("one", &json!({ "data": {} }))).await;
    let _ = refused.error(cloudbox_types::ErrorCode::InternalError);
    let _ = in_time(api.deploy("one")).await.with(200);
    let answer = in_time(api.execute("one", &json!({ "data": { "a": 1 } }))).await.with(200);
    assert_eq!(answer.json::<Value>()["response"], json!({ "a": 1 }));
    service.stop().await;
}

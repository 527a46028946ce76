//! I8 and I9: limits of the process and of the machine that the service runs on, and jumps of the clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudbox_tests::{Home, Plan, machine};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::site::{Disk, Site, driver, eventually, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn i8_few_descriptors() {
    let Some(driver) = driver() else { return };
    let plan = Plan::new(driver).started_by(&["prlimit", "--nofile=256:256"]);
    let mut site = Site::start(plan).await;
    assert!(site.service.home().log_text().contains("may have 256 files open"), "a warning");

    // More silent clients than there are descriptors; a call that is under way, and one that comes afterwards.
    let address = site.service.base.trim_start_matches("http://").to_owned();
    let (api, waiting) = (site.api.clone(), json!({ "data": { "wait": 2000 } }));
    let under_way = tokio::spawn(async move { api.execute("other", &waiting).await });
    site.call(json!("before")).await;
    let mut clients = Vec::new();
    for _ in 0..400 {
        clients.push(TcpStream::connect(&address).await.unwrap());
    }
    let before = cpu_ticks(site.service.pid());
    let _ = in_time(under_way).await.unwrap().with(200);
    let spent = cpu_ticks(site.service.pid()) - before;
    assert!(spent < 150, "{spent} ticks of 10 ms for one call of 2 s: the service spins");
    // Its connection is an old one: it was there before the crowd.
    site.call(json!("meanwhile")).await;
    let open = fs::read_dir(format!("/proc/{}/fd", site.service.pid())).unwrap().count();
    assert!(open < 200, "{open} of 256 descriptors are taken");

    drop(clients);
    site.recovers().await;
    site.service.stop().await;
}

/// Hundredths of a second that a process has computed.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_no_place_for_temporary_files() {
    let Some(driver) = driver() else { return };
    for folder in ["/proc", "/nowhere"] {
        let mut site = Site::start(Plan::new(driver).with("TMPDIR", folder)).await;
        let _ = in_time(site.api.deploy("one")).await.with(200);
        site.both_answer().await;
        site.service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_a_data_dir_that_is_of_no_use() {
    let Some(driver) = driver() else { return };
    let refusal = async |folder: &Path| Plan::new(driver).with_data(folder).refusal().await;

    let Some(disk) = Disk::mount("size=1m,ro") else { return };
    let said = refusal(&disk.path().join("data")).await;
    assert!(said.contains("read only") && said.contains("set --data-dir"), "{said}");

    let Some(disk) = Disk::mount("size=64k") else { return };
    disk.fill();
    let folder = disk.path().join("data");
    let said = refusal(&folder).await;
    assert!(said.contains("free space") && said.contains(&*folder.to_string_lossy()), "{said}");

    let home = Home::new();
    let said = refusal(&home.path().join("x".repeat(80))).await;
    assert!(said.contains("can have at most 73") && said.contains("shorter"), "{said}");

    let foreign = home.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    std::os::unix::fs::chown(&foreign, Some(4711), None).unwrap();
    let said = refusal(&foreign).await;
    assert!(said.contains("belongs to user 4711") && said.contains("chown"), "{said}");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 0, "nothing is written there");
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_process_1_of_a_container() {
    let Some(driver) = driver() else { return };
    let plan = Plan::new(driver).started_by(&["unshare", "--pid", "--fork", "--mount-proc"]);
    let mut site = Site::start(plan).await;
    let first = only_child(site.service.pid()).expect("process 1");

    // Orphans, as `docker exec` leaves them: their parent ends before they do.
    let orphans = "for i in 1 2 3 4 5; do sleep 0.1 & done";
    run(&["nsenter", "--pid", "--mount", "--target", &first.to_string(), "sh", "-c", orphans]);
    site.both_answer().await;
    eventually("orphans are taken", async || {
        children(first).len() == 1 && children(first).iter().all(|pid| state(*pid) != Some('Z'))
    })
    .await;

    // What a container's end sends to its process 1 drains the service.
    kill(Pid::from_raw(i32::try_from(first).unwrap()), Signal::SIGTERM).unwrap();
    let home = site.service.home().clone();
    let ended = site.service.ended().await;
    assert!(ended.success(), "{ended}: {}", home.log_text());
    assert!(home.log_text().contains("everything is removed"), "{}", home.log_text());
}

#[expect(clippy::disallowed_methods, reason = "processes that are left alone are what the test is about")]
fn run(words: &[&str]) {
    let ran = std::process::Command::new(words[0]).args(&words[1..]).status().unwrap();
    assert!(ran.success(), "{words:?}: {ran}");
}

fn children(pid: u32) -> Vec<u32> {
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    all
}

fn only_child(pid: u32) -> Option<u32> {
    let all = children(pid);
    all.first().copied().filter(|_| all.len() == 1)
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

/// Debian's library that lies about the time.
fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found =
        folders.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    if found.is_none() {
        machine::skip("jumps of the clock", "the Debian package libfaketime is missing");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn i9_the_clock_jumps() {
    let (Some(driver), Some(library)) = (driver(), faketime()) else { return };
    let home = Home::new();
    let offset = home.path().join("offset");
    let jump = |by: &str| {
        fs::write(home.path().join("new"), by).unwrap();
        fs::rename(home.path().join("new"), &offset).unwrap();
    };
    jump("+0");
    let plan = Plan::new(driver)
        .at(&home)
        .with("LD_PRELOAD", &library.to_string_lossy())
        .with("FAKETIME_TIMESTAMP_FILE", &offset.to_string_lossy())
        .with("FAKETIME_NO_CACHE", "1")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut site = Site::start(plan).await;
    let late = "exports.handler = () => new Promise((done) => setTimeout(done, 30000));";
    site.api.launch("late", "javascript", late).await;
    let _ = site.api.patch("late", &json!({ "timeout": 1 })).await.with(200);

    for by in ["+3600", "-3600", "+0"] {
        let api = site.api.clone();
        let running = tokio::spawn(async move {
            let (data, none) = (json!({ "data": { "wait": 1000 } }), json!({}));
            tokio::join!(api.execute("other", &data), api.execute("late", &none))
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        jump(by);
        let (waited, late) = in_time(running).await.unwrap();
        let waited: Value = waited.with(200).json();
        assert_eq!(waited["response"], json!({ "wait": 1000 }));
        is_no_hour(&waited["execution_time"]);
        let late = late.error(cloudbox_types::ErrorCode::Timeout);
        is_no_hour(&late["execution_time"]);
        site.both_answer().await;
    }
    site.has_all_records().await;
    let mut days = std::collections::BTreeSet::new();
    for record in site.api.logs("other", "limit=1000").await.items {
        let record = serde_json::to_value(record).unwrap();
        is_no_hour(&record["execution_time"]);
        days.insert(record["created_at"].as_str().unwrap()[..13].to_owned());
    }
    assert!(days.len() >= 2, "the clock did jump: {days:?}");
    site.service.stop().await;
}

/// Milliseconds of a call that took seconds, whatever the clock did meanwhile.
fn is_no_hour(milliseconds: &Value) {
    let time = milliseconds.as_f64().unwrap();
    assert!((0.0..1_800_000.0).contains(&time), "{time} ms");
}

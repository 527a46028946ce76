//! I4, I3 and I2 on a Docker daemon of the test's own: its images change, its parts die, and it ends and comes back.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Api, Driver, Home};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::engine;
use super::sick::{fresh, is_ready, launch, recovers};
use crate::load::answers;

/// How long the daemon may take to come up or to end.
const DAEMON: Duration = Duration::from_secs(300);

/// A daemon with folders of its own.
struct Engine {
    folder: tempfile::TempDir,
    child: Child,
}

impl Engine {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("cbxd-").tempdir().unwrap();
        let child = Self::spawn(folder.path());
        let engine = Self { folder, child };
        engine.is_up().await;
        engine
    }

    #[expect(clippy::disallowed_methods, reason = "the daemon is a process of the test's own")]
    fn spawn(folder: &std::path::Path) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let option = |name: &str, file: &str| format!("--{name}={}", folder.join(file).display());
        std::process::Command::new("dockerd")
            .args(["--iptables=false", "--bridge=none", "--host"])
            .arg(format!("unix://{}", folder.join("docker.sock").display()))
            .args([option("data-root", "data"), option("exec-root", "exec"), option("pidfile", "pid")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap()
    }

    fn socket(&self) -> String {
        self.folder.path().join("docker.sock").display().to_string()
    }

    fn ask(&self, method: &str, path: &str) -> Option<(u16, serde_json::Value)> {
        engine::ask(&self.socket(), method, path, "")
    }

    async fn is_up(&self) {
        let began = Instant::now();
        while !matches!(self.ask("GET", "/_ping"), Some((200, _))) {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < DAEMON, "dockerd did not come up: {}", log());
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Ends it and waits for its end.
    async fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < DAEMON, "dockerd does not end");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn again(&mut self) {
        self.child = Self::spawn(self.folder.path());
        self.is_up().await;
    }

    /// The containerd that it started for itself.
    fn containerd(&self) -> Option<i32> {
        let path: PathBuf = self.folder.path().join("exec/containerd/containerd.pid");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    fn images(&self) -> Vec<serde_json::Value> {
        let (_, images) = self.ask("GET", "/images/json?all=1").unwrap();
        images.as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A call that lasts two seconds; how it ended.
fn call(api: &Api) -> tokio::task::JoinHandle<u16> {
    let api = api.clone();
    tokio::spawn(async move { api.execute("warm", &json!({ "data": { "n": 1, "ms": 2000 } })).await.status })
}

/// All is as before, soon.
async fn is_well(api: &Api, what: &str, in_flight: Option<tokio::task::JoinHandle<u16>>) {
    let ended = match in_flight {
        Some(call) => call.await.unwrap(),
        None => 200,
    };
    assert!(matches!(ended, 200 | 503), "{what}: the call in flight ended with {ended}");
    let back = recovers(api).await;
    let _ = is_ready(api, 200).await;
    for n in 0..3 {
        answers(api, "warm", n).await;
        let _ = fresh(api, n).await.with(200);
    }
    eprintln!("{what}: the call in flight ended with {ended}, back after {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_images_that_change_and_i3_a_daemon_that_ends() {
    if !Driver::Docker.is_tested() {
        return;
    }
    let mut engine = Engine::start().await;
    let home = Home::new();
    let plan =
        Plan::new(Driver::Docker).at(&home).with("DOCKER_HOST", &format!("unix://{}", engine.socket()));
    let service = plan.clone().start().await;
    let api = launch(&service).await;

    let tags: Vec<String> = engine
        .images()
        .iter()
        .flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default())
        .filter_map(|tag| tag.as_str().map(str::to_owned))
        .filter(|tag| tag.starts_with("cloudbox/"))
        .collect();
    assert!(!tags.is_empty());
    // Untagged, then really removed: what runs goes on, what is needed is imported again.
    for image in engine.images() {
        let id = image["Id"].as_str().unwrap().to_owned();
        for tag in image["RepoTags"].as_array().into_iter().flatten() {
            let _ = engine.ask("DELETE", &format!("/images/{}?force=1", tag.as_str().unwrap()));
        }
        let _ = engine.ask("DELETE", &format!("/images/{id}?force=1"));
    }
    is_well(&api, "images untagged", None).await;
    let (_, all) = engine.ask("GET", "/containers/json?all=1").unwrap();
    for container in all.as_array().unwrap() {
        let _ = engine.ask("DELETE", &format!("/containers/{}?force=1", container["Id"].as_str().unwrap()));
    }
    for image in engine.images() {
        let _ = engine.ask("DELETE", &format!("/images/{}?force=1", image["Id"].as_str().unwrap()));
    }
    is_well(&api, "images and containers removed", None).await;

    // Another image under our tags: never used, neither now nor by the next life.
    for tag in &tags {
        let (name, tag) = tag.split_once(':').unwrap();
        let path = format!("/images/create?fromSrc=-&repo={name}&tag={tag}");
        let empty = "\0".repeat(1024);
        let (status, answer) = engine::ask(&engine.socket(), "POST", &path, &empty).unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    is_well(&api, "other images under the tags", None).await;
    service.stop().await;
    let service = plan.clone().start().await;
    let api = service.api();
    is_well(&api, "other images under the tags, in the next life", None).await;

    let containerd = engine.containerd().unwrap();
    let in_flight = call(&api);
    sleep(Duration::from_millis(500)).await;
    kill(Pid::from_raw(containerd), Signal::SIGKILL).unwrap();
    is_well(&api, "containerd killed", Some(in_flight)).await;

    let in_flight = call(&api);
    sleep(Duration::from_millis(500)).await;
    engine.end().await;
    sleep(Duration::from_secs(1)).await;
    engine.again().await;
    is_well(&api, "the daemon restarted", Some(in_flight)).await;
    let in_flight = call(&api);
    engine.signal(Signal::SIGSTOP);
    let _ = is_ready(&api, 503).await;
    answers(&api, "warm", 5).await;
    engine.signal(Signal::SIGCONT);
    is_well(&api, "the daemon stopped and continued", Some(in_flight)).await;

    assert!(!home.log_text().contains("panicked"), "{}", home.log_text());
    service.stop().await;
    let began = Instant::now();
    loop {
        let (_, left) = engine.ask("GET", "/containers/json?all=1").unwrap();
        if left == json!([]) {
            break;
        }
        // The daemon may still be at it.
        let is_going = left.as_array().unwrap().iter().all(|container| container["State"] == "removing");
        assert!(is_going && began.elapsed() < DAEMON, "containers are left: {left}");
        sleep(Duration::from_millis(100)).await;
    }
    engine.end().await;
}

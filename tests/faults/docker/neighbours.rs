//! I5 and I2: containers of others on the same daemon, and the death of the shim between a container and the daemon.

use std::fs;
use std::sync::Arc;

use cloudbox_tests::machine::DOCKER_SOCKET;
use cloudbox_tests::service::Plan;
use cloudbox_tests::{Driver, Home};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::engine;
use crate::load::{SLOW, answers};
use crate::{hang, is_busy, sandboxes};

fn instance(home: &Arc<Home>) -> String {
    fs::read_to_string(home.data().join("instance-id")).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_containers_of_others_are_left_alone() {
    if !Driver::Docker.is_tested() {
        return;
    }
    let home = Home::new();
    let service = Plan::new(Driver::Docker).at(&home).start().await;
    service.api().launch("slow", "javascript", SLOW).await;
    answers(&service.api(), "slow", 1).await;
    let own = instance(&home);
    let image = engine::containers(DOCKER_SOCKET, &own)[0]["ImageID"].clone();
    // A name as ours with the labels of another instance whose id begins as ours, and ours without labels.
    let other = format!("{}{}", &own[..31], if own.ends_with('0') { '1' } else { '0' });
    let strangers = [
        (format!("cloudbox-{}-00000000000000aa", &own[..8]), json!({ "cloudbox.instance": other })),
        (format!("cloudbox-{}-00000000000000bb", &own[..8]), json!({})),
        (format!("cloudbox-{}-cc", &own[..12]), json!({ "cloudbox.sandbox": "00000000000000cc" })),
    ];
    for (name, labels) in &strangers {
        let body = json!({ "Image": image, "Entrypoint": ["/cloudbox/init"], "Labels": labels,
            "HostConfig": { "NetworkMode": "none" } });
        let path = format!("/containers/create?name={name}");
        let (status, answer) = engine::ask(DOCKER_SOCKET, "POST", &path, &body.to_string()).unwrap();
        assert_eq!(status, 201, "{answer}");
    }
    let before = sandboxes::ids(&home);
    service.signal(Signal::SIGKILL);
    let _ = service.ended().await;
    let service = Plan::new(Driver::Docker).at(&home).start().await;
    sandboxes::are_gone(&home, &before).await;
    answers(&service.api(), "slow", 2).await;
    service.stop().await;
    for (name, _) in strangers {
        let removed = engine::ask(DOCKER_SOCKET, "DELETE", &format!("/containers/{name}?force=1"), "");
        assert_eq!(removed.unwrap().0, 204, "{name} was still there");
    }
}

/// The shim that holds a container.
fn shim_of(container: &str) -> Option<i32> {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains("containerd-shim") && command.contains(container) {
            return entry.file_name().to_string_lossy().parse().ok();
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_kill_of_the_containers_shim_in_a_call() {
    if !Driver::Docker.is_tested() {
        return;
    }
    let service = Plan::new(Driver::Docker).start().await;
    let (home, api) = (Arc::clone(service.home()), service.api());
    const VICTIM: &str = "process.title = 'cbx-victim';\n\
        exports.handler = async (data) => { await new Promise((r) => setTimeout(r, data.ms)); return data.n; };";
    api.launch("victim", "javascript", VICTIM).await;
    api.launch("slow", "javascript", SLOW).await;
    answers(&api, "victim", 1).await;
    is_busy(&service, 0).await;
    let call = tokio::spawn(hang(&api, "victim"));
    is_busy(&service, 1).await;
    let (runtime, _) = sandboxes::runtime_and_init(&home, "cbx-victim");
    let cgroup = fs::read_to_string(format!("/proc/{runtime}/cgroup")).unwrap();
    let listed = engine::containers(DOCKER_SOCKET, &instance(&home));
    let ids = listed.iter().filter_map(|container| container["Id"].as_str());
    let id = ids.into_iter().find(|id| cgroup.contains(*id)).unwrap();
    kill(Pid::from_raw(shim_of(id).unwrap()), Signal::SIGKILL).unwrap();

    // Either containerd ends the container, or the call goes on: frames don't go through the shim.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    if call.is_finished() {
        let answer = call.await.unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        eprintln!("the call ended with the shim");
    } else {
        eprintln!("the call outlived the shim");
        call.abort();
        let _ = api.request(reqwest::Method::DELETE, &api.functions("/victim")).send().await.unwrap();
        api.launch("victim", "javascript", VICTIM).await;
        // Unless its container has ended meanwhile.
        let killed = kill(Pid::from_raw(runtime), Signal::SIGKILL);
        assert!(matches!(killed, Ok(()) | Err(Errno::ESRCH)), "{killed:?}");
    }
    for n in 2..5 {
        answers(&api, "victim", n).await;
        answers(&api, "slow", n).await;
    }
    service.stop().await;
}

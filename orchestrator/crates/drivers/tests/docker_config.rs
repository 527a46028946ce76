//! What a container may do, field by field, as the daemon has it.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/docker.rs"]
mod docker;
#[path = "support/init.rs"]
mod init;

use bollard::models::ContainerInspectResponse;
use cloudbox_sandbox::{Network, SandboxDriver, SandboxSpec, Workspace};
use cloudbox_types::Limits;
use docker::World;
use serde_json::{Value, json};

/// What the daemon says of the container of `spec`.
async fn inspected(world: &World, spec: &SandboxSpec) -> (Value, Value) {
    let mut sandbox = world.driver.create(spec).await.expect("a sandbox");
    let name = format!("cloudbox-{}-{}", &world.instance.id[..8], sandbox.id());
    let found: ContainerInspectResponse =
        daemon::docker().inspect_container(&name, None).await.expect("its container");
    sandbox.kill().await;
    let value = |part: Value| part;
    (
        value(serde_json::to_value(found.config).expect("JSON")),
        value(serde_json::to_value(found.host_config).expect("JSON")),
    )
}

/// Every field of `expected` is as expected; null and an empty list are one, since the daemon mixes them.
fn assert_fields(found: &Value, expected: &Value) {
    let is_empty =
        |value: &Value| value.is_null() || value == &json!([]) || value == &json!({}) || value == &json!("");
    for (name, expected) in expected.as_object().expect("an object") {
        let found = &found[name];
        assert!(
            found == expected || (is_empty(found) && is_empty(expected)),
            "{name}: {found}, not {expected}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_slots_container() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let limits = Limits { memory_mb: 96, cpu_millis: 500, tmp_mb: 64, pids: 48, ..Limits::default() };
    let spec = SandboxSpec { limits, ..world.spec() };
    let (config, host) = inspected(&world, &spec).await;
    let arch = cloudbox_seccomp::Arch::native().expect("a profile for this machine");
    let profile = cloudbox_seccomp::Profile::get().docker(arch);

    let user = config["User"].as_str().expect("a user").to_owned();
    let (uid, gid) = user.split_once(':').expect("user and group");
    assert!(uid == gid && uid.parse::<u32>().is_ok_and(|uid| uid >= 100_000), "{user}");
    assert!(
        config["Image"].as_str().is_some_and(|image| image.starts_with("sha256:")),
        "{}",
        config["Image"]
    );
    assert_fields(
        &config,
        &json!({
            "Entrypoint": ["/cloudbox/init"], "Cmd": null, "WorkingDir": "/workspace",
            "Tty": false, "OpenStdin": false, "StdinOnce": false,
            "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
            "Volumes": null, "ExposedPorts": null, "OnBuild": null,
            "StopSignal": "SIGKILL", "StopTimeout": 0, "NetworkDisabled": true, "Healthcheck": null,
        }),
    );
    let env: Vec<&str> = config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(env.iter().all(|pair| pair.starts_with("PATH=")), "nothing of ours in the settings: {env:?}");
    let labels = &config["Labels"];
    assert_eq!(labels["cloudbox.instance"], json!(world.instance.id));
    assert_eq!(labels["cloudbox.boot"], json!("now"));
    assert!(labels["cloudbox.sandbox"].as_str().is_some_and(|id| id.len() == 16), "{labels}");

    assert_fields(
        &host,
        &json!({
            "NetworkMode": "none", "Privileged": false, "CapDrop": ["ALL"], "CapAdd": null, "GroupAdd": null,
            "ReadonlyRootfs": true, "IpcMode": "none", "PidMode": "", "UTSMode": "", "UsernsMode": "",
            "CgroupnsMode": "private", "Memory": 96 << 20, "MemorySwap": 96 << 20, "OomScoreAdj": 500,
            "CpuPeriod": 100_000, "CpuQuota": 50_000, "CpuShares": 256, "PidsLimit": 48,
            "SecurityOpt": ["no-new-privileges:true", format!("seccomp={profile}")],
            "Devices": null, "DeviceRequests": null, "DeviceCgroupRules": null, "Sysctls": null, "Links": null,
            "VolumesFrom": null, "Binds": null, "PortBindings": null, "PublishAllPorts": false,
            "ExtraHosts": null, "Dns": null, "AutoRemove": false, "Init": false,
            "Runtime": "runc",
        }),
    );
    // Half of the memory, since files there are memory.
    let tmp = format!("rw,noexec,nosuid,nodev,size=50331648,nr_inodes=4096,mode=1777,uid={uid},gid={gid}");
    assert_eq!(host["Tmpfs"], json!({"/tmp": tmp}));
    assert_eq!(host["LogConfig"]["Type"], json!("none"));
    assert_eq!(host["RestartPolicy"]["Name"], json!("no"));
    assert!(host["CgroupParent"].as_str().is_some_and(|parent| parent.contains("cloudbox")));
    for (paths, needed) in [("MaskedPaths", "/proc/kcore"), ("ReadonlyPaths", "/proc/sys")] {
        assert!(host[paths].as_array().is_some_and(|paths| paths.contains(&json!(needed))), "{paths}");
    }
    assert_ulimits(&host["Ulimits"]);
    assert_slot_mounts(&world, &host["Mounts"]);
    world.close().await;
}

fn assert_ulimits(found: &Value) {
    let mut found: Vec<(String, i64, i64)> = found
        .as_array()
        .expect("a list")
        .iter()
        .map(|limit| {
            let number = |name: &str| limit[name].as_i64().unwrap_or(-1);
            (limit["Name"].as_str().unwrap_or_default().to_owned(), number("Soft"), number("Hard"))
        })
        .collect();
    found.sort();
    let expected = [
        ("core", 0, 0),
        ("fsize", 64 << 20, 64 << 20),
        ("memlock", 65_536, 65_536),
        ("msgqueue", 0, 0),
        ("nice", 0, 0),
        ("nofile", 1024, 1024),
        ("rtprio", 0, 0),
        ("sigpending", 256, 256),
        ("stack", 8 << 20, 64 << 20),
    ];
    assert_eq!(found, expected.map(|(name, soft, hard)| (name.to_owned(), soft, hard)));
}

/// Two folders and a file of the sandbox's own, read only, and nothing else of the host.
fn assert_slot_mounts(world: &World, found: &Value) {
    let mounts = found.as_array().expect("a list");
    let run_dir = world.instance.run_dir.canonicalize().expect("the folder");
    let expected = [("/run/cloudbox", "rprivate"), ("/workspace", "rslave"), ("/etc/hosts", "rprivate")];
    assert_eq!(mounts.len(), expected.len());
    for (mount, (target, propagation)) in mounts.iter().zip(expected) {
        let source = mount["Source"].as_str().expect("a source");
        assert!(std::path::Path::new(source).starts_with(&run_dir), "{source}");
        assert_eq!(mount["Type"], json!("bind"));
        assert_eq!(mount["Target"], json!(target));
        assert_eq!(mount["ReadOnly"], json!(true));
        assert_eq!(mount["BindOptions"]["Propagation"], json!(propagation));
        assert_eq!(mount["BindOptions"]["NonRecursive"], json!(true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builds_container_differs_in_its_workspace_its_mounts_and_its_network() {
    if daemon::is_left_out() {
        return;
    }
    let world = World::open().await;
    let (work, tools) = (world.folder.path().join("work"), world.folder.path().join("tools"));
    for folder in [&work, &tools] {
        std::fs::create_dir(folder).expect("a folder");
    }
    let spec = SandboxSpec {
        workspace: Workspace::Writable(work.clone()),
        mounts: vec![(tools.clone(), "/mnt/tools".into())],
        network: Network::Host,
        max_file_bytes: 256 << 20,
        ..world.spec()
    };
    let (config, host) = inspected(&world, &spec).await;
    assert_eq!(host["NetworkMode"], json!("host"));
    assert!(config["NetworkDisabled"] != json!(true));
    let mounts = host["Mounts"].as_array().expect("a list");
    assert!(
        !mounts.iter().any(|mount| mount["Target"] == "/etc/hosts"),
        "the host's names are the daemon's part"
    );
    let of = |target: &str| mounts.iter().find(|mount| mount["Target"] == target).expect(target);
    assert_eq!(of("/workspace")["Source"], json!(work.to_str()));
    assert!(of("/workspace")["ReadOnly"] != json!(true));
    assert_eq!(of("/workspace")["BindOptions"]["Propagation"], json!("rprivate"));
    assert_eq!(of("/mnt/tools")["Source"], json!(tools.to_str()));
    assert_eq!(of("/mnt/tools")["ReadOnly"], json!(true));
    // The rest is as strict as ever.
    assert_fields(
        &host,
        &json!({"CapDrop": ["ALL"], "ReadonlyRootfs": true, "IpcMode": "none", "Privileged": false}),
    );
    world.close().await;
}

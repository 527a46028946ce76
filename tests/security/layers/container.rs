//! B11: every field of a function's container, as the daemon has it, before and after a change of the function.

use std::fs;

use cloudbox_tests::{Driver, Language, Stage, TestImage, images, machine};
use serde_json::{Value, json};

/// The daemon's answer: where nothing was said, it leaves a field out or makes it null, empty or zero.
const EXACT: [(&str, &str); 33] = [
    ("/Config/Entrypoint", r#"["/cloudbox/init"]"#),
    ("/Config/WorkingDir", r#""/workspace""#),
    ("/Config/OpenStdin", "false"),
    ("/Config/AttachStdin", "false"),
    ("/Config/AttachStdout", "false"),
    ("/Config/AttachStderr", "false"),
    ("/Config/Tty", "false"),
    ("/Config/NetworkDisabled", "true"),
    ("/Config/StopSignal", r#""SIGKILL""#),
    ("/HostConfig/NetworkMode", r#""none""#),
    ("/HostConfig/Privileged", "false"),
    ("/HostConfig/CapDrop", r#"["ALL"]"#),
    ("/HostConfig/ReadonlyRootfs", "true"),
    ("/HostConfig/IpcMode", r#""none""#),
    ("/HostConfig/PidMode", r#""""#),
    ("/HostConfig/UTSMode", r#""""#),
    ("/HostConfig/UsernsMode", r#""""#),
    ("/HostConfig/CgroupnsMode", r#""private""#),
    ("/HostConfig/OomScoreAdj", "500"),
    ("/HostConfig/CpuShares", "256"),
    ("/HostConfig/LogConfig/Type", r#""none""#),
    ("/HostConfig/RestartPolicy/Name", r#""no""#),
    ("/HostConfig/AutoRemove", "false"),
    ("/HostConfig/Init", "false"),
    ("/HostConfig/Runtime", r#""runc""#),
    ("/HostConfig/PublishAllPorts", "false"),
    ("/HostConfig/OomKillDisable", "false"),
    ("/HostConfig/CpusetCpus", r#""""#),
    ("/HostConfig/CpuRealtimePeriod", "0"),
    ("/HostConfig/KernelMemory", "0"),
    ("/HostConfig/ContainerIDFile", r#""""#),
    ("/HostConfig/VolumeDriver", r#""""#),
    ("/AppArmorProfile", r#""""#),
];

const EMPTY: [&str; 19] = [
    "/Config/Cmd",
    "/Config/Volumes",
    "/Config/Healthcheck",
    "/Config/OnBuild",
    "/Config/ExposedPorts",
    "/HostConfig/CapAdd",
    "/HostConfig/GroupAdd",
    "/HostConfig/Binds",
    "/HostConfig/Devices",
    "/HostConfig/DeviceRequests",
    "/HostConfig/DeviceCgroupRules",
    "/HostConfig/Sysctls",
    "/HostConfig/Links",
    "/HostConfig/VolumesFrom",
    "/HostConfig/PortBindings",
    "/HostConfig/Dns",
    "/HostConfig/ExtraHosts",
    "/HostConfig/StorageOpt",
    "/HostConfig/BlkioWeightDevice",
];

const ULIMITS: [(&str, i64, i64); 8] = [
    ("core", 0, 0),
    ("nofile", 1024, 1024),
    ("memlock", 65_536, 65_536),
    ("msgqueue", 0, 0),
    ("rtprio", 0, 0),
    ("nice", 0, 0),
    ("sigpending", 256, 256),
    ("stack", 8 << 20, 64 << 20),
];

/// All that an image may say of how it is to be run: none of it counts.
const HOSTILE: [&str; 11] = [
    "USER 0:0",
    "ENTRYPOINT [\"/bin/evil\"]",
    "CMD [\"--evil\"]",
    "ENV LD_LIBRARY_PATH=/evil EVIL=1",
    "VOLUME /data",
    "VOLUME /workspace",
    "WORKDIR /proc/self/fd/8",
    "EXPOSE 22",
    "HEALTHCHECK --interval=1s CMD [\"/bin/evil\"]",
    "ONBUILD RUN /bin/evil",
    "LABEL cloudbox.instance=evil cloudbox.digest=evil cloudbox.sandbox=evil",
];

#[tokio::test(flavor = "multi_thread")]
async fn b11_every_field_of_a_container_is_as_designed_before_and_after_a_change() {
    let Some(stage) = Stage::start(Driver::Docker).await else { return };
    let runtime = images::runtime_of(&stage.api, "neighbour-js").await;
    let image = TestImage::import(&runtime, &[("/etc/marker", "hostile")], &HOSTILE);
    let installed = stage.api.install_runtime(&runtime, &json!({ "image": image.name })).await;
    assert_eq!(installed["image"], image.name, "{installed}");
    let code = "const marker = require('fs').readFileSync('/etc/marker', 'utf8');\n\
                exports.handler = async () => [process.env.SECRET.length, marker];";
    let secret = "b11-value-of-the-environment";
    // Sizes that nobody else has.
    let settings = json!({ "memory": 201, "environment": { "SECRET": secret }, "runtime": runtime });
    stage.deploy_code("inspected", Language::Node, code, &settings).await;
    let answer: Value = stage.call("inspected", &json!({})).await.with(200).json();
    assert_eq!(answer["response"], json!([secret.len(), "hostile"]), "it runs in the image");
    has_all(&stage, 201, secret);
    let _ =
        stage.api.patch("inspected", &json!({ "memory": 203, "code": format!("{code}\n") })).await.with(200);
    let _ = stage.api.deploy("inspected").await.with(200);
    let _ = stage.call("inspected", &json!({})).await.with(200);
    has_all(&stage, 203, secret);
    stage.is_healthy().await;
    stage.stop().await;
}

/// The service's containers are as they should be, and one has this much memory.
fn has_all(stage: &Stage, memory_mb: u64, secret: &str) {
    let data = stage.service.home().data();
    let id = fs::read_to_string(data.join("instance-id")).unwrap();
    let filter = format!("%7B%22label%22%3A%5B%22cloudbox.instance%3D{}%22%5D%7D", id.trim());
    let listed = ask(&format!("/containers/json?filters={filter}"));
    let mut users = Vec::new();
    let mut limits = Vec::new();
    for listed in listed.as_array().unwrap() {
        let container = ask(&format!("/containers/{}/json", listed["Id"].as_str().unwrap()));
        // A spare may have been given up meanwhile.
        let Some(limit) = container["State"]["Pid"].as_u64().and_then(memory_limit) else { continue };
        limits.push(limit);
        as_designed(&container, &data.canonicalize().unwrap().display().to_string());
        assert!(
            !container.to_string().to_lowercase().contains("evil"),
            "the image has its way in {container}"
        );
        assert!(!container.to_string().contains(secret), "a function's value is in {container}");
        users.push(container["Config"]["User"].as_str().unwrap().to_owned());
    }
    assert!(limits.contains(&(memory_mb << 20)), "{memory_mb} MB among {limits:?}");
    let count = users.len();
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), count, "each has a user of its own");
}

fn as_designed(container: &Value, data: &str) {
    let at = |path: &str| container.pointer(path).unwrap_or(&Value::Null);
    for (path, expected) in EXACT {
        let expected: Value = serde_json::from_str(expected).unwrap();
        let is_default = at(path).is_null() && (expected == json!(false) || expected == json!(0));
        assert!(*at(path) == expected || is_default, "{path} is {}, not {expected}", at(path));
    }
    for path in EMPTY {
        let value = at(path);
        let is_empty = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty);
        assert!(is_empty, "{path} is {value}");
    }
    let host = &container["HostConfig"];
    assert!(host["Memory"].as_u64().unwrap() > 0 && host["Memory"] == host["MemorySwap"], "{host}");
    assert!(host["CpuQuota"].as_u64().unwrap() > 0 && host["PidsLimit"].as_u64().unwrap() > 0, "{host}");
    let tmp = host["Tmpfs"]["/tmp"].as_str().unwrap();
    for word in ["noexec", "nosuid", "nodev", "nr_inodes=", "size="] {
        assert!(tmp.contains(word), "{tmp}");
    }
    let options: Vec<&str> =
        host["SecurityOpt"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(options.contains(&"no-new-privileges:true"), "{options:?}");
    assert!(options.iter().any(|option| option.starts_with("seccomp={")), "{options:?}");
    assert!(!options.iter().any(|option| option.ends_with("unconfined")), "{options:?}");
    for (name, soft, hard) in ULIMITS {
        let limit = json!({ "Name": name, "Soft": soft, "Hard": hard });
        assert!(host["Ulimits"].as_array().unwrap().contains(&limit), "{limit} in {}", host["Ulimits"]);
    }
    for (list, path) in [("MaskedPaths", "/proc/kcore"), ("ReadonlyPaths", "/proc/sys")] {
        assert!(host[list].as_array().unwrap().contains(&json!(path)), "{list}: {}", host[list]);
    }
    let (user, group) = container["Config"]["User"].as_str().unwrap().split_once(':').unwrap();
    assert!(user == group && user.parse::<u32>().unwrap() >= 100_000, "{user}:{group}");
    for mount in container["Mounts"].as_array().unwrap() {
        assert_eq!(mount["RW"], false, "{mount}");
        assert!(mount["Source"].as_str().unwrap().starts_with(data), "{mount}");
    }
    for label in ["cloudbox.instance", "cloudbox.boot", "cloudbox.sandbox"] {
        assert!(container["Config"]["Labels"][label].is_string(), "{label}");
    }
}

/// Of the process's cgroup, in bytes.
fn memory_limit(pid: u64) -> Option<u64> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let file = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        match (parts.next()?, parts.next()?) {
            ("memory", path) => Some(format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")),
            _ => None,
        }
    });
    let unified = || {
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        Some(format!("/sys/fs/cgroup{path}/memory.max"))
    };
    fs::read_to_string(file.or_else(unified)?).ok()?.trim().parse().ok()
}

fn ask(path: &str) -> Value {
    let answer = machine::docker(path).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body.trim()).unwrap_or_default()
}

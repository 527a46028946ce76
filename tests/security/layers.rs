//! B11 and B12: what the daemon was really told, and what happens where a layer of the isolation can't be had.
//!
//! What a machine may lack is made by whoever starts the service: a mount namespace whose cgroups are read only, a filter
//! that refuses what an older kernel doesn't know, a user without rights.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use cloudbox_tests::service::{Home, Plan};
use cloudbox_tests::{Driver, Language, Service, Stage, machine, on_both_drivers};
use nix::libc;
use serde_json::{Value, json};

mod container;

on_both_drivers! { b12_every_layer_is_listed_and_mandatory_ones_hold }

/// A user that nobody is.
const NOBODY: u32 = 12_345;
/// Becomes that user.
const AS_NOBODY: [&str; 5] = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--"];
/// As on a machine, or in a container, that shows its cgroups and keeps them.
const READ_ONLY_CGROUPS: &str = "for m in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/self/mounts); do \
     mount -o remount,bind,ro $m || exit 9; done; exec \"$@\"";
/// Loads a filter that refuses calls with EPERM: numbers, each with a mask over its first argument where one follows.
const REFUSING: &str = r"
import ctypes, os, struct, sys
code = b''
def add(op, jt, jf, k):
    global code
    code += struct.pack('HBBI', op, jt, jf, k)
for rule in sys.argv[1].split(','):
    number, _, mask = rule.partition(':')
    add(0x20, 0, 0, 0)
    add(0x15, 0, 3 if mask else 1, int(number))
    if mask:
        add(0x20, 0, 0, 16)
        add(0x45, 0, 1, int(mask, 0))
    add(0x06, 0, 0, 0x50001)
add(0x06, 0, 0, 0x7fff0000)
program = ctypes.create_string_buffer(code)
filter = struct.pack('HxxxxxxP', len(code) // 8, ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, filter, 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
";

/// What a driver may not be without.
const MANDATORY: [&str; 12] = [
    "mount_namespace",
    "pid_namespace",
    "network_namespace",
    "pivot_root",
    "read_only_root",
    "tmp_noexec",
    "capabilities",
    "no_new_privs",
    "seccomp",
    "socket_families",
    "cgroup_memory",
    "cgroup_pids",
];

async fn health(service: &Service) -> Value {
    service.api().anonymous().get("/health").await.json()
}

fn layer<'a>(health: &'a Value, name: &str) -> &'a Value {
    let layers = health["sandbox"]["layers"].as_array().unwrap();
    layers.iter().find(|layer| layer["name"] == name).unwrap_or_else(|| panic!("no layer {name}: {health}"))
}

async fn b12_every_layer_is_listed_and_mandatory_ones_hold(stage: &Stage) {
    let health = health(&stage.service).await;
    assert_eq!(health["status"], "ok", "{health}");
    for name in MANDATORY {
        let layer = layer(&health, name);
        assert!(layer["is_mandatory"] == true && layer["is_active"] == true, "{layer}");
    }
    for layer in health["sandbox"]["layers"].as_array().unwrap() {
        assert_ne!(layer["detail"], "", "a layer says what was seen of it: {layer}");
    }
}

fn refusing(calls: &str) -> Vec<String> {
    ["python3", "-c", REFUSING, calls].map(str::to_owned).to_vec()
}

fn through(plan: Plan, words: &[String]) -> Plan {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    plan.started_by(&words)
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_without_writable_cgroups_it_refuses_or_is_allowed() {
    if !Driver::Native.is_tested() {
        return;
    }
    let wrapper = ["unshare", "--mount", "--propagation=private", "sh", "-c", READ_ONLY_CGROUPS, "sh"];
    let log = Plan::new(Driver::Native).started_by(&wrapper).refusal().await;
    for word in ["cgroup_pids", "cgroup_memory", "mount the cgroup hierarchy writable", "allow_weak_sandbox"]
    {
        assert!(log.contains(word), "{word} in {log}");
    }
    let plan = Plan::new(Driver::Native).started_by(&wrapper).with("CLOUDBOX_ALLOW_WEAK_SANDBOX", "1");
    let service = plan.start().await;
    let health = health(&service).await;
    assert_eq!((&health["status"], &health["health"]), (&json!("warning"), &json!("warning")), "{health}");
    assert_eq!(layer(&health, "cgroup_pids")["is_active"], false);
    assert!(service.home().log_text().contains("a mandatory layer is missing"), "it is logged");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_without_a_filter_or_namespaces_it_refuses() {
    if !Driver::Native.is_tested() {
        return;
    }
    const NEW_USER: &str = "0x10000000";
    for (calls, layer, remedy) in [
        (format!("{}", libc::SYS_seccomp), "seccomp", "CONFIG_SECCOMP_FILTER"),
        (format!("{}:{NEW_USER}", libc::SYS_unshare), "user_namespace", "user.max_user_namespaces"),
    ] {
        // Not even by permission: without these no sandbox can be made.
        let plan = Plan::new(Driver::Native).with("CLOUDBOX_ALLOW_WEAK_SANDBOX", "1");
        let log = through(plan, &refusing(&calls)).refusal().await;
        assert!(log.contains(&format!("the layer {layer} is missing")) && log.contains(remedy), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_without_landlock_it_works_and_says_so() {
    if !Driver::Native.is_tested() {
        return;
    }
    let calls = format!("{},{}", libc::SYS_landlock_create_ruleset, libc::SYS_landlock_restrict_self);
    let stage = Stage::with(through(Plan::new(Driver::Native), &refusing(&calls))).await.unwrap();
    let health = health(&stage.service).await;
    assert_eq!(health["status"], "ok", "{health}");
    let landlock = layer(&health, "landlock");
    assert!(landlock["is_mandatory"] == false && landlock["is_active"] == false, "{landlock}");
    assert!(landlock["detail"].as_str().unwrap().contains("lsm="), "{landlock}");
    stage.is_healthy().await;
    stage.stop().await;
}

/// A home of that user's, and bundles, which are kept between tests like the others'.
fn plan_of_nobody() -> Plan {
    let (home, bundles) = (Home::new(), machine::bundles_dir().with_extension("rootless"));
    std::fs::create_dir_all(&bundles).unwrap();
    for folder in [home.path(), &bundles] {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let bundles = bundles.display().to_string();
    Plan::new(Driver::Native).at(&home).with("CLOUDBOX_RUNTIMES_BUNDLES_DIR", &bundles)
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_rootless_without_cgroups_is_refused_or_says_what_it_lacks() {
    if !Driver::Native.is_tested() {
        return;
    }
    let log = plan_of_nobody().started_by(&AS_NOBODY).refusal().await;
    assert!(log.contains("cgroup_memory") && log.contains("delegate a group to the service"), "{log}");
    let plan = plan_of_nobody().started_by(&AS_NOBODY).with("CLOUDBOX_ALLOW_WEAK_SANDBOX", "1");
    let stage = Stage::with(plan).await.unwrap();
    let health = health(&stage.service).await;
    assert_eq!(health["status"], "warning", "{health}");
    for name in ["cgroup_memory", "cgroup_pids", "cgroup_cpu", "uid_isolation", "code_mounts"] {
        assert_eq!(layer(&health, name)["is_active"], false, "{name}");
    }
    for name in ["user_namespace", "network_namespace", "seccomp", "capabilities", "read_only_root"] {
        assert_eq!(layer(&health, name)["is_active"], true, "{name}");
    }
    // What the kernel shows of it belongs to root, since it may not be looked into.
    let environment = std::fs::metadata(format!("/proc/{}/environ", stage.pid())).unwrap();
    assert_eq!(environment.uid(), 0, "no other process of the user reads the service's environment");
    stage.is_healthy().await;
    stage.stop().await;
}

/// A group in every hierarchy, given to the user.
struct Delegated(Vec<std::path::PathBuf>);

impl Delegated {
    fn new() -> Self {
        let name = format!("delegated-{}", std::process::id());
        let roots = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let roots = roots.lines().filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (point, kind) = (words.next()?, words.next()?);
            kind.starts_with("cgroup").then(|| std::path::PathBuf::from(point).join(&name))
        });
        let folders: Vec<_> = roots.filter(|folder| std::fs::create_dir(folder).is_ok()).collect();
        for folder in &folders {
            for path in [folder.clone(), folder.join("cgroup.procs"), folder.join("cgroup.subtree_control")] {
                if path.exists() {
                    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
        }
        Self(folders)
    }

    /// Moves itself there, then becomes the user.
    fn wrapper(&self) -> Vec<String> {
        // Some hierarchies take nobody in as they are, such as that of processor sets; none of those is needed.
        let moves: Vec<String> =
            self.0.iter().map(|folder| format!("echo $$ > {}/cgroup.procs || :", folder.display())).collect();
        let script = format!("{}; exec {} \"$@\"", moves.join("; "), AS_NOBODY.join(" "));
        ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for folder in &self.0 {
            // In the second version the service has made itself a leaf.
            let _ = std::fs::remove_dir(folder.join("server"));
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_rootless_with_a_delegated_group_has_its_limits() {
    if !Driver::Native.is_tested() {
        return;
    }
    let delegated = Delegated::new();
    let stage = Stage::with(through(plan_of_nobody(), &delegated.wrapper())).await.unwrap();
    let health = health(&stage.service).await;
    assert_eq!(health["status"], "ok", "{health}");
    for name in MANDATORY {
        assert_eq!(layer(&health, name)["is_active"], true, "{name}");
    }
    for name in ["uid_isolation", "code_mounts"] {
        assert_eq!(layer(&health, name)["is_active"], false, "{name}");
    }
    stage
        .deploy_code(
            "hungry",
            Language::Python,
            "def handler(data, context):\n    return len(bytearray(300 << 20))\n",
            &json!({ "memory": 128 }),
        )
        .await;
    let _ = stage.call("hungry", &json!({})).await.error(cloudbox_types::ErrorCode::OutOfMemory);
    stage.is_healthy().await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_the_doctor_says_what_a_start_would_and_disturbs_nobody() {
    for driver in machine::drivers() {
        let stage = Stage::start(driver).await.unwrap();
        let (status, report) = doctor(&stage.service, driver.as_str(), &[]);
        assert!(status && report["is_ready"] == true, "{report}");
        let checks = report["checks"].as_array().unwrap();
        for name in ["kernel", "cgroups", "data dir", "disk", "python"] {
            assert!(checks.iter().any(|check| check["name"] == name), "{name} in {report}");
        }
        let found = health(&stage.service).await;
        for layer in found["sandbox"]["layers"].as_array().unwrap() {
            let is_told =
                |check: &&Value| check["group"] == driver.as_str() && check["name"] == layer["name"];
            let check = checks.iter().find(is_told).unwrap_or_else(|| panic!("{layer} in {report}"));
            assert_eq!(check["state"] == "ok", layer["is_active"] == true, "{check}");
        }
        stage.is_healthy().await;
        let (status, report) = doctor(&stage.service, "native", &AS_NOBODY);
        assert!(!status && report["is_ready"] == false, "{report}");
        stage.stop().await;
    }
}

/// Whether it ended well, and its report.
#[expect(clippy::disallowed_methods, reason = "the program under test is a process")]
fn doctor(service: &Service, driver: &str, wrapper: &[&str]) -> (bool, Value) {
    let program = machine::program();
    let mut command = Command::new(wrapper.first().map_or(program.as_os_str(), |word| word.as_ref()));
    if !wrapper.is_empty() {
        command.args(&wrapper[1..]).arg(&program);
    }
    let data = service.home().data();
    command.args(["doctor", "--json", "--sandbox", driver, "--data-dir"]).arg(data);
    let done = command.current_dir("/").output().unwrap();
    let report = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&done.stderr)));
    (done.status.success(), report)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_spool_are_for_the_service_alone() {
    let Some(stage) = Stage::start(Driver::Native).await else { return };
    let data = stage.service.home().data();
    let mut files: Vec<_> =
        std::fs::read_dir(data.join("spool")).unwrap().flatten().map(|e| e.path()).collect();
    files.push(data.join("cloudbox.db"));
    files.push(data.join("cloudbox.db-wal"));
    for file in files.iter().filter(|file| file.exists()) {
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    stage.stop().await;
}

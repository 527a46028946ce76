//! J: where secrets may never be found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudbox_tests::service::{Home, Plan};
use cloudbox_tests::{Driver, Language, Stage, machine};
use reqwest::Method;
use serde_json::{Value, json};

/// A value of a function's environment.
const VALUE: &str = "j1-value-5d1c7e0a9b42";
/// The administrator's token.
const TOKEN: &str = "j1-token-88f04c6de1379a25";
/// The master key, before it is written as base64.
const KEY: &[u8; 32] = b"j1-key-of-32-bytes-a61f93bc70d25";

/// Looks for the planted values, in the forms in which they could be written.
struct Search {
    needles: Vec<(&'static str, Vec<u8>)>,
    found: Vec<String>,
}

impl Search {
    fn new() -> Self {
        let needles = vec![
            ("a function's value", VALUE.into()),
            ("a function's value", STANDARD.encode(VALUE).trim_end_matches('=').into()),
            ("the administrator's token", TOKEN.into()),
            ("the master key", KEY.to_vec()),
            ("the master key", STANDARD.encode(KEY).into()),
        ];
        Self { needles, found: Vec::new() }
    }

    fn bytes(&mut self, place: &str, bytes: &[u8]) {
        for (what, needle) in &self.needles {
            if bytes.windows(needle.len()).any(|window| window == needle) {
                self.found.push(format!("{what} in {place}"));
            }
        }
    }

    /// Every file below, but the one in which the test keeps the token for itself.
    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                self.folder(&path);
            } else if kind.is_file() && !path.ends_with("data/admin-token") {
                self.bytes(&path.display().to_string(), &fs::read(&path).unwrap_or_default());
            }
        }
    }

    /// What the machine shows of the service and of its sandboxes.
    fn processes(&mut self, service: u32, instance: &str) {
        let mut count = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
            let is_service = name == service.to_string();
            if !is_service && !String::from_utf8_lossy(&read("cgroup")).contains(instance) {
                continue;
            }
            count += 1;
            self.bytes(&format!("the command line of process {name}"), &read("cmdline"));
            if !is_service {
                // The service's own is where the operator has put token and key.
                self.bytes(&format!("the environment of process {name}"), &read("environ"));
                let limits = String::from_utf8_lossy(&read("limits")).into_owned();
                let core = limits.lines().find(|line| line.starts_with("Max core file size"));
                let is_none = core.is_none_or(|line| line.split_whitespace().nth(4) == Some("0"));
                assert!(is_none, "process {name} may write a core file: {core:?}");
            }
        }
        assert!(count > 3, "{count} processes of the service and its sandboxes were looked at");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_secrets_are_nowhere_but_in_their_runtime() {
    for driver in machine::drivers() {
        let home = Home::new();
        let data = home.data();
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).unwrap();
        fs::write(data.join("admin-token"), TOKEN).unwrap();
        let plan = Plan::new(driver)
            .at(&home)
            .with("CLOUDBOX_ADMIN_TOKEN", TOKEN)
            .with("CLOUDBOX_SECRET_KEY", &STANDARD.encode(KEY))
            .with("RUST_LOG", "debug");
        let stage = Stage::with(plan).await.unwrap();
        let mut search = Search::new();
        for language in Language::ALL {
            use_a_secret(&stage, language, &mut search).await;
        }
        ask_everywhere(&stage, &mut search).await;
        let instance = fs::read_to_string(data.join("instance-id")).unwrap();
        search.processes(stage.pid(), instance.trim());
        if driver == Driver::Docker {
            inspect(instance.trim(), &mut search);
        }
        search.folder(home.path());
        stage.is_healthy().await;
        stage.stop().await;
        // And what is written at the end.
        search.folder(home.path());
        assert_eq!(search.found, Vec::<String>::new(), "{driver:?}");
    }
}

/// A function that has one, and fails.
async fn use_a_secret(stage: &Stage, language: Language, search: &mut Search) {
    let code = match language {
        Language::Node => {
            "exports.handler = async (data) => {\n  if (data.fails) throw new Error('no');\n  \
             return process.env.SECRET.length;\n};\n"
        }
        Language::Python => {
            "import os\n\ndef handler(data, context):\n    if data.get('fails'):\n        raise ValueError('no')\n    \
             return len(os.environ['SECRET'])\n"
        }
        Language::Go => {
            "package main\n\nimport (\n\t\"errors\"\n\t\"os\"\n)\n\nfunc handler(data, context map[string]interface{}) \
             (interface{}, error) {\n\tif data[\"fails\"] == true {\n\t\treturn nil, errors.New(\"no\")\n\t}\n\t\
             return len(os.Getenv(\"SECRET\")), nil\n}\n"
        }
    };
    let name = format!("secretive-{}", language.extension());
    stage.deploy_code(&name, language, code, &json!({ "environment": { "SECRET": VALUE } })).await;
    let answer = stage.call(&name, &json!({})).await.with(200);
    assert_eq!(answer.json::<Value>()["response"], VALUE.len(), "{language:?} has its value");
    for answer in [answer, stage.call(&name, &json!({ "fails": true })).await] {
        search.bytes(&format!("an answer to a call in {language:?}"), &answer.body);
    }
    // Errors of every kind that a value could get into.
    for environment in [json!({ "SECRET": VALUE, "1BAD": VALUE }), json!({ "SECRET": [VALUE] })] {
        let refused = stage.api.patch(&name, &json!({ "environment": environment })).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        search.bytes("a refusal", &refused.body);
    }
    let paths = ["", "/deployments", "/logs"].map(|below| stage.api.functions(&format!("/{name}{below}")));
    for path in paths {
        search.bytes(&path, &stage.api.get(&path).await.with(200).body);
    }
}

async fn ask_everywhere(stage: &Stage, search: &mut Search) {
    let paths =
        ["/health", "/health/ready", "/metrics", "/openapi.json", "/api/runtimes", "/api/projects", "/no"];
    for path in paths.into_iter().map(str::to_owned).chain([stage.api.functions("")]) {
        search.bytes(&path, &stage.api.get(&path).await.body);
    }
    let wrong =
        stage.api.request(Method::GET, "/api/projects").header("authorization", format!("Basic {TOKEN}"));
    search.bytes("a refused credential", &cloudbox_tests::Answer::of(wrong).await.body);
}

/// What anybody at the daemon's socket is shown.
fn inspect(instance: &str, search: &mut Search) {
    let filter = format!("%7B%22label%22%3A%5B%22cloudbox.instance%3D{instance}%22%5D%7D");
    let listed = machine::docker(&format!("/containers/json?filters={filter}")).unwrap();
    search.bytes("the list of containers", listed.as_bytes());
    let (_, body) = listed.split_once("\r\n\r\n").unwrap();
    for container in serde_json::from_str::<Vec<Value>>(body.trim()).unwrap() {
        let path = format!("/containers/{}/json", container["Id"].as_str().unwrap());
        search.bytes(&path, machine::docker(&path).unwrap().as_bytes());
    }
}

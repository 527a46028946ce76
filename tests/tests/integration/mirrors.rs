//! Packages of an index that only the operator's own proxy and certificate lead to.

use std::fs;

use cloudbox_tests::index::Index;
use cloudbox_tests::{Answer, Api, Driver, Home, Plan, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};

/// Says what the package says, and what its script left.
const NODE: &str = "const fs = require('fs');
const name = require('tiny');
const left = require('path').join(require.resolve('tiny'), '..', 'ran');
exports.handler = async () => ({ name, script: fs.existsSync(left) ? fs.readFileSync(left, 'utf8') : null });
";

both_drivers! { certificates_that_settings_of_npm_and_pip_name }

async fn certificates_that_settings_of_npm_and_pip_name(driver: Driver) {
    let (index, home) = (Index::start().await, Home::new());
    let path = |name: &str| home.path().join(name).display().to_string();
    let write = |name: &str, text: &str| {
        let file = home.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("npmrc", &format!("registry={}\nglobalconfig={}\n", index.npm(), path("global")));
    write("global", "cafile=${CERTIFICATES}/ca.pem\n");
    write(
        "settings/pip/pip.conf",
        &format!("[global]\nindex-url = {}\ncert = {}\n", index.pip(), path("ca.pem")),
    );
    let proxy = format!("http://localhost:{}", index.proxy);
    let mut plan = Plan::new(driver).at(&home);
    for (name, value) in [
        ("NPM_CONFIG_USERCONFIG", path("npmrc")),
        ("XDG_CONFIG_HOME", path("settings")),
        ("CERTIFICATES", home.path().display().to_string()),
        ("HTTPS_PROXY", proxy.clone()),
        ("https_proxy", proxy),
        // What whoever runs the tests may have: an empty one is none.
        ("NPM_CONFIG_CAFILE", String::new()),
        ("NPM_CONFIG_REGISTRY", String::new()),
        ("NODE_EXTRA_CA_CERTS", path("missing.pem")),
        ("PIP_CERT", String::new()),
        ("PIP_CONFIG_FILE", String::new()),
        ("PIP_INDEX_URL", String::new()),
        ("PIP_RETRIES", "0".to_owned()),
        ("REQUESTS_CA_BUNDLE", String::new()),
        ("NO_PROXY", String::new()),
        ("no_proxy", String::new()),
    ] {
        plan = plan.with(name, &value);
    }
    let service = plan.clone().start().await;
    let api = service.api();
    let functions = [
        ("node", "javascript", NODE),
        ("python", "python", "import tiny\n\ndef handler(data, context):\n    return {'name': tiny.name}\n"),
    ];
    for ((name, language, code), (setting, file)) in
        functions.iter().zip([("cafile", "global"), ("cert", "settings/pip/pip.conf")])
    {
        let new =
            json!({ "name": name, "language": language, "code": code, "dependencies": { "tiny": "1.0.0" } });
        let _ = api.create(&new).await.with(201);
        let failed = deploy(&api, name).await;
        assert_eq!(failed["code"], "DEPLOYMENT_ERROR", "{failed}");
        let logs = failed["build_logs"].as_str().unwrap();
        let named = format!("`{setting}` in {} names {}", path(file), path("ca.pem"));
        for named in [named, format!("NODE_EXTRA_CA_CERTS names {}", path("missing.pem"))] {
            let warning = format!("warning: {named}, which can't be read: No such file");
            assert!(logs.contains(&warning), "{warning}\n{logs}");
        }
    }
    write("ca.pem", &index.authority);
    for ((name, _, _), manager) in functions.iter().zip(["npm", "pip"]) {
        let deployed = deploy(&api, name).await;
        assert_eq!(deployed["status"], "deployed", "{deployed}");
        let answer = answer(&api, name).await;
        assert_eq!(answer["name"], format!("tiny of {manager}"));
        assert_eq!(answer["script"], Value::Null, "no script of a package is run: {answer}");
    }
    service.stop().await;
    nothing_is_fetched_offline(plan.clone()).await;
    scripts_are_run_where_that_is_allowed(plan).await;
}

async fn nothing_is_fetched_offline(plan: Plan) {
    let service = plan.with("CLOUDBOX_BUILDS_OFFLINE", "true").start().await;
    let api = service.api();
    let change = json!({ "code": format!("{NODE}// another line\n") });
    let _ = api.patch("node", &change).await.with(200);
    let deployed = deploy(&api, "node").await;
    assert!(
        deployed["build_logs"].as_str().unwrap().contains("dependencies unchanged: reused"),
        "{deployed}"
    );
    assert_eq!(answer(&api, "node").await["name"], "tiny of npm");
    let new =
        json!({ "name": "new", "language": "javascript", "code": NODE, "dependencies": { "tiny": "1.x" } });
    let _ = api.create(&new).await.with(201);
    let refused = deploy(&api, "new").await;
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("no network here") && why.contains("not installed before: tiny 1.x;"), "{refused}");
    service.stop().await;
}

async fn scripts_are_run_where_that_is_allowed(plan: Plan) {
    let service = plan.with("CLOUDBOX_BUILDS_INSTALL_SCRIPTS", "true").start().await;
    let api = service.api();
    let deployed = deploy(&api, "node").await;
    assert_eq!(deployed["status"], "deployed", "{deployed}");
    assert_eq!(answer(&api, "node").await["script"], "done\n");
    service.stop().await;
}

async fn answer(api: &Api, name: &str) -> Value {
    api.execute(name, &json!({ "data": {} })).await.with(200).json::<Value>()["response"].clone()
}

async fn deploy(api: &Api, name: &str) -> Value {
    let path = api.functions(&format!("/{name}/deploy?wait=true"));
    Answer::of(api.request(Method::POST, &path)).await.json()
}

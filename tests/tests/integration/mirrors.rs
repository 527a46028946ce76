//! Packages of an index that only the operator's own proxy and certificate lead to.

use std::fs;

use cloudbox_tests::index::Index;
use cloudbox_tests::{Answer, Api, Driver, Home, Plan, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};

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
    let service = plan.start().await;
    let api = service.api();
    let functions = [
        ("node", "javascript", "const tiny = require('tiny');\nexports.handler = async () => tiny;\n"),
        ("python", "python", "import tiny\n\ndef handler(data, context):\n    return tiny.name\n"),
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
        let answer: Value = api.execute(name, &json!({ "data": {} })).await.with(200).json();
        assert_eq!(answer["response"], format!("tiny of {manager}"));
    }
    service.stop().await;
}

async fn deploy(api: &Api, name: &str) -> Value {
    let path = api.functions(&format!("/{name}/deploy?wait=true"));
    Answer::of(api.request(Method::POST, &path)).await.json()
}

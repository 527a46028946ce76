//! Packages with a list of dependencies of their own, and its lock.

use cloudbox_tests::pack::tgz;
use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};

both_drivers! { lists }

const INTEGRITY: &str =
    "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==";

async fn lists(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    npm_with_a_lock(&api).await;
    pip_with_hashes(&api).await;
    go_with_sums(&api).await;
    service.stop().await;
}

/// Deploys a package as a function; how that went.
async fn deployed(
    api: &Api,
    name: &str,
    language: &str,
    dependencies: Value,
    files: &[(&str, &str)],
) -> (u16, String) {
    let function = json!({ "name": name, "language": language, "dependencies": dependencies });
    let _ = api.create(&function).await.with(201);
    let path = format!("{}?wait=true", api.functions(&format!("/{name}/deploy")));
    let request = api.request(Method::POST, &path).header("content-type", "application/gzip");
    let answer = Answer::of(request.body(tgz(files))).await;
    (answer.status, answer.text())
}

async fn npm_with_a_lock(api: &Api) {
    let index =
        ("index.js", "const n = require('is-number');\nexports.handler = async (data) => n(data.n);\n");
    let manifest = json!({ "name": "app", "version": "1.0.0", "dependencies": { "is-number": "^7.0.0" },
        "devDependencies": { "mocha": "^10.0.0" }, "scripts": { "preinstall": "exit 1" } })
    .to_string();
    let lock = |integrity: &str| {
        json!({ "name": "app", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {
            "": { "name": "app", "version": "1.0.0", "dependencies": { "is-number": "^7.0.0" } },
            "node_modules/is-number": { "version": "7.0.0", "integrity": integrity,
                "resolved": "http://169.254.169.254/is-number-7.0.0.tgz", "engines": { "node": ">=0.12.0" } } } })
        .to_string()
    };
    let good = lock(INTEGRITY);
    let files = [index, ("package.json", manifest.as_str()), ("package-lock.json", good.as_str())];
    let (status, said) = deployed(api, "npm-lock", "javascript", json!({}), &files).await;
    assert_eq!(status, 200, "{said}");
    let answer: Value =
        api.execute("npm-lock", &json!({ "data": json!({ "n": "5" }) })).await.with(200).json();
    assert_eq!(answer["response"], json!(true));

    let other = lock(&INTEGRITY.replace("41Cifkg6", "52Cifkg6"));
    let files = [index, ("package.json", manifest.as_str()), ("package-lock.json", other.as_str())];
    let (status, said) = deployed(api, "npm-other", "javascript", json!({}), &files).await;
    assert!(status == 422 && said.contains("Failed to install dependencies"), "{said}");

    let files = [index, ("package.json", manifest.as_str())];
    let two = json!({ "is-number": "^6.0.0" });
    let (status, said) = deployed(api, "npm-two", "javascript", two, &files).await;
    assert!(status == 422 && said.contains("name it once, or with the same version"), "{said}");
}

async fn pip_with_hashes(api: &Api) {
    let main = ("main.py", "import six\n\ndef handler(data, context):\n    return six.__version__\n");
    let good =
        "six==1.16.0 \\\n  --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n";
    let (status, said) =
        deployed(api, "pip-list", "python", json!({}), &[main, ("requirements.txt", good)]).await;
    assert_eq!(status, 200, "{said}");
    let answer: Value = api.execute("pip-list", &json!({ "data": json!({}) })).await.with(200).json();
    assert_eq!(answer["response"], json!("1.16.0"));

    let bad = "six==1.16.0\n--index-url=http://169.254.169.254/\n";
    let (status, said) =
        deployed(api, "pip-bad", "python", json!({}), &[main, ("requirements.txt", bad)]).await;
    assert!(status == 422 && said.contains("requirements.txt, line 2"), "{said}");
}

async fn go_with_sums(api: &Api) {
    let main = (
        "main.go",
        "package main\n\nimport (\n\t\"example.org/app/own\"\n\t\"github.com/google/uuid\"\n)\n\n\
         func handler(data, context map[string]interface{}) (string, error) {\n\
         \treturn own.Name() + uuid.Nil.String()[:4], nil\n}\n",
    );
    let own = ("own/own.go", "package own\n\nfunc Name() string { return \"own-\" }\n");
    let module = ("go.mod", "module example.org/app\n\ngo 1.18\n\nrequire github.com/google/uuid v1.6.0\n");
    let sums = |sum: &str| {
        format!(
            "github.com/google/uuid v1.6.0 h1:{sum}\n\
             github.com/google/uuid v1.6.0/go.mod h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=\n"
        )
    };
    let good = sums("NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=");
    let (status, said) =
        deployed(api, "go-sums", "go", json!({}), &[main, own, module, ("go.sum", &good)]).await;
    assert_eq!(status, 200, "{said}");
    let answer: Value = api.execute("go-sums", &json!({ "data": json!({}) })).await.with(200).json();
    assert_eq!(answer["response"], json!("own-0000"));

    let wrong = sums("AIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=");
    let (status, said) =
        deployed(api, "go-wrong", "go", json!({}), &[main, own, module, ("go.sum", &wrong)]).await;
    assert!(status == 422 && said.contains("checksum mismatch"), "{said}");

    let folder = (
        "go.mod",
        "module example.org/app\n\ngo 1.18\n\nrequire x.org/y v1.0.0\n\nreplace x.org/y => ./own\n",
    );
    let (status, said) = deployed(api, "go-folder", "go", json!({}), &[main, own, folder]).await;
    assert!(status == 422 && said.contains("go mod vendor"), "{said}");
}

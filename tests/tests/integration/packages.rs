//! Functions that come as packages: uploaded, built, called, downloaded again.

use cloudbox_tests::pack::{odd_tgz, tgz, zip};
use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

/// The package of the document that the version routes come from: a folder of npm's, with more than one file.
const GREETER: [(&str, &str); 4] = [
    (
        "package/index.js",
        "const { greet } = require('./lib/utils');
const settings = require('./config/settings.json');
module.exports = (req, res) => {
  const { name = 'World' } = req.query;
  res.json({ message: greet(name), version: settings.version });
};",
    ),
    ("package/package.json", r#"{ "name": "greeter", "version": "1.0.0" }"#),
    ("package/lib/utils.js", "exports.greet = (name) => `Hello, ${name}!`;"),
    ("package/config/settings.json", r#"{ "version": "1.0" }"#),
];

async fn packages(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    a_package_is_a_version_at_once(&api).await;
    every_language_has_its_main_file(&api).await;
    a_deploy_takes_a_package(&api).await;
    what_is_refused_says_why(&api).await;
    let left: Vec<_> = std::fs::read_dir(service.home().data().join("packages")).unwrap().collect();
    let is_plain = |name: &str| name.len() == 64;
    assert!(
        left.iter().all(|entry| is_plain(entry.as_ref().unwrap().file_name().to_str().unwrap())),
        "{left:?}"
    );
    service.stop().await;
}

both_drivers! { packages }

async fn upload(api: &Api, function: &Value, package: Vec<u8>) -> Answer {
    let form = Form::new().part("package", Part::bytes(package).file_name("function.tgz"));
    let path = format!("/api/functions/{function}/versions");
    Answer::of(api.request(Method::POST, &path).multipart(form)).await
}

async fn a_package_is_a_version_at_once(api: &Api) {
    let empty = json!({ "name": "greeter", "language": "javascript" });
    let made: Value = api.post("/api/functions", &empty).await.with(201).json();
    let (id, package) = (&made["id"], tgz(&GREETER));
    assert_eq!((&made["status"], &made["code"]), (&json!("draft"), &json!(null)), "{made}");

    let answer = upload(api, id, package.clone()).await.with(201);
    let version: Value = answer.json();
    assert_eq!((&version["version"], &version["isActive"]), (&json!(1), &json!(true)), "{version}");
    assert_eq!(version["packageSize"], json!(package.len()), "{version}");
    let greeted = |name: &str| format!("/invoke/{id}?name={name}");
    let shown: Value = api.anonymous().get(&greeted("John")).await.with(200).json();
    assert_eq!(shown, json!({ "message": "Hello, John!", "version": "1.0" }));

    let shown: Value = api.get(&format!("/api/functions/{id}")).await.with(200).json();
    assert_eq!(
        (&shown["package"], &shown["active_version"]),
        (&version["packageHash"], &json!(1)),
        "{shown}"
    );
    let back = api.get(answer.headers["location"].to_str().unwrap()).await.with(200);
    assert_eq!(
        (back.body == package, back.headers["content-type"].to_str().unwrap()),
        (true, "application/gzip")
    );
    assert_eq!(back.headers["etag"].to_str().unwrap(), format!("{}", version["packageHash"]));

    // The next version is a zip; one that can't be built changes nothing for callers.
    let second = zip(&[("index.js", "module.exports = async (req, res) => res.json({ version: 2 });")]);
    let version: Value = upload(api, id, second).await.with(201).json();
    assert_eq!(version["version"], 2, "{version}");
    assert_eq!(api.get(&greeted("x")).await.with(200).json::<Value>(), json!({ "version": 2 }));
    let broken = upload(api, id, tgz(&[("index.js", "module.exports = (req, res) => {")])).await;
    assert_eq!(broken.error(ErrorCode::DeploymentError)["stage"], "validate");
    let empty = upload(api, id, tgz(&[("readme.md", "no code")])).await.error(ErrorCode::DeploymentError);
    assert!(empty["error"].as_str().unwrap().contains("no index.js or index.mjs"), "{empty}");
    assert_eq!(api.get(&greeted("x")).await.with(200).json::<Value>(), json!({ "version": 2 }));
    let back = api.get(&api.functions("/greeter/versions/1/package")).await.with(200);
    assert!(back.body == package);

    // Code takes the package's place.
    let code = json!({ "code": "exports.handler = async () => ({ version: 'code' });" });
    let changed = Answer::of(api.request(Method::PATCH, &format!("/api/functions/{id}")).json(&code)).await;
    assert_eq!(changed.with(200).json::<Value>()["package"], json!(null));
    assert_eq!(api.get(&greeted("x")).await.with(200).json::<Value>(), json!({ "version": "code" }));
    let _ = api.get(&api.functions("/greeter/package")).await.error(ErrorCode::NotFound);
}

async fn every_language_has_its_main_file(api: &Api) {
    let go = "package main

func handler(data, context map[string]interface{}) (interface{}, error) {
\treturn greeting(data[\"name\"]), nil
}
";
    let greeting = "package main

import \"fmt\"

func greeting(name interface{}) string { return fmt.Sprintf(\"Hello, %v!\", name) }
";
    let cases = [
        (
            "packed-esm",
            "javascript",
            vec![
                ("package.json", r#"{ "type": "module", "main": "./src/app" }"#),
                (
                    "src/app.js",
                    "import { greet } from './greet.js';\nexport const handler = async ({ name }) => greet(name);",
                ),
                ("src/greet.js", "export const greet = (name) => `Hello, ${name}!`;"),
            ],
        ),
        (
            "packed-cjs",
            "javascript",
            vec![
                ("index.cjs", "exports.handler = async ({ name }) => require('./g.cjs')(name);"),
                ("g.cjs", "module.exports = (name) => `Hello, ${name}!`;"),
            ],
        ),
        (
            "packed-py",
            "python",
            vec![
                (
                    "main.py",
                    "from lib.greet import greet\n\ndef handler(data, context):\n    return greet(data['name'])\n",
                ),
                ("lib/__init__.py", ""),
                ("lib/greet.py", "def greet(name):\n    return f'Hello, {name}!'\n"),
            ],
        ),
        (
            "packed-go",
            "go",
            vec![
                ("main.go", go),
                ("greeting.go", greeting),
                ("go.mod", "module example.com/greeter\n\ngo 1.18\n"),
            ],
        ),
    ];
    for (name, language, files) in cases {
        let _ = api.create(&json!({ "name": name, "language": language })).await.with(201);
        let request = api.request(Method::PUT, &api.functions(&format!("/{name}/package")));
        let request = request.header("content-type", "application/gzip").body(tgz(&files));
        let kept: Value = Answer::of(request).await.with(200).json();
        assert_eq!((&kept["files"], &kept["format"]), (&json!(files.len()), &json!("tgz")), "{kept}");
        let _ = api.deploy(name).await.with(200);
        let answer: Value = api.execute(name, &json!({ "data": { "name": "Ada" } })).await.with(200).json();
        assert_eq!(answer["response"], "Hello, Ada!", "{name}: {answer}");
    }
}

async fn a_deploy_takes_a_package(api: &Api) {
    let _ = api
        .create(&json!({ "name": "taken", "language": "python", "entry_point": "tool.run" }))
        .await
        .with(201);
    let package =
        zip(&[("tool.py", "def run(data, context):\n    return 'zipped'\n"), ("index.py", "1/0\n")]);
    let request = api.request(Method::POST, &api.functions("/taken/deploy?wait=true"));
    let request = request.header("content-type", "application/zip").body(package.clone());
    let _ = Answer::of(request).await.with(200);
    let answer: Value = api.execute("taken", &json!({})).await.with(200).json();
    assert_eq!(answer["response"], "zipped", "{answer}");
    let back = api.get(&api.functions("/taken/package")).await.with(200);
    assert!(back.body == package && back.headers["content-type"] == "application/zip");
    let _ = api.get(&api.functions("/taken/versions/7/package")).await.error(ErrorCode::NotFound);
}

async fn what_is_refused_says_why(api: &Api) {
    let path = api.functions("/taken/package");
    let put = |media: &str, body: Vec<u8>| {
        let request = api.request(Method::PUT, &path).header("content-type", media).body(body);
        async move { Answer::of(request).await }
    };
    let refused = put("application/gzip", odd_tgz("x", b'2', "/etc")).await.error(ErrorCode::ValidationError);
    assert_eq!(refused["details"][0]["field"], "package", "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("symbolic link"), "{refused}");
    for (media, body, field) in [
        ("application/gzip", Vec::new(), "package"),
        ("application/gzip", b"not an archive".to_vec(), "package"),
        ("application/json", b"{}".to_vec(), "body"),
        ("multipart/form-data; boundary=x", b"--x--\r\n".to_vec(), "package"),
    ] {
        let refused = put(media, body).await.error(ErrorCode::ValidationError);
        assert_eq!(refused["details"][0]["field"], field, "{media}: {refused}");
    }
    let form = Form::new().text("file", "x");
    let refused = Answer::of(api.request(Method::PUT, &path).multipart(form)).await;
    assert_eq!(refused.error(ErrorCode::ValidationError)["details"][0]["field"], "file");
    let request = api.request(Method::PUT, &path).header("content-type", "application/gzip");
    let refused = Answer::attempt(request.body(vec![0; (50 << 20) + (1 << 17)])).await;
    // The service may have closed the connection before all of it was sent.
    if let Ok(answer) = refused {
        let _ = answer.error(ErrorCode::PayloadTooLarge);
    }
    let anonymous = api.anonymous().request(Method::PUT, &path).header("content-type", "application/gzip");
    let _ = Answer::of(anonymous.body("x")).await.error(ErrorCode::Unauthorized);
}

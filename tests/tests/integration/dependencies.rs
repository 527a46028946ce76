//! Packages as their authors have them: many files of TypeScript, and manifests and locks of each language, whose dependencies
//! the service installs.

use cloudbox_tests::pack::{tgz, zip};
use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};

async fn dependencies(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    tokio::join!(typescript(&api), npm(&api), pip(&api), go(&api));
    service.stop().await;
}

both_drivers! { dependencies }

/// Uploads a package and deploys it in one request; the build logs.
async fn deploy(api: &Api, name: &str, language: &str, (media, package): (&str, Vec<u8>)) -> String {
    let _ = api.create(&json!({ "name": name, "language": language })).await.with(201);
    let request = api.request(Method::POST, &api.functions(&format!("/{name}/deploy?wait=true")));
    let deployed: Value =
        Answer::of(request.header("content-type", media).body(package)).await.with(200).json();
    deployed["build_logs"].as_str().unwrap().to_owned()
}

async fn answers(api: &Api, name: &str, data: Value, expected: Value) {
    let answer: Value = api.execute(name, &json!({ "data": data })).await.with(200).json();
    assert_eq!(answer["response"], expected, "{name}: {answer}");
}

fn gzip(files: &[(&str, &str)]) -> (&'static str, Vec<u8>) {
    ("application/gzip", tgz(files))
}

async fn typescript(api: &Api) {
    let files = [
        ("package/package.json", r#"{ "name": "typed", "main": "src/app.ts" }"#),
        ("package/tsconfig.json", r#"{ "compilerOptions": { "strict": true } }"#),
        (
            "package/src/app.ts",
            "import { greet, type Person } from './greet';
import { Tone } from './tone.js';
import words from '../data/words.json' with { type: 'json' };

export const handler = async (data: Person): Promise<string> => {
  if (!data.name) throw new Error('nobody');
  return greet(data, Tone.Loud, words.hello);
};
",
        ),
        (
            "package/src/greet.ts",
            "import { Tone } from './tone';

export interface Person { name: string }
export const greet = (person: Person, tone: Tone, hello: string): string =>
  tone === Tone.Loud ? `${hello}, ${person.name.toUpperCase()}!` : `${hello}, ${person.name}`;
",
        ),
        ("package/src/tone.ts", "export enum Tone { Calm, Loud }\n"),
        ("package/data/words.json", r#"{ "hello": "Hello" }"#),
    ];
    let logs = deploy(api, "typed", "typescript", gzip(&files)).await;
    assert!(logs.contains("compiled 3 TypeScript files"), "{logs}");
    answers(api, "typed", json!({ "name": "Ada" }), json!("Hello, ADA!")).await;
    let failed: Value = api.execute("typed", &json!({ "data": {} })).await.with(500).json();
    assert!(failed["stack"].as_str().unwrap().contains("src/app.ts:6:"), "the author's line: {failed}");
}

async fn npm(api: &Api) {
    let files = |version: &'static str| {
        gzip(&[
            ("package.json", r#"{ "name": "counted", "dependencies": { "is-number": "7.0.0" } }"#),
            (
                "index.js",
                "const check = require('./lib/check');\nexports.handler = async (data) => check(data.n);\n",
            ),
            (
                "lib/check.js",
                "const isNumber = require('is-number');\nmodule.exports = (n) => isNumber(n);\n",
            ),
            ("version.txt", version),
        ])
    };
    let logs = deploy(api, "counted", "javascript", files("1")).await;
    assert!(logs.contains("[install] installed"), "{logs}");
    answers(api, "counted", json!({ "n": "5" }), json!(true)).await;
    let request = api.request(Method::POST, &api.functions("/counted/deploy?wait=true"));
    let (media, package) = files("2");
    let again: Value = Answer::of(request.header("content-type", media).body(package)).await.with(200).json();
    let logs = again["build_logs"].as_str().unwrap();
    assert!(logs.contains("dependencies unchanged: reused"), "the set is the same: {logs}");
    answers(api, "counted", json!({ "n": "x" }), json!(false)).await;
}

async fn pip(api: &Api) {
    let package = zip(&[
        ("requirements.txt", "six==1.16.0\n"),
        (
            "main.py",
            "from lib.kinds import kind\n\ndef handler(data, context):\n    return kind(data['v'])\n",
        ),
        ("lib/__init__.py", ""),
        (
            "lib/kinds.py",
            "import six\n\ndef kind(value):\n    return 'text' if isinstance(value, six.string_types) else six.__version__\n",
        ),
    ]);
    let logs = deploy(api, "kinds", "python", ("application/zip", package)).await;
    assert!(logs.contains("[install] installed"), "{logs}");
    answers(api, "kinds", json!({ "v": "a" }), json!("text")).await;
    answers(api, "kinds", json!({ "v": 1 }), json!("1.16.0")).await;
}

async fn go(api: &Api) {
    let files = [
        ("go.mod", "module example.com/ids\n\ngo 1.18\n\nrequire github.com/google/uuid v1.6.0\n"),
        (
            "go.sum",
            "github.com/google/uuid v1.6.0 h1:NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=
github.com/google/uuid v1.6.0/go.mod h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=
",
        ),
        (
            "main.go",
            "package main

func handler(data, context map[string]interface{}) (interface{}, error) {
\treturn parsed(data[\"id\"].(string))
}
",
        ),
        (
            "ids.go",
            "package main

import \"github.com/google/uuid\"

func parsed(text string) (int, error) {
\tid, err := uuid.Parse(text)
\treturn int(id.Version()), err
}
",
        ),
    ];
    let _ = deploy(api, "ids", "go", gzip(&files)).await;
    answers(api, "ids", json!({ "id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8" }), json!(4)).await;
}

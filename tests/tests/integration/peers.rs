//! Applications of the frameworks that people use, with the real packages, and the list of what runs and what doesn't.

use cloudbox_tests::{Answer, Api, Driver, Home, Plan, machine};
use reqwest::Method;
use serde_json::{Value, json};

/// An application that answers `GET /users/7` and `POST /` alike in each framework.
struct Application {
    name: &'static str,
    language: &'static str,
    entry_point: &'static str,
    dependencies: &'static [(&'static str, &'static str)],
    /// What the build's log says of its form.
    style: &'static str,
    code: &'static str,
}

const APPLICATIONS: [Application; 6] = [
    Application {
        name: "express",
        language: "javascript",
        entry_point: "index.handler",
        dependencies: &[("express", "^4.19.0")],
        style: "app",
        code: "const express = require('express');
const app = express();
app.use(express.json());
app.get('/users/:id', (req, res) => res.json({ id: Number(req.params.id) }));
app.post('/', (req, res) => res.status(201).set('X-Agent', req.get('x-agent')).json({ name: req.body.name }));
module.exports = app;",
    },
    Application {
        name: "starlette",
        language: "python",
        entry_point: "main",
        dependencies: &[("starlette", "")],
        style: "asgi",
        code: "from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def read(request):
    return JSONResponse({'id': int(request.path_params['id'])})

async def create(request):
    person = await request.json()
    return JSONResponse({'name': person['name']}, 201, {'X-Agent': request.headers['x-agent']})

app = Starlette(routes=[Route('/users/{id}', read), Route('/', create, methods=['POST'])])
",
    },
    Application {
        name: "flask",
        language: "python",
        entry_point: "app",
        dependencies: &[("flask", "")],
        style: "wsgi",
        code: "from flask import Flask, request

app = Flask(__name__)

@app.get('/users/<int:id>')
def read(id):
    return {'id': id}

@app.post('/')
def create():
    return {'name': request.get_json()['name']}, 201, {'X-Agent': request.headers['X-Agent']}
",
    },
    Application {
        name: "framework-js",
        language: "javascript",
        entry_point: "people",
        dependencies: &[("@google-cloud/functions-framework", "^3.0.0")],
        style: "req-res",
        code: "const functions = require('@google-cloud/functions-framework');

functions.http('people', (req, res) => {
  if (req.method === 'GET') return res.json({ id: Number(req.path.split('/').pop()) });
  res.status(201).set('X-Agent', req.get('x-agent')).json({ name: req.body.name });
});
",
    },
    Application {
        name: "framework-py",
        language: "python",
        entry_point: "people",
        dependencies: &[("functions-framework", "")],
        style: "flask",
        code: "import functions_framework

@functions_framework.http
def people(request):
    if request.method == 'GET':
        return {'id': int(request.path.rsplit('/', 1)[1])}
    return {'name': request.get_json()['name']}, 201, {'X-Agent': request.headers['X-Agent']}
",
    },
    Application {
        name: "framework",
        language: "python",
        entry_point: "people",
        dependencies: &[("flask", "")],
        style: "flask",
        code: "import flask

def people(request: flask.Request):
    if request.method == 'GET':
        return {'id': int(request.path.rsplit('/', 1)[1])}
    return {'name': request.get_json()['name']}, 201, {'X-Agent': request.headers['X-Agent']}
",
    },
];

/// Receivers of CloudEvents: they print the event, and answer with nothing of theirs.
const RECEIVERS: [(&str, &str, (&str, &str), &str); 2] = [
    (
        "receiver-js",
        "javascript",
        ("@google-cloud/functions-framework", "^3.0.0"),
        "const functions = require('@google-cloud/functions-framework');

functions.cloudEvent('receive', (cloudEvent) => {
  console.log(cloudEvent.id, cloudEvent.type, cloudEvent.source, cloudEvent.subject, cloudEvent.data.message);
  if (cloudEvent.type === 'bad') throw new Error('as asked');
});
",
    ),
    (
        "receiver-py",
        "python",
        ("functions-framework", ""),
        "import functions_framework

@functions_framework.cloud_event
def receive(cloud_event):
    subject = cloud_event['subject']
    print(cloud_event['id'], cloud_event['type'], cloud_event['source'], subject, cloud_event.data['message'])
    if cloud_event['type'] == 'bad':
        raise ValueError('as asked')
",
    ),
];

/// One driver after the other in one home: packages are installed once, and what the one has built runs in the other, too.
#[tokio::test(flavor = "multi_thread")]
async fn applications() {
    let home = Home::new();
    for (round, driver) in Driver::ALL.into_iter().filter(|driver| driver.is_tested()).enumerate() {
        let service = Plan::new(driver).at(&home).start().await;
        let api = service.api();
        let all = APPLICATIONS.iter().map(|application| serves(&api, application, round));
        let events = RECEIVERS.iter().map(|receiver| receives(&api, *receiver, round));
        futures::future::join(futures::future::join_all(all), futures::future::join_all(events)).await;
        service.stop().await;
    }
}

/// Makes the function in the first round, and deploys it in each; what the build printed.
async fn deployed(api: &Api, function: &Value, round: usize) -> String {
    if round == 0 {
        let _ = api.create(function).await.with(201);
    }
    let deployed: Value = api.deploy(function["name"].as_str().unwrap()).await.with(200).json();
    deployed["build_logs"].to_string()
}

async fn receives(
    api: &Api,
    (name, language, (package, version), code): (&str, &str, (&str, &str), &str),
    round: usize,
) {
    let function = json!({
        "name": name, "language": language, "code": code, "is_public": true, "memory": 256, "timeout": 60,
        "entry_point": "receive", "dependencies": { package: version },
    });
    let _ = deployed(api, &function, round).await;
    let anybody = api.anonymous();
    let fields =
        [("specversion", "1.0"), ("id", "e-1"), ("type", "made"), ("source", "/there"), ("subject", "s")];
    let data = json!({ "message": "Hello Ada" });
    let mut binary = anybody.public(Method::POST, name, "/").json(&data);
    let mut whole = json!({ "datacontenttype": "application/json", "data": data });
    for (field, value) in fields {
        binary = binary.header(format!("ce-{field}"), value);
        whole[field] = json!(value);
    }
    let send = |event: &Value| {
        let request = anybody.public(Method::POST, name, "/");
        Answer::of(request.header("content-type", "application/cloudevents+json").body(event.to_string()))
    };
    for answer in [Answer::of(binary).await, send(&whole).await] {
        assert!([200, 204].contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
    }
    for record in api.logs(name, "limit=2").await.items {
        assert!(record.logs.contains("e-1 made /there s Hello Ada"), "{name}: {record:?}");
    }
    whole["type"] = json!("bad");
    assert_eq!(send(&whole).await.status, 500, "{name}");
}

async fn serves(api: &Api, application: &Application, round: usize) {
    let name = application.name;
    let dependencies: Value =
        application.dependencies.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
    let function = json!({
        "name": name, "language": application.language, "code": application.code, "is_public": true, "memory": 256,
        "timeout": 60, "entry_point": application.entry_point, "dependencies": dependencies,
    });
    let logs = deployed(api, &function, round).await;
    assert!(logs.contains(&format!("the form \\\"{}\\\"", application.style)), "{name}: {logs}");
    let anybody = api.anonymous();
    for _ in 0..2 {
        let read: Value = Answer::of(anybody.public(Method::GET, name, "/users/7")).await.with(200).json();
        assert_eq!(read["id"], 7, "{name}");
        let request = anybody.public(Method::POST, name, "/").header("x-agent", "one");
        let made = Answer::of(request.json(&json!({ "name": "Ada" }))).await.with(201);
        assert_eq!(made.header("x-agent"), "one", "{name}");
        assert_eq!(made.json::<Value>()["name"], "Ada", "{name}");
    }
}

/// Documented handlers of peers that don't run here; docs/HANDLERS.md says why of each.
const NOT_SUPPORTED: [&str; 10] = [
    "`lambda.Start(fn)`",
    "`awslambda.streamifyResponse(…)`",
    "`functions.HTTP(…)`, `functions.CloudEvent(…)` of the Functions Framework in Go",
    "`handler.Request` of OpenFaaS's golang-http",
    "`func Main(map) map` of OpenWhisk in Go",
    "`nuclio.Context` in Go",
    "`openruntimes.Context` in Go",
    "`app.http(…)` of Azure's model 4, and Azure in Python",
    "`handle(context, event)` of Knative",
    "`fdk.handle(…)` of Fn",
];

#[test]
fn what_does_not_run_is_documented_by_name() {
    let page = std::fs::read_to_string(machine::root().join("docs/HANDLERS.md")).unwrap();
    let (_, told) = page.split_once("## What doesn't run").unwrap();
    let rows = told.lines().filter(|line| line.starts_with("| `")).count();
    for name in NOT_SUPPORTED {
        assert!(told.contains(&format!("| {name} |")), "docs/HANDLERS.md lacks {name}");
    }
    assert_eq!(rows, NOT_SUPPORTED.len(), "docs/HANDLERS.md lists what this test doesn't know");
}

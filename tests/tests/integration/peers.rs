//! Applications of the frameworks that people use, with the real packages, and the list of what runs and what doesn't.

use cloudbox_tests::{Answer, Api, Driver, Plan, machine};
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

const APPLICATIONS: [Application; 4] = [
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

#[tokio::test]
async fn applications_native() {
    run(Driver::Native).await;
}

#[tokio::test]
async fn applications_docker() {
    run(Driver::Docker).await;
}

async fn run(driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let service = Plan::new(driver).start().await;
    let api = service.api();
    futures::future::join_all(APPLICATIONS.iter().map(|application| serves(&api, application))).await;
    service.stop().await;
}

async fn serves(api: &Api, application: &Application) {
    let name = application.name;
    let dependencies: Value =
        application.dependencies.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
    let function = json!({
        "name": name, "language": application.language, "code": application.code, "is_public": true, "memory": 256,
        "timeout": 60, "entry_point": application.entry_point, "dependencies": dependencies,
    });
    let _ = api.create(&function).await.with(201);
    let deployed: Value = api.deploy(name).await.with(200).json();
    let logs = deployed["build_logs"].to_string();
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
const NOT_SUPPORTED: [&str; 9] = [
    "`lambda.Start(fn)`",
    "`awslambda.streamifyResponse(…)`",
    "`functions.cloudEvent(…)` in Node.js",
    "`handler.Request` of OpenFaaS's golang-http",
    "`func Main(map) map` of OpenWhisk in Go",
    "`nuclio.Context` in Go",
    "`openruntimes.Context` in Go",
    "`app.http(…)` of Azure's model 4, and Azure in Python",
    "`handle(context, event)` of Knative",
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

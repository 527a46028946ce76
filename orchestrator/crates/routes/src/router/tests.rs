//! The routes over a SQLite store in a temporary folder and a backend that echoes.

mod calls;
mod compatible;
mod deploys;
mod resources;
mod rules;
mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use cloudbox_api_types::{Runtime, SandboxHealth};
use cloudbox_archive::Limits;
use cloudbox_dispatch::table::Table;
use cloudbox_dispatch::{Call, Failure, Outcome, Shares, Success};
use cloudbox_http::api::{Api, Backend};
use cloudbox_http::error::ApiError;
use cloudbox_storage::{Holds, Packages};
use cloudbox_store::{Begin, EnvironmentKey, NewProject, NewVersion, Store};
use cloudbox_types::version::Stage;
use cloudbox_types::{
    Deployment, ErrorCode, Function, FunctionId, InvocationId, Name, ProjectId, Secret, Switch, Version,
};
use futures::future::BoxFuture;
use http::Request;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::Bounds;

/// Bytes of a body, so that tests can go over it.
const MAX_REQUEST_BYTES: usize = 4096;
const BOUNDS: Bounds = Bounds {
    requests: 4096,
    body_bytes_held: 512 << 20,
    body_bytes: MAX_REQUEST_BYTES,
    body_time: Duration::from_secs(60),
    body_pause: Duration::from_secs(15),
};
const TOKEN: &str = "the-admin-token";

/// Answers calls by what the body asks for, and deploys whatever has code.
struct Fake {
    store: Arc<dyn Store>,
    table: Arc<Table>,
    deleted: Mutex<Vec<String>>,
}

impl Fake {
    fn result(call: &Call) -> Result<Success, Failure> {
        let text = String::from_utf8_lossy(&call.body).into_owned();
        if text == "\"panic\"" {
            panic!("as asked");
        }
        if let Some(code) = text.trim_matches('"').strip_prefix("fail ") {
            let code: ErrorCode = code.parse().unwrap();
            return Err(Failure {
                retry_after_s: Some(3),
                stack: Some("at secret:1".to_owned()),
                ..Failure::new(code, "secret message")
            });
        }
        let seen = json!({
            "method": call.method, "path": call.path, "base_path": call.base_path, "query": call.query, "headers": call.headers,
            "body": text, "data": format!("{:?}", call.data), "mode": format!("{:?}", call.mode),
            "timeout_ms": call.timeout.map(|timeout| timeout.as_millis() as u64),
        });
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(Success::whole(200, headers, Bytes::from(seen.to_string())))
    }
}

#[async_trait]
impl Backend for Fake {
    async fn invoke(&self, call: Call) -> Outcome {
        let result = match call.entry.version {
            Some(_) => Self::result(&call),
            None => Err(Failure::new(ErrorCode::NotDeployed, "not deployed")),
        };
        Outcome {
            invocation_id: InvocationId::generate(),
            version: call.version(),
            is_warm: true,
            execution_time_ms: 2.0,
            memory_bytes: 1000,
            logs: "a line\n".to_owned(),
            marks: Vec::new(),
            egress: Vec::new(),
            host_calls: Vec::new(),
            timing: [20, 100, 0, 2000, 2200].into(),
            result,
        }
    }

    async fn begin_deployment(&self, function: &Function, begin: &Begin) -> Result<Deployment, ApiError> {
        Ok(self.store.begin_deployment_as(function.id, begin).await?)
    }

    fn deploy(&self, deployment: Deployment) -> BoxFuture<'static, Result<Deployment, ApiError>> {
        let (store, table) = (Arc::clone(&self.store), Arc::clone(&self.table));
        Box::pin(async move {
            let function = store.function(deployment.function_id).await?.unwrap();
            store.note_deployment(deployment.id, Stage::Validate, &deployment.stages, "looking\n").await?;
            if function.settings.code.as_deref().is_none_or(|code| code == "broken") {
                let stages = &deployment.stages;
                store.fail_deployment(deployment.id, Stage::Validate, stages, "there is no code").await?;
            } else {
                let version = NewVersion {
                    runtime: function.settings.runtime.clone(),
                    entry_point: function.settings.entry_point.clone(),
                    handler_style: "data".to_owned(),
                    digest: "0".repeat(64),
                    main: "index.js".to_owned(),
                    package: function.settings.package.clone(),
                    image: None,
                    code: function.settings.code.clone(),
                    dependencies: function.settings.dependencies.clone(),
                };
                let (function, version) =
                    store.finish_deployment(deployment.id, &deployment.stages, version).await?;
                let active = store.version(function.id, function.active_version.unwrap_or(0)).await?;
                drop(version);
                table.put(function, active);
            }
            Ok(store.deployment(deployment.id).await?.unwrap())
        })
    }

    async fn settled(&self) {}

    async fn switch(&self, function: FunctionId, switch: Switch, author: &str) -> Result<Function, ApiError> {
        let (function, version) = self.store.switch(function, &switch, author).await?;
        self.table.put(function.clone(), version);
        Ok(function)
    }

    async fn files(&self, version: &Version) -> Result<BTreeMap<String, String>, ApiError> {
        Ok(BTreeMap::from([("index.js".to_owned(), format!("sha of {}", version.number))]))
    }

    fn function_changed(&self, function: Function, version: Option<Version>) {
        self.table.put(function, version);
    }

    fn function_deleted(&self, project: ProjectId, function: FunctionId) {
        self.table.remove(project, function);
        self.deleted.lock().push(format!("function {function}"));
    }

    fn project_deleted(&self, project: ProjectId) {
        self.table.remove_project(project);
        self.deleted.lock().push(format!("project {project}"));
    }

    fn runtimes(&self) -> Vec<Runtime> {
        let runtime = |name: &str, language: &str| Runtime {
            name: name.to_owned(),
            languages: vec![language.to_owned()],
            version: "1".to_owned(),
            state: "ready".to_owned(),
            detail: None,
            is_installed: false,
            image: None,
            resolved: Some(name.to_owned()),
            end_of_life: None,
            is_default: true,
        };
        vec![runtime("nodejs18", "javascript"), runtime("python3.9", "python")]
    }

    fn install_runtime(&self, name: &str, image: Option<&str>) -> Result<bool, ApiError> {
        if image.is_some() {
            return Ok(true);
        }
        match name {
            "nodejs18" => Ok(false),
            "python3.9" => Ok(true),
            "go1.19" => Err(ApiError::new(ErrorCode::Conflict, "go is not on the service's search path")),
            _ => Err(ApiError::not_found("runtime")),
        }
    }

    async fn remove_runtime(&self, name: &str) -> Result<(), ApiError> {
        self.install_runtime(name, None).map(drop)
    }

    fn sandbox(&self) -> SandboxHealth {
        SandboxHealth { driver: "fake".to_owned(), layers: Vec::new() }
    }

    fn refresh_metrics(&self) {}

    async fn flush(&self) {}
}

/// A service with nothing but its HTTP side.
struct TestApp {
    router: Router,
    backend: Arc<Fake>,
    closing: CancellationToken,
    _dir: TempDir,
}

/// An answer, read whole.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 10 << 20).await.unwrap();
        Self { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn fields(&self) -> Vec<String> {
        let details = self.json()["details"].as_array().cloned().unwrap_or_default();
        details.iter().map(|detail| detail["field"].as_str().unwrap().to_owned()).collect()
    }
}

impl TestApp {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("test.db").display());
        let store = cloudbox_store::open(&url, EnvironmentKey::generate()).await.unwrap();
        if store.project(ProjectId(1)).await.unwrap().is_none() {
            let slug = Name::new("default").unwrap();
            store
                .create_project(NewProject { name: "Default".to_owned(), slug, description: String::new() })
                .await
                .unwrap();
        }
        let table = Arc::new(Table::load(Arc::clone(&store)).await.unwrap());
        let backend = Arc::new(Fake {
            store: Arc::clone(&store),
            table: Arc::clone(&table),
            deleted: Mutex::default(),
        });
        let closing = CancellationToken::new();
        let api = Arc::new(Api {
            store,
            table,
            packages: Arc::new(
                Packages::open(&dir.path().join("packages"), Limits::PACKAGE, 4, (None, Holds::new(None)))
                    .unwrap(),
            ),
            backend: Arc::clone(&backend) as Arc<dyn Backend>,
            admin_token: Secret::new(TOKEN.to_owned()),
            public_url: String::new(),
            ranges: cloudbox_types::limits::Ranges::default(),
            max_request_bytes: MAX_REQUEST_BYTES,
            max_stream_bytes: 1 << 20,
            shares: Shares::new(100),
            started_at: Instant::now(),
            closing: closing.clone(),
            inline: None,
            reader: cloudbox_check::Reader::new("/bin/false".into(), Vec::new()),
            metrics: cloudbox_api::metrics::install(),
        });
        Self { router: super::build(api, BOUNDS), backend, closing, _dir: dir }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// With the administrator's token.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {TOKEN}"));
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    /// Without a credential.
    async fn anonymous(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Makes and deploys a function of the default project.
    async fn deployed(&self, name: &str, is_public: bool) {
        let body = json!({"name": name, "code": "x", "is_public": is_public});
        assert_eq!(self.post("/api/projects/1/functions", body).await.status, 201);
        let path = format!("/api/projects/1/functions/{name}/deploy?wait=true");
        assert_eq!(self.call("POST", &path, None).await.status, 200);
    }
}

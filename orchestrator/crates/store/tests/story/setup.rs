//! Databases to tell the story to, and what is kept in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudbox_store::{EnvironmentKey, NewFunction, NewVersion, Store, open};
use cloudbox_tests::postgres::Postgres;
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::version::StageStatus;
use cloudbox_types::{
    Attempt, AttemptOutcome, ErrorCode, Function, FunctionId, HandlerStyle, InvocationId, Isolation,
    Language, Limits, Name, ProjectId, Record, RecordStatus, Secret, Stage, StageReport, Trigger,
};
use jiff::Timestamp;
use sqlx::Connection;

/// A new database, gone when this is dropped.
pub enum Place {
    Sqlite { folder: tempfile::TempDir },
    Postgres { url: String, _server: Arc<Postgres> },
}

impl Place {
    pub fn sqlite() -> Self {
        Self::Sqlite { folder: tempfile::tempdir().unwrap() }
    }

    pub fn postgres() -> Self {
        let server = Postgres::shared().unwrap();
        Self::Postgres { url: server.new_database().unwrap(), _server: server }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite { folder } => format!("sqlite://{}", folder.path().join("cloudbox.db").display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    pub async fn open(&self, key: EnvironmentKey) -> Arc<dyn Store> {
        open(&self.url(), key).await.unwrap()
    }

    /// Runs a statement past the store, as somebody with the file or the password could.
    pub async fn tamper(&self, sql: &'static str) {
        match self {
            Self::Sqlite { .. } => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres { url, .. } => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
        }
    }

    /// What a thief of the database would have of the functions.
    pub async fn raw(&self) -> Vec<u8> {
        match self {
            Self::Sqlite { folder } => {
                let files = std::fs::read_dir(folder.path()).unwrap();
                files.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
            }
            Self::Postgres { url, .. } => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                let query = sqlx::query_scalar("SELECT string_agg(functions::TEXT, ' ') FROM functions");
                query.fetch_one(&mut connection).await.map(String::into_bytes).unwrap()
            }
        }
    }
}

pub fn key(seed: u8) -> EnvironmentKey {
    use base64::Engine;
    EnvironmentKey::from_base64(&base64::engine::general_purpose::STANDARD.encode([seed; 32])).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn settings(text: &str) -> FunctionSettings {
    FunctionSettings {
        name: name(text),
        description: "says hello".to_owned(),
        runtime: "nodejs18".to_owned(),
        language: Language::Javascript,
        package: Some("e".repeat(64)),
        image: Some(cloudbox_types::ImageSource::Named("my-org/my-runtime:1".to_owned())),
        code: Some("exports.handler = async () => 'grüße'".to_owned()),
        entry_point: "handler".to_owned(),
        handler_style: HandlerStyle::Auto,
        isolation: Isolation::Version,
        limits: Limits { cpu_millis: 250, ..Limits::default() },
        environment: BTreeMap::from([
            ("API_KEY".to_owned(), Secret::new("tell-nobody-51".to_owned())),
            ("EMPTY".to_owned(), Secret::new(String::new())),
        ]),
        dependencies: BTreeMap::from([("left-pad".to_owned(), "^1.3.0".to_owned())]),
        is_public: true,
        is_active: true,
        expose_errors: false,
        egress: vec!["api.example.com:443".to_owned(), "*.example.org".to_owned()],
        cors: Some(serde_json::json!({"origins": ["*"]})),
        min_instances: 0,
        max_instances: 8,
        concurrency: 1,
    }
}

pub async fn function(store: &dyn Store, text: &str) -> Function {
    store.create_function(NewFunction { project_id: ProjectId(1), settings: settings(text) }).await.unwrap()
}

pub fn version(digest: &str) -> NewVersion {
    NewVersion {
        runtime: "nodejs20".to_owned(),
        entry_point: "handler".to_owned(),
        handler_style: "data".to_owned(),
        digest: digest.to_owned(),
        main: "index.js".to_owned(),
        package: Some("f".repeat(64)),
        image: Some(image()),
        code: Some(format!("// {digest}\n")),
        dependencies: BTreeMap::from([("left-pad".to_owned(), "^1.3.0".to_owned())]),
    }
}

pub fn stages(status: StageStatus) -> Vec<StageReport> {
    Stage::ALL.map(|name| StageReport { name, status, duration_ms: Some(7) }).to_vec()
}

pub fn record(function: FunctionId, status: RecordStatus, second: i64) -> Record {
    let is_success = status == RecordStatus::Success;
    Record {
        id: InvocationId::generate(),
        project_id: ProjectId(1),
        function_id: function,
        version: 1,
        created_at: Timestamp::from_second(1_700_000_000 + second).unwrap(),
        status,
        code: (!is_success).then_some(ErrorCode::RuntimeError),
        error: (!is_success).then(|| "x is not defined".to_owned()),
        method: "POST".to_owned(),
        path: "/orders".to_owned(),
        http_status: if is_success { 200 } else { 500 },
        execution_time_ms: 1.25,
        memory_bytes: 12_582_912,
        cpu_time_ms: 0.5,
        response_bytes: 17,
        logs: "one\ntwo\n".to_owned(),
        is_warm: true,
        trigger: Trigger::Http,
        driver: "native".to_owned(),
        egress: if is_success { vec![attempt()] } else { Vec::new() },
        host_calls: if is_success { vec![host_call()] } else { Vec::new() },
        timing: is_success.then(|| [20, 100, 0, 1250, 1500].into()),
    }
}

fn host_call() -> cloudbox_types::HostCall {
    let code = Some("CONFLICT".to_owned());
    cloudbox_types::HostCall { name: "db.create".to_owned(), duration_ms: 0.25, code }
}

fn attempt() -> Attempt {
    Attempt {
        host: "api.example.com".to_owned(),
        port: Some(443),
        address: Some([93, 184, 216, 34].into()),
        outcome: AttemptOutcome::Ok,
        bytes_up: 517,
        bytes_down: 4096,
        duration_ms: 12.5,
        is_reused: false,
    }
}

/// An image with all that a version has of one.
pub fn image() -> cloudbox_types::Image {
    cloudbox_types::Image {
        name: "my-org/my-runtime:1".to_owned(),
        id: format!("sha256:{}", "a".repeat(64)),
        argv: vec!["/app/run".to_owned(), "--fast".to_owned()],
        env: [("PATH".to_owned(), "/app:/bin".to_owned())].into(),
        workdir: "/app".to_owned(),
        build: Some(cloudbox_types::ImageBuild {
            dockerfile: "./Dockerfile".to_owned(),
            context: "./".to_owned(),
            bases: [("docker.io/a/b:1".to_owned(), format!("sha256:{}", "b".repeat(64)))].into(),
        }),
    }
}

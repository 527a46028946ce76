//! A stage for attacks: a service with three neighbours, one in each language, that must stay healthy whatever a
//! function beside them does.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::service::Plan;
use crate::{Answer, Api, Driver, Service, machine};

/// Bytes that the service may have grown by at the end of an attack.
const MAX_GROWTH: u64 = 64 << 20;
/// How long a neighbour's answer may take: never the measure of a test, but its end.
const NEIGHBOUR: Duration = Duration::from_secs(300);

/// A language that attacks are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// JavaScript.
    Node,
    /// Python.
    Python,
    /// Go.
    Go,
}

impl Language {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Node, Self::Python, Self::Go];

    /// As a function's `language` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "javascript",
            Self::Python => "python",
            Self::Go => "go",
        }
    }

    /// Of a source file.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Node => "js",
            Self::Python => "py",
            Self::Go => "go",
        }
    }

    /// A function that answers with its `data`.
    const fn echo(self) -> &'static str {
        match self {
            Self::Node => "exports.handler = async (data) => data;",
            Self::Python => "def handler(data, context):\n    return data\n",
            Self::Go => {
                "package main\n\nfunc handler(data, context map[string]interface{}) (interface{}, error) {\n\
                 \treturn data, nil\n}\n"
            }
        }
    }
}

/// A service and the neighbours of whoever attacks.
pub struct Stage {
    /// The service.
    pub service: Service,
    /// An administrator's caller in the default project.
    pub api: Api,
    resident_at_start: u64,
}

impl Stage {
    /// A service on this driver with its neighbours; none where the driver isn't tested here.
    ///
    /// # Panics
    /// It doesn't come up.
    pub async fn start(driver: Driver) -> Option<Self> {
        Self::with(Plan::new(driver)).await
    }

    /// As [`Stage::start`], with settings.
    ///
    /// # Panics
    /// It doesn't come up.
    pub async fn with(plan: Plan) -> Option<Self> {
        if !plan.driver().is_tested() {
            return None;
        }
        let service = plan.start().await;
        let api = service.api();
        for language in Language::ALL {
            api.launch(&neighbour(language), language.as_str(), language.echo()).await;
        }
        let mut stage = Self { service, api, resident_at_start: 0 };
        stage.neighbours_answer().await;
        stage.resident_at_start = stage.resident();
        Some(stage)
    }

    /// Deploys `tests/security/attacks/{attack}.{js,py,go}` under `name`, with the settings of an object.
    ///
    /// # Panics
    /// There is no such attack, or it can't be deployed.
    pub async fn deploy(&self, name: &str, language: Language, attack: &str, settings: &Value) {
        self.deploy_code(name, language, &source(attack, language), settings).await;
    }

    /// Deploys code under `name`, with the settings of an object.
    ///
    /// # Panics
    /// It can't be deployed.
    pub async fn deploy_code(&self, name: &str, language: Language, code: &str, settings: &Value) {
        let mut function = settings.as_object().cloned().unwrap_or_default();
        function.extend([
            ("name".to_owned(), json!(name)),
            ("language".to_owned(), json!(language.as_str())),
            ("code".to_owned(), json!(code)),
        ]);
        function.entry("is_public").or_insert(json!(true));
        let _ = self.api.create(&Value::Object(function)).await.with(201);
        let _ = self.api.deploy(name).await.with(200);
    }

    /// Calls a function through `execute`, with `data`.
    pub async fn call(&self, name: &str, data: &Value) -> Answer {
        self.api.execute(name, &json!({ "data": data })).await
    }

    /// The service's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// Bytes of the service's memory that are in use.
    ///
    /// # Panics
    /// It is gone.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
    }

    /// The neighbours answer, each with what it was given.
    ///
    /// # Panics
    /// One doesn't.
    pub async fn neighbours_answer(&self) {
        for language in Language::ALL {
            let data = json!({ "nonce": format!("{language:?}-{:016x}", nonce()) });
            let request = self.api.public(Method::POST, &neighbour(language), "").json(&data);
            let answer = tokio::time::timeout(NEIGHBOUR, Answer::of(request)).await.unwrap();
            assert_eq!(answer.with(200).json::<Value>(), data, "the neighbour in {language:?}");
        }
    }

    /// After an attack: the neighbours answer, the service is ready, and it has not grown.
    ///
    /// # Panics
    /// One of it isn't so.
    pub async fn is_healthy(&self) {
        self.neighbours_answer().await;
        let _ = self.api.anonymous().get("/health/ready").await.with(200);
        let resident = self.resident();
        assert!(
            resident < self.resident_at_start + MAX_GROWTH,
            "the service grew from {} to {resident} bytes",
            self.resident_at_start
        );
    }

    /// Ends the service; nothing may be left.
    ///
    /// # Panics
    /// Something is.
    pub async fn stop(self) {
        self.service.stop().await;
    }
}

/// The source of an attack.
///
/// # Panics
/// There is none in this language.
#[must_use]
pub fn source(attack: &str, language: Language) -> String {
    let path = attacks().join(format!("{attack}.{}", language.extension()));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn attacks() -> PathBuf {
    machine::root().join("tests/security/attacks")
}

fn neighbour(language: Language) -> String {
    format!("neighbour-{}", language.extension())
}

/// Different in each call.
fn nonce() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// For each name, an `async fn name(stage: &Stage)` becomes two tests: `name::native` and `name::docker`. Each has a stage
/// of its own, which must be healthy afterwards and leave nothing.
#[macro_export]
macro_rules! on_both_drivers {
    ($($name:ident),+ $(,)?) => {$(
        $crate::both_drivers!(@each $name, |driver| if let Some(stage) = $crate::Stage::start(driver).await {
            super::$name(&stage).await;
            stage.is_healthy().await;
            stage.stop().await;
        });
    )+};
}

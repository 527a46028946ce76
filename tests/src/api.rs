//! Callers of the service's API.

use std::time::Duration;

use cloudbox_api_types::{Execution, List};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::Answer;

/// The end of a wait, and never its measure.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// A caller with a token, of one project.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    /// `http://127.0.0.1:…`, without a slash at its end.
    pub base: String,
    /// None for an anonymous caller.
    pub token: Option<String>,
    /// A slug or an id.
    pub project: String,
}

impl Api {
    /// A caller in the default project.
    ///
    /// # Panics
    /// No client can be made.
    #[must_use]
    pub fn new(base: String, token: Option<String>) -> Self {
        // A redirect is an answer to look at.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, base, token, project: "default".to_owned() }
    }

    /// The same caller without a credential.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The same caller in another project.
    #[must_use]
    pub fn in_project(&self, project: &str) -> Self {
        Self { project: project.to_owned(), ..self.clone() }
    }

    /// A request to a path, with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// GET of a path.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// DELETE of a path.
    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// POST of JSON to a path.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// The path of the project's functions, or of what is below.
    #[must_use]
    pub fn functions(&self, below: &str) -> String {
        format!("/api/projects/{}/functions{below}", self.project)
    }

    /// Creates a function.
    pub async fn create(&self, function: &Value) -> Answer {
        self.post(&self.functions(""), function).await
    }

    /// Changes a function.
    pub async fn patch(&self, name: &str, change: &Value) -> Answer {
        let request = self.request(Method::PATCH, &self.functions(&format!("/{name}")));
        Answer::of(request.json(change)).await
    }

    /// Reads a function.
    pub async fn function(&self, name: &str) -> Answer {
        self.get(&self.functions(&format!("/{name}"))).await
    }

    /// Deploys a function and waits for the end.
    pub async fn deploy(&self, name: &str) -> Answer {
        Answer::of(self.request(Method::POST, &self.functions(&format!("/{name}/deploy?wait=true")))).await
    }

    /// Creates a function and deploys it; both must succeed.
    ///
    /// # Panics
    /// One of them failed.
    pub async fn launch(&self, name: &str, language: &str, code: &str) {
        let function = json!({ "name": name, "language": language, "code": code, "is_public": true });
        let _ = self.create(&function).await.with(201);
        let _ = self.deploy(name).await.with(200);
    }

    /// Calls a function through `execute`.
    pub async fn execute(&self, name: &str, body: &Value) -> Answer {
        self.post(&self.functions(&format!("/{name}/execute")), body).await
    }

    /// A request through the public route.
    pub fn public(&self, method: Method, name: &str, rest: &str) -> RequestBuilder {
        self.request(method, &format!("/p/{}/functions/{name}{rest}", self.project))
    }

    /// A runtime, once nobody installs it any more.
    ///
    /// # Panics
    /// That doesn't end.
    pub async fn settled_runtime(&self, name: &str) -> Value {
        let by = Instant::now() + PATIENCE;
        loop {
            let found: Value = self.get(&format!("/api/runtimes/{name}")).await.with(200).json();
            if found["state"] != "installing" {
                return found;
            }
            assert!(Instant::now() < by, "{found}");
            sleep(PAUSE).await;
        }
    }

    /// Installs a runtime, from an `image` or not; the runtime when that has ended, well or not.
    ///
    /// # Panics
    /// It is not begun, or doesn't end.
    pub async fn install_runtime(&self, name: &str, body: &Value) -> Value {
        let _ = self.post(&format!("/api/runtimes/{name}/install"), body).await.with(202);
        self.settled_runtime(name).await
    }

    /// Removes a runtime that nothing needs, once its last sandboxes are gone.
    ///
    /// # Panics
    /// They don't go, or something else is in the way.
    pub async fn remove_runtime(&self, name: &str) {
        let by = Instant::now() + PATIENCE;
        loop {
            let answer = self.delete(&format!("/api/runtimes/{name}")).await;
            if answer.status == 204 {
                return;
            }
            assert!(answer.status == 409 && Instant::now() < by, "{}", answer.text());
            sleep(PAUSE).await;
        }
    }

    /// A function's calls, newest first.
    ///
    /// # Panics
    /// The service refuses.
    pub async fn logs(&self, name: &str, query: &str) -> List<Execution> {
        self.get(&self.functions(&format!("/{name}/logs?{query}"))).await.with(200).json()
    }
}

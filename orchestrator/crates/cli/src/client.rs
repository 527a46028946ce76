//! Requests to the service, and its answers as values or as [`Error`]s.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Refusal;
use crate::{Error, connection};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that is no JSON which an error quotes.
const QUOTED_BYTES: usize = 300;

/// One service, one credential, one project.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
    project: String,
}

impl Client {
    /// A client as the command line asks for it. Sends nothing yet.
    ///
    /// # Errors
    /// The token's file can't be read, or the URL is none that can be asked.
    pub fn new(args: &connection::Args) -> Result<Self, Error> {
        if args.url.cannot_be_a_base() || !args.url.scheme().starts_with("http") {
            return Err(Error::Usage(format!("--url {} must begin with http:// or https://", args.url)));
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("cloudbox/", env!("CARGO_PKG_VERSION")));
        if args.is_local() {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|source| unreachable(&args.url, source))?;
        Ok(Self { http, base: args.url.clone(), token: args.credential()?, project: args.project.clone() })
    }

    /// The service's address, as the user named it.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// The project's slug or id, as the user named it.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// A request below the base, its path in segments, which are escaped.
    pub fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request about the project's functions.
    pub fn functions(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut path = vec!["api", "projects", &self.project, "functions"];
        path.extend(segments);
        self.request(method, &path)
    }

    /// Sends a request; any status of an error becomes [`Error::Refused`].
    ///
    /// # Errors
    /// Nobody answers, or the answer is a refusal.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|source| unreachable(&self.base, source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|source| unreachable(&self.base, source))?;
        let body = match serde_json::from_str::<Value>(&text) {
            Ok(body) if body["error"].is_string() => body,
            _ => serde_json::json!({ "error": quoted(&text) }),
        };
        Err(Error::Refused(Refusal { status, body }))
    }

    /// Sends a request and reads the JSON that answers it.
    ///
    /// # Errors
    /// As [`Client::send`], or the answer is of another shape.
    pub async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let response = self.send(request).await?;
        let url = response.url().to_string();
        let bytes = response.bytes().await.map_err(|source| unreachable(&self.base, source))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Unreadable { url, message: error.to_string() })
    }
}

/// The connection failed, or broke in the middle of an answer.
pub(crate) fn unreachable(url: &Url, source: reqwest::Error) -> Error {
    Error::Unreachable { url: url.to_string(), source: source.without_url() }
}

fn quoted(text: &str) -> &str {
    let text = text.trim();
    text.get(..text.floor_char_boundary(QUOTED_BYTES)).unwrap_or(text)
}

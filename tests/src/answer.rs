//! An answer of the service, whole.

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Status, headers and body of an answer, whatever the status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// Sends a request and reads all of its answer.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::attempt(request).await.unwrap()
    }

    /// As [`Answer::of`], for a service that may be gone.
    ///
    /// # Errors
    /// There is no answer, or only a part of one.
    pub async fn attempt(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await?.into() })
    }

    /// The answer, which must have this status.
    ///
    /// # Panics
    /// It has another; the message shows the answer.
    #[must_use]
    #[track_caller]
    pub fn with(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The answer, which must be this error.
    ///
    /// # Panics
    /// It is another, or none; the message shows the answer.
    #[must_use]
    #[track_caller]
    pub fn error(self, code: cloudbox_types::ErrorCode) -> Value {
        let answer = self.with(code.http_status());
        let body: Value = answer.json();
        assert_eq!(body["code"], code.as_str(), "{body}");
        assert!(
            body["error"].as_str().is_some_and(|text| !text.is_empty()),
            "an error has a sentence: {body}"
        );
        body
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is of another shape; the message shows the answer.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's text; empty where it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

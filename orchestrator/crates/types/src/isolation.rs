//! The two choices of a function that decide how its code is called: handler style and isolation.

use serde::{Deserialize, Serialize};

/// Which of the handler forms the code has; `auto` lets the shim find out when it loads the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandlerStyle {
    /// Found out from the code.
    #[default]
    Auto,
    /// `handler(data, context)`, the native form, with or without a callback.
    Data,
    /// `handler(request)` with the body as text; a string is a text.
    Edge,
    /// `handler(request, context)` with the body parsed and the platform in the context.
    Platform,
    /// `(req, res)`, as in Express.
    ReqRes,
    /// `fetch(request, env, ctx)` or `(request)` with the Web's Request and Response.
    Fetch,
    /// `(event, context)` of OpenFaaS, whose context makes the answer.
    #[serde(rename = "openfaas")]
    OpenFaas,
    /// `main(params)` of OpenWhisk.
    #[serde(rename = "openwhisk")]
    OpenWhisk,
    /// `(event, context)` whose event is the one of AWS Lambda's gateways.
    Lambda,
    /// An application for a server: of Express, Koa or Fastify, a server of Node's, or Python's `BaseHTTPRequestHandler`.
    App,
    /// `({req, res, log, error})` of Appwrite.
    Appwrite,
    /// `(context, req)` of Azure Functions.
    Azure,
    /// `(context, event)` of Nuclio.
    Nuclio,
    /// `(context)` of Fission, with the request in it.
    Fission,
    /// `(cloudEvent)` of Google's Functions Framework.
    CloudEvent,
    /// A Python function with Flask's request, as of Google's Functions Framework.
    Flask,
    /// A Python application with `scope`, `receive` and `send`.
    Asgi,
    /// A Python application with `environ` and `start_response`.
    Wsgi,
    /// A Go function with `http.ResponseWriter` and `*http.Request`, or an `http.Handler`.
    Http,
}

/// What a call may share with earlier calls of the same version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A warm sandbox serves many calls of its version.
    #[default]
    Version,
    /// A process of its own for each call, inside a warm sandbox of its version.
    Process,
    /// A sandbox of its own for each call.
    Invocation,
}

impl HandlerStyle {
    /// Every style, `auto` first.
    pub const ALL: [Self; 19] = [
        Self::Auto,
        Self::Data,
        Self::Edge,
        Self::Platform,
        Self::ReqRes,
        Self::Fetch,
        Self::OpenFaas,
        Self::OpenWhisk,
        Self::Lambda,
        Self::App,
        Self::Appwrite,
        Self::Azure,
        Self::Nuclio,
        Self::Fission,
        Self::CloudEvent,
        Self::Flask,
        Self::Asgi,
        Self::Wsgi,
        Self::Http,
    ];

    /// The word of the API, the database and the shim's `load` frame.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Data => "data",
            Self::Edge => "edge",
            Self::Platform => "platform",
            Self::ReqRes => "req-res",
            Self::Fetch => "fetch",
            Self::OpenFaas => "openfaas",
            Self::OpenWhisk => "openwhisk",
            Self::Lambda => "lambda",
            Self::App => "app",
            Self::Appwrite => "appwrite",
            Self::Azure => "azure",
            Self::Nuclio => "nuclio",
            Self::Fission => "fission",
            Self::CloudEvent => "cloud-event",
            Self::Flask => "flask",
            Self::Asgi => "asgi",
            Self::Wsgi => "wsgi",
            Self::Http => "http",
        }
    }
}

impl Isolation {
    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Process => "process",
            Self::Invocation => "invocation",
        }
    }
}

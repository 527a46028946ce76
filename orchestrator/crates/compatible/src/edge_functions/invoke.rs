//! An edge function's call by a user of the API: the whole HTTP answer, in JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloudbox_api::controllers::answer::{add_timing, put_call_headers};
use cloudbox_api::controllers::execute;
use cloudbox_api::controllers::execute::request::Wanted;
use cloudbox_api_types::edge_function::EdgeAnswer;
use cloudbox_api_types::{ErrorBody, ExecuteRequest};
use cloudbox_dispatch::{Failure, Outcome, Success};
use cloudbox_http::api::Api;
use cloudbox_http::auth::chosen::{self, Keys};
use cloudbox_http::auth::{Caller, Tenant, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{OptionalJson, Path};
use cloudbox_http::trace;
use cloudbox_protocol::ResultMode;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The request that the handler is to see. Every field may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EdgeRequest {
    /// Default: `POST` with a body, else `GET`.
    #[schema(example = "GET")]
    method: Option<String>,
    /// Default `/`.
    #[schema(example = "/")]
    path: Option<String>,
    /// Names become lower case.
    headers: Option<BTreeMap<String, String>>,
    /// An object of texts, or the raw query as one text.
    #[schema(schema_with = cloudbox_api_types::execution::query_schema)]
    query_params: Option<Value>,
    /// A text is the body as it is; anything else is sent as JSON.
    #[schema(value_type = Option<serde_json::Value>)]
    body: Option<Box<RawValue>>,
}

impl EdgeRequest {
    fn wanted(self, api: &Api) -> Result<Wanted, ApiError> {
        let body = self.body.filter(|body| body.get() != "null").map(|body| {
            let text = serde_json::from_str::<String>(body.get());
            Bytes::from(text.unwrap_or_else(|_| String::from(Box::<str>::from(body))))
        });
        let usual = if body.is_some() { "POST" } else { "GET" };
        let request = ExecuteRequest {
            headers: self.headers,
            method: Some(self.method.unwrap_or_else(|| usual.to_owned())),
            path: Some(self.path.unwrap_or_else(|| "/".to_owned())),
            query: self.query_params,
            ..ExecuteRequest::default()
        };
        let wanted = Wanted::read(request, api.ranges.longest_timeout()).map_err(named_as_sent)?;
        Ok(Wanted { body, ..wanted })
    }
}

/// `query` is called `queryParams` here.
fn named_as_sent(mut error: ApiError) -> ApiError {
    for detail in error.body.details.iter_mut().flatten() {
        if detail.field == "query" {
            "queryParams".clone_into(&mut detail.field);
        }
    }
    error
}

/// Call a function and see its whole answer.
#[utoipa::path(post, path = "/api/edge-functions/{id}/invoke", tag = "edge functions",
    request_body(content = Option<EdgeRequest>),
    params(("id" = String, Path, description = "Id, or a name in the project that is meant")),
    responses((status = 200, body = EdgeAnswer), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn invoke(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(id): Path<String>,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<EdgeRequest>,
) -> Result<Response, ApiError> {
    let (id, version) = chosen::split(&id);
    let entry = access::public_meant(&api, Some(caller), &project, id).await?;
    let wanted = request.unwrap_or_default().wanted(&api)?;
    let keys = Keys { headers: &headers, given: &wanted.headers, address: None };
    let entry = chosen::entry(&api, Some(caller), entry, version, keys).await?;
    let call = wanted.call(entry, ResultMode::Http, "/");
    let traceparent = trace::child_of(&headers);
    let outcome = api.invoke(call).await;
    let mut response = match &outcome.result {
        Ok(success) => Json(answer(&outcome, success)).into_response(),
        Err(failure) => error_of(&outcome, failure).into_response(),
    };
    put_call_headers(&outcome, traceparent.as_ref(), response.headers_mut());
    add_timing(response.headers_mut(), outcome.timing);
    Ok(response)
}

fn answer(outcome: &Outcome, success: &Success) -> EdgeAnswer {
    let text = std::str::from_utf8(&success.body).map(str::to_owned);
    let is_base64_encoded = text.is_err();
    EdgeAnswer {
        status_code: success.status,
        headers: by_name(&success.headers),
        body: text.unwrap_or_else(|_| STANDARD.encode(&success.body)),
        is_base64_encoded,
        duration: outcome.execution_time_ms,
        memory_used: outcome.memory_bytes,
        logs: outcome.logs.clone(),
        invocation_id: outcome.invocation_id.to_string(),
        version: outcome.version,
    }
}

fn by_name(headers: &[(String, String)]) -> BTreeMap<String, Value> {
    let mut by_name = BTreeMap::new();
    for (name, value) in headers {
        match by_name.get_mut(name) {
            None => {
                by_name.insert(name.clone(), json!(value));
            }
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    by_name
}

/// The error of this service, which has the handler's answer in it that a caller of the function would get.
fn error_of(outcome: &Outcome, failure: &Failure) -> ApiError {
    let mut error = execute::error_of(outcome, failure);
    let answer = json!({
        "statusCode": failure.code.http_status(),
        "headers": {"Content-Type": "application/json"},
        "body": {"error": failure.message, "stack": failure.stack.clone().unwrap_or_default()},
        "duration": outcome.execution_time_ms,
        "memoryUsed": outcome.memory_bytes,
    });
    error.body.extra.extend(answer.as_object().cloned().unwrap_or_default());
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_repeat_are_a_list() {
        let headers = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")];
        let headers: Vec<_> =
            headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(json!(by_name(&headers)), json!({"a": ["1", "3", "4"], "b": "2"}));
    }
}

//! Aliases: names of versions, and splits between two of them.

use std::ops::Bound;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::version::{Alias, SetAlias, Split};
use cloudbox_api_types::{ErrorBody, List};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::{ApiError, detail};
use cloudbox_http::extract::{OptionalJson, Path, Query, page_request};
use cloudbox_types::alias::ACTIVE;
use cloudbox_types::{Canary, Function, Name, Split as Row, Sticky, Switch};
use http::{HeaderName, StatusCode};

use super::GONE;

/// Calls of a canary before it is judged, where the caller doesn't say.
const MIN_CALLS: u32 = 20;
/// Seconds that a canary's call counts, where the caller doesn't say.
const WINDOW_S: u32 = 60;
/// Bytes of a cookie's name.
const MAX_COOKIE: usize = 64;

/// List a function's aliases, by name; `active` is there once a version is.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/aliases", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<Alias>), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    query: Query,
) -> Result<Json<List<Alias>>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let limit = page_request(&query.without("cursor"))?.limit as usize;
    let mut names: std::collections::BTreeSet<&str> = function.aliases.keys().map(Name::as_str).collect();
    if function.active_version.is_some() {
        names.insert(ACTIVE);
    }
    let after = query.get("cursor").map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = names.range::<str, _>((after, Bound::Unbounded)).copied();
    let page: Vec<&str> = rest.by_ref().take(limit).collect();
    let next_cursor = rest.next().and(page.last()).map(|&last| last.to_owned());
    let items = page.into_iter().filter_map(|name| shown(&api, &function, name)).collect();
    Ok(Json(List { items, next_cursor }))
}

/// Read an alias.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/aliases/{alias}", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("alias" = String, Path)),
    responses((status = 200, body = Alias), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, alias)): Path<(String, String, String)>,
) -> Result<Json<Alias>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    shown(&api, &function, &alias).map(Json).ok_or_else(|| ApiError::not_found("alias"))
}

/// Set an alias, new or not: to a version, or to a split between two. `active` is what calls get that name no version.
#[utoipa::path(put, path = "/api/projects/{project}/functions/{function}/aliases/{alias}", tag = "versions",
    request_body = SetAlias,
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"),
        ("alias" = String, Path, description = "As names of functions are")),
    responses((status = 200, body = Alias), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn set(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, alias)): Path<(String, String, String)>,
    OptionalJson(wanted): OptionalJson<SetAlias>,
) -> Result<Json<Alias>, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let name =
        Name::new(alias.as_str()).map_err(|error| ApiError::invalid_field("alias", error.to_string()))?;
    let wanted = wanted.ok_or_else(|| ApiError::invalid_field("version", "is missing"))?;
    let split = wanted.split.map(|split| checked(&split, wanted.version)).transpose()?;
    let switch = Switch::Set { alias: name, version: wanted.version, split };
    let after = api.backend.switch(function.id, switch, caller.name()).await?;
    shown(&api, &after, &alias).map(Json).ok_or_else(ApiError::internal)
}

/// Delete an alias. Calls that name it find nothing from now on.
#[utoipa::path(delete, path = "/api/projects/{project}/functions/{function}/aliases/{alias}", tag = "versions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"), ("alias" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn delete(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function, alias)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let name = Name::new(alias).map_err(|_| ApiError::not_found("alias"))?;
    api.backend.switch(function.id, Switch::Unset(name), caller.name()).await?;
    Ok(GONE)
}

fn shown(api: &Api, function: &Function, name: &str) -> Option<Alias> {
    let public_url = &api.public_url;
    let own = format!("{public_url}/p/{}/functions/{}", function.project_id, function.settings.name);
    if name == ACTIVE {
        let version = function.active_version?;
        return Some(match function.aliases.get(ACTIVE) {
            Some(alias) => Alias::new(name.to_owned(), alias.clone(), own),
            None => Alias::active(name.to_owned(), version, own),
        });
    }
    let alias = function.aliases.get(name)?;
    Some(Alias::new(name.to_owned(), alias.clone(), format!("{own}:{name}")))
}

/// Every problem of a split at once.
fn checked(split: &Split, own: i64) -> Result<Row, ApiError> {
    let mut wrong = Vec::new();
    let mut check = |is_fine: bool, field: &str, message: &str| {
        if !is_fine {
            wrong.push(detail(format!("split.{field}"), message));
        }
    };
    check(split.version != own, "version", "must be another version than the alias' own");
    check((0.0..=100.0).contains(&split.weight), "weight", "must be a number from 0 to 100 (percent)");
    let sticky = sticky(split.sticky.as_deref().unwrap_or("key"));
    let words = "must be key, address, none, header:NAME or cookie:NAME";
    check(sticky.is_some(), "sticky", words);
    let rate = split.max_error_rate;
    check(
        rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)),
        "max_error_rate",
        "must be a number from 0 to 1",
    );
    let (min_calls, window_s) = (split.min_calls, split.window_s);
    let in_range = |value: Option<u32>, most| value.is_none_or(|value| (1..=most).contains(&value));
    check(in_range(min_calls, 1_000_000), "min_calls", "must be a whole number from 1 to 1000000");
    check(in_range(window_s, 86_400), "window_s", "must be a whole number from 1 to 86400 (seconds)");
    let needs_rate = "has no meaning without max_error_rate; give one, or leave this out";
    check(min_calls.is_none() || rate.is_some(), "min_calls", needs_rate);
    check(window_s.is_none() || rate.is_some(), "window_s", needs_rate);
    let canary = rate.map(|max_error_rate| Canary {
        max_error_rate,
        min_calls: min_calls.unwrap_or(MIN_CALLS),
        window_s: window_s.unwrap_or(WINDOW_S),
    });
    match sticky {
        Some(sticky) if wrong.is_empty() => {
            Ok(Row { version: split.version, weight: split.weight, sticky, canary })
        }
        _ => Err(ApiError::invalid(wrong)),
    }
}

fn sticky(text: &str) -> Option<Sticky> {
    match text {
        "key" => return Some(Sticky::Key),
        "none" => return Some(Sticky::None),
        "address" => return Some(Sticky::Address),
        _ => {}
    }
    if let Some(name) = text.strip_prefix("header:") {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        return Some(Sticky::Header(name.as_str().to_owned()));
    }
    let name = text.strip_prefix("cookie:")?;
    // Cookies are named by the same characters as headers, but their case counts.
    HeaderName::from_bytes(name.as_bytes()).ok()?;
    (name.len() <= MAX_COOKIE).then(|| Sticky::Cookie(name.to_owned()))
}

//! The OpenAPI document: what the routes' own lines don't say.

use cloudbox_api::controllers::public;
use cloudbox_compatible::invoke;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "Cloudbox", description = "Self-hosted serverless functions in warm, network-less sandboxes."),
    paths(
        public::call,
        public::call_below,
        invoke::short,
        invoke::short_below,
        invoke::invoke,
        invoke::invoke_below
    ),
    components(schemas(cloudbox_api_types::LogEvent, cloudbox_api_types::Queued, cloudbox_api_types::Execution)),
    modifiers(&Bearer),
    tags(
        (name = "projects", description = "Tenants: functions of two projects never share anything"),
        (name = "secrets", description = "Variables that all functions of a project get, and the key of all secret values"),
        (name = "functions", description = "What is to be run, and how"),
        (name = "deployments", description = "From source to a version that runs"),
        (name = "versions", description = "Which version calls get: history, rollback, aliases, splits and canaries"),
        (name = "executions", description = "Calls by users of the API, and the records of all calls"),
        (name = "inline", description = "Code that comes with the call"),
        (name = "calls", description = "Calls by the public"),
        (name = "function service", description = "Compatible routes: functions by project and name, deployed at once"),
        (name = "edge functions", description = "Compatible routes: functions by id, milliseconds, deployed at once"),
        (name = "dashboard", description = "Compatible routes: functions by id, their calls in numbered pages, and counts"),
        (name = "runtimes", description = "Languages and their versions"),
        (name = "storage", description = "What is kept of sources and builds"),
        (name = "health", description = "How the service is")
    )
)]
struct Document;

/// The one credential so far.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An administrator's token: CLOUDBOX_ADMIN_TOKEN, or the file admin-token in the data dir",
            ))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// What the router adds its routes to.
pub(crate) fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Gives every operation an id of its own: a handler of several methods would lend its name to all of them.
pub(crate) fn finish(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("put", &mut item.put),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `get_api_projects_project` for `GET /api/projects/{project}`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

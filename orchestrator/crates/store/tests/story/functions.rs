//! Projects and functions.

use cloudbox_store::{Error, FunctionPatch, NewFunction, NewProject, ProjectPatch, Store};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{FunctionId, FunctionStatus, PageRequest, ProjectId, RecordStatus};

use super::setup::{function, name, record, settings};

fn new_project(slug: &str) -> NewProject {
    NewProject { name: slug.to_uppercase(), slug: name(slug), description: "of tests".to_owned() }
}

pub async fn projects_are_kept(store: &dyn Store) {
    let default = store.project(ProjectId(1)).await.unwrap().expect("made on the first open");
    assert_eq!((default.name.as_str(), default.slug.as_str()), ("Default", "default"));

    let made = store.create_project(new_project("shop")).await.unwrap();
    assert_eq!(store.project(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.project_by_slug("shop").await.unwrap(), Some(made.clone()));
    assert_eq!(store.project_by_slug("no-such").await.unwrap(), None);
    let taken = store.create_project(new_project("shop")).await.unwrap_err();
    assert_eq!(taken.to_string(), "the slug shop is taken");

    let patch = ProjectPatch { slug: Some(name("store")), ..ProjectPatch::default() };
    let changed = store.update_project(made.id, patch).await.unwrap();
    assert_eq!((changed.slug.as_str(), changed.name.as_str()), ("store", "SHOP"));
    let patch = ProjectPatch { slug: Some(name("default")), ..ProjectPatch::default() };
    assert!(matches!(store.update_project(made.id, patch).await, Err(Error::Taken { .. })));
    let missing = store.update_project(ProjectId(99), ProjectPatch::default()).await;
    assert!(matches!(missing, Err(Error::Missing { what: "project" })));
    assert!(matches!(store.delete_project(ProjectId(99)).await, Err(Error::Missing { .. })));

    store.create_project(new_project("third")).await.unwrap();
    let first = store.projects(PageRequest { limit: 2, after: None }).await.unwrap();
    assert_eq!(first.items.len(), 2);
    let second = store.projects(PageRequest { limit: 2, after: first.next }).await.unwrap();
    assert_eq!((second.items[0].slug.as_str(), second.next), ("third", None));
    let past = store.projects(PageRequest { limit: 2, after: Some(9_999) }).await.unwrap();
    assert_eq!((past.items.len(), past.next), (0, None));
}

pub async fn functions_are_kept(store: &dyn Store) {
    let made = function(store, "hello").await;
    assert_eq!(made.settings, settings("hello"));
    assert_eq!((made.status, made.revision, made.active_version), (FunctionStatus::Draft, 1, None));
    assert_eq!(store.function(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.function_by_name(ProjectId(1), "hello").await.unwrap(), Some(made.clone()));
    assert_eq!(store.function_by_name(ProjectId(2), "hello").await.unwrap(), None);

    let again = NewFunction { project_id: ProjectId(1), settings: settings("hello") };
    let taken = store.create_function(again.clone()).await.unwrap_err();
    assert_eq!(taken.to_string(), "the name hello is taken");
    let nowhere = NewFunction { project_id: ProjectId(99), ..again.clone() };
    assert!(matches!(store.create_function(nowhere).await, Err(Error::Missing { what: "project" })));
    let elsewhere = NewFunction { project_id: ProjectId(2), ..again };
    store.create_function(elsewhere).await.expect("a name is unique in its project only");

    let bare = NewFunction {
        project_id: ProjectId(1),
        settings: cloudbox_types::function::FunctionSettings {
            code: None,
            cors: None,
            environment: Default::default(),
            egress: Vec::new(),
            ..settings("bare")
        },
    };
    let made = store.create_function(bare.clone()).await.unwrap();
    assert_eq!(store.function(made.id).await.unwrap().unwrap().settings, bare.settings);

    let page = store.functions(ProjectId(1), PageRequest { limit: 1, after: None }).await.unwrap();
    assert_eq!(page.items[0].settings.name.as_str(), "hello");
    let page = store.functions(ProjectId(1), PageRequest { limit: 1, after: page.next }).await.unwrap();
    assert_eq!((page.items[0].settings.name.as_str(), page.next), ("bare", None));
}

pub async fn changes_at_once_meet(store: &dyn Store) {
    let made = function(store, "patched").await;
    let patch = |expected_revision, text: &str| FunctionPatch {
        expected_revision,
        ..FunctionPatch::new(&made, settings(text))
    };
    let changed = store.update_function(made.id, patch(1, "renamed")).await.unwrap();
    assert_eq!((changed.revision, changed.settings.name.as_str()), (2, "renamed"));
    assert_eq!(changed.settings.environment, made.settings.environment);

    let wider = FunctionSettings { min_instances: 2, max_instances: 77, ..changed.settings.clone() };
    let scaled = store.update_function(made.id, FunctionPatch::new(&changed, wider)).await.unwrap();
    assert_eq!((scaled.revision, scaled.generation), (2, changed.generation + 1), "its sandboxes serve on");
    assert_eq!((scaled.settings.min_instances, scaled.settings.max_instances), (2, 77));
    let late = store.update_function(made.id, FunctionPatch::new(&changed, settings("later"))).await;
    assert!(matches!(late, Err(Error::Refused { .. })), "it would take the scale back: {late:?}");
    let changed = scaled;

    let late = store.update_function(made.id, patch(1, "later")).await.unwrap_err();
    assert!(late.to_string().contains("send the change again"), "{late}");
    let of_scaled = FunctionPatch::new(&changed, settings("hello"));
    let taken = store.update_function(made.id, of_scaled).await.unwrap_err();
    assert_eq!(taken.to_string(), "the name hello is taken");
    let missing = store.update_function(FunctionId(999), patch(1, "nobody")).await;
    assert!(matches!(missing, Err(Error::Missing { what: "function" })));
    assert_eq!(store.function(made.id).await.unwrap(), Some(changed));
}

pub async fn deletion_takes_all_along(store: &dyn Store) {
    let project = store.create_project(new_project("doomed")).await.unwrap();
    let doomed = NewFunction { project_id: project.id, settings: settings("doomed") };
    let made = store.create_function(doomed).await.unwrap();
    let deployment = store.begin_deployment(made.id).await.unwrap();
    let kept = record(made.id, RecordStatus::Success, 0);
    store.append_records(std::slice::from_ref(&kept)).await.unwrap();
    assert_eq!(store.record(kept.id).await.unwrap(), Some(kept.clone()));

    store.delete_project(project.id).await.unwrap();
    assert_eq!(store.function(made.id).await.unwrap(), None);
    assert_eq!(store.deployment(deployment.id).await.unwrap(), None);
    assert_eq!(store.record(kept.id).await.unwrap(), None);
    assert!(matches!(store.delete_function(made.id).await, Err(Error::Missing { what: "function" })));
    let next = function(store, "next").await;
    assert!(next.id > made.id, "ids of deleted functions aren't given out again");
}

//! What outlives the process, and who can read it.

use cloudbox_store::{Error, open};
use cloudbox_types::{PageRequest, ProjectId, RecordStatus};

use super::setup::{Place, function, key, record, stages, version};

/// A value of `setup::settings`.
const SECRET: &[u8] = b"tell-nobody-51";

pub async fn everything_is_there_after_a_restart(place: &Place) {
    let store = place.open(key(1)).await;
    let made = function(&*store, "lasting").await;
    let begun = store.begin_deployment(made.id).await.unwrap();
    let done = stages(cloudbox_types::version::StageStatus::Succeeded);
    let (deployed, number_one) = store.finish_deployment(begun.id, &done, version("aa11")).await.unwrap();
    let kept = record(made.id, RecordStatus::Success, 0);
    store.append_records(std::slice::from_ref(&kept)).await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
    assert!(store.ping().await.is_err(), "closed is closed");

    let store = place.open(key(1)).await;
    let (found, found_version) = store.deployed(PageRequest::default()).await.unwrap().items.remove(0);
    assert_eq!((found.settings, found.invocation_count), (deployed.settings, 1));
    assert_eq!(found_version, number_one);
    assert_eq!(store.record(kept.id).await.unwrap(), Some(kept));
    assert_eq!(store.totals().await.unwrap().invocations, 1);
    // Ends as in a crash: nothing is closed.
    store.delete_project(ProjectId(1)).await.unwrap();
    drop(store);

    let store = place.open(key(1)).await;
    assert_eq!(store.function(made.id).await.unwrap(), None);
    assert_eq!(store.project(ProjectId(1)).await.unwrap(), None, "made on the first open only");
    let project = cloudbox_store::NewProject {
        name: "Default".to_owned(),
        slug: super::setup::name("default"),
        description: String::new(),
    };
    assert_eq!(store.create_project(project).await.unwrap().id, ProjectId(2));
    store.close().await;
}

pub async fn environments_are_encrypted(place: &Place) {
    place.tamper("UPDATE projects SET slug = 'second'").await;
    place
        .tamper("INSERT INTO projects (name, slug, description, created_at, updated_at) VALUES ('', 'x', '', 0, 0)")
        .await;
    let store = place.open(key(1)).await;
    let new = |name: &str| cloudbox_store::NewFunction {
        project_id: ProjectId(2),
        settings: super::setup::settings(name),
    };
    let one = store.create_function(new("one")).await.unwrap();
    let two = store.create_function(new("two")).await.unwrap();
    assert!(!format!("{one:?}").contains("tell-nobody"));
    store.close().await;
    let raw = place.raw().await;
    assert!(raw.windows(7).any(|part| part == b"API_KEY"), "the names are there");
    assert!(!raw.windows(SECRET.len()).any(|part| part == SECRET), "the values can't be read");

    let store = place.open(key(2)).await;
    let error = store.function(one.id).await.unwrap_err();
    assert!(matches!(error, Error::Undecryptable { function_id, .. } if function_id == one.id.0));
    assert!(!format!("{error:?} {error}").contains("tell-nobody"));
    store.close().await;

    let swap = "UPDATE functions SET environment = (SELECT environment FROM functions WHERE name = 'one') \
                WHERE name = 'two'";
    place.tamper(swap).await;
    let store = place.open(key(1)).await;
    assert_eq!(store.function(one.id).await.unwrap().unwrap().settings, one.settings);
    assert!(matches!(store.function(two.id).await, Err(Error::Undecryptable { .. })));
    store.close().await;
    let rename = "UPDATE functions SET environment = replace(environment, 'API_KEY', 'APP_KEY')";
    place.tamper(rename).await;
    let store = place.open(key(1)).await;
    assert!(matches!(store.function(one.id).await, Err(Error::Undecryptable { .. })));
    store.close().await;
}

pub async fn a_newer_schema_is_refused(place: &Place) {
    place.tamper("UPDATE _sqlx_migrations SET version = 9001 WHERE version = 1").await;
    let error = open(&place.url(), key(1)).await.err().expect("a newer release made it").to_string();
    assert!(error.contains("newer release") && error.contains("9001"), "{error}");
}

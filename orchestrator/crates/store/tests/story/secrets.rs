//! Secrets of projects, keys that change, and keys that are lost.

use cloudbox_store::{Error, NewFunction, NewProject, Store};
use cloudbox_types::version::StageStatus;
use cloudbox_types::{Function, PageRequest, Project, Secret};

use super::setup::{Place, key, name, settings, stages, version};

const PAGE: PageRequest = PageRequest { limit: 10, after: None };

fn secret(text: &str) -> Option<Secret<String>> {
    Some(Secret::new(text.to_owned()))
}

async fn project(store: &dyn Store, slug: &str) -> Project {
    let new = NewProject { name: slug.to_owned(), slug: name(slug), description: String::new() };
    store.create_project(new).await.unwrap()
}

async fn function(store: &dyn Store, project: &Project, name: &str) -> Function {
    store.create_function(NewFunction { project_id: project.id, settings: settings(name) }).await.unwrap()
}

pub async fn a_projects_secrets_are_its_functions(place: &Place) {
    let store = place.open(key(1)).await;
    let (home, other) = (project(&*store, "with-secrets").await, project(&*store, "without").await);
    let before = function(&*store, &home, "before").await;
    let stranger = function(&*store, &other, "stranger").await;
    let own = before.settings.environment.keys().next().unwrap().clone();

    let told = store.set_secret(home.id, "SHARED", secret("shared-value-7")).await.unwrap();
    assert_eq!(told, [before.id]);
    store.set_secret(home.id, &own, secret("not this one")).await.unwrap();
    let after = store.function(before.id).await.unwrap().unwrap();
    assert_eq!((after.revision, &after.settings), (before.revision + 2, &before.settings));
    let variables = after.variables();
    assert_eq!(variables["SHARED"], "shared-value-7");
    assert_eq!(&variables[&own], before.settings.environment[&own].expose(), "its own value wins");
    assert_eq!(store.function(stranger.id).await.unwrap().unwrap(), stranger);
    let made = function(&*store, &home, "after").await;
    assert_eq!(made.variables()["SHARED"], "shared-value-7");

    let listed = store.secrets(home.id, PageRequest { limit: 1, after: None }).await.unwrap();
    assert_eq!(listed.items[0].name, "SHARED");
    let rest = store.secrets(home.id, PageRequest { limit: 1, after: listed.next }).await.unwrap();
    assert_eq!((rest.items[0].name.as_str(), rest.next), (own.as_str(), None));
    assert_eq!(store.secrets(other.id, PAGE).await.unwrap().items, []);
    let raw = place.raw().await;
    assert!(!raw.windows(14).any(|part| part == b"shared-value-7"), "it can't be read");
    assert!(!format!("{after:?}").contains("shared-value-7"));

    let big = store.set_secret(home.id, "BIG", secret(&"x".repeat(70_000))).await;
    assert!(matches!(big, Err(Error::Refused { .. })));
    assert_eq!(store.secret(home.id, "BIG").await.unwrap(), None);
    assert_eq!(store.set_secret(home.id, "SHARED", None).await.unwrap().len(), 2);
    let gone = store.set_secret(home.id, "SHARED", None).await;
    assert!(matches!(gone, Err(Error::Missing { what: "secret" })));
    assert!(!store.function(made.id).await.unwrap().unwrap().variables().contains_key("SHARED"));
    let nowhere = store.set_secret(cloudbox_types::ProjectId(999), "A", secret("b")).await;
    assert!(matches!(nowhere, Err(Error::Missing { what: "project" })));
    store.delete_project(home.id).await.unwrap();
    store.delete_project(other.id).await.unwrap();
    store.close().await;
}

pub async fn keys_change(place: &Place) {
    let store = place.open(key(1)).await;
    // What earlier chapters spoilt on purpose stays as it is.
    let spoilt = store.rotate_secrets().await.unwrap();
    assert_eq!((spoilt.rotated, spoilt.key_id.as_str()), (0, key(1).id()));
    let home = project(&*store, "rotated").await;
    store.set_secret(home.id, "SHARED", secret("kept")).await.unwrap();
    let made = function(&*store, &home, "turning").await;
    store.close().await;

    let store = place.open(key(7).with_older(key(1))).await;
    assert_eq!(store.function(made.id).await.unwrap().unwrap(), made, "an older key decrypts");
    let done = store.rotate_secrets().await.unwrap();
    assert!(done.rotated >= 2 && done.key_id == key(7).id(), "{done:?}");
    assert_eq!(store.rotate_secrets().await.unwrap().rotated, 0, "once is enough");
    store.close().await;

    let store = place.open(key(7)).await;
    let found = store.function(made.id).await.unwrap().unwrap();
    assert_eq!((&found, found.variables()["SHARED"].as_str()), (&made, "kept"));
    store.set_secret(home.id, "MORE", secret("and more")).await.unwrap();
    store.delete_project(home.id).await.unwrap();
    store.close().await;
}

pub async fn a_lost_key_is_named_and_costs_nobody_else(place: &Place) {
    let store = place.open(key(1)).await;
    let home = project(&*store, "half-lost").await;
    let lost = function(&*store, &home, "lost").await;
    let begun = store.begin_deployment(lost.id).await.unwrap();
    let done = stages(StageStatus::Succeeded);
    store.finish_deployment(begun.id, &done, version("aa11")).await.unwrap();
    store.close().await;

    let store = place.open(key(9)).await;
    let fine = function(&*store, &home, "fine").await;
    let begun = store.begin_deployment(fine.id).await.unwrap();
    store.finish_deployment(begun.id, &done, version("bb22")).await.unwrap();
    let error = store.function(lost.id).await.unwrap_err();
    assert!(error.to_string().contains(key(1).id()), "{error}");
    let deployed = store.deployed(PAGE).await.unwrap().items;
    assert!(deployed.iter().any(|(one, _)| one.id == fine.id), "the others are there");
    assert!(deployed.iter().all(|(one, _)| one.id != lost.id));
    let listed = store.functions(home.id, PAGE).await.unwrap().items;
    assert_eq!(listed.len(), 2, "both are shown");
    assert_eq!(
        listed[0].settings.environment.keys().collect::<Vec<_>>(),
        lost.settings.environment.keys().collect::<Vec<_>>()
    );
    assert!(store.rotate_secrets().await.unwrap().unreadable >= 1);
    store.close().await;

    let store = place.open(key(1)).await;
    assert_eq!(store.function(lost.id).await.unwrap().unwrap().settings, lost.settings, "nothing was harmed");
    store.close().await;
}

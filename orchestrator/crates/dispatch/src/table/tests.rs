//! The table against changes that arrive late, and against what it doesn't know yet.

use cloudbox_store::{EnvironmentKey, FunctionPatch, NewFunction, NewProject};
use cloudbox_types::Language;
use cloudbox_types::function::FunctionSettings;

use super::*;

async fn store(dir: &tempfile::TempDir) -> Arc<dyn Store> {
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    cloudbox_store::open(&url, EnvironmentKey::generate()).await.unwrap()
}

fn settings(name: &str) -> FunctionSettings {
    FunctionSettings::new(Name::new(name).unwrap(), "nodejs20".to_owned(), Language::Javascript)
}

async fn function(store: &Arc<dyn Store>, name: &str) -> Function {
    let new = NewFunction { project_id: ProjectId(1), settings: settings(name) };
    store.create_function(new).await.unwrap()
}

#[tokio::test]
async fn a_function_is_found_by_every_pair_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let hello = function(&store, "hello").await;
    let table = Table::load(Arc::clone(&store)).await.unwrap();
    for project in ["1", "default"] {
        for name in ["hello", &hello.id.to_string()] {
            // The first look-up goes to the store, the second one doesn't.
            for _ in 0..2 {
                let (found, entry) = table.find(project, name).await.unwrap().unwrap();
                assert_eq!((found.id, entry.function.id), (ProjectId(1), hello.id));
            }
        }
    }
    for (project, name) in [("1", "other"), ("2", "hello"), ("nowhere", "hello"), ("1", "999")] {
        assert!(table.find(project, name).await.unwrap().is_none(), "{project}/{name}");
    }
}

#[tokio::test]
async fn a_function_of_another_project_is_not_found_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let hello = function(&store, "hello").await;
    let new = NewProject {
        name: "Other".to_owned(),
        slug: Name::new("other").unwrap(),
        description: String::new(),
    };
    store.create_project(new).await.unwrap();
    let table = Table::load(store).await.unwrap();
    assert!(table.find("other", &hello.id.to_string()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_late_change_is_not_put_over_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let old = function(&store, "hello").await;
    let table = Table::load(Arc::clone(&store)).await.unwrap();
    table.find("1", "hello").await.unwrap().unwrap();
    let patch = FunctionPatch { expected_revision: old.revision, settings: settings("renamed") };
    let new = store.update_function(old.id, patch).await.unwrap();
    table.put(new, None);
    table.put(old, None);
    assert!(table.look_up("1", "hello").is_none());
    assert!(table.look_up("1", "renamed").is_some());
}

#[tokio::test]
async fn a_deleted_function_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let hello = function(&store, "hello").await;
    let table = Table::load(Arc::clone(&store)).await.unwrap();
    table.find("1", "hello").await.unwrap().unwrap();
    table.remove(ProjectId(1), hello.id);
    assert!(table.put(hello, None).is_none());
    assert!(table.look_up("1", "hello").is_none());
}

//! The table against changes that arrive late, and against what it doesn't know yet.

use cloudbox_store::{EnvironmentKey, FunctionPatch, NewFunction, NewProject, NewVersion};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{Canary, Language, Split, Sticky, Switch};

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
    let patch = FunctionPatch::new(&old, settings("renamed"));
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

async fn deployed(store: &Arc<dyn Store>, count: usize) -> (Arc<Table>, FunctionId) {
    let id = function(store, "hello").await.id;
    for _ in 0..count {
        let begun = store.begin_deployment(id).await.unwrap();
        let version = NewVersion {
            runtime: "nodejs20".to_owned(),
            entry_point: "handler".to_owned(),
            handler_style: "data".to_owned(),
            digest: format!("d{}", begun.version),
            main: "index.js".to_owned(),
            package: None,
            image: None,
            code: None,
            dependencies: Default::default(),
        };
        store.finish_deployment(begun.id, &begun.stages, version).await.unwrap();
    }
    (Arc::new(Table::load(Arc::clone(store)).await.unwrap()), id)
}

async fn switch(store: &Arc<dyn Store>, table: &Table, id: FunctionId, switch: Switch) {
    let (function, version) = store.switch(id, &switch, "admin").await.unwrap();
    table.put(function, version);
}

fn set(alias: &str, version: i64, split: Option<Split>) -> Switch {
    Switch::Set { alias: Name::new(alias).unwrap(), version, split }
}

fn split(version: i64, weight: f64, canary: Option<Canary>) -> Split {
    Split { version, weight, sticky: Sticky::Key, canary }
}

/// A caller with this key, or with none.
struct Key(Option<String>);

impl KeySource for Key {
    fn key(&self, _: &Sticky) -> Option<String> {
        self.0.clone()
    }
}

async fn entry(table: &Table, id: FunctionId, wanted: &Wanted, key: Option<&str>) -> Option<Arc<Entry>> {
    let entry = table.find_by_id(id).await.unwrap().unwrap();
    table.pick(entry, wanted, &Key(key.map(str::to_owned))).await.unwrap()
}

async fn picked(table: &Table, id: FunctionId, wanted: &Wanted, key: Option<&str>) -> Option<i64> {
    entry(table, id, wanted, key).await.and_then(|entry| entry.number())
}

fn alias(name: &str) -> Wanted {
    Wanted::Alias(Name::new(name).unwrap())
}

#[tokio::test]
async fn every_version_is_found_by_what_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let (table, id) = deployed(&store, 3).await;
    switch(&store, &table, id, set("prod", 1, None)).await;
    for (wanted, expected) in [
        (Wanted::Active, Some(3)),
        (alias("active"), Some(3)),
        (alias("prod"), Some(1)),
        (alias("none"), None),
        (Wanted::Number(2), Some(2)),
        (Wanted::Number(3), Some(3)),
        (Wanted::Number(9), None),
    ] {
        assert_eq!(picked(&table, id, &wanted, None).await, expected, "{wanted:?}");
    }
    switch(&store, &table, id, Switch::Activate(2)).await;
    assert_eq!(picked(&table, id, &Wanted::Active, None).await, Some(2));
    switch(&store, &table, id, Switch::Activate(1)).await;
    assert_eq!(picked(&table, id, &Wanted::Active, None).await, Some(1), "back, under the same revision");
    // A start reads the aliases, and calls of them need no database.
    let table = Table::load(Arc::clone(&store)).await.unwrap();
    store.close().await;
    assert_eq!(picked(&table, id, &alias("prod"), None).await, Some(1));
}

#[tokio::test]
async fn a_change_keeps_what_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let (table, id) = deployed(&store, 3).await;
    switch(&store, &table, id, set("prod", 2, None)).await;
    let before = entry(&table, id, &alias("prod"), None).await.unwrap();
    switch(&store, &table, id, Switch::Activate(2)).await;
    let after = entry(&table, id, &Wanted::Active, None).await.unwrap();
    assert!(Arc::ptr_eq(&before.target, &after.target), "its sandboxes stay warm");
    let row = store.function(id).await.unwrap().unwrap();
    let wider = FunctionSettings { max_instances: 20, ..row.settings.clone() };
    let scaled = store.update_function(id, FunctionPatch::new(&row, wider)).await.unwrap();
    table.put(scaled, store.version(id, 2).await.unwrap());
    let scaled = entry(&table, id, &Wanted::Active, None).await.unwrap();
    assert_eq!(scaled.keys(), after.keys(), "its sandboxes stay warm");
    assert!(!Arc::ptr_eq(&after.target, &scaled.target), "the pool is told of their number");
    assert_eq!(after.keys().iter().map(|key| key.version).collect::<Vec<_>>(), [2]);
    let current = store.function(id).await.unwrap().unwrap();
    let patch = FunctionPatch::new(&current, settings("renamed"));
    let changed = store.update_function(id, patch).await.unwrap();
    table.put(changed, store.version(id, 2).await.unwrap());
    let changed = entry(&table, id, &alias("prod"), None).await.unwrap();
    assert_eq!(changed.function.revision, 2);
    assert!(!Arc::ptr_eq(&before.target, &changed.target), "other settings are other sandboxes");
}

#[tokio::test]
async fn a_key_stays_at_its_version_while_the_weight_grows() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let (table, id) = deployed(&store, 2).await;
    let keys: Vec<String> = (0..1000).map(|number| format!("user-{number}")).collect();
    let mut moved: Vec<String> = Vec::new();
    for (weight, expected) in [(0.0, 0), (10.0, 105), (50.0, 516), (100.0, 1000)] {
        switch(&store, &table, id, set("prod", 1, Some(split(2, weight, None)))).await;
        let mut now = Vec::new();
        for key in &keys {
            if picked(&table, id, &alias("prod"), Some(key)).await == Some(2) {
                now.push(key.clone());
            }
        }
        assert_eq!(now.len(), expected, "at {weight} %");
        assert!(moved.iter().all(|key| now.contains(key)), "who was moved stays moved");
        moved = now;
    }
    assert_eq!(place_of(FunctionId(7), 3, "ada"), 546);
}

#[tokio::test]
async fn calls_without_a_key_are_spread_evenly() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let (table, id) = deployed(&store, 2).await;
    for weight in [1.0, 12.5, 50.0, 99.0] {
        switch(&store, &table, id, set("active", 1, Some(split(2, weight, None)))).await;
        let mut moved = 0;
        for _ in 0..1000 {
            moved += usize::from(picked(&table, id, &Wanted::Active, None).await == Some(2));
        }
        let off = moved as f64 - weight * 10.0;
        assert!(off.abs() <= 3.0, "{moved} of 1000 at {weight} %");
    }
}

#[tokio::test]
async fn a_canary_that_fails_gets_no_more_calls() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let (table, id) = deployed(&store, 2).await;
    let canary = Canary { max_error_rate: 0.5, min_calls: 4, window_s: 60 };
    switch(&store, &table, id, set("prod", 1, Some(split(2, 100.0, Some(canary))))).await;
    let mut failed = table.failed_splits().unwrap();
    assert!(table.failed_splits().is_none(), "one listener");
    let call = async || entry(&table, id, &alias("prod"), None).await.unwrap();
    for number in 0..4 {
        let entry = call().await;
        assert_eq!(entry.number(), Some(2));
        entry.watch.as_ref().unwrap().count(number > 0);
        // A change of something else forgets nothing.
        switch(&store, &table, id, set("other", 1, None)).await;
    }
    assert_eq!(call().await.number(), Some(1), "at once, before anything is stored");
    let told = failed.recv().await.unwrap();
    assert_eq!((told.function, told.alias.as_str(), told.note.calls, told.note.errors), (id, "prod", 4, 3));
    let end = Switch::EndSplit { alias: told.alias, split: told.split, note: told.note };
    switch(&store, &table, id, end).await;
    let entry = call().await;
    assert_eq!((entry.number(), entry.watch.is_none()), (Some(1), true));
}

//! Versions: their history, which one is active, and the names that they have besides.

use cloudbox_store::{Begin, Error, Store};
use cloudbox_types::alias::ACTIVE;
use cloudbox_types::version::StageStatus;
use cloudbox_types::{Canary, Cause, Function, FunctionId, PageRequest, RolledBack, Split, Sticky, Switch};
use jiff::Timestamp;

use super::setup::{function, name, stages, version};

const ALL: PageRequest = PageRequest { limit: 50, after: None };

async fn deploy(store: &dyn Store, function: FunctionId, begin: &Begin) -> Function {
    let begun = store.begin_deployment_as(function, begin).await.unwrap();
    let digest = format!("d{}", begun.version);
    let done = stages(StageStatus::Succeeded);
    store.finish_deployment(begun.id, &done, version(&digest)).await.unwrap().0
}

/// A function with this many versions, the last one active.
async fn versions(store: &dyn Store, text: &str, count: i64) -> FunctionId {
    let id = function(store, text).await.id;
    for _ in 0..count {
        deploy(store, id, &Begin::default()).await;
    }
    id
}

async fn switch(store: &dyn Store, id: FunctionId, switch: Switch) -> Result<Function, Error> {
    let (function, active) = store.switch(id, &switch, "ada").await?;
    assert_eq!(active.map(|version| version.number), function.active_version);
    Ok(function)
}

async fn active(store: &dyn Store, id: FunctionId, change: Switch) -> Option<i64> {
    switch(store, id, change).await.unwrap().active_version
}

async fn refusal(store: &dyn Store, id: FunctionId, change: Switch) -> String {
    match switch(store, id, change).await {
        Err(Error::Refused { why }) => why,
        other => panic!("{other:?}"),
    }
}

fn set(alias: &str, version: i64, split: Option<Split>) -> Switch {
    Switch::Set { alias: name(alias), version, split }
}

fn split(version: i64) -> Split {
    let canary = Canary { max_error_rate: 0.05, min_calls: 20, window_s: 60 };
    Split { version, weight: 12.5, sticky: Sticky::Cookie("who".to_owned()), canary: Some(canary) }
}

pub async fn history_says_who_and_when(store: &dyn Store) {
    let id = versions(store, "history", 1).await;
    let by_ada = Begin { author: "ada".to_owned(), activates: false, ..Begin::default() };
    let after = deploy(store, id, &by_ada).await;
    assert_eq!(after.active_version, Some(1), "the second one was not to be activated");
    let newest = store.versions(id, PageRequest { limit: 1, after: None }).await.unwrap();
    assert_eq!((newest.items[0].number, newest.items[0].author.as_str()), (2, "ada"));
    assert_eq!(newest.items[0].dependencies["left-pad"], "^1.3.0");
    let rest = store.versions(id, PageRequest { limit: 1, after: newest.next }).await.unwrap();
    assert_eq!((rest.items[0].number, rest.items[0].author.as_str(), rest.next), (1, "admin", None));
    assert_eq!(store.version_code(id, 2).await.unwrap().as_deref(), Some("// d2\n"));
    assert_eq!(store.version_code(id, 9).await.unwrap(), None);

    let before = store.function(id).await.unwrap().unwrap();
    let after = switch(store, id, Switch::Activate(2)).await.unwrap();
    assert_eq!((after.active_version, after.revision), (Some(2), before.revision));
    assert!(after.generation > before.generation);
    let missing = switch(store, id, Switch::Activate(7)).await;
    assert!(matches!(missing, Err(Error::Missing { what: "version" })));
    let missing = switch(store, FunctionId(999), Switch::Activate(1)).await;
    assert!(matches!(missing, Err(Error::Missing { what: "function" })));
    let history = store.activations(id, ALL).await.unwrap().items;
    let told: Vec<_> = history.iter().map(|one| (one.version, one.cause, one.author.as_str())).collect();
    assert_eq!(told, [(2, Cause::Activate, "ada"), (1, Cause::Deploy, "admin")]);
}

pub async fn rolling_back_goes_back_step_by_step(store: &dyn Store) {
    let id = versions(store, "back", 3).await;
    assert_eq!(active(store, id, Switch::RollBack).await, Some(2));
    assert_eq!(active(store, id, Switch::RollBack).await, Some(1));
    let why = refusal(store, id, Switch::RollBack).await;
    assert!(why.contains("activate one by its number"), "{why}");
    assert_eq!(active(store, id, Switch::Activate(3)).await, Some(3));
    assert_eq!(active(store, id, Switch::RollBack).await, Some(1), "the one before, whatever its number");
    // One that is gone is passed over.
    assert_eq!(active(store, id, Switch::Activate(2)).await, Some(2));
    assert_eq!(active(store, id, Switch::Activate(3)).await, Some(3));
    switch(store, id, Switch::Delete(2)).await.unwrap();
    assert_eq!(active(store, id, Switch::RollBack).await, Some(1));
    let draft = function(store, "never-deployed").await.id;
    assert!(refusal(store, draft, Switch::RollBack).await.contains("deploy it first"));
}

pub async fn aliases_are_kept(store: &dyn Store) {
    let id = versions(store, "named", 2).await;
    let made = switch(store, id, set("prod", 1, Some(split(2)))).await.unwrap();
    let prod = &made.aliases["prod"];
    assert_eq!((prod.version, prod.split.as_ref(), prod.author.as_str()), (1, Some(&split(2)), "ada"));
    assert_eq!(store.function(id).await.unwrap().unwrap().aliases, made.aliases);
    assert_eq!(made.active_version, Some(2));
    let again = switch(store, id, set("prod", 2, None)).await.unwrap();
    assert_eq!((again.aliases["prod"].version, &again.aliases["prod"].split), (2, &None));
    assert_eq!(again.aliases["prod"].created_at, prod.created_at);
    for change in [set("prod", 7, None), set("prod", 1, Some(split(7)))] {
        assert!(matches!(switch(store, id, change).await, Err(Error::Missing { what: "version" })));
    }
    assert!(switch(store, id, Switch::Unset(name("prod"))).await.unwrap().aliases.is_empty());
    let missing = switch(store, id, Switch::Unset(name("prod"))).await;
    assert!(matches!(missing, Err(Error::Missing { what: "alias" })));
    for number in 0..32 {
        switch(store, id, set(&format!("a{number}"), 1, None)).await.unwrap();
    }
    assert!(refusal(store, id, set("one-more", 1, None)).await.contains("at most 32 aliases"));
}

pub async fn what_is_named_stays(store: &dyn Store) {
    let id = versions(store, "protected", 4).await;
    switch(store, id, set("prod", 1, Some(split(2)))).await.unwrap();
    assert!(refusal(store, id, Switch::Delete(4)).await.contains("activate another version first"));
    for number in [1, 2] {
        assert!(refusal(store, id, Switch::Delete(number)).await.contains("the alias prod names version"));
    }
    switch(store, id, Switch::Delete(3)).await.unwrap();
    assert_eq!(store.version(id, 3).await.unwrap(), None);
    assert!(matches!(switch(store, id, Switch::Delete(3)).await, Err(Error::Missing { what: "version" })));
    assert_eq!(
        deploy(store, id, &Begin::default()).await.active_version,
        Some(5),
        "numbers aren't used again"
    );
    assert!(refusal(store, id, Switch::Unset(name(ACTIVE))).await.contains("can't be deleted"));
}

pub async fn a_split_ends_with_its_cause(store: &dyn Store) {
    let id = versions(store, "split", 3).await;
    // The active version's own: set as an alias, it activates.
    let after = switch(store, id, set(ACTIVE, 2, Some(split(3)))).await.unwrap();
    assert_eq!((after.active_version, after.aliases[ACTIVE].version), (Some(2), 2));
    let note = RolledBack {
        version: 3,
        weight: 12.5,
        calls: 40,
        errors: 9,
        reason: "9 of 40 calls failed".to_owned(),
        at: Timestamp::from_second(1_700_000_000).unwrap(),
    };
    let end = |split| Switch::EndSplit { alias: name(ACTIVE), split, note: note.clone() };
    let other = Split { weight: 50.0, ..split(3) };
    let after = switch(store, id, end(other)).await.unwrap();
    assert_eq!(after.aliases[ACTIVE].split, Some(split(3)), "another one is set by now");
    let after = switch(store, id, end(split(3))).await.unwrap();
    assert_eq!((&after.aliases[ACTIVE].split, after.active_version), (&None, Some(2)));
    assert_eq!(after.aliases[ACTIVE].rolled_back, Some(note));

    switch(store, id, set(ACTIVE, 2, Some(split(3)))).await.unwrap();
    switch(store, id, set("prod", 1, Some(split(3)))).await.unwrap();
    let after =
        deploy(store, id, &Begin { author: "ada".to_owned(), activates: false, ..Begin::default() }).await;
    assert!(after.aliases.contains_key(ACTIVE));
    let after = deploy(store, id, &Begin::default()).await;
    assert!(!after.aliases.contains_key(ACTIVE), "the new version gets all calls");
    assert_eq!(after.aliases["prod"].split, Some(split(3)));
}

//! Which objects are needed, and that of two nodes at least one sees the other.

use std::collections::BTreeMap;

use cloudbox_store::{FunctionPatch, ObjectKind, Store};
use cloudbox_types::Image;
use cloudbox_types::version::StageStatus;
use jiff::{SignedDuration, Timestamp};

use super::setup::{function, stages, version};

pub async fn rows_refer_to_objects(store: &dyn Store) {
    let objects = store.objects();
    assert_eq!(objects.installation().await.unwrap(), objects.installation().await.unwrap());
    let made = function(store, "referring").await;
    let begun = store.begin_deployment(made.id).await.unwrap();
    let mut number_one = version("d1");
    number_one.package = Some("p1".to_owned());
    let image = image();
    number_one.image = Some(image.clone());
    let done = stages(StageStatus::Succeeded);
    let (deployed, _) = store.finish_deployment(begun.id, &done, number_one).await.unwrap();
    let mut settings = deployed.settings.clone();
    settings.package = Some("p2".to_owned());
    let patch = FunctionPatch::new(&deployed, settings);
    store.update_function(made.id, patch).await.unwrap();
    let found = objects.references().await.unwrap();
    assert!(found.artefacts.contains("d1"), "{found:?}");
    assert!(found.packages.contains("p1") && found.packages.contains("p2"), "{found:?}");
    assert!(found.images.iter().any(|(_, found)| *found == image), "{found:?}");
    for (kind, name) in
        [(ObjectKind::Artefact, "d1"), (ObjectKind::Package, "p1"), (ObjectKind::Package, "p2")]
    {
        assert_eq!(objects.begin_removal(kind, name, later()).await.unwrap(), None, "{name}");
    }
    store.delete_function(made.id).await.unwrap();
    let found = objects.references().await.unwrap();
    assert!(!found.artefacts.contains("d1") && !found.packages.contains("p2"), "{found:?}");
    assert!(found.images.is_empty(), "{found:?}");
    let number = objects.begin_removal(ObjectKind::Artefact, "d1", later()).await.unwrap().unwrap();
    objects.release(number).await.unwrap();
}

pub async fn holds_and_removals_see_each_other(store: &dyn Store) {
    let (objects, kind) = (store.objects(), ObjectKind::Artefact);
    assert!(!objects.is_held(kind, "h").await.unwrap());
    let held = objects.hold(kind, "h", later()).await.unwrap();
    assert!(objects.is_held(kind, "h").await.unwrap());
    assert!(!objects.is_held(ObjectKind::Package, "h").await.unwrap());
    assert_eq!(objects.begin_removal(kind, "h", later()).await.unwrap(), None, "it is held");
    assert!(!objects.is_going(kind, "h").await.unwrap(), "what came to nothing is not seen");
    assert!(objects.begin_removal(ObjectKind::Package, "h", later()).await.unwrap().is_some());
    objects.release(held).await.unwrap();

    let going = objects.begin_removal(kind, "h", later()).await.unwrap().unwrap();
    assert!(!objects.is_held(kind, "h").await.unwrap(), "who removes it doesn't need it");
    let held = objects.hold(kind, "h", later()).await.unwrap();
    assert!(objects.is_going(kind, "h").await.unwrap(), "who takes hold now has to wait");
    objects.release(going).await.unwrap();
    assert!(!objects.is_going(kind, "h").await.unwrap());
    objects.release(held).await.unwrap();

    // What a node left that died is over after its time.
    let over = Timestamp::now() - SignedDuration::from_secs(1);
    objects.hold(kind, "h", over).await.unwrap();
    assert!(objects.begin_removal(kind, "h", over).await.unwrap().is_some());
    assert!(!objects.is_going(kind, "h").await.unwrap());
}

fn image() -> Image {
    let id = format!("sha256:{}", "1".repeat(64));
    Image {
        name: "a/b".to_owned(),
        id,
        argv: Vec::new(),
        env: BTreeMap::new(),
        workdir: String::new(),
        build: None,
    }
}

fn later() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(10)
}

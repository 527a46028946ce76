//! Time: what is found waits, and what is used begins to wait anew.

use cloudbox_storage::Kind;

use super::*;

fn item(name: &str) -> Item {
    Item { kind: Kind::Artefact, name: name.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn what_is_found_waits_for_its_grace() {
    let (mut suspects, grace) = (Suspects::default(), Duration::from_secs(60));
    let one = item("one");
    assert_eq!(suspects.wait(Place::Node, &one, grace), grace);
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(suspects.wait(Place::Node, &one, grace), Duration::from_secs(20));
    assert_eq!(suspects.wait(Place::Store, &one, grace), grace, "each place has its own");
    tokio::time::advance(Duration::from_secs(20)).await;
    assert!(suspects.wait(Place::Node, &one, grace).is_zero());
    assert!(suspects.wait(Place::Node, &item("new"), Duration::ZERO).is_zero(), "without a grace, at once");
}

#[tokio::test(start_paused = true)]
async fn what_was_used_or_referred_to_meanwhile_begins_anew() {
    let (mut suspects, grace) = (Suspects::default(), Duration::from_secs(60));
    let [used, referred, neither] = ["used", "referred", "neither"].map(item);
    for item in [&used, &referred, &neither] {
        let _ = suspects.wait(Place::Node, item, grace);
    }
    tokio::time::advance(grace).await;
    let seen = [&used, &neither].map(|item| (Place::Node, item.clone())).into_iter().collect();
    suspects.keep(&seen, &std::iter::once(used.clone()).collect());
    assert_eq!(suspects.wait(Place::Node, &used, grace), grace);
    assert_eq!(suspects.wait(Place::Node, &referred, grace), grace);
    assert!(suspects.wait(Place::Node, &neither, grace).is_zero());
}

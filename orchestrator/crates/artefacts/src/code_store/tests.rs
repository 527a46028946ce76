//! Artefacts come whole, stay while somebody has them, and go at once.

use super::*;

fn store() -> (CodeStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (CodeStore::new(folder.path().to_owned(), None, Holds::new(None)), folder)
}

fn put(store: &CodeStore, digest: &str) {
    let staging = store.staging().unwrap();
    fs::create_dir(staging.path().join("lib")).unwrap();
    fs::write(staging.path().join("lib/a.js"), "code").unwrap();
    store.put(digest, staging).unwrap();
}

#[test]
fn an_artefact_is_there_whole_and_once() {
    let (store, folder) = store();
    put(&store, "one");
    put(&store, "one");
    assert_eq!(fs::read(folder.path().join("one/lib/a.js")).unwrap(), b"code");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no folder to put it together in is left");
}

#[test]
fn what_was_given_up_goes_unless_somebody_has_it() {
    let (store, folder) = store();
    let is_there = |digest: &str| folder.path().join(digest).exists();
    put(&store, "one");
    put(&store, "one");
    store.give_up("one");
    assert!(is_there("one"), "another deployment has it");
    store.give_up("one");
    assert!(!is_there("one"));

    put(&store, "two");
    put(&store, "two");
    store.keep("two");
    store.give_up("two");
    assert!(is_there("two"), "a version has it");

    fs::create_dir(folder.path().join("three")).unwrap();
    put(&store, "three");
    store.give_up("three");
    assert!(is_there("three"), "it was there before");
}

#[test]
fn what_is_removed_is_gone_at_once_and_can_be_put_again() {
    let (store, folder) = store();
    put(&store, "one");
    assert_eq!((store.list().unwrap(), store.bytes("one")), (vec!["one".to_owned()], 4));
    let gone = store.remove("one").unwrap();
    assert!(store.list().unwrap().is_empty() && gone.path().exists());
    put(&store, "one");
    drop(gone);
    assert_eq!(fs::read(folder.path().join("one/lib/a.js")).unwrap(), b"code");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_put_is_read_as_a_whole_there_and_not_by_the_first_call() {
    let (store, folder) = store();
    let staging = store.staging().unwrap();
    fs::write(staging.path().join("index.js"), "code").unwrap();
    let digest = digest_of(staging.path()).unwrap();
    store.put(&digest, staging).unwrap();
    assert!(store.sealed.lock().contains_key(&digest));
    // It is read again all the same where a file was touched.
    fs::write(folder.path().join(&digest).join("index.js"), "edoc").unwrap();
    assert_eq!(store.check(&digest), Err("its SHA-256 is another one".to_owned()));

    put(&store, "damaged");
    assert!(!store.sealed.lock().contains_key("damaged"));
}

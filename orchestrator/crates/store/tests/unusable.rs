//! Databases that can't be used: each is refused with a sentence that names the remedy, and no password.

use cloudbox_store::{EnvironmentKey, Error, open};
use cloudbox_tests::postgres::Postgres;

/// What opening is refused with.
async fn refusal(url: &str) -> String {
    match open(url, EnvironmentKey::generate()).await.err() {
        Some(error @ Error::Unusable { .. }) => error.to_string(),
        Some(error) => panic!("{url}: {error:?} is another kind of error"),
        None => panic!("{url} was opened"),
    }
}

#[tokio::test]
async fn wrong_urls() {
    for (url, remedy) in [
        ("mysql://root:geheim@localhost/x", "give sqlite:///path/to/file.db or postgres://"),
        ("sqlite::memory:", "has to name a file"),
        ("sqlite://", "has to name a file"),
        ("", "has to name a file"),
        ("postgres://user:geheim@localhost:port/x", "percent-encoded"),
        ("postgres://user:geheim@127.0.0.1:1/x", "127.0.0.1:1 can't be reached"),
    ] {
        let sentence = refusal(url).await;
        assert!(sentence.contains(remedy), "{url}: {sentence}");
        assert!(!sentence.contains("geheim"), "{sentence}");
    }
}

#[tokio::test]
async fn sqlite_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();

    let sentence = refusal(&path("missing/cloudbox.db")).await;
    assert!(sentence.contains("make its folder"), "{sentence}");
    let sentence = refusal(&folder.path().display().to_string()).await;
    assert!(sentence.contains("name another file"), "{sentence}");

    std::fs::write(path("notes.txt"), "no database at all, but long enough to be looked at ".repeat(99))
        .unwrap();
    let sentence = refusal(&path("notes.txt")).await;
    assert!(sentence.contains("is not a SQLite database"), "{sentence}");

    // A plain path is a database too; then its pages are overwritten behind its header.
    let file = path("cloudbox.db");
    let store = open(&file, EnvironmentKey::generate()).await.unwrap();
    store.close().await;
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100..8192].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    let sentence = refusal(&file).await;
    assert!(sentence.contains("is damaged; restore it from a backup"), "{sentence}");
}

#[tokio::test]
async fn postgres_refusals() {
    let server = Postgres::shared().unwrap();
    let url = server.new_database().unwrap();
    let sentence = refusal(&url.replace("/test", "/missing")).await;
    assert!(sentence.contains("make the database with createdb"), "{sentence}");
    let sentence = refusal(&url.replace("//cloudbox@", "//stranger:geheim@")).await;
    assert!(sentence.contains("check user and password"), "{sentence}");
    assert!(!sentence.contains("geheim"), "{sentence}");
}

//! The spool against crashes, cut lines and a store that refuses.

use cloudbox_store::{EnvironmentKey, NewFunction};
use cloudbox_types::{
    FunctionId, InvocationId, Language, Name, PageRequest, ProjectId, RecordStatus, Trigger,
};
use jiff::Timestamp;

use super::*;
use crate::settings::defaults;

async fn store(dir: &Path) -> Arc<dyn Store> {
    let url = format!("sqlite://{}", dir.join("test.db").display());
    cloudbox_store::open(&url, EnvironmentKey::generate()).await.unwrap()
}

async fn function(store: &Arc<dyn Store>) -> FunctionId {
    let settings = defaults(Name::new("hello").unwrap(), "nodejs20".to_owned(), Language::Javascript);
    store.create_function(NewFunction { project_id: ProjectId(1), settings }).await.unwrap().id
}

fn record(function_id: FunctionId) -> Record {
    Record {
        id: InvocationId::generate(),
        project_id: ProjectId(1),
        function_id,
        version: 1,
        created_at: Timestamp::now(),
        status: RecordStatus::Success,
        code: None,
        error: None,
        method: "POST".to_owned(),
        path: "/".to_owned(),
        http_status: 200,
        execution_time_ms: 1.5,
        memory_bytes: 1,
        cpu_time_ms: 0.5,
        response_bytes: 2,
        logs: "a line\n".to_owned(),
        is_warm: true,
        trigger: Trigger::Http,
        driver: "native".to_owned(),
    }
}

async fn kept(store: &Arc<dyn Store>, function: FunctionId) -> usize {
    let page = PageRequest { limit: 1000, after: None };
    store.records(function, &Default::default(), page).await.unwrap().items.len()
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn a_flush_moves_what_was_recorded_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (store, spool) = (store(dir.path()).await, dir.path().join("spool"));
    let function = function(&store).await;
    let recorder = Recorder::open(&spool, Arc::clone(&store)).unwrap();
    for _ in 0..1200 {
        recorder.record(&record(function));
    }
    recorder.flush().await.unwrap();
    assert_eq!(
        (kept(&store, function).await, files(&spool)),
        (1000, 0),
        "the page's limit, and an empty spool"
    );
    assert_eq!(store.totals().await.unwrap().invocations, 1200);
}

#[tokio::test]
async fn an_earlier_life_is_taken_over_without_its_cut_off_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let (store, spool) = (store(dir.path()).await, dir.path().join("spool"));
    let function = function(&store).await;
    let first = Recorder::open(&spool, Arc::clone(&store)).unwrap();
    first.record(&record(function));
    first.record(&record(function));
    drop(first);
    let segment = std::fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.truncate(bytes.len() - 10);
    std::fs::write(&segment, bytes).unwrap();

    let second = Recorder::open(&spool, Arc::clone(&store)).unwrap();
    second.record(&record(function));
    second.flush().await.unwrap();
    assert_eq!((kept(&store, function).await, files(&spool)), (2, 0));
}

#[tokio::test]
async fn a_segment_that_is_moved_twice_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, spool) = (store(dir.path()).await, dir.path().join("spool"));
    let function = function(&store).await;
    let recorder = Recorder::open(&spool, Arc::clone(&store)).unwrap();
    recorder.record(&record(function));
    let segment = std::fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
    let copy = std::fs::read(&segment).unwrap();
    recorder.flush().await.unwrap();
    std::fs::write(&segment, copy).unwrap();
    recorder.flush().await.unwrap();
    assert_eq!(kept(&store, function).await, 1);
}

#[tokio::test]
async fn a_store_that_refuses_leaves_the_records_in_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let (store, spool) = (store(dir.path()).await, dir.path().join("spool"));
    let function = function(&store).await;
    let recorder = Recorder::open(&spool, Arc::clone(&store)).unwrap();
    recorder.record(&record(function));
    store.close().await;
    assert!(recorder.flush().await.is_err());
    assert_eq!(files(&spool), 1);
}

//! The spool against crashes, cut lines and a store that refuses.

use cloudbox_store::{EnvironmentKey, NewFunction};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{
    FunctionId, InvocationId, Language, Name, PageRequest, ProjectId, RecordStatus, Trigger,
};
use jiff::Timestamp;

use super::*;

/// Bytes of a spool that never fills.
const LIMIT: u64 = 1 << 30;

async fn store(dir: &Path) -> Arc<dyn Store> {
    let url = format!("sqlite://{}", dir.join("test.db").display());
    cloudbox_store::open(&url, EnvironmentKey::generate()).await.unwrap()
}

async fn function(store: &Arc<dyn Store>) -> FunctionId {
    let settings =
        FunctionSettings::new(Name::new("hello").unwrap(), "nodejs20".to_owned(), Language::Javascript);
    store.create_function(NewFunction { project_id: ProjectId(1), settings }).await.unwrap().id
}

/// A store with a function, and a spool that is empty.
struct Bench {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    spool: PathBuf,
    function: FunctionId,
}

impl Bench {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, spool) = (store(dir.path()).await, dir.path().join("spool"));
        let function = function(&store).await;
        Self { dir, store, spool, function }
    }

    /// With a spool on a disk of 64 KB; none where that can't be had: root alone can mount one.
    async fn on_a_small_disk() -> Option<(Self, Disk)> {
        let bench = Self::open().await;
        let disk = Disk::mount(&bench.spool)?;
        Some((bench, disk))
    }
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
        egress: Vec::new(),
        host_calls: Vec::new(),
        timing: None,
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
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let recorder = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    for _ in 0..1200 {
        recorder.record(record(function)).await;
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
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let first = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    first.record(record(function)).await;
    first.record(record(function)).await;
    drop(first);
    let segment = std::fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.truncate(bytes.len() - 10);
    std::fs::write(&segment, bytes).unwrap();

    let second = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    second.record(record(function)).await;
    second.flush().await.unwrap();
    assert_eq!((kept(&store, function).await, files(&spool)), (2, 0));
}

#[tokio::test]
async fn more_than_is_kept_in_memory_is_read_from_the_spool() {
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let recorder = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    let long = Record { logs: "x".repeat(9 << 20), ..record(function) };
    for _ in 0..3 {
        recorder.record(Record { id: InvocationId::generate(), ..long.clone() }).await;
    }
    recorder.flush().await.unwrap();
    assert_eq!((kept(&store, function).await, files(&spool)), (3, 0));
}

#[tokio::test]
async fn a_segment_that_is_moved_twice_counts_once() {
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let recorder = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    recorder.record(record(function)).await;
    let segment = std::fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
    let copy = std::fs::read(&segment).unwrap();
    recorder.flush().await.unwrap();
    std::fs::write(&segment, copy).unwrap();
    recorder.flush().await.unwrap();
    assert_eq!(kept(&store, function).await, 1);
}

#[tokio::test]
async fn a_store_that_refuses_leaves_the_records_in_the_spool() {
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let recorder = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    recorder.record(record(function)).await;
    store.close().await;
    assert!(recorder.flush().await.is_err());
    assert_eq!(files(&spool), 1);
}

#[tokio::test]
async fn a_full_spool_loses_whole_records_and_says_so() {
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let recorder = Recorder::open(&spool, 2000, Arc::clone(&store)).unwrap();
    assert_eq!(recorder.condition(), Condition::default());
    let long = Record { logs: "x".repeat(3000), ..record(function) };
    for record in [&record(function), &long, &record(function)] {
        recorder.record(record.clone()).await;
    }
    let condition = recorder.condition();
    assert!(!condition.is_now, "the last one was kept");
    assert_eq!(condition.warnings, ["1 records of calls were lost since the start"]);
    recorder.record(long).await;
    assert!(recorder.condition().is_now);

    recorder.flush().await.unwrap();
    assert_eq!(kept(&store, function).await, 2);
    recorder.record(record(function)).await;
    assert!(!recorder.condition().is_now, "there is room again");
}

/// A disk of 64 KB.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("none"), at, Some("tmpfs"), flags, Some("size=64k")).ok()?;
        Some(Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        nix::mount::umount(&self.0).unwrap();
    }
}

#[tokio::test]
async fn of_a_line_that_the_disk_has_no_room_for_nothing_stays() {
    let Some((Bench { dir: _dir, store, spool: disk, function }, _mounted)) = Bench::on_a_small_disk().await
    else {
        return;
    };
    let recorder = Recorder::open(&disk, LIMIT, Arc::clone(&store)).unwrap();
    let half = Record { logs: "x".repeat(40_000), ..record(function) };
    for record in [&half, &half, &record(function)] {
        recorder.record(record.clone()).await;
    }
    recorder.flush().await.unwrap();
    let (left, warnings) = (files(&disk), recorder.condition().warnings.len());
    drop(recorder);
    assert_eq!((kept(&store, function).await, left), (2, 0), "the second one had no room");
    assert_eq!(warnings, 1);
}

#[tokio::test]
async fn records_that_end_together_are_one_write_and_each_is_told_what_became_of_it() {
    let Some((Bench { dir: _dir, spool: disk, function, .. }, _mounted)) = Bench::on_a_small_disk().await
    else {
        return;
    };
    let half = || Record { logs: "x".repeat(40_000), ..record(function) };
    let spool = Spool::open(&disk, LIMIT).unwrap();

    let receipts = [record(function), record(function)].map(|record| spool.add(record).unwrap());
    assert_eq!(files(&disk), 0);
    assert_eq!(spool.write(&receipts[1]), Ok(()));
    let written = spool.bytes();
    assert_eq!((spool.write(&receipts[0]), spool.bytes()), (Ok(()), written), "it went with the other one");

    let receipts = [half(), half(), record(function)].map(|record| spool.add(record).unwrap());
    let outcomes = receipts.map(|receipt| spool.write(&receipt).is_ok());
    assert_eq!(outcomes, [true, false, true], "all of them had no room");

    spool.close_segment().unwrap();
    let [segment] = &spool.closed_segments().unwrap()[..] else { panic!("there is one") };
    let mut reader = Reader::open(segment.clone()).unwrap();
    assert_eq!(reader.next_batch().unwrap().len(), 4);
    assert_eq!(spool.take_kept(segment).map(|kept| kept.len()), Some(4));
}

#[tokio::test]
async fn the_record_of_a_call_that_is_given_up_is_written_or_counted_as_lost() {
    let Some((Bench { dir: _dir, store, spool: disk, function }, _mounted)) = Bench::on_a_small_disk().await
    else {
        return;
    };
    let recorder = Recorder::open(&disk, LIMIT, Arc::clone(&store)).unwrap();
    for _ in 0..2 {
        let half = Record { logs: "x".repeat(40_000), ..record(function) };
        let (id, receipt) = (half.id, recorder.spool.add(half).unwrap());
        // As where the future that waits for others is dropped.
        drop(Waiting { recorder: &recorder, id, receipt });
    }
    recorder.flush().await.unwrap();
    let warnings = recorder.condition().warnings;
    drop(recorder);
    assert_eq!(kept(&store, function).await, 1);
    assert!(warnings.contains(&"1 records of calls were lost since the start".to_owned()), "{warnings:?}");
}

#[tokio::test]
async fn a_reader_does_not_wait_for_a_store_that_refuses() {
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let recorder = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    recorder.record(record(function)).await;
    store.close().await;
    recorder.flush_for_reader().await;
    let condition = recorder.condition();
    assert!(condition.is_now && condition.warnings[0].contains("wait in the data dir's spool"));
}

/// Deletion is in parts, and what is recorded meanwhile is moved between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_go_while_new_ones_come() {
    let Bench { dir: _dir, store, spool, function } = Bench::open().await;
    let long_ago = Timestamp::now() - jiff::SignedDuration::from_hours(48);
    let old: Vec<Record> = (0..5000).map(|_| Record { created_at: long_ago, ..record(function) }).collect();
    store.append_records(&old).await.unwrap();
    let recorder = Recorder::open(&spool, LIMIT, Arc::clone(&store)).unwrap();
    let pruning = {
        let recorder = Arc::clone(&recorder);
        tokio::spawn(async move { recorder.prune(1, 0).await })
    };
    let mut new = 0;
    while kept(&store, function).await > new {
        recorder.record(record(function)).await;
        recorder.flush().await.unwrap();
        new += 1;
        assert!(new < 1000, "old records stay");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(kept(&store, function).await, new, "the new ones stay");
    assert_eq!(store.totals().await.unwrap().invocations, 5000 + new as i64);
    recorder.close().await;
    pruning.await.unwrap();
}

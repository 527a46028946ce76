//! Records: counted once, found in pages, never a reason to stop.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudbox_store::{NewFunction, NewProject, NumberedPage, RecordFilter, Store, Totals};
use cloudbox_types::{FunctionId, PageRequest, ProjectId, Record, RecordStatus};
use futures::future::join_all;
use jiff::Timestamp;

use super::setup::{function, name, record, settings};

async fn counted(store: &dyn Store, id: FunctionId) -> i64 {
    store.function(id).await.unwrap().unwrap().invocation_count
}

/// All records of a list, page by page.
async fn all(store: &dyn Store, id: FunctionId, filter: &RecordFilter, limit: u32) -> Vec<Record> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.records(id, filter, PageRequest { limit, after }).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

pub async fn each_counts_once(store: &dyn Store) {
    assert_eq!(store.totals().await.unwrap(), Totals::default());
    let made = function(store, "counted").await;
    let batch: Vec<Record> = (0..1203)
        .map(|second| {
            let status = if second % 3 == 0 { RecordStatus::Error } else { RecordStatus::Success };
            record(made.id, status, second)
        })
        .collect();
    store.append_records(&[]).await.unwrap();
    store.append_records(&batch[..700]).await.unwrap();
    // A crash between the write and the note of it: the same lines come again, with new ones behind.
    store.append_records(&batch).await.unwrap();
    store.append_records(&[batch[0].clone(), batch[0].clone()]).await.unwrap();

    assert_eq!(counted(store, made.id).await, 1203);
    assert_eq!(store.totals().await.unwrap(), Totals { invocations: 1203, succeeded: 802, failed: 401 });
    assert_eq!(store.record(batch[7].id).await.unwrap(), Some(batch[7].clone()));
    assert_eq!(store.record(record(made.id, RecordStatus::Error, 0).id).await.unwrap(), None);
    let newest_first: Vec<Record> = batch.into_iter().rev().collect();
    assert_eq!(all(store, made.id, &RecordFilter::default(), 500).await, newest_first);
}

/// Those whose code is stored nowhere are a project's own.
pub async fn inline_ones_are_the_projects(store: &dyn Store) {
    let before = store.totals().await.unwrap();
    let project = function(store, "beside").await.project_id;
    let inline = |status, second: i64| {
        let id = FunctionId(FunctionId::FIRST_INLINE.0 + second);
        Record { project_id: project, ..record(id, status, second) }
    };
    let batch =
        [inline(RecordStatus::Success, 1), inline(RecordStatus::Error, 2), inline(RecordStatus::Success, 3)];
    let lost = Record { project_id: ProjectId(99_999), ..inline(RecordStatus::Success, 4) };
    store.append_records(&batch).await.unwrap();
    store.append_records(&[batch[2].clone(), lost]).await.unwrap();
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.succeeded, totals.failed), (before.succeeded + 2, before.failed + 1));
    let found = |filter: RecordFilter, limit, after| async move {
        store.inline_records(project, &filter, PageRequest { limit, after }).await.unwrap()
    };
    let first = found(RecordFilter::default(), 2, None).await;
    assert_eq!(first.items, [batch[2].clone(), batch[1].clone()]);
    let rest = found(RecordFilter::default(), 2, first.next).await;
    assert_eq!((rest.items, rest.next), (vec![batch[0].clone()], None));
    let failed = RecordFilter { status: Some(RecordStatus::Error), since: None };
    assert_eq!(found(failed, 5, None).await.items, [batch[1].clone()]);
    let late = RecordFilter { status: None, since: Some(batch[2].created_at) };
    assert_eq!(found(late, 5, None).await.items, [batch[2].clone()]);
    while store.prune_records(None, Some(1)).await.unwrap() > 0 {}
    assert_eq!(found(RecordFilter::default(), 5, None).await.items, [batch[2].clone()]);
    while store.prune_records(Some(Timestamp::MAX), None).await.unwrap() > 0 {}
    assert!(found(RecordFilter::default(), 5, None).await.items.is_empty());
}

pub async fn pages_and_filters(store: &dyn Store) {
    let made = function(store, "paged").await;
    let other = function(store, "other").await;
    let statuses = [RecordStatus::Success, RecordStatus::Error, RecordStatus::Timeout];
    let mut batch = Vec::new();
    for second in 0..30 {
        batch.push(record(made.id, statuses[second as usize % 3], second));
        batch.push(record(other.id, RecordStatus::Success, second));
    }
    // Kept in another order than accepted, by which lists go: a long call ends after a later short one.
    batch.swap(0, 40);
    store.append_records(&batch).await.unwrap();
    let wanted = |keep: &dyn Fn(&Record) -> bool| -> Vec<Record> {
        let mut own: Vec<Record> =
            batch.iter().filter(|one| one.function_id == made.id && keep(one)).cloned().collect();
        own.sort_by_key(|one| std::cmp::Reverse(one.created_at));
        own
    };

    let status = Some(RecordStatus::Timeout);
    let since = Some(Timestamp::from_second(1_700_000_010).unwrap());
    let filter = RecordFilter::default();
    assert_eq!(all(store, made.id, &filter, 7).await, wanted(&|_| true));
    let filter = RecordFilter { status, since: None };
    assert_eq!(all(store, made.id, &filter, 3).await, wanted(&|one| Some(one.status) == status));
    let filter = RecordFilter { status: None, since };
    assert_eq!(all(store, made.id, &filter, 3).await, wanted(&|one| Some(one.created_at) >= since));
    let filter = RecordFilter { status, since };
    let both = wanted(&|one| Some(one.status) == status && Some(one.created_at) >= since);
    assert_eq!(all(store, made.id, &filter, 3).await, both);

    let future = RecordFilter { status: None, since: Some(Timestamp::from_second(1_900_000_000).unwrap()) };
    assert!(all(store, made.id, &future, 3).await.is_empty());
    for unknown in [-1, 0] {
        let page = PageRequest { limit: 3, after: Some(unknown) };
        assert!(store.records(made.id, &RecordFilter::default(), page).await.unwrap().items.is_empty());
    }
}

/// Who follows a function sees each record once, in the order in which they were kept.
pub async fn what_was_kept_is_read_on(store: &dyn Store) {
    let (made, other) = (function(store, "followed").await, function(store, "beside-it").await);
    let keep = async |id: FunctionId, status, seconds: std::ops::Range<i64>| {
        let batch: Vec<Record> = seconds.rev().map(|second| record(id, status, second)).collect();
        store.append_records(&batch).await.unwrap();
        batch
    };
    let after = async |status, after| store.records_after(made.id, status, after).await.unwrap();
    keep(made.id, RecordStatus::Success, 0..3).await;
    let begin = after(None, None).await;
    assert!(begin.items.is_empty(), "from now on");
    let none = after(None, begin.next).await;
    assert_eq!((none.items.len(), none.next), (0, begin.next));
    let first = keep(made.id, RecordStatus::Success, 0..1200).await;
    keep(other.id, RecordStatus::Success, 0..5).await;
    let failed = keep(made.id, RecordStatus::Error, 0..2).await;
    let page = after(None, begin.next).await;
    assert_eq!(page.items, first[..1000]);
    let rest = after(None, page.next).await;
    assert_eq!(rest.items, [&first[1000..], &failed[..]].concat());
    assert!(after(None, rest.next).await.items.is_empty());
    assert_eq!(after(Some(RecordStatus::Error), begin.next).await.items, failed);
}

/// A deletion takes a `part` at most, however many are to go.
pub async fn many_go_part_by_part(store: &dyn Store, part: u64) {
    let (made, other) = (function(store, "crowded").await, function(store, "quiet").await);
    let batch: Vec<Record> = (0..2500).map(|second| record(made.id, RecordStatus::Success, second)).collect();
    store.append_records(&batch).await.unwrap();
    store.append_records(&[record(other.id, RecordStatus::Success, 0)]).await.unwrap();
    let prune = async |before, keep| store.prune_records(before, keep).await.unwrap();
    for _ in 0..2200 / part {
        assert_eq!(prune(None, Some(300)).await, part);
    }
    assert_eq!([prune(None, Some(300)).await, prune(None, Some(300)).await], [200, 0]);
    let left = all(store, made.id, &RecordFilter::default(), 500).await;
    assert_eq!((left.len(), left.last()), (300, Some(&batch[2200])));
    store.append_records(&[record(made.id, RecordStatus::Success, 3000)]).await.unwrap();
    assert_eq!(
        [prune(None, Some(300)).await, prune(None, Some(300)).await],
        [1, 0],
        "who grew is looked at again"
    );
    assert_eq!(all(store, other.id, &RecordFilter::default(), 5).await.len(), 1);
    store.append_records(&batch[..1500]).await.unwrap();
    assert_eq!(prune(Some(Timestamp::MAX), None).await, part);
    store.append_records(&batch[..1200]).await.unwrap();
    store.delete_function(made.id).await.unwrap();
    assert_eq!(store.record(batch[0].id).await.unwrap(), None);
    store.delete_function(other.id).await.unwrap();
}

/// A project goes with all the records of all its functions, and of its inline calls.
pub async fn a_project_goes_with_its_records(store: &dyn Store) {
    let new = NewProject { name: "Gone".to_owned(), slug: name("gone"), description: String::new() };
    let project = store.create_project(new).await.unwrap().id;
    let mut batch = Vec::new();
    for index in 0..3 {
        let new = NewFunction { project_id: project, settings: settings(&format!("going-{index}")) };
        let made = store.create_function(new).await.unwrap().id;
        batch.extend((0..700).map(|second| record(made, RecordStatus::Success, second)));
    }
    let inline = FunctionId(FunctionId::FIRST_INLINE.0 + 1);
    batch.extend(
        (0..5).map(|second| Record { project_id: project, ..record(inline, RecordStatus::Success, second) }),
    );
    store.append_records(&batch).await.unwrap();
    store.delete_project(project).await.unwrap();
    for index in [0, 700, 2099] {
        assert_eq!(store.record(batch[index].id).await.unwrap(), None);
    }
    let page = store.inline_records(project, &RecordFilter::default(), PageRequest::default()).await.unwrap();
    assert!(page.items.is_empty());
}

pub async fn pages_have_numbers(store: &dyn Store) {
    let before = store.overview().await.unwrap();
    let made = function(store, "numbered").await;
    let statuses = [RecordStatus::Success, RecordStatus::Error, RecordStatus::Timeout];
    let batch: Vec<Record> =
        (0..30).map(|second| record(made.id, statuses[second as usize % 3], second)).collect();
    store.append_records(&batch).await.unwrap();
    let newest_first: Vec<Record> = batch.into_iter().rev().collect();
    for (succeeded, wanted) in [
        (None, newest_first.clone()),
        (
            Some(true),
            newest_first.iter().filter(|one| one.status == RecordStatus::Success).cloned().collect(),
        ),
        (
            Some(false),
            newest_first.iter().filter(|one| one.status != RecordStatus::Success).cloned().collect(),
        ),
    ] {
        let page = |offset, limit| store.numbered_records(made.id, NumberedPage { succeeded, offset, limit });
        let total = wanted.len() as i64;
        assert_eq!(page(0, 1000).await.unwrap(), (wanted.clone(), total));
        assert_eq!(page(3, 4).await.unwrap(), (wanted[3..7].to_vec(), total));
        assert_eq!(page(1000, 4).await.unwrap(), (Vec::new(), total));
    }
    let newest = store.newest_records(2).await.unwrap();
    let named: Vec<_> = newest.iter().map(|(record, name)| (record.clone(), name.as_str())).collect();
    assert_eq!(named, [(newest_first[0].clone(), "numbered"), (newest_first[1].clone(), "numbered")]);
    let after = store.overview().await.unwrap();
    assert_eq!((after.functions - before.functions, after.active - before.active), (1, 1));
    assert!(after.average_ms > 0.0, "{after:?}");
}

pub async fn odd_ones_are_kept_too(store: &dyn Store) {
    let made = function(store, "odd").await;
    let mut odd = record(made.id, RecordStatus::Success, 0);
    odd.logs = "nul \0 byte".to_owned();
    odd.memory_bytes = u64::MAX;
    odd.execution_time_ms = f64::NAN;
    store.append_records(std::slice::from_ref(&odd)).await.unwrap();
    let kept = store.record(odd.id).await.unwrap().unwrap();
    assert_eq!(kept.logs, "nul \u{fffd} byte");
    assert_eq!((kept.memory_bytes, kept.execution_time_ms), (i64::MAX as u64, 0.0));
}

pub async fn those_of_deleted_functions_are_dropped(store: &dyn Store) {
    let made = function(store, "kept").await;
    let gone = function(store, "gone").await;
    store.delete_function(gone.id).await.unwrap();
    let before = store.totals().await.unwrap();
    let of_gone = record(gone.id, RecordStatus::Success, 0);
    let of_kept = record(made.id, RecordStatus::Timeout, 0);
    store.append_records(&[of_gone.clone(), of_kept.clone()]).await.unwrap();
    assert_eq!(store.record(of_gone.id).await.unwrap(), None);
    assert_eq!(counted(store, made.id).await, 1);
    assert_eq!(store.totals().await.unwrap().invocations, before.invocations + 1);

    store.delete_function(made.id).await.unwrap();
    assert_eq!(store.record(of_kept.id).await.unwrap(), None);
    assert_eq!(store.totals().await.unwrap().failed, before.failed + 1, "totals outlive functions");
}

/// Writers of all kinds, readers between them, and deletions: none may fail because of the others.
pub async fn fifty_writers_at_once(store: &Arc<dyn Store>) {
    let functions = join_all((0..5).map(|n| {
        let store = Arc::clone(store);
        async move { function(&*store, &format!("f{n}")).await.id }
    }))
    .await;
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let (store, functions) = (Arc::clone(store), functions.clone());
            tokio::spawn(async move {
                for round in 0..4 {
                    let short = function(&*store, &format!("short-{n}-{round}")).await.id;
                    let to = |second: i64| functions[(n + second as usize) % functions.len()];
                    let mut batch: Vec<Record> =
                        (0..10).map(|second| record(to(second), RecordStatus::Success, second)).collect();
                    batch.push(record(short, RecordStatus::Success, 0));
                    let (written, deleted) =
                        tokio::join!(store.append_records(&batch), store.delete_function(short));
                    written.unwrap();
                    deleted.unwrap();
                    store
                        .records(functions[0], &RecordFilter::default(), PageRequest::default())
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut sum = 0;
    for id in functions {
        let found = all(&**store, id, &RecordFilter::default(), 1000).await;
        assert_eq!(found.iter().map(|one| one.id).collect::<BTreeSet<_>>().len(), found.len());
        assert_eq!(found.len() as i64, counted(&**store, id).await);
        sum += found.len();
    }
    assert_eq!(sum, 50 * 4 * 10);
}

pub async fn old_ones_go(store: &dyn Store) {
    let made = function(store, "old").await;
    let batch: Vec<Record> = (0..30).map(|second| record(made.id, RecordStatus::Success, second)).collect();
    store.append_records(&batch).await.unwrap();
    let count = async || all(store, made.id, &RecordFilter::default(), 500).await.len();
    assert_eq!(store.prune_records(None, None).await.unwrap(), 0);
    assert_eq!(store.prune_records(Some(batch[10].created_at), Some(25)).await.unwrap(), 10);
    assert_eq!(count().await, 20);
    assert_eq!(store.prune_records(None, Some(5)).await.unwrap(), 15);
    assert_eq!(store.prune_records(None, Some(5)).await.unwrap(), 0);
    assert_eq!(count().await, 5);
    let left = all(store, made.id, &RecordFilter::default(), 500).await;
    assert_eq!(left.last(), Some(&batch[25]), "the newest stay");
    assert_eq!(counted(store, made.id).await, 30, "they count still");
}

//! Lists have to stay cheap with a million rows: each database's own plan of every list's query, with the index that it
//! uses. Nothing reads a whole table, nothing sorts more than a page.

use cloudbox_database::{Database, Query};
use cloudbox_tests::postgres::Postgres;
use cloudbox_types::{FunctionId, ProjectId, RecordStatus};
use jiff::Timestamp;
use sqlx::Connection as _;

use crate::objects::ObjectKind;
use crate::records::{self, prune};
use crate::store::{NumberedPage, RecordFilter};
use crate::{
    deployments, functions, inline_records, nodes, objects, open, overview, projects, secrets, switch,
    versions,
};

/// So much that reading all of a table is dear: ten thousand functions, fifty thousand records.
const FILL: &str = include_str!("tests/fill.sql");

/// One list: its query, and the index that each database has to use.
struct Case {
    query: Query,
    sqlite: &'static str,
    postgres: &'static str,
    /// How often it may sort: what it found, which is one page.
    sorts: usize,
}

fn case(query: Query, sqlite: &'static str, postgres: &'static str) -> Case {
    Case { query, sqlite, postgres, sorts: 0 }
}

/// One whose index has the same name in both.
fn same(query: Query, index: &'static str) -> Case {
    case(query, index, index)
}

fn page_of(sql: &'static str, owner: i64) -> Query {
    Query::new(sql).bind(owner).bind(i64::MAX).bind(50_i64)
}

fn of_settings() -> Vec<Case> {
    const ROWID: &str = "INTEGER PRIMARY KEY (rowid>?)";
    let first = |sql: &'static str| Query::new(sql).bind(0_i64).bind(50_i64);
    let after_first = |sql: &'static str| Query::new(sql).bind(1_i64).bind(0_i64).bind(50_i64);
    vec![
        case(first(projects::LIST), ROWID, "projects_pkey"),
        same(after_first(functions::LIST), "functions_of_project"),
        case(first(functions::DEPLOYED), ROWID, "functions_pkey"),
        same(Query::new(functions::ON_RUNTIME).bind("nodejs20"), "versions_by_runtime"),
        case(page_of(versions::LIST, 7), "sqlite_autoindex_versions_1", "versions_pkey"),
        same(page_of(versions::ACTIVATIONS, 7), "activations_of_function"),
        same(Query::new(switch::PRESENT).bind(7_i64), "activations_of_function"),
        same(page_of(deployments::LIST, 7), "deployments_of_function"),
        same(Query::new(nodes::UNFINISHED), "deployments_running"),
        same(Query::new(nodes::OF_NODE).bind("a"), "deployments_running"),
        same(after_first(secrets::LIST), "project_secrets_of_project"),
        Case {
            sorts: 1,
            ..case(Query::new(secrets::ALL).bind(1_i64), "project_secrets_of_project", "project_secrets_")
        },
        case(first(secrets::SECRETS), ROWID, "project_secrets_pkey"),
        case(first(secrets::ENCRYPTED), ROWID, "functions_pkey"),
    ]
}

fn of_records(is_postgres: bool) -> Vec<Case> {
    let (owner, project, cursor) = (FunctionId(7), ProjectId(1), (25_000_i64, 5_i64));
    let mut cases = Vec::new();
    for since in [None, Some(Timestamp::UNIX_EPOCH)] {
        for status in [None, Some(RecordStatus::Error)] {
            let filter = RecordFilter { since, status };
            let index = if status.is_some() { "records_by_status" } else { "records_by_time" };
            cases.push(same(records::list_query(owner, &filter, cursor, is_postgres).bind(50_i64), index));
            let index = if status.is_some() { "inline_records_by_status" } else { "inline_records_by_time" };
            cases.push(same(
                inline_records::list_query(project, &filter, cursor, is_postgres).bind(50_i64),
                index,
            ));
        }
    }
    for status in [None, Some(RecordStatus::Error)] {
        let query = records::after_query(owner, status, (49_000, 50_000));
        cases.push(case(query, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "records_pkey"));
    }
    for succeeded in [None, Some(true), Some(false)] {
        let (index, in_sqlite) = if succeeded.is_some() {
            ("records_by_status", "COVERING INDEX records_by_status")
        } else {
            ("records_by_time", "COVERING INDEX records_by_time")
        };
        cases.push(same(overview::count_query(owner, succeeded), index));
        let query = overview::page_query(owner, NumberedPage { succeeded, offset: 20, limit: 10 });
        let (in_postgres, sorts) = match succeeded {
            None => ("Index Only Scan Backward using records_by_time", 1),
            Some(true) => ("Index Only Scan Backward using records_by_status", 1),
            // It sorts the keys of two ways to fail where it takes these for few.
            Some(false) => ("Index Only Scan using records_by_status", 2),
        };
        cases.push(Case { sorts, ..case(query, in_sqlite, in_postgres) });
    }
    cases
}

fn of_deletions() -> Vec<Case> {
    let some = |sql: &'static str| Query::new(sql).bind(7_i64).bind(10_i64);
    let up_to = |sql: &'static str| Query::new(sql).bind(7_i64).bind(9_i64).bind(9_i64).bind(10_i64);
    vec![
        same(some(prune::LAST), "records_by_time"),
        same(up_to(prune::UP_TO), "records_by_time"),
        same(some(prune::SOME), "records_by_time"),
        same(some(inline_records::LAST), "inline_records_by_time"),
        same(up_to(inline_records::UP_TO), "inline_records_by_time"),
        same(some(prune::SOME_INLINE), "inline_records_by_time"),
        same(Query::new(objects::GOING).bind("package").bind("x").bind(0_i64), "object_holds_by_name"),
        same(Query::new(objects::HELD).bind("package").bind("x").bind(0_i64), "object_holds_by_name"),
        same(needed(ObjectKind::Artefact), "versions_by_digest"),
        same(needed(ObjectKind::Package), "versions_by_package"),
        same(needed(ObjectKind::Package), "functions_by_package"),
    ]
}

fn needed(kind: ObjectKind) -> Query {
    Query::new(kind.needed()).bind("package").bind("x").bind(0_i64)
}

/// Those that read from one end of a table, as far as their limit says.
fn from_the_end() -> Vec<Query> {
    vec![
        Query::new(overview::NEWEST).bind(20_i64),
        Query::new(overview::AVERAGE),
        Query::new(prune::BY_AGE).bind(0_i64).bind(10_i64),
        Query::new(inline_records::BY_AGE).bind(0_i64).bind(10_i64),
    ]
}

fn all(is_postgres: bool) -> impl Iterator<Item = Case> {
    of_settings().into_iter().chain(of_records(is_postgres)).chain(of_deletions())
}

#[tokio::test]
async fn sqlite_lists_by_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cloudbox.db");
    let database = open::open_sqlite(path.to_str().unwrap()).await.unwrap();
    for Case { query, sqlite, sorts, .. } in all(false) {
        let plan = database.plan(query).await.unwrap();
        assert!(plan.contains(sqlite), "{sqlite} isn't used: {plan}");
        // What a subquery found is no table, and an index of what is running has little in it.
        let small = ["SCAN page", "SCAN CONSTANT ROW", "SCAN deployments USING INDEX deployments_running"];
        let is_small = |step: &str| small.contains(&step);
        let reads_all = plan.split("; ").any(|step| step.starts_with("SCAN") && !is_small(step));
        assert!(!reads_all, "reads too much: {plan}");
        assert!(plan.matches("TEMP B-TREE").count() <= sorts, "sorts: {plan}");
    }
    for query in from_the_end() {
        let plan = database.plan(query).await.unwrap();
        assert!(!plan.contains("TEMP B-TREE"), "sorts: {plan}");
    }
    let counts = database.plan(Query::new(overview::FUNCTIONS)).await.unwrap();
    assert!(
        counts.contains("COVERING INDEX functions_by_activity"),
        "reads the functions themselves: {counts}"
    );
    let both = records::list_query(
        FunctionId(7),
        &RecordFilter { since: Some(Timestamp::UNIX_EPOCH), status: Some(RecordStatus::Error) },
        (9, 9),
        false,
    );
    let plan = database.plan(both.bind(50_i64)).await.unwrap();
    let bounds = ["(function_id=? AND status=? AND created_at>? AND ", "created_at<?"];
    assert!(bounds.iter().all(|part| plan.contains(part)), "both ends are the index's: {plan}");
    database.close().await;
}

#[tokio::test]
async fn postgres_lists_by_indexes() {
    let server = Postgres::shared().unwrap();
    let url = server.new_database().unwrap();
    let database = open::open_postgres(&url).await.unwrap();
    let mut filling = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut filling).await.unwrap();
    // As the server does by itself after a while: an index alone tells then which rows there are.
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut filling).await.unwrap();
    for Case { query, postgres, sorts, .. } in all(true) {
        let plan = indexed(&database, query).await;
        assert!(plan.contains(postgres), "{postgres} isn't used: {plan}");
        assert!(plan.matches("Sort Key").count() <= sorts, "sorts: {plan}");
    }
    for query in from_the_end() {
        let plan = indexed(&database, query).await;
        assert!(!plan.contains("Sort"), "sorts: {plan}");
    }
    filling.close().await.unwrap();
    database.close().await;
}

async fn indexed(database: &Database, query: Query) -> String {
    let plan = database.plan(query).await.unwrap();
    assert!(!plan.contains("Seq Scan"), "reads too much: {plan}");
    plan
}

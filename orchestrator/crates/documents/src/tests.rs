//! Documents have to be found quickly among a million of others: each database's own plans, with the indexes they use.

use cloudbox_database::{Connections, Database};
use cloudbox_tests::postgres::Postgres;
use cloudbox_types::ProjectId;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;

use crate::rehearsal::TABLES;
use crate::{Action, Desk, Operation, Quota};

const INDEXES: &str = include_str!("../../../../migrations/sqlite/0011_document_indexes.sql");
const POSTGRES_TABLES: &str = include_str!("../../../../migrations/postgres/0002_documents.sql");
const POSTGRES_INDEXES: &str = include_str!("../../../../migrations/postgres/0011_document_indexes.sql");
/// So many that reading all of them is dear, in two entities of two projects each.
const FILL: &str = "INSERT INTO projects SELECT generate_series(1, 2); \
     INSERT INTO documents (project_id, entity, id, body, bytes, created_at, updated_at) \
     SELECT 1 + n % 2, CASE WHEN n % 4 < 2 THEN 'users' ELSE 'orders' END, n::TEXT, \
     jsonb_build_object('email', n || '@example.org', 'age', n % 5000, 'in', jsonb_build_object('city', n::TEXT)), \
     60, n, n FROM generate_series(1, 20000) AS n; ANALYZE documents";

/// How `findMany` of users with these arguments would be carried out.
async fn plan(database: &Database, args: Value) -> String {
    let quota = Quota::default();
    let desk = Desk { database, project: ProjectId(1), quota: &quota };
    let arguments = json!({"entity": "users", "args": args});
    let query = match Operation::parse("findMany", &arguments).unwrap().action {
        Action::Find { list, .. } => desk.list("users", &list),
        other => panic!("{other:?}"),
    };
    database.plan(query).await.unwrap()
}

#[tokio::test]
async fn sqlite_reads_the_documents_of_an_entity_alone() {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&pool).await.unwrap();
    sqlx::raw_sql(TABLES).execute(&pool).await.unwrap();
    sqlx::raw_sql(INDEXES).execute(&pool).await.unwrap();
    let database = Database::new(Connections::Memory(pool));
    for args in [json!([]), json!([{"age": 4}]), json!([{"age": {"$gt": 4}}, {"limit": 3}])] {
        let plan = plan(&database, args).await;
        assert!(plan.contains("documents_of_entity (project_id=? AND entity=?)"), "{plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "reads or sorts too much: {plan}");
    }
    let one = plan(&database, json!(["7"])).await;
    assert!(one.contains("(project_id=? AND entity=? AND id=?)"), "{one}");
    for (sort, index) in [
        ("created_at", "documents_by_creation"),
        ("-created_at", "documents_by_creation"),
        ("-updated_at", "documents_by_change"),
    ] {
        let plan = plan(&database, json!([{}, {"sort": sort, "limit": 20}])).await;
        assert!(plan.contains(index), "{sort}: {plan}");
        // What has the same time is sorted, and nothing else.
        let sorted = plan.split("; ").filter(|step| step.contains("TEMP B-TREE"));
        assert!(sorted.into_iter().all(|step| step.contains("LAST TERM")), "{sort}: {plan}");
    }
}

#[tokio::test]
async fn postgres_finds_what_fields_are_equal_to_by_its_index() {
    let server = Postgres::shared().unwrap();
    let pool =
        PgPoolOptions::new().max_connections(1).connect(&server.new_database().unwrap()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE projects (id BIGINT PRIMARY KEY)").execute(&pool).await.unwrap();
    for statements in [POSTGRES_TABLES, POSTGRES_INDEXES, FILL] {
        sqlx::raw_sql(statements).execute(&pool).await.unwrap();
    }
    let database = Database::new(Connections::Postgres(pool));
    for args in [
        json!([{"email": "77@example.org"}]),
        json!([{"email": {"$in": ["77@example.org", "78@example.org"]}}]),
        json!([{"age": 77}, {"sort": "-age", "limit": 20}]),
        json!([{"in.city": "77", "age": {"$gt": 4}}]),
    ] {
        let plan = plan(&database, args).await;
        assert!(plan.contains("documents_by_content"), "{plan}");
    }
    let newest = plan(&database, json!([{}, {"sort": "-created_at", "limit": 20}])).await;
    assert!(newest.contains("documents_by_creation"), "{newest}");
    let others = plan(&database, json!([{"email": {"$ne": "77@example.org"}}])).await;
    assert!(!others.contains("Bitmap Index Scan on documents_by_content"), "{others}");
    database.close().await;
}

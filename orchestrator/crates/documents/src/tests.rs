//! Documents have to be found quickly among a million of others: SQLite's own plans, with the indexes they use.

use cloudbox_database::{Connections, Database};
use cloudbox_types::ProjectId;
use sqlx::sqlite::SqlitePoolOptions;

use crate::rehearsal::TABLES;
use crate::{Action, Desk, Operation, Quota};

fn assert_indexed(plan: &str, index: &str) {
    assert!(plan.contains(index), "{index} isn't used: {plan}");
    assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "reads or sorts too much: {plan}");
}

#[tokio::test]
async fn documents_are_found_among_those_of_their_entity_alone() {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&pool).await.unwrap();
    sqlx::raw_sql(TABLES).execute(&pool).await.unwrap();
    let database = Database::new(Connections::Memory(pool));
    let quota = Quota::default();
    let desk = Desk { database: &database, project: ProjectId(1), quota: &quota };
    let query = |args: serde_json::Value| {
        let arguments = serde_json::json!({"entity": "users", "args": args});
        match Operation::parse("findMany", &arguments).unwrap().action {
            Action::Find { list, .. } => desk.list("users", &list),
            other => panic!("{other:?}"),
        }
    };
    let plan_of_all = database.plan(query(serde_json::json!([]))).await.unwrap();
    assert_indexed(&plan_of_all, "documents_of_entity (project_id=? AND entity=?)");
    let filtered = database.plan(query(serde_json::json!([{"age": 4}]))).await.unwrap();
    assert_indexed(&filtered, "documents_of_entity (project_id=? AND entity=?)");
    let one = database.plan(query(serde_json::json!(["7"]))).await.unwrap();
    assert!(one.contains("(project_id=? AND entity=? AND id=?)"), "{one}");
    database.close().await;
}

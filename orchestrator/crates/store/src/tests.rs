//! Lists have to stay cheap with a million rows: SQLite's own plans of their queries, with the indexes they use.

use cloudbox_database::Query;
use cloudbox_types::{FunctionId, RecordStatus};
use jiff::Timestamp;

use crate::store::RecordFilter;
use crate::{functions, open, records};

fn assert_indexed(plan: &str, index: &str) {
    assert!(plan.contains(index), "{index} isn't used: {plan}");
    assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "reads or sorts too much: {plan}");
}

#[tokio::test]
async fn lists_use_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cloudbox.db");
    let database = open::open_sqlite(path.to_str().unwrap()).await.unwrap();

    let functions = Query::new(functions::LIST).bind(1_i64).bind(0_i64).bind(50_i64);
    assert_indexed(&database.plan(functions).await.unwrap(), "functions_of_project (project_id=? AND id>?)");

    let since = Some(Timestamp::UNIX_EPOCH);
    let status = Some(RecordStatus::Error);
    let bounded = "records_of_function (function_id=? AND seq>? AND seq<?)";
    let cases = [
        (None, None, "records_of_function (function_id=? AND seq<?)"),
        (None, status, "records_by_status (function_id=? AND status=? AND seq<?)"),
        (since, None, bounded),
        (since, status, bounded),
    ];
    for (since, status, index) in cases {
        let filter = RecordFilter { since, status };
        let query = records::list_query(FunctionId(1), &filter, None).bind(50_i64);
        let plan = database.plan(query).await.unwrap();
        assert_indexed(&plan, index);
        if since.is_some() {
            assert_indexed(&plan, "COVERING INDEX records_by_time (function_id=? AND created_at>?)");
        }
    }
    database.close().await;
}

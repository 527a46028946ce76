//! Documents: what `context.db` of a function comes down to.

use std::sync::Arc;

use cloudbox_documents::{Error, Operation, Quota};
use cloudbox_store::{NewProject, Store};
use cloudbox_types::ProjectId;
use serde_json::{Value, json};

use super::setup::name;

const OURS: ProjectId = ProjectId(1);

fn operation(entity: &str, method: &str, args: &Value) -> Result<Operation, Error> {
    Operation::parse(method, &json!({"entity": entity, "args": args}))
}

/// An operation as a function of this project has it.
async fn ask(
    store: &dyn Store,
    project: ProjectId,
    entity: &str,
    method: &str,
    args: Value,
) -> Result<Value, Error> {
    let text = store.documents(project, &operation(entity, method, &args)?, &Quota::default()).await?;
    Ok(serde_json::from_str(&text).unwrap())
}

async fn done(store: &dyn Store, entity: &str, method: &str, args: Value) -> Value {
    ask(store, OURS, entity, method, args).await.unwrap()
}

async fn refusal(store: &dyn Store, entity: &str, method: &str, args: Value) -> String {
    ask(store, OURS, entity, method, args).await.unwrap_err().to_string()
}

/// The ids of the people that a filter finds, in order.
async fn ids(store: &dyn Store, args: Value) -> Vec<String> {
    let found = done(store, "people", "findMany", args).await;
    found.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

pub async fn a_document_lives(store: &dyn Store) {
    assert_eq!(done(store, "users", "findMany", json!([])).await, json!([]));
    assert_eq!(done(store, "users", "findOne", json!([{"id": "123"}])).await, Value::Null);
    let made =
        done(store, "users", "create", json!([{"name": "John", "nested": {"b": [1, 2.5, "ü\u{0}"]}}])).await;
    assert_eq!(made["name"], "John");
    assert_eq!(made["nested"]["b"][2], "ü\u{fffd}", "what PostgreSQL doesn't take");
    assert_eq!(made["created_at"], made["updated_at"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!(done(store, "users", "findOne", json!([id])).await, made);
    assert_eq!(done(store, "users", "findOne", json!([{"id": id}])).await, made);
    assert_eq!(done(store, "users", "findMany", json!([])).await, json!([made]));

    let given = done(store, "users", "create", json!([{"id": 7, "created_at": "x", "name": "Ada"}])).await;
    assert_eq!(given["id"], "7");
    assert_ne!(given["created_at"], "x");
    let taken = ask(store, OURS, "users", "create", json!([{"id": "7"}])).await.unwrap_err();
    assert!(matches!(taken, Error::Taken { .. }), "{taken}");

    let changed = done(store, "users", "update", json!(["7", {"age": 36, "name": null}])).await;
    assert_eq!((&changed["age"], &changed["name"]), (&json!(36), &Value::Null));
    assert!(changed["updated_at"].as_str() >= changed["created_at"].as_str());
    assert_eq!(changed["created_at"].as_str().map(str::len), Some("2026-01-31T12:00:00.000Z".len()));
    assert_eq!(changed["created_at"], given["created_at"]);
    assert_eq!(done(store, "users", "update", json!([{"id": 7, "age": 37}])).await["age"], 37);
    let by_where = json!([{"where": {"age": 37}, "data": {"age": 38}}]);
    assert_eq!(done(store, "users", "update", by_where).await["id"], "7");
    assert_eq!(done(store, "users", "update", json!(["nobody", {"age": 1}])).await, Value::Null);

    assert_eq!(done(store, "users", "count", json!([])).await, 2);
    assert_eq!(done(store, "users", "count", json!([{"age": 38}])).await, 1);
    assert_eq!(done(store, "users", "delete", json!(["7"])).await, true);
    assert_eq!(done(store, "users", "delete", json!(["7"])).await, false);
    assert_eq!(done(store, "users", "deleteMany", json!([{}])).await, 1);
}

async fn people(store: &dyn Store) {
    for person in [
        json!({"id": "a", "age": 30, "name": "Ann", "address": {"city": "Oslo"}, "tags": ["x"], "is_new": true}),
        json!({"id": "b", "age": 4, "name": "bob", "address": {"city": "Rom"}, "is_new": false}),
        json!({"id": "c", "age": 30.5, "name": "Zoë", "address": null, "note": "100% _of_ it"}),
        json!({"id": "d", "age": "30", "name": "Ann's", "address": "Oslo"}),
        json!({"id": "e", "address": [{"city": "Oslo"}], "0": 1}),
    ] {
        done(store, "people", "create", json!([person])).await;
    }
}

pub async fn filters_choose(store: &dyn Store) {
    people(store).await;
    let cases = [
        (json!({}), "abcde"),
        (json!({"age": 30}), "a"),
        (json!({"age": 30.0}), "a"),
        (json!({"age": "30"}), "d"),
        (json!({"age": null}), "e"),
        (json!({"age": {"$gte": 30}}), "ac"),
        (json!({"age": {"gt": 4, "lt": 30.5}}), "a"),
        (json!({"age": {"$lte": 4.0}}), "b"),
        (json!({"age": {"$gt": "2"}}), "d"),
        (json!({"age": {"$ne": 30}}), "bcde"),
        (json!({"age": {"$in": [4, "30", null]}}), "bde"),
        (json!({"age": {"$in": []}}), ""),
        (json!({"age": {"$nin": [4, "30", null]}}), "ac"),
        (json!({"age": {"$exists": false}}), "e"),
        (json!({"address": {"$exists": true}}), "abcde"),
        (json!({"address": null}), "c"),
        (json!({"address.city": "Oslo"}), "a"),
        (json!({"address.city": {"$ne": "Oslo"}}), "bcde"),
        (json!({"name": {"$contains": "nn"}}), "ad"),
        (json!({"name": {"$startsWith": "Ann'"}}), "d"),
        (json!({"note": {"$contains": "% _"}}), "c"),
        (json!({"note": {"$contains": "%%"}}), ""),
        (json!({"name": {"$lt": "a"}}), "acd"),
        (json!({"is_new": true}), "a"),
        (json!({"is_new": {"$ne": true}}), "bcde"),
        (json!({"tags": "x"}), ""),
        (json!({"tags.0": "x"}), ""),
        (json!({"0": 1}), "e"),
        (json!({"id": {"$in": ["b", "c", 9]}}), "bc"),
        (json!({"id": {"$gte": "d"}}), "de"),
        (json!({"id": {"$ne": "a"}, "age": 30}), ""),
        (
            json!({"created_at": {"$gt": "2020-01-01T00:00:00Z"}, "updated_at": {"$lt": "2020-01-01T00:00:00Z"}}),
            "",
        ),
        (json!({"createdAt": {"$gt": "2020-01-01T00:00:00Z"}}), "abcde"),
        (json!({"$or": [{"age": 4}, {"name": "Zoë"}], "is_new": false}), "b"),
        (json!({"$or": []}), ""),
        (json!({"$not": {"$and": [{"age": 30}, {"name": "Ann"}]}}), "bcde"),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(store, json!([filter])).await.concat(), expected, "{filter}");
        assert_eq!(done(store, "people", "count", json!([filter])).await, expected.len(), "{filter}");
    }
}

pub async fn lists_are_sorted(store: &dyn Store) {
    let cases = [
        (json!([]), "abcde"),
        (json!([{"sort": "age"}]), "ebacd"),
        (json!([{"sort": "-age"}]), "dcabe"),
        (json!([{"sort": {"age": "desc"}, "limit": 2}]), "dc"),
        (json!([{"orderBy": {"age": -1}, "take": 2, "skip": 3}]), "be"),
        (json!([{}, {"sort": ["-address.city", {"name": "asc"}]}]), "baedc"),
        (json!([{"where": {"age": {"gt": 0}}, "sort": "-id"}]), "cba"),
        (json!([{"sort": "name"}]), "eadcb"),
        (json!([{"sort": "is_new"}]), "cdeba"),
        (json!([{"sort": ["created_at", "-updated_at"], "limit": 0}]), ""),
        (json!([{"age": 30}, {"limit": 10}]), "a"),
    ];
    for (args, expected) in cases {
        assert_eq!(ids(store, args.clone()).await.concat(), expected, "{args}");
    }
    let first = done(store, "people", "findOne", json!([{"sort": "-age"}])).await;
    assert_eq!(first["id"], "d");
}

pub async fn arguments_are_checked(store: &dyn Store) {
    let deep = (0..12).fold(json!({"a": 1}), |inner, _| json!({"$not": inner}));
    let many: Vec<i32> = (0..2000).collect();
    let cases = [
        ("findMany", json!([{"limit": -1}]), "limit of a list is a whole number of 0 to 1000, not -1"),
        ("findMany", json!([{"limit": 1001}]), "not 1001"),
        ("findMany", json!([{"limit": "5"}]), "not \"5\""),
        ("findMany", json!([{}, {"limt": 5}]), "\"limt\" is no option"),
        ("findMany", json!([{"age": {"$regex": "a"}}]), "\"$regex\" of the filter's age is no operator"),
        ("findMany", json!([{"address": {"city": "Oslo"}}]), "\"address.city\""),
        ("findMany", json!([{"address": []}]), "compared with a list"),
        ("findMany", json!([{"$where": "1"}]), "$where is no operator"),
        ("findMany", json!([{"created_at": "soon"}]), "which is no time"),
        ("findMany", json!([{"a": {"$in": many}}]), "the filter is too long"),
        ("findMany", json!([deep]), "deeper than 8"),
        ("findMany", json!([{"sort": {"a": 1, "b": -1}}]), "several fields need the list"),
        ("findMany", json!([{"sort": {"a": "up"}}]), "\"asc\" or \"desc\""),
        ("create", json!([]), "create takes an object"),
        ("create", json!([[1]]), "create takes an object"),
        ("create", json!([{"id": ""}]), "1 to 128 bytes"),
        ("create", json!([{"id": {"$gt": ""}}]), "a text or a whole number"),
        ("update", json!([null, {"a": 1}]), "update needs an id or a filter"),
        ("update", json!(["a", {"id": "b"}]), "can't be changed"),
        ("update", json!([{}, {"a": 1}]), "fits several documents"),
        ("delete", json!([]), "delete needs an id or a filter"),
        ("delete", json!([{}]), "use deleteMany"),
        ("drop", json!([]), "\"drop\" is no operation"),
    ];
    for (method, args, expected) in cases {
        let found = refusal(store, "people", method, args.clone()).await;
        assert!(found.contains(expected), "{method} {args}: {found}");
    }
    for entity in ["", "a b", "a;b", "ü", "7", &"a".repeat(65), "a'--"] {
        let found = refusal(store, entity, "findMany", json!([])).await;
        assert!(found.contains("no name of an entity"), "{entity}: {found}");
    }
    assert_eq!(done(store, "people", "count", json!([])).await, 5, "nothing was done in part");
}

/// Whatever comes from a function is a value, wherever it stands.
pub async fn nothing_is_spliced(store: &dyn Store) {
    let nasty = [
        "'; DROP TABLE documents; --",
        "a' OR '1'='1",
        "a) OR (1=1",
        "$1",
        "$.a",
        "$",
        "[0]",
        "#-1",
        "a$.b",
        "{}",
        "%",
        "\u{202e}",
        "a' -> 'b",
    ];
    for text in nasty {
        assert!(ids(store, json!([{"name": text}])).await.is_empty(), "{text}");
        assert!(ids(store, json!([{"id": text}])).await.is_empty(), "{text}");
        assert!(ids(store, json!([{"name": {"$contains": text}}])).await.is_empty(), "{text}");
        done(store, "nasty", "create", json!([{"id": text, "at": text, text: {"inner": text}}])).await;
        // What has a dot is a path and not a name, what begins with `$` an operator.
        if !text.starts_with('$') {
            let path = json!([{format!("{text}.inner"): text}]);
            let expected = usize::from(!text.contains('.'));
            assert_eq!(done(store, "nasty", "count", path).await, expected, "{text}");
        }
        let sorted = done(store, "nasty", "findMany", json!([{"sort": [text]}])).await;
        assert_eq!(sorted[0]["id"], text);
        assert_eq!(done(store, "nasty", "update", json!([text, {"seen": true}])).await["at"], text);
        assert_eq!(done(store, "nasty", "delete", json!([{"at": text}])).await, true, "{text}");
    }
    for path in ["a\"b", "a\\b", "a..b", "", ".", "a\u{0}", "a\nb", &"a".repeat(257), &["a"; 17].join(".")] {
        for args in [json!([{path: 1}]), json!([{"sort": [path]}])] {
            let found = refusal(store, "people", "findMany", args).await;
            assert!(found.contains("no field to look for"), "{path:?}: {found}");
        }
    }
    assert_eq!(done(store, "people", "count", json!([])).await, 5);
}

pub async fn quotas_hold(store: &dyn Store) {
    let project = store.create_project(project("quotas")).await.unwrap().id;
    let quota = Quota { documents: 3, document_bytes: 100, project_bytes: 200, result_bytes: 400 };
    let ask = async |method: &str, args: Value| {
        let done = store.documents(project, &operation("things", method, &args).unwrap(), &quota).await;
        done.map_err(|error| error.to_string())
    };
    let long = ask("create", json!([{"a": "x".repeat(100)}])).await.unwrap_err();
    assert_eq!(long, "the document would have 108 bytes; the limit is 100 (documents.bytes_per_document)");
    for id in ["1", "2"] {
        ask("create", json!([{"id": id, "a": "x".repeat(80)}])).await.unwrap();
    }
    let full = ask("create", json!([{"a": "x".repeat(80)}])).await.unwrap_err();
    assert!(
        full.contains("264 bytes of documents; the limit is 200 (documents.bytes_per_project)"),
        "{full}"
    );
    ask("create", json!([{"id": "3"}])).await.unwrap();
    let many = ask("create", json!([{}])).await.unwrap_err();
    assert!(many.contains("4 documents; the limit is 3 (documents.per_project)"), "{many}");
    let grown = ask("update", json!(["3", {"a": "x".repeat(80)}])).await.unwrap_err();
    assert!(grown.contains("bytes_per_project"), "{grown}");
    let found = ask("findMany", json!([])).await.unwrap_err();
    assert!(found.contains("more than 400 bytes"), "{found}");
    assert!(ask("findMany", json!([{"limit": 1}])).await.is_ok());
    // What is deleted may be used again.
    assert_eq!(ask("delete", json!(["1"])).await.unwrap(), "true");
    ask("update", json!(["3", {"a": "x".repeat(80)}])).await.unwrap();
    assert_eq!(ask("updateMany", json!([{}, {"a": 1}])).await.unwrap(), "2");
    assert_eq!(ask("count", json!([{"a": 1}])).await.unwrap(), "2");
}

fn project(slug: &str) -> NewProject {
    NewProject { name: slug.to_owned(), slug: name(slug), description: String::new() }
}

pub async fn projects_are_apart(store: &dyn Store) {
    let other = store.create_project(project("other")).await.unwrap().id;
    for method in ["findMany", "findOne", "deleteMany"] {
        let found = ask(store, other, "people", method, json!([{}])).await.unwrap();
        assert!(found == json!([]) || found == json!(null) || found == json!(0), "{method}: {found}");
    }
    // The filter can't widen what is looked at.
    let wide = json!([{"$or": [{}, {"project_id": 1}]}]);
    assert_eq!(ask(store, other, "people", "count", wide).await.unwrap(), 0);
    ask(store, other, "people", "create", json!([{"id": "a", "age": 1}])).await.unwrap();
    assert_eq!(ask(store, other, "people", "updateMany", json!([{}, {"age": 2}])).await.unwrap(), 1);
    assert_eq!(done(store, "people", "findOne", json!(["a"])).await["age"], 30);
    store.delete_project(other).await.unwrap();
    let gone = ask(store, other, "people", "create", json!([{}])).await.unwrap_err();
    assert_eq!(gone.to_string(), "there is no such project");
    assert_eq!(done(store, "people", "count", json!([])).await, 5);
}

pub async fn a_rehearsal_leaves_nothing(store: &Arc<dyn Store>) {
    let before = done(&**store, "people", "findMany", json!([])).await;
    let rehearsal = store.rehearsal(OURS);
    let ask = async |method: &str, args: Value| {
        let operation = operation("people", method, &args).unwrap();
        let text = rehearsal.run(&operation, &Quota::default()).await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(ask("findMany", json!([])).await, before);
    ask("create", json!([{"id": "new", "age": 99}])).await;
    ask("update", json!(["a", {"age": 98}])).await;
    assert_eq!(ask("delete", json!(["b"])).await, true);
    let found = ask("findMany", json!([{"sort": "-age"}])).await;
    let order: Vec<_> = found.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(order, ["d", "new", "a", "c", "e"]);
    let full = Quota { documents: 5, ..Quota::default() };
    ask("create", json!([{"id": "newer"}])).await;
    let refused = rehearsal.run(&operation("people", "create", &json!([{}])).unwrap(), &full).await;
    assert!(matches!(refused, Err(Error::Quota { .. })));
    assert_eq!(done(&**store, "people", "findMany", json!([])).await, before, "it is as if nothing had been");
}

pub async fn many_write_at_once(store: &Arc<dyn Store>) {
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                done(&*store, "busy", "create", json!([{"number": number}])).await;
                done(&*store, "busy", "updateMany", json!([{}, {"seen": number}])).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(done(&**store, "busy", "count", json!([{"seen": {"$exists": true}}])).await, 16);
    let used = done(&**store, "busy", "deleteMany", json!([{"number": {"$gte": 0}}])).await;
    assert_eq!(used, 16);
}

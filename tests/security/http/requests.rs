//! G8 and G11: fields that nobody may set, numbers beyond every range, names that are paths, and texts that mean something
//! to whoever would put them into a query, a log or a terminal.

use cloudbox_tests::{Answer, Language, Stage};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

use super::{log_has_records, stage};

#[tokio::test(flavor = "multi_thread")]
async fn g8_fields() {
    let Some(stage) = stage(&[]).await else { return };
    let good =
        json!({ "name": "good", "language": "javascript", "code": "exports.handler = async () => 1;" });
    let _ = stage.api.create(&good).await.with(201);
    for (field, value) in bad_fields() {
        for is_update in [false, true] {
            refused(&stage, &good, (field, &value), is_update).await;
        }
    }
    bad_ids(&stage).await;
    let unchanged: Value = stage.api.function("good").await.with(200).json();
    assert_eq!((&unchanged["name"], &unchanged["timeout"]), (&json!("good"), &json!(30)));
    // Words of our own routes are names as any other: they stand where no route looks.
    for name in ["api", "deploy", "execute", "health", "docs", "p", "functions", "invoke", "metrics"] {
        stage
            .deploy_code(
                name,
                Language::Node,
                "exports.handler = async (d, c) => c.functionName;",
                &json!({}),
            )
            .await;
        let answer = Answer::of(stage.api.public(Method::GET, name, "/deploy")).await.with(200);
        assert_eq!(answer.json::<Value>(), json!(name));
    }
    stage.is_healthy().await;
    stage.stop().await;
}

async fn refused(stage: &Stage, good: &Value, (field, value): (&str, &Value), is_update: bool) {
    let key = field.split('.').next().unwrap();
    let answer = if is_update {
        stage.api.patch("good", &json!({ key: value })).await
    } else {
        let mut body = good.clone();
        body["name"] = json!("another");
        body[key] = value.clone();
        stage.api.create(&body).await
    };
    let refusal = answer.error(ErrorCode::ValidationError);
    let named = refusal["details"][0]["field"].as_str().unwrap();
    assert_eq!(named, field, "update: {is_update}: {value}: {refusal}");
    assert!(refusal.to_string().len() < 4096, "{field}: {} bytes", refusal.to_string().len());
}

fn bad_fields() -> Vec<(&'static str, Value)> {
    let mut all: Vec<(&str, Value)> = [
        "id",
        "project_id",
        "status",
        "active_version",
        "invocation_count",
        "created_at",
        "updated_at",
        "url",
        "build_logs",
        "resolved_runtime",
        "revision",
        "owner",
        "is_admin",
        "__proto__",
        "constructor",
    ]
    .map(|field| (field, json!(1)))
    .to_vec();
    for name in [
        "../x",
        "..",
        ".",
        "a/b",
        "a\\b",
        "a%2fb",
        "",
        " ",
        "a b",
        "a\u{0}",
        "a\n",
        "-a",
        "a-",
        "A",
        "1",
        "007",
        "ａ",
        "а",
        "paypаl",
        "naïve",
        "ﬁ",
        "a\u{200b}b",
        "\u{202e}a",
        "😀",
        "a.b",
        "a_b",
        "~",
        "con:",
        "$(id)",
        "a;b",
        "a'b",
    ] {
        all.push(("name", json!(name)));
    }
    all.push(("name", json!("a".repeat(65))));
    all.push(("name", json!("a".repeat(1 << 20))));
    for (field, values) in [
        (
            "timeout",
            vec![
                json!(1e9),
                json!(-1),
                json!(0),
                json!(301),
                json!(1.5),
                json!("30"),
                json!(u64::MAX),
                json!([30]),
            ],
        ),
        (
            "memory",
            vec![
                json!(-1),
                json!(0),
                json!(63),
                json!(1025),
                json!(1e300),
                json!(i64::MIN),
                json!({}),
                json!("128MB"),
            ],
        ),
        ("cpu", vec![json!(-1), json!(0), json!(9), json!(1e308), json!("2")]),
        ("tmp_mb", vec![json!(-1), json!(0), json!(1e9)]),
        ("pids", vec![json!(-1), json!(0), json!(1e9)]),
        ("max_instances", vec![json!(-1), json!(0), json!(1001)]),
        ("min_instances", vec![json!(-1), json!(1001)]),
        ("runtime", vec![json!("../../etc"), json!("nodejs18\n"), json!("x".repeat(100_000))]),
        ("language", vec![json!("sh"), json!("Javascript")]),
        ("entry_point", vec![json!("../x"), json!("a;b"), json!("/bin/sh"), json!("a\nb")]),
        ("environment.LD PRELOAD", vec![json!({ "LD PRELOAD": "x" })]),
        ("environment.A=B", vec![json!({ "A=B": "x" })]),
        ("environment.CLOUDBOX_TOKEN", vec![json!({ "CLOUDBOX_TOKEN": "x" })]),
        ("is_public", vec![json!("true"), json!(1), json!([])]),
    ] {
        all.extend(values.into_iter().map(|value| (field, value)));
    }
    all
}

async fn bad_ids(stage: &Stage) {
    let api = &stage.api;
    for id in [
        "-1",
        "0",
        "99999999999999999999999",
        "9223372036854775808",
        "1e3",
        "1.0",
        "0x1",
        "%00",
        "1%20",
        "''",
        "1;--",
    ] {
        for path in [
            format!("/api/projects/{id}"),
            format!("/api/projects/default/functions/{id}"),
            format!("/api/projects/default/functions/good/deployments/{id}"),
        ] {
            let answer = api.get(&path).await;
            assert!(matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.text());
        }
    }
    for query in
        ["limit=-1", "limit=1001", "limit=1e3", "cursor=-", "cursor=%27", "status=%27%20or%201", "since=x"]
    {
        let path = api.functions(&format!("/good/logs?{query}"));
        let refusal = api.get(&path).await.error(ErrorCode::ValidationError);
        let named = refusal["details"][0]["field"].as_str().unwrap();
        assert!(query.starts_with(named), "{query}: {refusal}");
    }
}

/// What means something to a database, a log, a terminal, a shell, a template, a browser or a path.
const HOSTILE: [&str; 14] = [
    "'; DROP TABLE functions; --",
    "' OR '1'='1",
    "\" OR 1=1; --",
    "%' ESCAPE '!",
    "$.a[*] ? (@ > 1)",
    "{{7*7}}${7*7}#{7*7}",
    "$(id)`id`; id | id & id",
    "a\r\nERROR forged record",
    "a\nb\r\n\r\nc\td",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m",
    "<script>alert(1)</script>",
    "../../../etc/passwd",
    "\u{202e}\u{2028}\u{feff}\u{fffd}é😀",
    "%s%n%x %0a%0d \\u0000 \\x00",
];

#[tokio::test(flavor = "multi_thread")]
async fn g11_texts() {
    for format in ["text", "json"] {
        let settings = [("CLOUDBOX_LOG_FORMAT", format), ("CLOUDBOX_LOG_LEVEL", "debug")];
        let Some(stage) = stage(&settings).await else { return };
        stage.deploy_code("said", Language::Node, SAYS, &json!({})).await;
        for text in HOSTILE {
            fields_keep(&stage, text).await;
            calls_keep(&stage, text).await;
        }
        let unchanged: Value = stage.api.function("said").await.with(200).json();
        assert_eq!(unchanged["name"], "said");
        stage.is_healthy().await;
        log_has_records(&stage, format);
        stage.stop().await;
    }
}

const SAYS: &str = "exports.handler = async (data, context) => {
  console.log(data.text);
  if (data.throws) throw new Error(data.text);
  return [data.text, context.headers['x-text'], context.query.q];
};";

async fn fields_keep(stage: &Stage, text: &str) {
    let code = format!("exports.handler = async () => 1; // {}", text.replace(['\r', '\n', '\u{2028}'], " "));
    let change = json!({ "description": text, "code": code, "environment": { "TEXT": text } });
    let _ = stage.api.patch("said", &change).await.with(200);
    let read: Value = stage.api.function("said").await.with(200).json();
    assert_eq!((&read["description"], &read["code"]), (&json!(text), &json!(code)));
    let slug = json!({ "name": text, "slug": format!("p-{:x}", hash(text)), "description": text });
    let project: Value = stage.api.post("/api/projects", &slug).await.with(201).json();
    assert_eq!((&project["name"], &project["description"]), (&json!(text), &json!(text)));
    for field in ["name", "slug", "runtime", "language", "entry_point", "handler_style", "isolation"] {
        let _ = stage.api.patch("said", &json!({ field: text })).await.error(ErrorCode::ValidationError);
    }
}

async fn calls_keep(stage: &Stage, text: &str) {
    let path: String = url_encoded(text);
    let body = json!({ "data": { "text": text }, "query": { "q": text }, "path": format!("/{path}") });
    let answer: Value = stage.api.execute("said", &body).await.with(200).json();
    assert_eq!(answer["response"], json!([text, null, text]));
    assert_eq!(answer["logs"], json!(format!("{text}\n")));
    let thrown = json!({ "data": { "text": text, "throws": true } });
    let error = stage.api.execute("said", &thrown).await.error(ErrorCode::RuntimeError);
    assert_eq!(error["error"], json!(format!("Error: {text}")));
    let logs = stage.api.logs("said", "limit=1").await;
    assert_eq!(logs.items[0].logs, format!("{text}\n"));
    // Whatever stands in a path or a name that is looked up is only looked up.
    for path in [format!("/p/default/functions/{path}"), format!("/api/projects/{path}/functions")] {
        let _ = stage.api.get(&path).await.error(ErrorCode::NotFound);
    }
    let header = json!({ "data": { "text": "" }, "headers": { "x-text": text } });
    let answer = stage.api.execute("said", &header).await;
    if text.contains(char::is_control) && !text.contains('\u{9b}') || text.contains('\u{1b}') {
        let _ = answer.error(ErrorCode::ValidationError);
    } else {
        assert_eq!(answer.with(200).json::<Value>()["response"][1], json!(text));
    }
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn hash(text: &str) -> u32 {
    text.bytes().fold(7, |hash: u32, byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
}

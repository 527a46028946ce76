//! The examples of the documents that the interface comes from, as they stand there: `CLOUDBOX_SEEDS` names their folder.

use std::path::Path;

use cloudbox_tests::{Api, Driver, Service, machine};
use serde_json::{Value, json};

/// The code blocks of a language in a document.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(fence.as_str()).skip(1);
    parts.map(|part| part.split("\n```").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The document with the form `handler(data, context)`.
fn document(folder: &Path) -> Option<String> {
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let mut texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    texts.find(|text| text.contains("def handler(data, context)") && text.contains("func handler(data"))
}

async fn run(driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let Some(folder) = machine::variable("CLOUDBOX_SEEDS") else {
        // Not a gap of CI: the documents are no part of the repository.
        return;
    };
    let text = document(Path::new(&folder)).expect("CLOUDBOX_SEEDS names the folder of the documents");
    let service = Service::start(driver).await;
    let api = service.api();
    let mut count = 0;
    for (language, mark) in
        [("javascript", "exports.handler ="), ("python", "def handler("), ("go", "func handler(")]
    {
        // A line that begins so: a call of the SDK may quote a handler.
        let has_handler = |code: &&String| code.lines().any(|line| line.starts_with(mark));
        for (index, code) in blocks(&text, language).iter().filter(has_handler).enumerate() {
            check(&api, &format!("{language}-{index}"), language, code).await;
            count += 1;
        }
    }
    service.stop().await;
    assert!(count >= 3, "the document has an example in each language");
}

async fn check(api: &Api, name: &str, language: &str, code: &str) {
    api.launch(name, language, code).await;
    let data = json!({ "name": "Ada", "email": "ada@example.org" });
    let answer: Value = api.execute(name, &json!({ "data": data })).await.with(200).json();
    let response = &answer["response"];
    let is_greeting = response["greeting"] == "Hello, Ada!" && response["method"] == "POST";
    let is_echo =
        response["input"] == data && response["message"].is_string() && response["timestamp"].is_string();
    let is_success = response["success"] == true && response["data"]["status"] == "created";
    assert!(is_greeting || is_echo || is_success, "{name}: {answer}");
}

#[tokio::test]
async fn examples_run_unmodified_native() {
    run(Driver::Native).await;
}

#[tokio::test]
async fn examples_run_unmodified_docker() {
    run(Driver::Docker).await;
}

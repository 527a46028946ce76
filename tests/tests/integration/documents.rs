//! The examples of the documents that the interface comes from, as they stand there: `CLOUDBOX_SEEDS` names their folder.
//! Only host, port, ids and tokens are replaced.

#[path = "documents/examples.rs"]
mod examples;
#[path = "documents/requests.rs"]
mod requests;

use std::path::Path;

use cloudbox_tests::{Driver, Service, machine};

/// A document: its number, which its file's name begins with, and its text.
struct Document {
    number: String,
    text: String,
}

impl Document {
    /// The code blocks of a language.
    fn blocks(&self, language: &str) -> Vec<String> {
        let fence = format!("```{language}\n");
        let parts = self.text.split(fence.as_str()).skip(1);
        parts.map(|part| part.split("\n```").next().unwrap_or_default().to_owned() + "\n").collect()
    }
}

fn documents(folder: &Path) -> Vec<Document> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let document = |path: &std::path::PathBuf| Document {
        number: path.file_name().unwrap().to_string_lossy().chars().take(3).collect(),
        text: String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
    };
    paths.iter().map(document).collect()
}

async fn run(driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let Some(folder) = machine::variable("CLOUDBOX_SEEDS") else {
        // Not a gap of CI: the documents are no part of the repository.
        return;
    };
    let documents = documents(Path::new(&folder));
    assert_eq!(documents.len(), 5, "CLOUDBOX_SEEDS names the folder of the documents");
    let service = Service::start(driver).await;
    let mut wrong = examples::run(&documents, &service.api()).await;
    wrong.extend(requests::run(&documents, &service.api()).await);
    service.stop().await;
    assert!(wrong.is_empty(), "{}:\n{}", driver.as_str(), wrong.join("\n"));
}

#[tokio::test]
async fn examples_run_unmodified_native() {
    run(Driver::Native).await;
}

#[tokio::test]
async fn examples_run_unmodified_docker() {
    run(Driver::Docker).await;
}

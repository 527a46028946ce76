//! The examples of the documents that the interface comes from, as they stand there: `CLOUDBOX_SEEDS` names their folder.
//! Only host, port, ids and tokens are replaced. Everything in a document is accounted for: what a table here doesn't know,
//! or knows and doesn't find, is an error.

#[path = "documents/examples.rs"]
mod examples;
#[path = "documents/listed.rs"]
mod listed;
#[path = "documents/requests.rs"]
mod requests;
#[path = "documents/table.rs"]
mod table;

use std::net::Ipv4Addr;
use std::path::Path;

use cloudbox_tests::site::Site;
use cloudbox_tests::{Driver, Home, Plan, both_drivers, machine};

/// The remote host that examples speak to, and where it is here: an address for each driver, since both take port 443.
const HOST: &str = "api.example.com";
const NETWORK: &str = "127.77.0.0/16";

/// A document: its number, which its file's name begins with, and its text.
struct Document {
    number: String,
    text: String,
}

/// What stands between two fences.
struct Block {
    language: String,
    text: String,
}

impl Document {
    fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open) = (Vec::new(), None::<Block>);
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(language), None) => {
                    open = Some(Block { language: language.trim().to_owned(), text: String::new() });
                }
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        blocks
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

async fn examples_run_unmodified(driver: Driver) {
    let Some(folder) = machine::variable("CLOUDBOX_SEEDS") else {
        // Not a gap of CI: the documents are no part of the repository.
        return;
    };
    let documents = documents(Path::new(&folder));
    assert_eq!(documents.len(), 5, "CLOUDBOX_SEEDS names the folder of the documents");
    let address = Ipv4Addr::new(127, 77, 0, if driver == Driver::Native { 10 } else { 11 });
    let _site = Site::of_json(HOST, address, 443).await;
    let home = Home::new();
    let path = home.path().join("cloudbox.toml");
    let hosts =
        format!("[egress]\nallow_private = [{NETWORK:?}]\n[egress.hosts]\n{HOST:?} = \"{address}\"\n");
    std::fs::write(&path, hosts).unwrap();
    let plan = Plan::new(driver).at(&home).with("CLOUDBOX_CONFIG", path.to_str().unwrap());
    let service = plan.start().await;
    let mut wrong = listed::run(&documents, &service.api()).await;
    wrong.extend(examples::run(&documents, &service.api()).await);
    wrong.extend(requests::run(&documents, &service.api()).await);
    service.stop().await;
    assert!(wrong.is_empty(), "{}:\n{}", driver.as_str(), wrong.join("\n"));
}

both_drivers! { examples_run_unmodified }

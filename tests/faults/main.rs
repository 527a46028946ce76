//! Faults of the machine and of what the service stands on, each named by its row in the table of SPECIFICATION.md: what
//! is promised while it lasts, and a right answer and nothing left behind afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may end where its stage can't be set, and says what it measured"
)]

mod docker;
mod garbage;
mod lifecycle;
mod load;
mod machine;
mod object_store;
mod proxy;
mod sandboxes;
mod site;
mod storage;

use cloudbox_tests::{Answer, Api, Service};
use reqwest::Method;
use serde_json::json;

/// A call of a function that waits for as long as it is told.
fn hang(api: &Api, name: &str) -> impl Future<Output = Answer> + use<> {
    let path = api.functions(&format!("/{name}/execute"));
    Answer::of(api.request(Method::POST, &path).json(&json!({ "data": { "n": 0, "ms": 3_600_000 } })))
}

/// Waits until this many calls have a sandbox.
async fn is_busy(service: &Service, count: usize) {
    let busy = format!("cloudbox_pool_sandboxes{{state=\"busy\"}} {count}\n");
    while !service.api().anonymous().get("/metrics").await.text().contains(&busy) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

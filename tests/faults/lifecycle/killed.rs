//! I2: `kill -9` of the service under load, again and again.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home, Service, both_drivers, machine};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::load::{Load, SLOW, answers};
use crate::sandboxes;

both_drivers! { i2_kill_of_the_service_under_load }

/// Answers with what it made when it was loaded: the same as long as its sandbox lives.
const SAME: &str = "const born = Math.random(); exports.handler = async () => born;";

async fn born(service: &Service) -> Value {
    let answer = service.api().execute("same", &json!({})).await.with(200);
    answer.json::<Value>()["response"].clone()
}

/// Every record of a function.
async fn records(api: &Api, name: &str) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    let mut query = "limit=1000".to_owned();
    loop {
        let page = api.logs(name, &query).await;
        all.extend(page.items.into_iter().map(|item| (item.status, item.error)));
        let Some(cursor) = page.next_cursor else { return all };
        query = format!("limit=1000&cursor={cursor}");
    }
}

async fn i2_kill_of_the_service_under_load(driver: Driver) {
    let rounds = if machine::variable("CLOUDBOX_TEST_LONG").is_some() { 100 } else { 5 };
    // What is somebody else's stays: another instance on the same machine goes on with the sandbox that it has.
    let neighbour = Service::start(driver).await;
    neighbour.api().launch("same", "javascript", SAME).await;
    let same = born(&neighbour).await;

    let home = Home::new();
    let (mut answered, mut in_flight, mut starts) = (0, 0, Vec::new());
    for round in 0..rounds {
        let began = Instant::now();
        let service = Plan::new(driver).at(&home).start().await;
        starts.push(began.elapsed());
        let api = service.api();
        if round == 0 {
            api.launch("slow", "javascript", SLOW).await;
        }
        answers(&api, "slow", 0).await;
        answered += 1;
        let load = Load::start(&api, "slow", 4, 5);
        sleep(Duration::from_millis(100 + 40 * (round % 10))).await;
        let before = sandboxes::ids(&home);
        assert!(!before.is_empty());
        service.signal(Signal::SIGKILL);
        let _ = service.ended().await;
        let tally = load.ended().await;
        assert_eq!(tally.refused, 0);
        answered += tally.answered;
        in_flight += tally.broken.len();

        let service = Plan::new(driver).at(&home).start().await;
        sandboxes::are_gone(&home, &before).await;
        let api = service.api();
        answers(&api, "slow", 1).await;
        answered += 1;
        service.signal(Signal::SIGKILL);
        let _ = service.ended().await;
    }
    starts.sort();
    eprintln!(
        "{driver:?}: {answered} calls answered over {rounds} kills under load, {in_flight} in flight; ready after \
         {:?} to {:?}, {:?} at the median",
        starts[0],
        starts[starts.len() - 1],
        starts[starts.len() / 2]
    );

    let service = Plan::new(driver).at(&home).start().await;
    assert!(home.log_text().contains("did not end cleanly"), "the unclean end was seen");
    let api = service.api();
    let records = records(&api, "slow").await;
    assert!(records.iter().all(|(status, error)| status == "success" && error.is_none()));
    // A call may have been recorded whose answer didn't reach its caller any more.
    assert!((answered..=answered + in_flight).contains(&records.len()), "{} of {answered}", records.len());
    let health: Answer = api.get("/health").await.with(200);
    assert_eq!(health.json::<Value>()["totalInvocations"], json!(records.len()));
    service.stop().await;
    assert_eq!(integrity(&home), "ok");
    assert_eq!(born(&neighbour).await, same, "the other instance's sandbox lives");
    neighbour.stop().await;
}

/// SQLite's own word on the database.
#[expect(clippy::disallowed_methods, reason = "another program than the one under test reads its database")]
fn integrity(home: &Home) -> String {
    const CHECK: &str = "import sqlite3, sys\n\
                         print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])";
    let database = home.data().join("cloudbox.db");
    let output = std::process::Command::new("python3").arg("-c").arg(CHECK).arg(database).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        .trim()
        .to_owned()
}

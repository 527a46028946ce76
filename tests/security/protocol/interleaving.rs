//! C8: many callers, each with words of its own, while runtimes are killed: nobody gets what another asked for.

use std::path::Path;
use std::time::Duration;

use cloudbox_tests::{Language, Stage, machine, on_both_drivers};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::word;

on_both_drivers! { c8_interleaving }

const CALLERS: usize = 200;
/// Seconds of it, unless `CLOUDBOX_TEST_LONG` says how many.
const SECONDS: u64 = 12;
/// Codes that a call may be refused with: its process was killed, or there was none in time.
const CLEAN: [&str; 3] = ["RUNTIME_ERROR", "OVERLOADED", "TIMEOUT"];

/// What happened to the calls.
#[derive(Default, Debug)]
struct Tally {
    right: u32,
    refused: u32,
}

/// Callers in all three languages, and a kill of a runtime in every second.
#[expect(clippy::print_stdout, reason = "the figures of the run")]
async fn c8_interleaving(stage: &Stage) {
    for language in Language::ALL {
        let settings = json!({ "max_instances": 3, "timeout": 20 });
        stage.deploy(&name(language), language, "interleave", &settings).await;
    }
    let seconds = machine::variable("CLOUDBOX_TEST_LONG").map_or(SECONDS, |text| text.parse().unwrap());
    let callers = (0..CALLERS).map(|index| callers_calls(stage, index, seconds));
    let (tallies, kills) = tokio::join!(futures::future::join_all(callers), kill_runtimes(stage, seconds));
    let right: u32 = tallies.iter().map(|tally| tally.right).sum();
    let refused: u32 = tallies.iter().map(|tally| tally.refused).sum();
    println!("{right} calls were right, {refused} refused, {kills} runtimes killed, 0 foreign answers");
    assert!(kills > 0, "something was killed");
    assert!(right > CALLERS as u32 && right > 2 * refused, "{right} right, {refused} refused");
}

fn name(language: Language) -> String {
    format!("interleave-{}", language.extension())
}

/// One caller, call after call.
async fn callers_calls(stage: &Stage, index: usize, seconds: u64) -> Tally {
    let name = name(Language::ALL[index % 3]);
    let mut tally = Tally::default();
    let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while tokio::time::Instant::now() < until {
        let word = word();
        let filler = "x".repeat(if index.is_multiple_of(10) { 200_000 } else { index });
        let data = json!({ "word": word, "ms": index % 7, "filler": filler });
        let answer = stage.call(&name, &data).await;
        let body: Value = answer.json();
        if answer.status == 200 {
            assert_eq!(body["response"], json!({ "word": word, "length": filler.len() }), "a foreign answer");
            assert_eq!(body["logs"], format!("{word}\n"), "a foreign log");
            tally.right += 1;
        } else {
            assert!(CLEAN.iter().any(|code| body["code"] == *code), "{body}");
            let logs = body["logs"].as_str().unwrap_or_default();
            assert!(logs.lines().all(|line| line == word), "a foreign log: {body}");
            tally.refused += 1;
        }
    }
    tally
}

/// `kill -9` of a runtime in every second; how many.
async fn kill_runtimes(stage: &Stage, seconds: u64) -> u32 {
    let mut count = 0;
    for round in 0..seconds {
        sleep(Duration::from_secs(1)).await;
        let runtimes = runtimes(stage.service.home().path());
        let Some(pid) = runtimes.get(usize::try_from(round * 7).unwrap() % runtimes.len().max(1)) else {
            continue;
        };
        count += u32::from(kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok());
    }
    count
}

/// The processes of this service's sandboxes that run a language: those in its cgroups, without inits.
pub fn runtimes(home: &Path) -> Vec<i32> {
    let id = std::fs::read_to_string(home.join("data/instance-id")).unwrap();
    let id = &id.trim()[..8];
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let program = read("cmdline").split('\0').next().unwrap_or_default().to_owned();
        if read("cgroup").contains(id)
            && ["node", "python3", "function"].iter().any(|end| program.ends_with(end))
        {
            found.push(pid);
        }
    }
    found.sort_unstable();
    found
}

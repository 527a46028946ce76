//! Callers that call one function again and again, and remember how each call ended.

use std::time::Duration;

use cloudbox_tests::{Answer, Api};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A function that waits `ms` milliseconds and answers with `n`.
pub const SLOW: &str =
    "exports.handler = async (data) => { await new Promise((r) => setTimeout(r, data.ms)); return data.n; };";

/// How calls ended.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Right answers.
    pub answered: usize,
    /// 503, with a time to come back at.
    pub refused: usize,
    /// Connections that broke, or were not taken.
    pub broken: Vec<String>,
}

/// Callers at work.
pub struct Load {
    callers: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// `count` callers of a function of the source [`SLOW`]; each stops at its first refusal or broken connection.
    pub fn start(api: &Api, name: &str, count: usize, ms: u64) -> Self {
        let callers = (0..count).map(|caller| {
            let (api, name) = (api.clone(), name.to_owned());
            tokio::spawn(async move { keep_calling(&api, &name, caller * 1_000_000, ms).await })
        });
        Self { callers: callers.collect() }
    }

    /// Waits for the callers, which end by themselves.
    pub async fn ended(self) -> Tally {
        let mut all = Tally::default();
        for caller in self.callers {
            let one = caller.await.unwrap();
            all.answered += one.answered;
            all.refused += one.refused;
            all.broken.extend(one.broken);
        }
        all
    }
}

async fn keep_calling(api: &Api, name: &str, first: usize, ms: u64) -> Tally {
    let mut tally = Tally::default();
    for n in first.. {
        let request = api.public(Method::POST, name, "").json(&json!({ "n": n, "ms": ms }));
        match Answer::attempt(request).await {
            Ok(answer) if answer.status == 503 => {
                assert!(!answer.header("retry-after").is_empty(), "{}", answer.text());
                tally.refused += 1;
                break;
            }
            Ok(answer) => {
                assert_eq!(answer.with(200).json::<Value>(), json!(n));
                tally.answered += 1;
            }
            Err(error) => {
                tally.broken.push(format!("{error:?}"));
                break;
            }
        }
    }
    tally
}

/// One call that has to be answered, with `n`.
pub async fn answers(api: &Api, name: &str, n: usize) {
    let call = json!({ "data": { "n": n, "ms": 0 } });
    let answer = tokio::time::timeout(Duration::from_secs(300), api.execute(name, &call)).await.unwrap();
    assert_eq!(answer.with(200).json::<Value>()["response"], json!(n), "{name}");
}

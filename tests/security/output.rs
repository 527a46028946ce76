//! E: what a function answers and prints. Its source is `attacks/output.*`; `way` says what it does.

mod answers;

use std::path::Path;
use std::time::Duration;

use cloudbox_tests::{Answer, Language, Stage, machine, on_both_drivers};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};

on_both_drivers! {
    e1_floods, e2_large_answers, e3_depth, e4_values, e4_exceptions, e5_log_injection
}

/// Bytes of one call's logs, with the marker.
const LOGS: usize = (1 << 20) + 200;
/// Bytes of a result: the default of `limits.max_response_bytes`.
const RESULT: usize = 6 << 20;
/// Bytes of an error's body.
const ERROR: usize = 128 << 10;
/// How a function may fail that made a result nobody can send.
const CLEAN: [ErrorCode; 5] = [
    ErrorCode::InvalidResponse,
    ErrorCode::RuntimeError,
    ErrorCode::ResponseTooLarge,
    ErrorCode::OutOfMemory,
    ErrorCode::Timeout,
];

/// The function in a language, by its name.
async fn deployed(stage: &Stage, language: Language) -> String {
    let name = format!("output-{}", language.extension());
    stage.deploy(&name, language, "output", &json!({ "memory": 512, "timeout": 120 })).await;
    name
}

/// The function works as if nothing had been.
async fn is_fine(stage: &Stage, name: &str) {
    // One whose process died is started again after a pause that grows.
    for _ in 0..40 {
        let answer = stage.call(name, &json!({ "way": "none" })).await;
        if answer.status != 503 {
            assert_eq!(answer.with(200).json::<Value>()["response"], "fine", "{name}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{name} does not come back");
}

/// An error that says what it is, in few bytes.
fn clean(answer: &Answer, what: &str) -> ErrorCode {
    assert!(answer.body.len() <= ERROR, "{what}: {} bytes of an error", answer.body.len());
    let body: Value = answer.json();
    let code = CLEAN.into_iter().find(|code| body["code"] == code.as_str());
    let code = code.unwrap_or_else(|| panic!("{what}: {} {body}", answer.status));
    assert_eq!(answer.status, code.http_status(), "{what}: {body}");
    code
}

async fn e1_floods(stage: &Stage) {
    let mb = if machine::variable("CLOUDBOX_TEST_LONG").is_some() { 1024 } else { 64 };
    for language in Language::ALL {
        let name = deployed(stage, language).await;
        let before = bytes_below(&stage.service.home().data());
        for to in ["line", "lines", "stderr"] {
            let flood = json!({ "way": "flood", "mb": mb, "to": to });
            let answer: Value = stage.call(&name, &flood).await.with(200).json();
            assert_eq!(answer["response"], "kept", "{name}: {to}");
            let logs = answer["logs"].as_str().unwrap();
            assert!(logs.len() <= LOGS, "{name}: {to}: {} bytes of logs", logs.len());
            assert!(logs.contains("more bytes were cut off"), "{name}: {to}: {}", &logs[logs.len() - 200..]);
        }
        let after = bytes_below(&stage.service.home().data());
        assert!(after < before + (16 << 20), "{name}: from {before} to {after} bytes on the disk");
        is_fine(stage, &name).await;
    }
}

/// Bytes of the files below a folder that the service writes itself.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) if data.is_file() => data.len(),
        _ => 0,
    };
    entries.map(size).sum()
}

async fn e2_large_answers(stage: &Stage) {
    let text = |unit: &str, count: usize| json!({ "way": "text", "unit": unit, "count": count });
    for language in Language::ALL {
        let name = deployed(stage, language).await;
        for too_large in [
            text("x", 100 << 20),
            text("\u{1}", 2 << 20),
            text("\u{20ac}", 3 << 20),
            text("x", RESULT - 1),
            json!({ "way": "keys", "count": 600_000 }),
        ] {
            let error = stage.call(&name, &too_large).await.error(ErrorCode::ResponseTooLarge);
            assert!(error["error"].as_str().unwrap().contains("6291456"), "{name}: {error}");
        }
        for count in [1 << 20, RESULT - 2] {
            let answer: Value = stage.call(&name, &text("x", count)).await.with(200).json();
            let response = answer["response"].as_str().unwrap();
            assert!(response.len() == count && response.bytes().all(|byte| byte == b'x'), "{name}: {count}");
            assert_eq!(answer["response_size"], count + 2);
        }
        is_fine(stage, &name).await;
    }
}

async fn e3_depth(stage: &Stage) {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for language in Language::ALL {
        let name = deployed(stage, language).await;
        for depth in [100, 512] {
            let answer = stage.call(&name, &json!({ "way": "deep", "depth": depth })).await.with(200);
            let response = format!("{{\"response\":{},", nested(depth));
            assert!(answer.text().starts_with(&response), "{name}: {depth}");
        }
        for depth in [513, 10_000, 100_000, 1_000_000] {
            let what = format!("{name}: {depth} levels");
            clean(&stage.call(&name, &json!({ "way": "deep", "depth": depth })).await, &what);
            is_fine(stage, &name).await;
        }
        let body = format!("{{\"way\":\"same\",\"value\":{}}}", nested(127));
        let request = stage.api.public(reqwest::Method::POST, &name, "").body(body);
        assert_eq!(Answer::of(request).await.with(200).text(), nested(127), "{name}");
    }
}

/// How many cases of a kind the function has.
async fn cases(stage: &Stage, name: &str, way: &str) -> u64 {
    let answer: Value = stage.call(name, &json!({ "way": way })).await.with(200).json();
    answer["response"].as_u64().unwrap()
}

async fn e4_values(stage: &Stage) {
    for language in Language::ALL {
        let name = deployed(stage, language).await;
        let count = cases(stage, &name, "value").await;
        assert!(count >= 40, "{name} has {count} values");
        for at in 0..count {
            let what = format!("{name}: value {at}");
            let answer = stage.call(&name, &json!({ "way": "value", "at": at })).await;
            if answer.status == 200 {
                let whole: cloudbox_api_types::ExecuteAnswer = answer.json();
                assert!(!whole.response.get().is_empty(), "{what}");
            } else {
                let code = clean(&answer, &what);
                let is_theirs = matches!(code, ErrorCode::InvalidResponse | ErrorCode::RuntimeError);
                assert!(is_theirs, "{what}: {}", answer.text());
            }
        }
        is_fine(stage, &name).await;
    }
}

async fn e4_exceptions(stage: &Stage) {
    for language in Language::ALL {
        let name = deployed(stage, language).await;
        let count = cases(stage, &name, "exception").await;
        assert!(count >= 30, "{name} has {count} exceptions");
        for at in 0..count {
            let what = format!("{name}: exception {at}");
            let data = json!({ "way": "exception", "at": at });
            let answer = stage.call(&name, &data).await;
            // Whatever code or status an exception has of its own.
            assert_eq!(clean(&answer, &what), ErrorCode::RuntimeError, "{what}: {}", answer.text());
            let request = stage.api.anonymous().public(reqwest::Method::POST, &name, "").json(&data);
            let error = Answer::of(request).await.error(ErrorCode::RuntimeError);
            let told: Vec<_> = error.as_object().unwrap().keys().collect();
            assert_eq!(told, ["code", "error", "invocation_id"], "{what}: {error}");
        }
        is_fine(stage, &name).await;
    }
}

async fn e5_log_injection(stage: &Stage) {
    let forged = "a\r\n2026-01-01T00:00:00Z ERROR cloudbox: forged\n{\"level\":\"ERROR\"}\u{1b}[2J\u{9b}31m\0\u{2028}\n";
    // PostgreSQL keeps no NUL, so no database does.
    let stored = forged.replace('\0', "\u{fffd}");
    for language in Language::ALL {
        let name = deployed(stage, language).await;
        let answer: Value =
            stage.call(&name, &json!({ "way": "print", "text": forged })).await.with(200).json();
        assert_eq!(answer["logs"], forged, "{name}");
        assert_eq!(stage.api.logs(&name, "limit=1").await.items[0].logs, stored, "{name}");
        // Half a character, an overlong one, half a pair, and bytes that begin none.
        let broken = json!({ "way": "bytes", "hex": "61c3 62 c080 63 eda080 64 fffe 65".replace(' ', "") });
        let answer: Value = stage.call(&name, &broken).await.with(200).json();
        let letters: String = answer["logs"].as_str().unwrap().replace('\u{fffd}', "");
        assert_eq!(letters, "abcde", "{name}: {answer}");
        is_fine(stage, &name).await;
    }
    crate::http::log_has_records(stage, "text");
}

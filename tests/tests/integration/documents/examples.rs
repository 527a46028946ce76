//! Every function in the documents: it is deployed and called, and answers.

use cloudbox_tests::{Answer, Api};
use reqwest::Method;
use serde_json::{Value, json};

use super::Document;

/// How a line begins that makes a handler.
const HANDLERS: [(&str, &[&str]); 3] = [
    (
        "javascript",
        &["exports.handler =", "module.exports =", "export default", "export async function handler"],
    ),
    ("python", &["def handler("]),
    ("go", &["func handler("]),
];

/// Examples that call something that isn't there: the document, words of the example, words of its error, and why.
const ABSENT: [(&str, &str, &str, &str); 5] = [
    ("000", "someAsyncOperation(event.id)", "someAsyncOperation", "the document doesn't define it"),
    ("002", "https://api.example.com", "fetch", "a remote host, and functions have no network"),
    (
        "004",
        "require('node-fetch')",
        "node-fetch",
        "a package that is not among the dependencies, 'if available'",
    ),
    ("004", "await someAsyncOperation()", "someAsyncOperation", "the document doesn't define it"),
    ("004", "await fetchExternalData()", "fetchExternalData", "the document doesn't define it"),
];

/// A line for each example that doesn't do what it should.
pub(super) async fn run(documents: &[Document], api: &Api) -> Vec<String> {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in documents {
        for (language, marks) in HANDLERS {
            let blocks = document.blocks(language);
            let functions = blocks.iter().flat_map(|block| functions(block, language, marks));
            for (index, code) in functions.enumerate() {
                let name = format!("d{}-{language}-{index}", document.number);
                let absent =
                    ABSENT.iter().find(|(of, mark, ..)| *of == document.number && code.contains(mark));
                let said = call(api, &name, language, &code).await;
                match (said, absent) {
                    (Ok(()), None) => {}
                    (Err(said), Some((_, _, word, _))) if said.contains(word) => {}
                    (said, absent) => wrong.push(format!("{name} ({absent:?}): {said:?}\n{code}")),
                }
                count += 1;
            }
        }
    }
    if count < 16 {
        wrong.push(format!("only {count} examples were found"));
    }
    wrong
}

/// The functions of a block: one, or several that each begin with their comment.
fn functions(block: &str, language: &str, marks: &[&str]) -> Vec<String> {
    let lines: Vec<&str> = block.lines().collect();
    // A line that begins so: a call of the SDK may quote a handler.
    let is_start = |line: &&str| marks.iter().any(|mark| line.starts_with(mark));
    let starts: Vec<usize> = (0..lines.len()).filter(|at| is_start(&lines[*at])).collect();
    if starts.is_empty() {
        return Vec::new();
    }
    if language != "javascript" {
        return vec![block.to_owned()];
    }
    let with_comment = |start: &usize| {
        let comments = lines[..*start].iter().rev().take_while(|line| line.starts_with("//"));
        start - comments.count()
    };
    let mut bounds: Vec<usize> = starts.iter().map(with_comment).collect();
    bounds[0] = 0;
    bounds.push(lines.len());
    bounds.windows(2).map(|bound| lines[bound[0]..bound[1]].join("\n") + "\n").collect()
}

/// Deploys it and calls it, with what examples look for: the error, if there is one.
async fn call(api: &Api, name: &str, language: &str, code: &str) -> Result<(), String> {
    // One of the examples says that it requires this variable.
    let environment = json!({ "API_KEY": "k" });
    let function = json!({ "name": name, "language": language, "code": code, "is_public": true, "environment": environment });
    let _ = api.create(&function).await.with(201);
    let deployed = api.deploy(name).await;
    if deployed.status != 200 {
        return Err(deployed.text());
    }
    let data = json!({ "name": "Ada", "email": "ada@example.org", "id": 7 });
    let public = api.public(Method::POST, name, "?name=Ada").json(&data);
    let answer = Answer::of(public).await;
    if answer.status != 200 {
        let request = json!({ "data": data, "query": { "name": "Ada" } });
        return Err(api.execute(name, &request).await.text());
    }
    let shown = answer.text();
    let is_about_it = serde_json::from_str::<Value>(&shown).is_err() || shown.len() > 2;
    if is_about_it { Ok(()) } else { Err(shown) }
}

//! Every function in the documents: it is deployed and called, and answers.

use std::collections::BTreeSet;

use cloudbox_tests::{Answer, Api};
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::table::{EXAMPLES, End, NO_FUNCTIONS, Needs};
use super::{Block, Document, HOST};

/// How a line begins that makes a handler.
const HANDLERS: [(&str, &[&str]); 3] = [
    (
        "javascript",
        &["exports.handler =", "module.exports =", "export default", "export async function handler"],
    ),
    ("python", &["def handler("]),
    ("go", &["func handler("]),
];
/// Examples that are tried at the same time.
const AT_ONCE: usize = 4;
/// What only parts of a handler begin with: they are run inside of one.
const PARTS: [&str; 2] = ["context.", "return context."];

/// A line for each example that doesn't do what the table says.
pub(super) async fn run(documents: &[Document], api: &Api) -> Vec<String> {
    let (mut wrong, mut found, mut no_functions) = (Vec::new(), Vec::new(), BTreeSet::new());
    for document in documents {
        for block in document.blocks() {
            let of_language = HANDLERS.iter().find(|(language, _)| *language == block.language);
            let Some((_, marks)) = of_language else { continue };
            let codes = codes(&block, marks);
            let none = NO_FUNCTIONS
                .iter()
                .position(|(of, words, _)| *of == document.number && block.text.contains(words));
            if codes.is_empty() != none.is_some_and(|row| no_functions.insert(row)) {
                wrong.push(format!("{}: a function, or none?\n{}", document.number, block.text));
            }
            found.extend(
                codes.into_iter().map(|code| (document.number.as_str(), block.language.clone(), code)),
            );
        }
    }
    assert_eq!(no_functions.len(), NO_FUNCTIONS.len(), "every row is of a block");
    let (mut rows, mut trials) = (BTreeSet::new(), Vec::new());
    for (index, (document, language, code)) in found.iter().enumerate() {
        let fits = |row: &usize| EXAMPLES[*row].0 == *document && code.contains(EXAMPLES[*row].1);
        let fitting: Vec<usize> = (0..EXAMPLES.len()).filter(fits).collect();
        match fitting.as_slice() {
            [row] if rows.insert(*row) => {
                let name = format!("d{document}-{language}-{index}");
                trials.push(tried(api, name, language, code, *row));
            }
            rows => wrong.push(format!("{document}: not one row of its own, but {rows:?}:\n{code}")),
        }
    }
    // A few at a time: most of each is waiting for a build.
    let ended: Vec<_> = futures::stream::iter(trials).buffer_unordered(AT_ONCE).collect().await;
    wrong.extend(ended.into_iter().flatten());
    let unused = (0..EXAMPLES.len()).filter(|row| !rows.contains(row));
    wrong.extend(unused.map(|row| format!("nothing is like {:?}", EXAMPLES[row])));
    wrong
}

/// The handlers of a block: those that it defines, one that it quotes, or the part of one that it is.
fn codes(block: &Block, marks: &[&str]) -> Vec<String> {
    let handlers = functions(&block.text, marks);
    if !handlers.is_empty() || block.language != "javascript" {
        return handlers;
    }
    // In a call of a client library.
    if let Some((_, rest)) = block.text.split_once("code: `") {
        return rest.split('`').next().map(str::to_owned).into_iter().collect();
    }
    let is_part = block.text.lines().any(|line| {
        let value = line.split_once(" = ").map_or(line, |(_, value)| value);
        PARTS.iter().any(|part| value.trim_start_matches("await ").starts_with(part))
    });
    let handler = format!("export default async function handler(request, context) {{\n{}}}\n", block.text);
    is_part.then_some(handler).into_iter().collect()
}

/// The functions of a block: one, or several that each begin with their comment. What stands before the first is for all.
fn functions(text: &str, marks: &[&str]) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    // A line that begins so: a call of a client library may quote a handler.
    let is_start = |at: &usize| marks.iter().any(|mark| lines[*at].starts_with(mark));
    let starts: Vec<usize> = (0..lines.len()).filter(is_start).collect();
    let with_comment = |start: &usize| {
        let comments = lines[..*start].iter().rev().take_while(|line| line.starts_with(['/', '#']));
        start - comments.count()
    };
    let mut bounds: Vec<usize> = starts.iter().map(with_comment).collect();
    let Some(first) = bounds.first().copied() else { return Vec::new() };
    let head = lines[..first].join("\n") + "\n";
    bounds.push(lines.len());
    bounds.windows(2).map(|bound| head.clone() + &lines[bound[0]..bound[1]].join("\n") + "\n").collect()
}

/// What is wrong with an example, by its row.
async fn tried(api: &Api, name: String, language: &str, code: &str, row: usize) -> Option<String> {
    let (_, _, needs, end) = &EXAMPLES[row];
    let (code, dependencies) = match needs {
        Needs::Nothing => (code.to_owned(), json!({})),
        Needs::Last(line) => (code.trim_end().strip_suffix('}')?.to_owned() + line + "\n}\n", json!({})),
        Needs::Package(package, version) => (code.to_owned(), json!({ *package: version })),
    };
    let said = call(api, &name, language, &code, &dependencies).await;
    let expected = match (&said, end) {
        (Ok(said), End::Answers(words)) | (Err(said), End::Fails(words, _)) if said.contains(words) => {
            return None;
        }
        (_, End::Answers(words)) => format!("an answer with {words}"),
        (_, End::Fails(words, why)) => format!("an error with {words}, since {why}"),
    };
    Some(format!("{name}: {said:?}, not {expected}\n{code}"))
}

/// Deploys it and calls it, with what examples look for: the answer, or the error.
async fn call(
    api: &Api,
    name: &str,
    language: &str,
    code: &str,
    dependencies: &Value,
) -> Result<String, String> {
    // Variables that examples read; the last one since the remote host here has a certificate of its own making.
    let environment = json!({ "API_KEY": "k", "DATABASE_URL": "u", "NODE_TLS_REJECT_UNAUTHORIZED": "0" });
    let function = json!({
        "name": name, "language": language, "code": code, "is_public": true, "environment": environment,
        "dependencies": dependencies, "egress": [HOST],
    });
    let _ = api.create(&function).await.with(201);
    let deployed = api.deploy(name).await;
    if deployed.status != 200 {
        return Err(deployed.text());
    }
    let data = json!({ "name": "Ada", "email": "ada@example.org", "id": 7 });
    let public = api.anonymous().public(Method::POST, name, "?name=Ada").json(&data);
    let answer = Answer::of(public).await;
    if answer.status == 200 {
        return Ok(answer.text());
    }
    let request = json!({ "data": data, "query": { "name": "Ada" } });
    Err(api.execute(name, &request).await.text())
}

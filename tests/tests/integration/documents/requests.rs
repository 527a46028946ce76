//! Every request in the documents, `curl` commands and plain ones: its route answers it.

use cloudbox_tests::{Answer, Api};
use reqwest::Method;
use serde_json::{Value, json};

use super::Document;

/// Requests whose route is not there: the document, how the path begins, and why.
const ABSENT: [(&str, &str, &str); 1] = [("002", "/webhook", "a host name that nobody here owns")];
/// What a request's body asks for and can't be had yet: it is refused with a sentence that says so.
const UNAVAILABLE: [&str; 1] = ["domainId"];

#[derive(Debug, Default, PartialEq)]
struct Request {
    method: Option<String>,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// A line for each request that is not answered.
pub(super) async fn run(documents: &[Document], api: &Api) -> Vec<String> {
    let echo = "exports.handler = async (data, context) => ({ data, path: context.path });";
    for name in ["any", "hello", "get-status"] {
        api.launch(name, "javascript", echo).await;
    }
    let id = api.function("any").await.with(200).json::<Value>()["id"].to_string();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in documents {
        for block in document.blocks("bash") {
            for request in requests(&block) {
                let request = replaced(request, &id, api.token.as_deref().unwrap_or_default());
                let answer = send(api, &request).await;
                let is_absent = ABSENT
                    .iter()
                    .any(|(of, path, _)| *of == document.number && request.path.starts_with(path));
                let body = request.body.as_deref().unwrap_or_default();
                let is_refused = answer.status == 400
                    && answer.text().contains("is not available yet")
                    && UNAVAILABLE.iter().any(|field| body.contains(field));
                if !(200..300).contains(&answer.status) && !is_absent && !is_refused {
                    wrong.push(format!(
                        "{}: {request:?}: {} {}",
                        document.number,
                        answer.status,
                        answer.text()
                    ));
                }
                if request.body.as_deref().is_some_and(|body| body.contains("process-payment")) {
                    publish(api, "process-payment").await;
                }
                count += 1;
            }
        }
    }
    if count < 14 {
        wrong.push(format!("only {count} requests were found"));
    }
    wrong
}

/// The document deploys by hand what it made; its packages come from a remote host, and nothing of its code needs them.
async fn publish(api: &Api, name: &str) {
    let _ = api.patch(name, &json!({ "dependencies": {} })).await.with(200);
    let _ = api.deploy(name).await.with(200);
}

async fn send(api: &Api, request: &Request) -> Answer {
    let default = if request.body.is_some() { "POST" } else { "GET" };
    let method: Method = request.method.as_deref().unwrap_or(default).parse().unwrap();
    let mut sent = api.anonymous().request(method, &request.path);
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    Answer::of(sent.body(request.body.clone().unwrap_or_default())).await
}

/// With this service's ids and token.
fn replaced(mut request: Request, id: &str, token: &str) -> Request {
    for (from, to) in [
        ("/functions/123", format!("/functions/{id}")),
        ("YOUR_FUNCTION_ID", id.to_owned()),
        ("{id}", id.to_owned()),
        ("project-123", "1".to_owned()),
    ] {
        request.path = request.path.replace(from, &to);
    }
    for (_, value) in &mut request.headers {
        *value = value.replace("YOUR_TOKEN", token);
    }
    request
}

/// The requests of a block: each `curl …`, or the block as a whole as `POST /path` and a body.
fn requests(block: &str) -> Vec<Request> {
    let first = block.lines().next().unwrap_or_default();
    if let Some((method, path)) = first.split_once(' ').filter(|(_, path)| path.starts_with('/')) {
        let body = block.lines().skip(1).collect::<Vec<_>>().join("\n");
        let body = (!body.is_empty()).then_some(body);
        return vec![Request {
            method: Some(method.to_owned()),
            path: path.to_owned(),
            // What is written without a command leaves the credential out.
            headers: vec![("Authorization".to_owned(), "Bearer YOUR_TOKEN".to_owned())],
            body,
        }];
    }
    let starts = block.match_indices("curl ").filter(|(at, _)| *at == 0 || block[..*at].ends_with('\n'));
    starts.map(|(at, _)| curl(&words(&block[at..]))).collect()
}

fn curl(words: &[String]) -> Request {
    let mut request = Request::default();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().unwrap_or_default();
        match word.as_str() {
            "-X" => request.method = Some(value()),
            "-d" => request.body = Some(value()),
            "-H" => {
                let header = value();
                let (name, value) = header.split_once(": ").unwrap();
                request.headers.push((name.to_owned(), value.to_owned()));
            }
            url => {
                let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
                request.path = rest.find('/').map_or("/", |at| &rest[at..]).to_owned();
            }
        }
    }
    request
}

/// The words of a command, as a shell reads them, up to the end of its line.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(mark), _) if c == mark => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(other) => word.get_or_insert_default().push(other),
            },
            (None, '\n') => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn commands_are_read_as_a_shell_does() {
    let text = "# why\ncurl -X POST \"http://localhost:1/a?b=1&c=2\" \\\n  -H 'A: b c' \\\n  -d '{\n \"d\": \"\\\"\" }'\n# then\n";
    let request = Request {
        method: Some("POST".to_owned()),
        path: "/a?b=1&c=2".to_owned(),
        headers: vec![("A".to_owned(), "b c".to_owned())],
        body: Some("{\n \"d\": \"\\\"\" }".to_owned()),
    };
    assert_eq!(requests(text), [request]);
    assert_eq!(requests("GET /x\n")[0].path, "/x");
}

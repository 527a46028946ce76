//! Every request in the documents, `curl` commands and plain ones: its route answers it.

use cloudbox_tests::pack::tgz;
use cloudbox_tests::{Answer, Api};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Block, Document};

/// Requests of each document, and how many of them are `curl` commands.
const COUNTS: [(&str, (usize, usize)); 5] =
    [("000", (3, 3)), ("001", (6, 6)), ("002", (4, 1)), ("003", (1, 1)), ("004", (11, 3))];

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
    /// The answer that the document shows.
    shape: Option<Value>,
}

/// What clients of these documents find there: their functions, by the names and ids in the requests.
struct Stage {
    /// Functions of the native routes and of the dashboard's, and the one that the edge functions' routes made.
    id: String,
    edge: String,
    /// The dashboard's placeholders: a version that isn't active, and a record.
    version: String,
    log: String,
}

impl Stage {
    async fn set(api: &Api) -> Self {
        let echo = "exports.handler = async (data, context) => ({ data, path: context.path });";
        for name in ["any", "get-status"] {
            api.launch(name, "javascript", echo).await;
        }
        let site = api.in_project("project-123");
        let _ = api.post("/api/projects", &json!({ "name": "Site", "slug": "project-123" })).await.with(201);
        let greets = "export async function handler(event) {
            console.log('Processing request');
            return { message: 'Hello ' + event.name };
        }";
        site.launch("hello", "javascript", greets).await;
        let id = api.function("any").await.with(200).json::<Value>()["id"].to_string();
        Self { id, edge: String::new(), version: String::new(), log: String::new() }
    }

    /// A request with this service's ids and token.
    fn replaced(&self, mut request: Request, token: &str) -> Request {
        let is_edge = request.path.starts_with("/api/edge-functions/");
        for (from, to) in [
            ("/functions/123", format!("/functions/{}", self.id)),
            ("YOUR_FUNCTION_ID", self.id.clone()),
            ("{id}", if is_edge { self.edge.clone() } else { self.id.clone() }),
            (":functionId", self.id.clone()),
            (":versionId", self.version.clone()),
            (":logId", self.log.clone()),
        ] {
            request.path = request.path.replace(from, &to);
        }
        for (_, value) in &mut request.headers {
            *value = value.replace("YOUR_TOKEN", token).replace("<jwt_token>", token);
        }
        request.body = request.body.map(|body| body.replace("version_id", &self.version));
        request
    }

    /// What later requests need of an answer, and what the document does by hand between two of them.
    async fn learn(&mut self, api: &Api, request: &Request, answer: &Answer) {
        let shown = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if request.path == "/api/edge-functions" {
            self.edge = text(&shown["id"]);
        }
        if request.path.ends_with("/versions")
            && request.body.is_none()
            && request.method.as_deref() == Some("GET")
        {
            self.version = text(&shown["items"][0]["id"]);
        }
        if request.path.contains("/execution-logs?") {
            self.log = text(&shown["logs"][0]["id"]);
        }
        if request.path.ends_with("/switch-version") {
            // The one that was active before is the one that may be deleted.
            let versions: Value =
                api.get(&format!("/api/functions/{}/versions", self.id)).await.with(200).json();
            let mut all = versions["items"].as_array().unwrap().iter().map(|version| text(&version["id"]));
            self.version = all.find(|version| *version != self.version).unwrap();
        }
        if request.body.as_deref().is_some_and(|body| body.contains("process-payment")) {
            let _ = api.deploy("process-payment").await.with(200);
        }
    }
}

/// A line for each request that is not answered.
pub(super) async fn run(documents: &[Document], api: &Api) -> Vec<String> {
    let mut stage = Stage::set(api).await;
    let mut wrong = Vec::new();
    for (document, (number, count)) in documents.iter().zip(COUNTS) {
        let mut found = 0;
        for block in document.blocks() {
            for request in requests(&block) {
                found += 1;
                let shape = request.shape.clone();
                let request = stage.replaced(request, api.token.as_deref().unwrap_or_default());
                let answer = send(api, &request).await;
                wrong.extend(judged(number, &request, &answer, shape.as_ref()));
                stage.learn(api, &request, &answer).await;
            }
        }
        let commands = document.text.lines().filter(|line| line.trim_start().starts_with("curl ")).count();
        if document.number != number || (found, commands) != count {
            wrong.push(format!("{number}: {found} requests, {commands} of them commands, not {count:?}"));
        }
    }
    wrong
}

/// What is wrong with an answer.
fn judged(document: &str, request: &Request, answer: &Answer, shape: Option<&Value>) -> Option<String> {
    let is_absent = ABSENT.iter().any(|(of, path, _)| *of == document && request.path.starts_with(path));
    let body = request.body.as_deref().unwrap_or_default();
    let is_refused = answer.status == 400
        && answer.text().contains("is not available yet")
        && UNAVAILABLE.iter().any(|field| body.contains(field));
    if is_absent || is_refused {
        return None;
    }
    let shown = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let lacking = shape.and_then(|shape| lacking(shape, &shown, "answer"));
    let is_right = (200..300).contains(&answer.status) && lacking.is_none();
    (!is_right).then(|| format!("{document}: {request:?}: {} {lacking:?} {}", answer.status, answer.text()))
}

/// What an answer lacks of the document's own: a field, or one of its type. Ids are numbers here.
fn lacking(theirs: &Value, ours: &Value, place: &str) -> Option<String> {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => theirs.iter().find_map(|(name, value)| {
            let place = format!("{place}.{name}");
            match ours.get(name) {
                None => Some(place),
                Some(_) if name == "id" => None,
                Some(own) => lacking(value, own, &place),
            }
        }),
        _ if std::mem::discriminant(theirs) == std::mem::discriminant(ours) => None,
        _ => Some(place.to_owned()),
    }
}

async fn send(api: &Api, request: &Request) -> Answer {
    let default = if request.body.is_some() { "POST" } else { "GET" };
    let method: Method = request.method.as_deref().unwrap_or(default).parse().unwrap();
    let mut sent = api.anonymous().request(method, &request.path);
    let is_form = |(_, value): &&(String, String)| value == "multipart/form-data";
    for (name, value) in request.headers.iter().filter(|header| !is_form(header)) {
        sent = sent.header(name, value);
    }
    if request.headers.iter().any(|header| is_form(&header)) {
        // The document names the form alone; the package is that of its functions.
        let package = tgz(&[("package/index.js", "module.exports = (req, res) => res.json({ is: 'new' });")]);
        let head = "--b\r\ncontent-disposition: form-data; name=\"package\"; filename=\"p.tgz\"\r\n\r\n";
        let body = [head.as_bytes(), &package, b"\r\n--b--\r\n"].concat();
        return Answer::of(sent.header("content-type", "multipart/form-data; boundary=b").body(body)).await;
    }
    if request.body.is_some()
        && !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        sent = sent.header("content-type", "application/json");
    }
    Answer::of(sent.body(request.body.clone().unwrap_or_default())).await
}

/// The requests of a block: each `curl …`, the block as a whole as `POST /path` and a body, or each such request with
/// headers between comments.
fn requests(block: &Block) -> Vec<Request> {
    let text = &block.text;
    match block.language.as_str() {
        "http" => return text.split("\n\n").filter_map(plain).collect(),
        "bash" => {}
        _ => return Vec::new(),
    }
    if let Some(mut request) = plain(text) {
        // What is written without a command leaves the credential out.
        request.headers.push(("Authorization".to_owned(), "Bearer YOUR_TOKEN".to_owned()));
        return vec![request];
    }
    let starts = text.match_indices("curl ").filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'));
    let shape = text.split_once("# Response:\n").map(|(_, shape)| serde_json::from_str(shape).unwrap());
    starts.map(|(at, _)| Request { shape: shape.clone(), ..curl(&words(&text[at..])) }).collect()
}

/// `POST /path`, headers and a body in braces; comments before it are left out.
fn plain(text: &str) -> Option<Request> {
    let mut lines = text.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
    let (method, path) = lines.next()?.split_once(' ').filter(|(_, path)| path.starts_with('/'))?;
    let rest: Vec<&str> = lines.collect();
    let headers = rest.iter().take_while(|line| !line.starts_with('{'));
    let headers: Vec<_> = headers.filter_map(|line| line.split_once(": ")).collect();
    let body = rest[headers.len()..].join("\n");
    Some(Request {
        method: Some(method.to_owned()),
        path: path.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: (!body.is_empty()).then_some(body),
        shape: None,
    })
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
        shape: None,
    };
    let block = |language: &str, text: &str| Block { language: language.to_owned(), text: text.to_owned() };
    assert_eq!(requests(&block("bash", text)), [request]);
    assert_eq!(requests(&block("bash", "GET /x\n"))[0].path, "/x");
    let two = requests(&block("http", "# One\nGET /x\nA: b\n\n# Two\nPOST /y\nA: b\n{\n  \"c\": 1\n}\n"));
    assert_eq!((two.len(), two[0].body.is_none(), &two[1].headers), (2, true, &two[0].headers));
    assert_eq!(two[1].body.as_deref(), Some("{\n  \"c\": 1\n}"));
}

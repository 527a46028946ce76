//! Every route that the documents name, in lists and in sentences: the API's own document has it.

use cloudbox_tests::Api;
use serde_json::Value;

use super::Document;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// How often each document names one.
const COUNTS: [(&str, usize); 5] = [("000", 14), ("001", 0), ("002", 10), ("003", 5), ("004", 8)];

/// A line for each route that isn't there.
pub(super) async fn run(documents: &[Document], api: &Api) -> Vec<String> {
    let ours: Value = api.anonymous().get("/openapi.json").await.with(200).json();
    let mut wrong = Vec::new();
    for (document, (number, count)) in documents.iter().zip(COUNTS) {
        let routes = named(&document.text);
        if document.number != number || routes.len() != count {
            wrong.push(format!("{}: {} routes, not {count}: {routes:?}", document.number, routes.len()));
        }
        let absent = routes.iter().filter(|(method, path)| !is_there(&ours, method.as_deref(), path));
        wrong.extend(absent.map(|(method, path)| format!("{number}: no route {method:?} {path}")));
    }
    wrong
}

/// `GET /path` anywhere, and lines that are nothing but a path.
fn named(text: &str) -> Vec<(Option<String>, String)> {
    let mut routes = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('`')).collect();
        if let [path] = words.as_slice()
            && path.starts_with('/')
            && !path.starts_with("//")
        {
            routes.push((None, (*path).to_owned()));
        }
        for pair in words.windows(2) {
            if METHODS.contains(&pair[0]) && pair[1].starts_with('/') {
                let path = pair[1].split('?').next().unwrap_or_default();
                routes.push((Some(pair[0].to_ascii_lowercase()), path.to_owned()));
            }
        }
    }
    routes
}

fn is_there(ours: &Value, method: Option<&str>, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    // A parameter of ours stands for any part, a word of ours for itself.
    let fits = |own: &str| {
        let own: Vec<&str> = own.split('/').collect();
        own.len() == parts.len()
            && own.iter().zip(&parts).all(|(own, part)| own.starts_with('{') || own == part)
    };
    let mut paths = ours["paths"].as_object().unwrap().iter().filter(|(own, _)| fits(own));
    paths.any(|(_, item)| method.is_none_or(|method| item.get(method).is_some()))
}

#[test]
fn routes_are_found_where_they_stand() {
    let text = "- `GET /api/x/[id]` - Read\nPOST   /a/:b   # Why\n1. User: POST /a/c {\n/plain/path\n// no path\n-X POST http://h/a\n";
    let found: Vec<_> =
        named(text).into_iter().map(|(method, path)| (method.unwrap_or_default(), path)).collect();
    let expected = [("get", "/api/x/[id]"), ("post", "/a/:b"), ("post", "/a/c"), ("", "/plain/path")];
    assert_eq!(found, expected.map(|(method, path)| (method.to_owned(), path.to_owned())));
}

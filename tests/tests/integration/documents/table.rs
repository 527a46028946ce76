//! Every example in the documents, by words that no other example of its document has, and what becomes of it.

/// What becomes of an example.
#[derive(Debug)]
pub(super) enum End {
    /// It answers, with these words.
    Answers(&'static str),
    /// It calls what isn't there: this word of its error, and why.
    Fails(&'static str, &'static str),
}

use End::{Answers, Fails};

/// What an example needs beside its code.
#[derive(Debug)]
pub(super) enum Needs {
    Nothing,
    /// A line that shows what a part of a handler made, since a part answers nothing by itself.
    Last(&'static str),
    /// A package.
    Package(&'static str, &'static str),
}

use Needs::{Last, Nothing, Package};

/// The document, words of the example, what it needs, and its end.
pub(super) const EXAMPLES: [(&str, &str, Needs, End); 26] = [
    ("000", "'Hello ' + event.name", Nothing, Answers("Hello Ada")),
    (
        "000",
        "someAsyncOperation(event.id)",
        Nothing,
        Fails("someAsyncOperation", "the document doesn't define it"),
    ),
    ("000", "processedEvent: event", Nothing, Answers("\"processedEvent\":{\"")),
    // Its own `catch` tells that `process` is no function of the document's.
    ("000", "await process(event)", Nothing, Answers("process is not a function")),
    ("001", "Hello from CloudBox!", Nothing, Answers("ada@example.org")),
    ("001", "`Hello, ${data.name}!`", Nothing, Answers("Hello, Ada!")),
    ("001", "'Hello from Python!'", Nothing, Answers("ada@example.org")),
    ("001", "f\"Hello, {data['name']}!\"", Nothing, Answers("Hello, Ada!")),
    ("001", "\"Hello from Go!\"", Nothing, Answers("ada@example.org")),
    ("001", "{ valid: true, userId: data.id }", Nothing, Answers("\"userId\":7")),
    ("001", "// Good: Modular and testable", Nothing, Answers("\"id\":\"user123\"")),
    ("002", "message: 'Hello World'", Nothing, Answers("Hello World")),
    ("002", "fetch('https://api.example.com'", Nothing, Answers("\"authorization\":\"Bearer k\"")),
    ("002", "'Processed'", Nothing, Answers("Processed")),
    ("003", "`Hello, ${name}!`", Nothing, Answers("Hello, Ada!")),
    (
        "003",
        "// Entity operations",
        Last("return { users, user, newUser };"),
        Answers("\"newUser\":{\"id\":\""),
    ),
    ("003", "// External API calls", Last("return { data, result };"), Answers("\"method\":\"POST\"")),
    ("003", "// Structured logging", Nothing, Answers("null")),
    (
        "003",
        "// Access project environment variables",
        Last("return { apiKey, dbUrl };"),
        Answers("{\"apiKey\":\"k\",\"dbUrl\":\"u\"}"),
    ),
    ("003", "{ data: results }", Nothing, Fails("results is not defined", "the document doesn't define it")),
    ("004", "version: '1.0'", Nothing, Answers("Hello, Ada!")),
    ("004", "require('node-fetch')", Package("node-fetch", "^2.7.0"), Answers("Hello async, Ada!")),
    ("004", "'Sync function called'", Nothing, Answers("\"sync\":true")),
    ("004", "'Async function called'", Nothing, Answers("\"async\":true")),
    (
        "004",
        "await someAsyncOperation()",
        Nothing,
        Fails("someAsyncOperation", "the document doesn't define it"),
    ),
    (
        "004",
        "await fetchExternalData()",
        Nothing,
        Fails("fetchExternalData", "the document doesn't define it"),
    ),
];

/// Blocks of a language that are no functions: the document, words of the block, and what it is instead.
pub(super) const NO_FUNCTIONS: [(&str, &str, &str); 11] = [
    ("000", "// Standard library", "what a function finds"),
    ("000", "// Disabled for security", "what a function of that product didn't find"),
    (
        "001",
        "// Authenticated execution",
        "calls of a client library, `cloudbox.functions`, that isn't there",
    ),
    ("001", "// Deploy function", "the same"),
    ("001", "data: {}, // Request data/payload", "the context's shape"),
    ("001", "// Get recent executions", "calls of that library"),
    ("001", "case 'NOT_DEPLOYED':", "the same"),
    ("001", "cloudbox.functions.updateScaling", "the same"),
    ("001", "cloudbox.functions.addSchedule", "the same"),
    ("002", "// HTTP status code", "an answer's shape"),
    ("004", "// Request object structure", "the shapes of request and response"),
];

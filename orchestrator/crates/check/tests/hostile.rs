//! Text that is made to break a parser ends the process that reads it, and nothing else. This program is both sides, so
//! it has no test harness.

use std::env;

use cloudbox_check::{MAX_SOURCE_BYTES, Reader, answer_one};
use cloudbox_types::Language;

/// How the program is told to read.
const READ: &str = "read-one";

/// A text of `times` times `open`, then `middle`, then as often `close`.
fn nested(open: &str, middle: &str, close: &str, times: usize) -> String {
    format!("{}{middle}{}", open.repeat(times), close.repeat(times))
}

/// What is nested, as what opens a level and what closes it.
const JAVASCRIPT: [(&str, &str, &str); 22] = [
    ("(", "1", ")"),
    ("[", "", "]"),
    ("{", "", "}"),
    ("a?b:", "c", ""),
    ("`${", "1", "}`"),
    ("!", "a", ""),
    ("a=>", "1", ""),
    ("a=", "1", ""),
    ("x={a:", "1", "}"),
    ("f(", "", ")"),
    ("function f(){", "", "}"),
    ("new ", "A", ""),
    ("while(1)", ";", ""),
    ("if(a)", ";", ""),
    ("if(a);else ", ";", ""),
    ("a+", "1", ""),
    ("a.", "b", ""),
    ("a**", "1", ""),
    ("l:", ";", ""),
    ("class A{a=", "1", "}"),
    ("({a:", "b", "})"),
    ("await ", "a", ""),
];
const PYTHON: [(&str, &str, &str); 12] = [
    ("(", "1", ")"),
    ("[", "", "]"),
    ("{1:", "1", "}"),
    ("not ", "a", ""),
    ("a if b else ", "c", ""),
    ("lambda:", "1", ""),
    ("-", "1", ""),
    ("a.", "b", ""),
    ("a+", "1", ""),
    ("f(", "", ")"),
    ("a**", "1", ""),
    ("f'{", "1", "}'"),
];

async fn check(reader: &Reader, language: Language, cases: &[(&str, &str, &str)]) {
    for (open, middle, close) in cases {
        // oxc tries `await` both as a name and as a keyword, again at each level: that one ends by its time instead.
        let deepest = if *open == "await " { 1_000 } else { 100_000 };
        for times in [50, 1_000, deepest] {
            let source = nested(open, middle, close, times);
            let report = reader.read(source, language).await.expect("the process that reads starts");
            let report = report.expect("the language is read");
            assert_eq!(report.valid, report.errors.is_empty(), "{language} {open} {times}");
            let reason = report.errors.first().map_or("", |it| it.message.as_str());
            assert!(!reason.contains("too long"), "{language} {open} {times}: {reason}");
            let is_deep = reason.contains("too deep");
            assert!(!is_deep || times > 50, "{language}: honest code is refused: {open} {times}");
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if env::args().any(|it| it == READ) {
        return answer_one().expect("one report");
    }
    let program = env::current_exe().expect("the path of this program");
    let reader = Reader::new(program, vec![READ.to_owned()]);
    check(&reader, Language::Javascript, &JAVASCRIPT).await;
    check(&reader, Language::Typescript, &[("A<", "B", ">"), ("<T>", "x", ""), ("type A=B[", "", "]")]).await;
    check(&reader, Language::Python, &PYTHON).await;
    let long = "a;".repeat(MAX_SOURCE_BYTES);
    let report = reader.read(long, Language::Javascript).await.expect("no process").expect("a report");
    assert!(report.errors[0].message.contains("the limit is"), "{report:?}");
    let honest = "exports.handler = () => 1;\n".repeat(20_000);
    let report =
        reader.read(honest, Language::Javascript).await.expect("the process starts").expect("a report");
    assert!(report.valid, "{report:?}");
    assert!(reader.read(String::new(), Language::Go).await.expect("no process").is_none());
}

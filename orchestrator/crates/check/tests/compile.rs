//! What TypeScript comes to.

use cloudbox_check::{Compilation, CompiledFile, SourceFile, compile};

fn compiled(files: &[(&str, &str)]) -> Compilation {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| SourceFile { path: (*path).to_owned(), text: Some((*text).to_owned()) })
        .collect();
    compile(&files, &mut |_| {})
}

fn file(files: &[(&str, &str)], path: &str) -> CompiledFile {
    let done = compiled(files);
    assert_eq!(done.problems, [], "{files:?}");
    let found = done.files.iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("no {path} among {:?}", done.files)).clone()
}

fn text(files: &[(&str, &str)], path: &str) -> String {
    file(files, path).text
}

fn problem(files: &[(&str, &str)]) -> String {
    let done = compiled(files);
    assert!(done.files.is_empty() && !done.problems.is_empty(), "{done:?}");
    let first = &done.problems[0];
    format!("{}:{}:{}: {}", first.path, first.line, first.column, first.message)
}

#[test]
fn types_are_taken_away_and_the_rest_is_written_out() {
    let source = "
        import type { Gone } from './gone';
        import { type AlsoGone, unused } from 'nowhere';
        interface Shape { kind: string }
        declare const outside: Gone;
        enum Color { Red = 1, Green }
        const enum Small { One = 'one' }
        namespace Space { export const inside = 5 }
        abstract class Point<T> { declare gone: T; constructor(private readonly x: number, public y?: T) {} }
        function over(a: string): void; function over(a: unknown) {}
        export const handler = async (data: Shape, context: unknown): Promise<unknown> =>
            [Color[Color.Green], Small.One, Space.inside, <string>data.kind, data!.kind as any satisfies unknown];
    ";
    let text = text(&[("index.ts", source)], "index.mjs");
    for gone in [
        "import",
        "interface",
        "declare",
        "Gone",
        "Shape",
        "abstract",
        "private",
        "satisfies",
        "Promise<",
        "unused",
    ] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    for left in ["Color", "this.x = x", "export const handler", "inside"] {
        assert!(text.contains(left), "{left}: {text}");
    }
}

#[test]
fn a_file_is_of_the_module_system_that_it_is_written_in() {
    for (path, source, made) in [
        ("index.ts", "export const handler = () => 1", "index.mjs"),
        ("index.ts", "exports.handler = (data: number) => data", "index.cjs"),
        ("index.ts", "function main(params: {}) { return params }", "index.cjs"),
        ("index.ts", "import fs = require('fs'); export = () => fs.constants", "index.cjs"),
        ("lib/x.mts", "const x: number = 1", "lib/x.mjs"),
        ("lib/x.cts", "module.exports = 1 as number", "lib/x.cjs"),
        ("page.tsx", "export default () => <b>{1 as number}</b>", "page.mjs"),
    ] {
        let made = file(&[(path, source)], made);
        assert_eq!(made.source.as_deref(), Some(path));
        assert!(made.map.is_some());
    }
    let text = text(&[("index.ts", "import fs = require('fs'); export = () => fs.constants")], "index.cjs");
    assert!(text.contains("require(\"fs\")") && text.contains("module.exports ="), "{text}");
    let message = problem(&[("a.cts", "export const a = 1")]);
    assert!(message.contains("name it .mts"), "{message}");
}

#[test]
fn what_an_es_module_uses_of_commonjs_is_there() {
    let source = "import os from 'os'; const fs = require('fs');
        exports.handler = () => [os.EOL, fs.constants, __dirname];";
    let text = text(&[("index.ts", source)], "index.mjs");
    for part in ["createRequire as __createRequire", "const __dirname", "export default module.exports"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let plain =
        self::text(&[("index.ts", "export const __dirname = ''; export const module = 1")], "index.mjs");
    assert!(plain.starts_with("export"), "{plain}");
}

#[test]
fn imports_lead_to_what_was_compiled() {
    let files = [
        (
            "src/index.ts",
            "import { a } from './a'; import { b } from './b.js'; import { c } from '../lib/c.ts';
             import d from './d'; export * from './e.mjs'; import data from './data.json' with { type: 'json' };
             import '@lib/c'; import 'c'; import 'axios'; import '~/deep/x';
             export const handler = async () => [a, b, c, d, data, await import('./a.ts'), require('./f')];",
        ),
        ("src/a.ts", "export const a = 1"),
        ("src/b.ts", "export const b = 1"),
        ("src/b.js", "exports.old = 1"),
        ("lib/c.ts", "export const c = 1"),
        ("src/d/index.ts", "export default 1"),
        ("src/e.mts", "export const e = 1"),
        ("src/f.ts", "exports.f = 1"),
        ("src/deep/x.ts", "export {}"),
        ("src/data.json", "{}"),
        ("src/plain.js", "import { a } from './a.js'; export default a"),
        ("src/other.js", "import 'nothing'"),
        (
            "tsconfig.json",
            "{ // as people write it\n \"extends\": \"./tsconfig.base.json\",
               \"compilerOptions\": { \"baseUrl\": \"lib\", \"paths\": { \"@lib/*\": [\"./*\"], \"~/*\": [\"../src/*\"], }, } }",
        ),
        ("tsconfig.base.json", "{ \"compilerOptions\": { \"strict\": true } }"),
    ];
    let text = text(&files, "src/index.mjs");
    for specifier in [
        "\"./a.mjs\"",
        "\"./b.mjs\"",
        "\"../lib/c.mjs\"",
        "\"./d/index.mjs\"",
        "\"./e.mjs\"",
        "\"./data.json.mjs\"",
        "\"axios\"",
        "\"./deep/x.mjs\"",
        "import(\"./a.mjs\")",
        "require(\"./f.cjs\")",
    ] {
        assert!(text.contains(specifier), "{specifier}: {text}");
    }
    assert_eq!(text.matches("\"../lib/c.mjs\"").count(), 3, "{text}");
    assert!(!text.contains("type: \"json\""), "{text}");
    let done = compiled(&files);
    let plain =
        done.files.iter().find(|file| file.path == "src/plain.js").expect("it imports what is compiled");
    assert!(plain.text.contains("\"./a.mjs\""), "{}", plain.text);
    assert!(done.files.iter().all(|file| file.path != "src/other.js"), "it stays as it is");
    assert!(done.files.iter().any(|file| file.path == "src/data.json.mjs"));
}

#[test]
fn errors_have_their_places() {
    let message = problem(&[("lib/x.ts", "const a = 1;\nconst ä: number = ;\n")]);
    assert!(message.starts_with("lib/x.ts:2:19: SyntaxError: "), "{message}");
    let message = problem(&[("index.ts", "const a = 1; const a = 2;")]);
    assert!(message.starts_with("index.ts:1:"), "{message}");
    let message = problem(&[("x.ts", "export {}"), ("x.mjs", "")]);
    assert!(message.contains("compiled to x.mjs"), "{message}");
    let message = problem(&[("x.ts", "export {}"), ("tsconfig.json", "nonsense {")]);
    assert!(message.starts_with("tsconfig.json:1:1"), "{message}");
}

#[test]
fn decorators_are_those_of_typescript_unless_they_are_switched_off() {
    let source = "const d: any = () => {}; @d class A { @d m(@d x: number) {} @d p = 1 }\nexport { A }";
    let text = text(&[("index.ts", source)], "index.mjs");
    assert!(text.starts_with("const babelHelpers = {") && text.contains("babelHelpers.decorate("), "{text}");
    let off = ("tsconfig.json", "{\"compilerOptions\":{\"experimentalDecorators\":false}}");
    let message = problem(&[("index.ts", source), off]);
    assert!(
        message.starts_with("index.ts:1:26: ") && message.contains("experimentalDecorators"),
        "{message}"
    );
}

#[test]
fn maps_name_the_source_and_nothing_of_its_text() {
    let made = file(
        &[("lib/x.ts", "const secret: string = 'x';\nexport const fail = () => { throw 1 }")],
        "lib/x.mjs",
    );
    let map: serde_json::Value = serde_json::from_str(&made.map.unwrap()).unwrap();
    assert_eq!(map["sources"], serde_json::json!(["x.ts"]));
    assert!(map["sourcesContent"].is_null() && map["mappings"].as_str().unwrap().contains(';'));
}

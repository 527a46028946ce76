//! What is found in JavaScript and TypeScript.

use cloudbox_check::{Report, read};
use cloudbox_types::Language;
use serde_json::json;

fn report(source: &str) -> Report {
    read(source, Language::Javascript).expect("JavaScript is read")
}

/// The rules that a source breaks, each with its line.
fn rules(source: &str) -> Vec<String> {
    let warnings = report(source).warnings.into_iter();
    let rule = |it| json!(it).as_str().unwrap_or_default().to_owned();
    warnings.map(|it| format!("{}:{}", it.line, rule(it.rule))).collect()
}

fn warned(source: &str, rule: &str) {
    let found = rules(source);
    assert!(found.iter().any(|it| it.ends_with(&format!(":{rule}"))), "{source}: {found:?}");
}

#[test]
fn dangerous_patterns_are_found_under_every_name() {
    for (rule, sources) in [
        (
            "eval",
            &[
                "eval('1')",
                "globalThis.eval(x)",
                "(0, eval)(x)",
                "const e = eval; e(x)",
                "global['ev' + 'al'](x)",
            ][..],
        ),
        (
            "function-constructor",
            &[
                "new Function('return 1')",
                "Function('x')()",
                "globalThis.Function('x')",
                "const F = Function; new F(x)",
                "(() => {}).constructor(x)",
                "[]['constructor']['constructor'](x)",
                "Function.call(null, x)",
            ],
        ),
        (
            "child-process",
            &[
                "const { exec } = require('child_process')",
                "import cp from 'node:child_process'",
                "const cp = await import('child_process')",
                "require(`node:child_process`).exec(x)",
                "export * from 'child_process'",
                "module.require('child_process')",
                "const name = 'child_process'; require(name)",
                "const r = require; r('child_process')",
                "import { createRequire } from 'module'; createRequire(import.meta.url)('child_process')",
                "process.mainModule.require('child_process')",
            ],
        ),
        (
            "dynamic-require",
            &["require(name)", "require('./' + name)", "function f(n) { return require(n) }"],
        ),
        ("dynamic-import", &["import(name)", "await import(`./${name}.js`)"]),
        (
            "process-exit",
            &[
                "process.exit(1)",
                "const { exit } = process; exit()",
                "import { exit } from 'node:process'; exit(0)",
                "process['exit']()",
                "process?.exit()",
                "process.abort()",
            ],
        ),
        (
            "fs-write",
            &[
                "require('fs').writeFileSync('/etc/passwd', x)",
                "import fs from 'fs'; fs.promises.writeFile('out.txt', x)",
                "import { writeFile as w } from 'node:fs/promises'; await w('/workspace/a', x)",
                "const fs = require('fs').promises; fs.unlink('/tmp/../etc/x')",
                "const p = '/var/log'; require('fs').appendFileSync(`${p}/x`, y)",
            ],
        ),
        ("vm", &["require('vm').runInNewContext(x)", "import { Script } from 'node:vm'"]),
        (
            "infinite-loop",
            &[
                "while (true) { x() }",
                "for (;;) {}",
                "do { x++ } while (1)",
                "while (!0) { for (const a of b) break }",
                "while (true) { switch (x) { case 1: break } }",
                "while (true) { run(() => { return 1 }) }",
            ],
        ),
        (
            "prototype-pollution",
            &[
                "a.__proto__.b = 1",
                "a['__proto__']",
                "x = { __proto__: y }",
                "Object.prototype.z = 1",
                "a.b.constructor.prototype.c = 1",
            ],
        ),
        ("native-code", &["process.binding('spawn_sync')", "process.dlopen(module, x)"]),
    ] {
        for source in sources {
            warned(source, rule);
        }
    }
}

#[test]
fn honest_code_is_not_warned_of() {
    for source in [
        "// eval('x'); require('child_process')\nconst a = 'eval(1)', b = `new Function('x')`;",
        "function f(eval_, process_) { return eval_.eval2 + process_.exit }",
        "const process = { exit() {} }; process.exit()",
        "const require = (x) => x; require(y)",
        "const fs = require('fs'); fs.writeFileSync('/tmp/a', x); fs.writeFileSync(path, x); fs.readFileSync('/etc/hosts')",
        "const { tmpdir } = require('os'); const { join } = require('path'); \
         require('fs').writeFileSync(join(tmpdir(), 'a'), x)",
        "while (true) { if (x()) break }",
        "async function f() { while (true) { await x() } }",
        "function* f() { while (true) yield 1 }",
        "a: while (true) { for (;;) { break a } }",
        "for (;;) { throw x }",
        "x instanceof Function; Object.prototype.hasOwnProperty.call(a, b); a = { __proto__: null }; new this.constructor(x)",
        "require('lodash'); import('axios'); /regexp.exec/.exec(x)",
    ] {
        assert_eq!(rules(source), [""; 0], "{source}");
    }
}

#[test]
fn places_count_lines_and_characters_from_one() {
    let warnings = report("const a = 1;\n  const ü = '💡'; eval(a);\n").warnings;
    assert_eq!((warnings[0].line, warnings[0].column), (2, 18));
    let errors = report("export default async function handler(request) {\n  const x = ;\n}\n").errors;
    assert_eq!((errors[0].line, errors[0].column), (2, 13));
    assert!(errors[0].message.starts_with("SyntaxError: "), "{errors:?}");
}

#[test]
fn syntax_is_that_of_the_language() {
    for (source, is_valid) in [
        ("exports.handler = () => 1; return", true),
        ("export default () => { return await 1 }", false),
        ("const a = 1; const a = 2; exports.handler = () => a", false),
        ("export function handler() {} export function handler() {}", false),
        ("const x = await 1; export const handler = () => x", true),
        ("exports.handler = () => /(/", false),
        ("exports.handler = (x: string) => x", false),
        ("#!/usr/bin/env node\nexports.handler = () => 1", true),
        ("\u{feff}exports.handler = () => 1", true),
    ] {
        assert_eq!(report(source).valid, is_valid, "{source}: {:?}", report(source).errors);
    }
    let source = "enum A { B } export default async (request: Request): Promise<A> => <A>A.B";
    let typed = read(source, Language::Typescript).expect("TypeScript is read");
    assert!(typed.valid, "{typed:?}");
}

#[test]
fn every_form_has_a_handler() {
    for source in [
        "exports.handler = async (data, context) => data",
        "export async function handler(event, context) {}",
        "export default async function handler(request) {}",
        "export default class {}",
        "module.exports = (req, res) => res.json({})",
        "module.exports = { handler() {} }",
        "module.exports = express()",
        "module.exports.handler = exports.other = () => 1",
        "export default { async fetch(request, env, ctx) { return new Response('') } }",
        "const f = () => 1; export { f as handler }",
        "const f = () => 1; export { f as default }",
        "export * from './other.mjs'",
        "function main(params) { return params }",
        "Object.assign(exports, { handler() {} })",
        "if (x) { exports.handler = () => 1 }",
        "export const handler = wrap(() => 1)",
    ] {
        assert!(report(source).valid, "{source}: {:?}", report(source).errors);
    }
    for source in [
        "",
        "const a = 1",
        "exports.other = () => 1",
        "module.exports = { a: 1 }",
        "export const handler = 5",
    ] {
        let errors = report(source).errors;
        assert!(
            errors.len() == 1 && errors[0].message.contains("no handler: export one as"),
            "{source}: {errors:?}"
        );
    }
}

#[test]
fn configuration_is_read_without_running_it() {
    let source = "export default (request, context) => 1;\nexport const config = {\n  name: 'My Function', timeout: 30000, \
        memory: 256, ratio: -0.5, env_required: ['API_KEY'], nested: { a: [true, null, `x`] },\n  other: compute(),\n};";
    let found = report(source);
    let expected = json!({
        "name": "My Function", "timeout": 30000, "memory": 256, "ratio": -0.5, "env_required": ["API_KEY"],
        "nested": { "a": [true, null, "x"] },
    });
    assert_eq!(found.config, expected);
    assert_eq!(json!(found.warnings[0].rule), "config-not-literal");
    assert_eq!((found.warnings[0].line, found.warnings[0].column), (4, 10));
    assert_eq!(report("exports.config = { a: 1 }; exports.handler = () => 1").config, json!({ "a": 1 }));
    assert_eq!(report("module.exports = { config: { a: 1 }, handler() {} }").config, json!({ "a": 1 }));
    assert_eq!(report("exports.handler = () => 1").config, json!(null));
}

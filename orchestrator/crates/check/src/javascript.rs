//! JavaScript and TypeScript, by oxc's parser.

mod config;
mod exports;
mod loops;
mod names;
mod patterns;

use cloudbox_types::Language;
use oxc_allocator::Allocator;
use oxc_ast::ast::{Expression, Program};
use oxc_diagnostics::{LabeledSpan, OxcDiagnostic};
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_semantic::{Scoping, SemanticBuilder};
use oxc_span::SourceType;
use serde_json::Value;

use crate::report::{Findings, Report};
use exports::Exports;
use names::Names;

/// An error: where it is, in bytes, and what it is.
type Failure = (usize, String);

/// A source, as one of the two module systems reads it.
struct Parsed<'a> {
    tree: ParserReturn<'a>,
    scoping: Scoping,
    failures: Vec<Failure>,
}

pub(crate) fn read(source: &str, language: Language) -> Report {
    let mut findings = Findings::new(source);
    let allocator = Allocator::default();
    let parsed = parse_either(&allocator, source, language);
    if parsed.failures.is_empty() {
        inspect(&parsed.tree.program, &parsed.scoping, &mut findings);
    }
    for (at, message) in parsed.failures {
        findings.error(at, message);
    }
    findings.into_report()
}

/// As at a deployment: CommonJS where it can be that, and else an ES module.
fn parse_either<'a>(allocator: &'a Allocator, source: &'a str, language: Language) -> Parsed<'a> {
    if language == Language::Typescript {
        return parse(allocator, source, SourceType::ts());
    }
    let script = parse(allocator, source, SourceType::cjs());
    if script.failures.is_empty() {
        return script;
    }
    let module = parse(allocator, source, SourceType::mjs());
    if module.failures.is_empty() || module.tree.module_record.has_module_syntax { module } else { script }
}

fn parse<'a>(allocator: &'a Allocator, source: &'a str, source_type: SourceType) -> Parsed<'a> {
    let options = ParseOptions {
        preserve_parens: false,
        parse_regular_expression: true,
        allow_return_outside_function: source_type.is_commonjs(),
        ..ParseOptions::default()
    };
    let tree = Parser::new(allocator, source, source_type).with_options(options).parse();
    let mut failures: Vec<_> = tree.diagnostics.errors().map(failure).collect();
    let mut scoping = Scoping::default();
    // A tree that was given up half way tells nothing more.
    if failures.is_empty() {
        let built = SemanticBuilder::new_compiler().build(&tree.program);
        failures.extend(built.diagnostics.errors().map(failure));
        scoping = built.semantic.into_scoping();
    }
    Parsed { tree, scoping, failures }
}

fn failure(error: &OxcDiagnostic) -> Failure {
    let at = error.labels.first().map_or(0, LabeledSpan::offset);
    (at as usize, format!("SyntaxError: {}", error.message))
}

fn inspect(program: &Program<'_>, scoping: &Scoping, findings: &mut Findings<'_>) {
    let names = Names::collect(program, scoping);
    patterns::find(program, &names, findings);
    let exports = Exports::collect(program);
    if !exports.have_handler() {
        findings.error(0, exports::FORMS);
    }
    if let Some(config) = exports.config {
        findings.config = config::read(config, findings);
    }
}

/// The value of an expression, as far as it is written in literals.
pub(crate) fn literal(expression: &Expression<'_>) -> Value {
    config::read(expression, &mut Findings::new(""))
}

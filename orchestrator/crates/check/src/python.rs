//! Python, by ruff's parser.

mod config;
mod loops;
mod names;
mod patterns;

use ruff_python_ast::{Expr, ModModule, PythonVersion, Stmt};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::Ranged;

use crate::report::{Findings, Report};
use names::Names;

/// What the author of a module without a handler is told.
const FORMS: &str = "no handler: define one as `def handler(data, context):`, `async def handler(event, context):`, \
    `def main(params):`, or an ASGI or WSGI callable named `app` or `application`";

/// Names under which a handler is found.
const HANDLERS: [&str; 6] = ["handler", "lambda_handler", "handle", "app", "application", "main"];

pub(crate) fn read(source: &str) -> Report {
    let mut findings = Findings::new(source);
    // The newest syntax: which version runs the code is known only when it is deployed.
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::latest());
    let parsed = parse_unchecked(source, options);
    for error in parsed.errors() {
        findings.error(error.location.start().to_usize(), format!("SyntaxError: {}", error.error));
    }
    for error in parsed.unsupported_syntax_errors() {
        findings.error(error.range.start().to_usize(), format!("SyntaxError: {error}"));
    }
    if let (false, Some(module)) = (findings.has_errors(), parsed.try_into_module()) {
        inspect(module.syntax(), &mut findings);
    }
    findings.into_report()
}

fn inspect(module: &ModModule, findings: &mut Findings<'_>) {
    for statement in &module.body {
        if let Stmt::Return(it) = statement {
            findings.error(it.start().to_usize(), "SyntaxError: 'return' outside function");
        }
    }
    let names = Names::collect(&module.body);
    patterns::find(&module.body, &names, findings);
    if !names.makes_names && !HANDLERS.iter().any(|name| names.top_level.contains(*name)) {
        findings.error(0, FORMS);
    }
    let config = module.body.iter().rev().find_map(|statement| match statement {
        Stmt::Assign(it) if it.targets.iter().any(is_config) => Some(&*it.value),
        Stmt::AnnAssign(it) if is_config(&it.target) => it.value.as_deref(),
        _ => None,
    });
    // Any other value is the author's own business: the name is a usual one.
    if let Some(config @ Expr::Dict(_)) = config {
        findings.config = config::read(config, findings);
    }
}

fn is_config(target: &Expr) -> bool {
    matches!(target, Expr::Name(name) if name.id == "config")
}

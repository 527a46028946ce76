//! Patterns that are dangerous or can't work in a sandbox, found on the syntax tree.

use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, CallExpression, ComputedMemberExpression,
    DoWhileStatement, ExportAllDeclaration, ExportFromDeclaration, Expression, ForStatement,
    IdentifierReference, ImportDeclaration, ImportExpression, NewExpression, ObjectProperty, Program,
    Statement, StaticMemberExpression, WhileStatement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::Span;

use super::loops::{has_way_out, is_always};
use super::names::{Names, Value};
use crate::report::{Findings, Rule};

/// Loops inside of more loops than this are not looked at, so that no text makes the search long.
const MAX_LOOP_DEPTH: usize = 16;

/// Functions of `fs` that write, whose first argument is the path.
const FS_WRITES: [&str; 24] = [
    "writeFile",
    "writeFileSync",
    "appendFile",
    "appendFileSync",
    "createWriteStream",
    "mkdir",
    "mkdirSync",
    "rm",
    "rmSync",
    "rmdir",
    "rmdirSync",
    "unlink",
    "unlinkSync",
    "rename",
    "renameSync",
    "truncate",
    "truncateSync",
    "chmod",
    "chmodSync",
    "chown",
    "symlink",
    "outputFile",
    "outputFileSync",
    "ensureDir",
];

/// Adds the patterns of a program to its findings.
pub(super) fn find(program: &Program<'_>, names: &Names<'_>, findings: &mut Findings<'_>) {
    let mut found = Vec::new();
    Patterns { names, found: &mut found, loop_depth: 0 }.visit_program(program);
    for (span, rule, message) in found {
        findings.warn(span.start as usize, rule, message);
    }
}

struct Patterns<'p, 's> {
    names: &'p Names<'s>,
    found: &'p mut Vec<(Span, Rule, String)>,
    loop_depth: usize,
}

impl Patterns<'_, '_> {
    fn warn(&mut self, span: Span, rule: Rule, message: &str) {
        self.found.push((span, rule, message.to_owned()));
    }

    /// A module is loaded, however.
    fn load(&mut self, span: Span, name: &str) {
        match Names::module(name).as_deref() {
            Some("node:child_process" | "node:cluster") => {
                let message = format!("{name}: processes that a function starts are ended with its call");
                self.warn(span, Rule::ChildProcess, &message);
            }
            Some("node:vm" | "node:repl") => {
                self.warn(span, Rule::Vm, "vm: what runs in a context can get out of it; it is no sandbox");
            }
            _ => {}
        }
    }

    /// A module is loaded by the value of an expression.
    fn load_by(&mut self, span: Span, name: Option<&Expression<'_>>, rule: Rule) {
        match name.and_then(|name| self.names.text(name)) {
            Some((name, true)) => self.load(span, &name),
            _ if name.is_some() => {
                self.warn(span, rule, "which module is loaded is known only when the code runs");
            }
            _ => {}
        }
    }

    fn call(&mut self, span: Span, callee: &Expression<'_>, arguments: &[Argument<'_>]) {
        if is_constructor_of_functions(callee) {
            self.warn(span, Rule::FunctionConstructor, "constructor: runs text as code");
        }
        let Some(path) = self.names.path(callee) else { return };
        let called = path.strip_suffix(".call").or_else(|| path.strip_suffix(".apply")).unwrap_or(&path);
        let first = arguments.first().and_then(Argument::as_expression);
        match called {
            "Function" => self.warn(span, Rule::FunctionConstructor, "Function: runs text as code"),
            "process.exit" | "process.abort" | "process.kill" | "process.reallyExit" => {
                let message =
                    format!("{called}: ends the process that has to answer; return or throw instead");
                self.warn(span, Rule::ProcessExit, &message);
            }
            "process.binding" | "process._linkedBinding" | "process.dlopen" => {
                let message = format!("{called}: reaches into the runtime");
                self.warn(span, Rule::NativeCode, &message);
            }
            _ if Names::is_require(called) => self.load_by(span, first, Rule::DynamicRequire),
            _ => self.write(span, called, first),
        }
    }

    fn write(&mut self, span: Span, called: &str, path: Option<&Expression<'_>>) {
        let Some(name) = called.strip_prefix("node:fs.") else { return };
        let name = name.strip_prefix("promises.").unwrap_or(name);
        if !FS_WRITES.contains(&name) {
            return;
        }
        let Some((start, is_whole)) = path.and_then(|path| self.names.text(path)) else { return };
        // A path whose beginning is not known may well be below /tmp.
        let is_known = is_whole || start.len() >= "/tmp/".len() || !"/tmp/".starts_with(start.as_str());
        let is_tmp = start == "/tmp" || start.starts_with("/tmp/") && !start.contains("/..");
        if is_known && !is_tmp {
            let message = format!("fs.{name}: a function can write below /tmp alone");
            self.warn(span, Rule::FsWrite, &message);
        }
    }

    /// A property is read or written.
    fn member(&mut self, span: Span, object: &Expression<'_>, name: &str) {
        match name {
            "__proto__" => {
                self.warn(span, Rule::PrototypePollution, "__proto__: changes what all objects inherit");
            }
            "eval" if self.names.path(object).is_some_and(|of| Names::member(&of, name) == "eval") => {
                self.warn(span, Rule::Eval, "eval: runs text as code");
            }
            _ => {}
        }
    }

    fn repeat(&mut self, span: Span, is_endless: bool, body: &Statement<'_>) {
        if is_endless && self.loop_depth < MAX_LOOP_DEPTH && !has_way_out(body) {
            let message = "a loop that nothing ends runs until the call's time is up";
            self.warn(span, Rule::InfiniteLoop, message);
        }
    }
}

/// `(() => {}).constructor` and `[].constructor.constructor`: `Function` by another name.
fn is_constructor_of_functions(callee: &Expression<'_>) -> bool {
    let constructed = |of: &Expression<'_>| match of.get_inner_expression() {
        Expression::StaticMemberExpression(it) => it.property.name == "constructor",
        Expression::ComputedMemberExpression(it) => it.expression.is_specific_string_literal("constructor"),
        _ => false,
    };
    let object = match callee.get_inner_expression() {
        Expression::StaticMemberExpression(it) => &it.object,
        Expression::ComputedMemberExpression(it) => &it.object,
        _ => return false,
    };
    constructed(callee) && (constructed(object) || object.get_inner_expression().is_function())
}

impl<'a> Visit<'a> for Patterns<'_, '_> {
    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        if self.names.of_identifier(it) == Some(Value::Path("eval".to_owned())) {
            self.warn(it.span, Rule::Eval, "eval: runs text as code");
        }
    }

    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        self.member(it.span, &it.object, it.property.name.as_str());
        walk::walk_static_member_expression(self, it);
    }

    fn visit_computed_member_expression(&mut self, it: &ComputedMemberExpression<'a>) {
        if let Some((name, true)) = self.names.text(&it.expression) {
            self.member(it.span, &it.object, &name);
        }
        walk::walk_computed_member_expression(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        self.call(it.span, &it.callee, &it.arguments);
        walk::walk_call_expression(self, it);
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        self.call(it.span, &it.callee, &it.arguments);
        walk::walk_new_expression(self, it);
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        if it.import_kind.is_value() {
            self.load(it.span, it.source.value.as_str());
        }
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        self.load(it.span, it.source.value.as_str());
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        self.load(it.span, it.source.value.as_str());
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        self.load_by(it.span, Some(&it.source), Rule::DynamicImport);
        walk::walk_import_expression(self, it);
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        let is_proto =
            !it.computed && !it.shorthand && !it.method && it.key.is_specific_static_name("__proto__");
        if is_proto && !it.value.is_null() {
            self.warn(it.span, Rule::PrototypePollution, "__proto__: sets what the object inherits");
        }
        walk::walk_object_property(self, it);
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        let object = match &it.left {
            AssignmentTarget::StaticMemberExpression(it) => Some(&it.object),
            AssignmentTarget::ComputedMemberExpression(it) => Some(&it.object),
            _ => None,
        };
        let path = object.and_then(|object| self.names.path(object)).unwrap_or_default();
        if matches!(
            path.as_str(),
            "Object.prototype" | "Array.prototype" | "Function.prototype" | "String.prototype"
        ) || path.ends_with(".constructor.prototype")
        {
            self.warn(it.span, Rule::PrototypePollution, "prototype: changes what all such objects inherit");
        }
        walk::walk_assignment_expression(self, it);
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        self.repeat(it.span, is_always(&it.test), &it.body);
        self.loop_depth += 1;
        walk::walk_while_statement(self, it);
        self.loop_depth -= 1;
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        self.repeat(it.span, is_always(&it.test), &it.body);
        self.loop_depth += 1;
        walk::walk_do_while_statement(self, it);
        self.loop_depth -= 1;
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        self.repeat(it.span, it.test.as_ref().is_none_or(is_always), &it.body);
        self.loop_depth += 1;
        walk::walk_for_statement(self, it);
        self.loop_depth -= 1;
    }
}

//! What an expression stands for, by the names that it went through: `require('node:fs').promises` is `fs.promises`, and
//! what `const { exec: run } = …` brings is `child_process.exec`, whatever it is called.

use std::collections::HashMap;

use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, BinaryOperator, BindingPattern, CallExpression,
    ChainElement, Expression, IdentifierReference, ImportDeclaration, ImportDeclarationSpecifier, Program,
    TemplateLiteral, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{Reference, Scoping, SymbolId};

/// How far a value is followed. Nobody writes more by hand, and chains of any length are no work.
const MAX_STEPS: usize = 24;
/// How many names a value goes through at most, when each is declared after its use.
const MAX_ROUNDS: usize = 3;
/// Objects whose properties are the global names.
const GLOBALS: [&str; 4] = ["globalThis", "global", "window", "self"];
/// Modules of Node.js that matter here; the others are of no interest.
const MODULES: [&str; 10] =
    ["child_process", "cluster", "worker_threads", "vm", "fs", "os", "path", "process", "module", "repl"];

/// What an expression stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A global name or a module, and properties of it, joined by dots.
    Path(String),
    /// Text; where not all of it is known, how it begins.
    Text { start: String, is_whole: bool },
}

/// The values of a program's variables, as far as they are of interest.
pub(super) struct Names<'s> {
    scoping: &'s Scoping,
    values: HashMap<SymbolId, Value>,
}

impl<'s> Names<'s> {
    pub(super) fn collect(program: &Program<'_>, scoping: &'s Scoping) -> Self {
        let mut names = Self { scoping, values: HashMap::new() };
        for _ in 0..MAX_ROUNDS {
            let before = names.values.len();
            names.visit_program(program);
            if names.values.len() == before {
                break;
            }
        }
        names
    }

    /// The path that an expression stands for.
    pub(super) fn path(&self, expression: &Expression<'_>) -> Option<String> {
        match self.value(expression, MAX_STEPS)? {
            Value::Path(path) => Some(path),
            Value::Text { .. } => None,
        }
    }

    /// The text that an expression stands for, or how it begins, and whether that is all of it.
    pub(super) fn text(&self, expression: &Expression<'_>) -> Option<(String, bool)> {
        match self.value(expression, MAX_STEPS)? {
            Value::Text { start, is_whole } => Some((start, is_whole)),
            Value::Path(_) => None,
        }
    }

    /// The global name or alias that an identifier stands for.
    pub(super) fn of_identifier(&self, identifier: &IdentifierReference<'_>) -> Option<Value> {
        let reference = self.scoping.get_reference(identifier.reference_id.get()?);
        match reference.symbol_id() {
            Some(symbol) => self.values.get(&symbol).cloned(),
            None => Some(Value::Path(identifier.name.to_string())),
        }
    }

    /// The module of that name, if it is one of those that matter.
    pub(super) fn module(name: &str) -> Option<String> {
        let name = name.strip_prefix("node:").unwrap_or(name);
        let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
        let first = if matches!(first, "fs-extra" | "graceful-fs") { "fs" } else { first };
        MODULES.contains(&first).then(|| {
            let prefix = if first == "process" { "" } else { "node:" };
            rest.map_or_else(|| format!("{prefix}{first}"), |rest| format!("{prefix}{first}.{rest}"))
        })
    }

    /// Whether a call of this path loads a module by its name.
    pub(super) fn is_require(path: &str) -> bool {
        matches!(
            path,
            "require" | "module.require" | "process.mainModule.require" | "process.getBuiltinModule"
        )
    }

    /// The property `name` of a path.
    pub(super) fn member(of: &str, name: &str) -> String {
        match name {
            _ if GLOBALS.contains(&of) => name.to_owned(),
            "default" => of.to_owned(),
            _ => format!("{of}.{name}"),
        }
    }

    fn value(&self, expression: &Expression<'_>, steps: usize) -> Option<Value> {
        let steps = steps.checked_sub(1)?;
        let member = |object, name: &str| match self.value(object, steps)? {
            Value::Path(of) => Some(Value::Path(Self::member(&of, name))),
            Value::Text { .. } => None,
        };
        match expression.get_inner_expression() {
            Expression::Identifier(it) => self.of_identifier(it),
            Expression::StaticMemberExpression(it) => member(&it.object, it.property.name.as_str()),
            Expression::ComputedMemberExpression(it) => member(&it.object, &self.key(&it.expression, steps)?),
            Expression::ChainExpression(it) => match &it.expression {
                ChainElement::CallExpression(call) => self.of_call(call, steps),
                ChainElement::StaticMemberExpression(it) => member(&it.object, it.property.name.as_str()),
                ChainElement::ComputedMemberExpression(it) => {
                    member(&it.object, &self.key(&it.expression, steps)?)
                }
                _ => None,
            },
            Expression::CallExpression(call) => self.of_call(call, steps),
            Expression::ImportExpression(it) => self.named_module(&it.source, steps),
            Expression::AwaitExpression(it) => self.value(&it.argument, steps),
            Expression::SequenceExpression(it) => self.value(it.expressions.last()?, steps),
            Expression::AssignmentExpression(it) => self.value(&it.right, steps),
            Expression::LogicalExpression(it) => {
                self.value(&it.left, steps).or_else(|| self.value(&it.right, steps))
            }
            Expression::ConditionalExpression(it) => {
                self.value(&it.consequent, steps).or_else(|| self.value(&it.alternate, steps))
            }
            Expression::StringLiteral(it) => {
                Some(Value::Text { start: it.value.to_string(), is_whole: true })
            }
            Expression::TemplateLiteral(it) => self.of_template(it, steps),
            Expression::BinaryExpression(it) if it.operator == BinaryOperator::Addition => {
                Some(joined(self.value(&it.left, steps)?, || self.value(&it.right, steps)))
            }
            _ => None,
        }
    }

    /// What stands between brackets, where it is text that is known.
    fn key(&self, expression: &Expression<'_>, steps: usize) -> Option<String> {
        match self.value(expression, steps)? {
            Value::Text { start, is_whole: true } => Some(start),
            _ => None,
        }
    }

    fn named_module(&self, name: &Expression<'_>, steps: usize) -> Option<Value> {
        Self::module(&self.key(name, steps)?).map(Value::Path)
    }

    /// What a call brings: a module, a function with its first arguments, a path.
    fn of_call(&self, call: &CallExpression<'_>, steps: usize) -> Option<Value> {
        let Value::Path(callee) = self.value(&call.callee, steps)? else { return None };
        let first = call.arguments.first().and_then(Argument::as_expression);
        match callee.as_str() {
            path if Self::is_require(path) => self.named_module(first?, steps),
            "node:module.createRequire" => Some(Value::Path("require".to_owned())),
            "node:os.tmpdir" => Some(Value::Text { start: "/tmp".to_owned(), is_whole: true }),
            "node:path.join" | "node:path.resolve" | "node:path.posix.join" => {
                match self.value(first?, steps)? {
                    Value::Text { start, .. } => Some(Value::Text { start: start + "/", is_whole: false }),
                    Value::Path(_) => None,
                }
            }
            path => path.strip_suffix(".bind").map(|bound| Value::Path(bound.to_owned())),
        }
    }

    fn of_template(&self, template: &TemplateLiteral<'_>, steps: usize) -> Option<Value> {
        let mut text = Value::Text { start: String::new(), is_whole: true };
        for (index, quasi) in template.quasis.iter().enumerate().take(MAX_STEPS) {
            let part = quasi.value.cooked.as_ref()?.to_string();
            text = joined(text, || Some(Value::Text { start: part, is_whole: true }));
            if let Some(expression) = template.expressions.get(index) {
                text = joined(text, || self.value(expression, steps));
            }
        }
        if template.quasis.len() > MAX_STEPS { joined(text, || None).into() } else { Some(text) }
    }

    /// Gives the names of a pattern what the value has under them.
    fn bind(&mut self, pattern: &BindingPattern<'_>, value: &Value) {
        match pattern {
            BindingPattern::BindingIdentifier(it) => {
                if let Some(symbol) = it.symbol_id.get() {
                    self.values.entry(symbol).or_insert_with(|| value.clone());
                }
            }
            BindingPattern::AssignmentPattern(it) => self.bind(&it.left, value),
            BindingPattern::ObjectPattern(it) => {
                let Value::Path(path) = value else { return };
                for property in &it.properties {
                    if let Some(name) = property.key.static_name() {
                        self.bind(&property.value, &Value::Path(Self::member(path, &name)));
                    }
                }
            }
            BindingPattern::ArrayPattern(_) => {}
        }
    }
}

/// Two texts, one after the other.
fn joined(left: Value, right: impl FnOnce() -> Option<Value>) -> Value {
    let Value::Text { start, is_whole: true } = left else { return left };
    match right() {
        Some(Value::Text { start: more, is_whole }) => Value::Text { start: start + &more, is_whole },
        _ => Value::Text { start, is_whole: false },
    }
}

impl<'a> Visit<'a> for Names<'_> {
    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        let Some(module) = Self::module(it.source.value.as_str()) else { return };
        for specifier in it.specifiers.iter().flatten() {
            let path = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(it) => {
                    Self::member(&module, it.imported.name().as_str())
                }
                _ => module.clone(),
            };
            if let Some(symbol) = specifier.local().symbol_id.get() {
                self.values.insert(symbol, Value::Path(path));
            }
        }
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        walk::walk_variable_declarator(self, it);
        if let Some(value) = it.init.as_ref().and_then(|init| self.value(init, MAX_STEPS)) {
            self.bind(&it.id, &value);
        }
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        walk::walk_assignment_expression(self, it);
        let AssignmentTarget::AssignmentTargetIdentifier(target) = &it.left else { return };
        let Some(Value::Path(path)) = self.value(&it.right, MAX_STEPS) else { return };
        let reference = target.reference_id.get().map(|id| self.scoping.get_reference(id));
        if let Some(symbol) = reference.and_then(Reference::symbol_id) {
            self.values.entry(symbol).or_insert(Value::Path(path));
        }
    }
}

//! What names stand for in a module: what was imported under which name, and which built-in names are its own.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, Parameter, Stmt};

/// How far a value is followed.
const MAX_STEPS: usize = 24;

/// The names of a module. Functions have no scopes of their own here: a name that is imported anywhere counts everywhere,
/// and a built-in name that is bound at the top is the module's own.
#[derive(Default)]
pub(super) struct Names {
    values: HashMap<String, String>,
    bound: HashSet<String>,
    /// What is bound at the module's top level.
    pub(super) top_level: HashSet<String>,
    /// The module may have names that aren't written at its top level.
    pub(super) makes_names: bool,
    depth: usize,
}

impl Names {
    pub(super) fn collect(body: &[Stmt]) -> Self {
        let mut names = Self::default();
        names.visit_body(body);
        names
    }

    /// The path that an expression stands for: `os.system`, or a built-in name.
    pub(super) fn path(&self, expression: &Expr) -> Option<String> {
        self.follow(expression, MAX_STEPS)
    }

    fn follow(&self, expression: &Expr, steps: usize) -> Option<String> {
        let steps = steps.checked_sub(1)?;
        match expression {
            Expr::Name(it) => match self.values.get(it.id.as_str()) {
                Some(value) => Some(value.clone()),
                None if self.bound.contains(it.id.as_str()) => None,
                None => Some(it.id.to_string()),
            },
            Expr::Attribute(it) => {
                let of = self.follow(&it.value, steps)?;
                Some(if of == "builtins" { it.attr.to_string() } else { format!("{of}.{}", it.attr) })
            }
            // `getattr(os, "system")`, `__import__("os")`, `importlib.import_module("os")`
            Expr::Call(it) => {
                let function = self.follow(&it.func, steps)?;
                let text = |at| it.arguments.find_positional(at).and_then(text);
                match function.as_str() {
                    "getattr" => {
                        let of = self.follow(it.arguments.find_positional(0)?, steps)?;
                        let name = text(1)?;
                        Some(if of == "builtins" { name } else { format!("{of}.{name}") })
                    }
                    "__import__" | "importlib.import_module" => text(0),
                    _ => None,
                }
            }
            Expr::Named(it) => self.follow(&it.value, steps),
            _ => None,
        }
    }

    fn bind(&mut self, name: &str) {
        if self.depth == 0 {
            self.top_level.insert(name.to_owned());
        }
        self.bound.insert(name.to_owned());
    }

    fn import(&mut self, name: &str, value: String) {
        if self.depth == 0 {
            self.top_level.insert(name.to_owned());
        }
        self.values.insert(name.to_owned(), value);
    }

    fn take_import(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Import(it) => {
                for alias in &it.names {
                    let whole = alias.name.as_str();
                    let first = whole.split('.').next().unwrap_or(whole);
                    match &alias.asname {
                        Some(name) => self.import(name.as_str(), whole.to_owned()),
                        None => self.import(first, first.to_owned()),
                    }
                }
            }
            Stmt::ImportFrom(it) => {
                let module = it.module.as_ref().map_or("", |module| module.as_str());
                for alias in &it.names {
                    let name = alias.name.as_str();
                    self.makes_names |= name == "*";
                    let value =
                        if module == "builtins" { name.to_owned() } else { format!("{module}.{name}") };
                    let local = alias.asname.as_ref().map_or(name, |it| it.as_str());
                    self.import(local, if it.level > 0 { format!(".{value}") } else { value });
                }
            }
            _ => {}
        }
    }

    fn inside(&mut self, walk: impl FnOnce(&mut Self)) {
        self.depth += 1;
        walk(self);
        self.depth -= 1;
    }
}

/// The text of a literal.
pub(super) fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::StringLiteral(it) => Some(it.value.to_str().to_owned()),
        _ => None,
    }
}

impl<'a> Visitor<'a> for Names {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.take_import(statement),
            Stmt::FunctionDef(it) => {
                self.bind(it.name.as_str());
                self.inside(|names| walk_stmt(names, statement));
            }
            Stmt::ClassDef(it) => {
                self.bind(it.name.as_str());
                self.inside(|names| walk_stmt(names, statement));
            }
            Stmt::Global(it) => {
                self.makes_names = true;
                for name in &it.names {
                    self.bound.insert(name.to_string());
                }
            }
            // `run = os.system`: the name stands for what it was given, if that is known.
            Stmt::Assign(it) => {
                walk_stmt(self, statement);
                let Some(value) = self.path(&it.value).filter(|value| *value != "None") else { return };
                for target in &it.targets {
                    if let Expr::Name(name) = target {
                        self.values.entry(name.id.to_string()).or_insert_with(|| value.clone());
                    }
                }
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(it) = expression {
            if it.ctx == ExprContext::Store {
                self.bind(it.id.as_str());
            }
            self.makes_names |= matches!(it.id.as_str(), "globals" | "setattr" | "exec" | "vars" | "locals");
        }
        walk_expr(self, expression);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.bound.insert(parameter.name.to_string());
    }
}

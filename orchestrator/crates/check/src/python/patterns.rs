//! Patterns that are dangerous or can't work in a sandbox, found on the syntax tree.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::loops::{has_way_out, is_always};
use super::names::{Names, text};
use crate::report::{Findings, Rule};

/// Loops inside of more loops than this are not looked at, so that no text makes the search long.
const MAX_LOOP_DEPTH: usize = 16;

/// Modules whose import alone says enough.
const MODULES: [(&str, Rule, &str); 5] = [
    ("subprocess", Rule::ChildProcess, "processes that a function starts are ended with its call"),
    ("multiprocessing", Rule::ChildProcess, "processes that a function starts are ended with its call"),
    ("pty", Rule::ChildProcess, "processes that a function starts are ended with its call"),
    ("ctypes", Rule::NativeCode, "calls native code, past the interpreter's checks"),
    ("cffi", Rule::NativeCode, "calls native code, past the interpreter's checks"),
];

/// Attributes by which code gets at the interpreter's inside.
const INSIDES: [&str; 7] =
    ["__subclasses__", "__globals__", "__builtins__", "__code__", "__mro__", "__bases__", "__getattribute__"];

/// Adds the patterns of a module to its findings.
pub(super) fn find(body: &[Stmt], names: &Names, findings: &mut Findings<'_>) {
    let mut patterns = Patterns { names, found: Vec::new(), loop_depth: 0 };
    patterns.visit_body(body);
    for (at, rule, message) in patterns.found {
        findings.warn(at.to_usize(), rule, message);
    }
}

struct Patterns<'n> {
    names: &'n Names,
    found: Vec<(TextSize, Rule, String)>,
    loop_depth: usize,
}

impl Patterns<'_> {
    fn warn(&mut self, at: &impl Ranged, rule: Rule, message: &str) {
        self.found.push((at.start(), rule, message.to_owned()));
    }

    fn load(&mut self, at: &impl Ranged, name: &str) {
        let first = name.split('.').next().unwrap_or(name);
        if let Some((module, rule, why)) = MODULES.iter().find(|(module, ..)| *module == first) {
            self.warn(at, *rule, &format!("{module}: {why}"));
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let Some(path) = self.names.path(&call.func) else { return };
        let first = call.arguments.find_positional(0);
        match path.as_str() {
            "eval" | "exec" | "compile" => self.warn(call, Rule::Eval, &format!("{path}: runs text as code")),
            "__import__" | "importlib.import_module" => match first.and_then(text) {
                Some(name) => self.load(call, &name),
                None => {
                    let message = "which module is loaded is known only when the code runs";
                    self.warn(call, Rule::DynamicImport, message);
                }
            },
            "os._exit" | "os.abort" | "os.kill" | "os.killpg" | "sys.exit" | "exit" | "quit" => {
                let message = format!("{path}: ends the process that has to answer; return or raise instead");
                self.warn(call, Rule::ProcessExit, &message);
            }
            "pickle.load" | "pickle.loads" | "pickle.Unpickler" | "marshal.load" | "marshal.loads"
            | "dill.loads" | "shelve.open" | "jsonpickle.decode" => self.unsafe_data(call, &path),
            "yaml.load" if call.arguments.find_argument_value("Loader", 1).is_none() => {
                self.unsafe_data(call, &path);
            }
            "open" | "io.open" => self.open(call),
            "os.remove" | "os.unlink" | "os.rename" | "os.rmdir" | "os.mkdir" | "os.makedirs"
            | "shutil.rmtree" => {
                if let Some(path) = first.and_then(text) {
                    self.write(call, &path);
                }
            }
            _ if starts_process(&path) => {
                let message = format!("{path}: processes that a function starts are ended with its call");
                self.warn(call, Rule::ChildProcess, &message);
            }
            _ => {}
        }
    }

    fn unsafe_data(&mut self, call: &ExprCall, path: &str) {
        let message = format!("{path}: data can make it run code; use JSON for what comes from outside");
        self.warn(call, Rule::UnsafeDeserialization, &message);
    }

    /// `open(path, mode)`, where both are known.
    fn open(&mut self, call: &ExprCall) {
        let known = |name, at| call.arguments.find_argument_value(name, at).and_then(text);
        let (Some(path), Some(mode)) = (known("file", 0), known("mode", 1)) else { return };
        if mode.contains(['w', 'a', 'x', '+']) {
            self.write(call, &path);
        }
    }

    fn write(&mut self, call: &ExprCall, path: &str) {
        let is_tmp = path.starts_with("/tmp/") && !path.contains("/..");
        if !is_tmp && path != "/tmp" {
            self.warn(call, Rule::FsWrite, "a function can write below /tmp alone");
        }
    }
}

/// Functions of `os` that start processes.
fn starts_process(path: &str) -> bool {
    let Some(name) = path.strip_prefix("os.") else { return false };
    let is_one = matches!(
        name,
        "system" | "popen" | "fork" | "forkpty" | "posix_spawn" | "posix_spawnp" | "startfile"
    );
    is_one || name.starts_with("spawn") || name.starts_with("exec")
}

impl<'a> Visitor<'a> for Patterns<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(it) => {
                for alias in &it.names {
                    self.load(alias, alias.name.as_str());
                }
            }
            Stmt::ImportFrom(it) => {
                if let (0, Some(module)) = (it.level, &it.module) {
                    self.load(it, module.as_str());
                }
            }
            Stmt::While(it) => {
                if is_always(&it.test) && self.loop_depth < MAX_LOOP_DEPTH && !has_way_out(&it.body) {
                    let message = "a loop that nothing ends runs until the call's time is up";
                    self.warn(it, Rule::InfiniteLoop, message);
                }
                self.loop_depth += 1;
                walk_stmt(self, statement);
                self.loop_depth -= 1;
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(it) => self.call(it),
            Expr::Attribute(it) if INSIDES.contains(&it.attr.as_str()) => {
                let message = format!("{}: reaches into the interpreter", it.attr);
                self.warn(it, Rule::Introspection, &message);
            }
            Expr::Name(it) if it.id == "__builtins__" => {
                self.warn(it, Rule::Introspection, "__builtins__: reaches into the interpreter");
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}

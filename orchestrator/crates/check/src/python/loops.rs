//! Loops that nothing in them ends.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, Number, Stmt};

/// Whether a condition is true whatever happens.
pub(super) fn is_always(test: &Expr) -> bool {
    match test {
        Expr::BooleanLiteral(it) => it.value,
        Expr::NumberLiteral(it) => !matches!(&it.value, Number::Int(it) if it.as_i64() == Some(0)),
        _ => false,
    }
}

/// Whether something in a loop's body leaves it, or lets others run meanwhile.
pub(super) fn has_way_out(body: &[Stmt]) -> bool {
    let mut ways = Ways { depth: 0, found: false };
    ways.visit_body(body);
    ways.found
}

struct Ways {
    /// How many loops are between here and the loop in question.
    depth: usize,
    found: bool,
}

impl<'a> Visitor<'a> for Ways {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            Stmt::Return(_) | Stmt::Raise(_) => self.found = true,
            Stmt::Break(_) => self.found |= self.depth == 0,
            Stmt::While(_) | Stmt::For(_) => {
                self.found |= matches!(statement, Stmt::For(it) if it.is_async);
                self.depth += 1;
                walk_stmt(self, statement);
                self.depth -= 1;
            }
            Stmt::With(it) => {
                self.found |= it.is_async;
                walk_stmt(self, statement);
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Await(_) | Expr::Yield(_) | Expr::YieldFrom(_) => self.found = true,
            Expr::Lambda(_) => {}
            // `sys.exit()` and its like raise.
            Expr::Call(it) if is_exit(&it.func) => self.found = true,
            _ => walk_expr(self, expression),
        }
    }
}

fn is_exit(function: &Expr) -> bool {
    match function {
        Expr::Name(it) => matches!(it.id.as_str(), "exit" | "quit"),
        Expr::Attribute(it) => matches!(it.attr.as_str(), "exit" | "_exit"),
        _ => false,
    }
}

//! Loops that nothing in them ends.

use oxc_ast::ast::{
    ArrowFunctionExpression, AwaitExpression, BreakStatement, Class, ContinueStatement, DoWhileStatement,
    Expression, ForInStatement, ForOfStatement, ForStatement, Function, LabeledStatement, ReturnStatement,
    Statement, SwitchStatement, ThrowStatement, UnaryOperator, WhileStatement, YieldExpression,
};
use oxc_ast_visit::{Visit, walk};
use oxc_syntax::scope::ScopeFlags;

/// Whether a condition is true whatever happens.
pub(super) fn is_always(test: &Expression<'_>) -> bool {
    match test.get_inner_expression() {
        Expression::BooleanLiteral(it) => it.value,
        Expression::NumericLiteral(it) => it.value != 0.0,
        Expression::StringLiteral(it) => !it.value.is_empty(),
        Expression::UnaryExpression(it) if it.operator == UnaryOperator::LogicalNot => match &it.argument {
            Expression::NumericLiteral(it) => it.value == 0.0,
            Expression::BooleanLiteral(it) => !it.value,
            _ => false,
        },
        Expression::ArrayExpression(_) | Expression::ObjectExpression(_) => true,
        _ => false,
    }
}

/// Whether something in a loop's body leaves it, or lets others run meanwhile.
pub(super) fn has_way_out(body: &Statement<'_>) -> bool {
    let mut ways = Ways::default();
    ways.visit_statement(body);
    ways.found
}

#[derive(Default)]
struct Ways {
    /// How many loops and switches are between here and the loop in question.
    depth: usize,
    /// Labels inside the loop: a jump to one of them stays inside.
    labels: Vec<String>,
    found: bool,
}

impl Ways {
    fn inside(&mut self, walk: impl FnOnce(&mut Self)) {
        self.depth += 1;
        walk(self);
        self.depth -= 1;
    }
}

impl<'a> Visit<'a> for Ways {
    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}
    fn visit_arrow_function_expression(&mut self, _: &ArrowFunctionExpression<'a>) {}
    fn visit_class(&mut self, _: &Class<'a>) {}

    fn visit_return_statement(&mut self, _: &ReturnStatement<'a>) {
        self.found = true;
    }

    fn visit_throw_statement(&mut self, _: &ThrowStatement<'a>) {
        self.found = true;
    }

    fn visit_await_expression(&mut self, _: &AwaitExpression<'a>) {
        self.found = true;
    }

    fn visit_yield_expression(&mut self, _: &YieldExpression<'a>) {
        self.found = true;
    }

    fn visit_break_statement(&mut self, it: &BreakStatement<'a>) {
        self.found |= match &it.label {
            Some(label) => !self.labels.iter().any(|inside| label.name == inside.as_str()),
            None => self.depth == 0,
        };
    }

    fn visit_continue_statement(&mut self, it: &ContinueStatement<'a>) {
        let Some(label) = &it.label else { return };
        self.found |= !self.labels.iter().any(|inside| label.name == inside.as_str());
    }

    fn visit_labeled_statement(&mut self, it: &LabeledStatement<'a>) {
        self.labels.push(it.label.name.to_string());
        walk::walk_labeled_statement(self, it);
        self.labels.pop();
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        self.inside(|ways| walk::walk_while_statement(ways, it));
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        self.inside(|ways| walk::walk_do_while_statement(ways, it));
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        self.inside(|ways| walk::walk_for_statement(ways, it));
    }

    fn visit_for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.inside(|ways| walk::walk_for_in_statement(ways, it));
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.found |= it.r#await;
        self.inside(|ways| walk::walk_for_of_statement(ways, it));
    }

    fn visit_switch_statement(&mut self, it: &SwitchStatement<'a>) {
        self.inside(|ways| walk::walk_switch_statement(ways, it));
    }
}

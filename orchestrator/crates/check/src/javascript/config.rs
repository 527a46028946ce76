//! A `config` that is written in literals, read without running anything.

use oxc_ast::ast::{ArrayExpressionElement, Expression, ObjectPropertyKind, UnaryOperator};
use oxc_span::GetSpan;
use serde_json::{Map, Number, Value};

use crate::report::{Findings, Rule};

/// The value of an expression; what is no literal is left out, with a warning.
pub(super) fn read(expression: &Expression<'_>, findings: &mut Findings<'_>) -> Value {
    value(expression, findings).unwrap_or(Value::Null)
}

fn value(expression: &Expression<'_>, findings: &mut Findings<'_>) -> Option<Value> {
    let expression = expression.get_inner_expression();
    let known = match expression {
        Expression::NullLiteral(_) => Some(Value::Null),
        Expression::BooleanLiteral(it) => Some(Value::Bool(it.value)),
        Expression::NumericLiteral(it) => number(it.value),
        Expression::StringLiteral(it) => Some(Value::String(it.value.to_string())),
        Expression::TemplateLiteral(it) => it.single_quasi().map(|text| Value::String(text.to_string())),
        Expression::UnaryExpression(it) if it.operator == UnaryOperator::UnaryNegation => {
            match &it.argument {
                Expression::NumericLiteral(it) => number(-it.value),
                _ => None,
            }
        }
        Expression::ArrayExpression(it) => {
            let elements = it.elements.iter().filter_map(ArrayExpressionElement::as_expression);
            return Some(Value::Array(elements.filter_map(|it| value(it, findings)).collect()));
        }
        Expression::ObjectExpression(it) => {
            return Some(Value::Object(
                it.properties.iter().filter_map(|it| property(it, findings)).collect::<Map<_, _>>(),
            ));
        }
        _ => None,
    };
    if known.is_none() {
        warn(expression, findings);
    }
    known
}

fn property(property: &ObjectPropertyKind<'_>, findings: &mut Findings<'_>) -> Option<(String, Value)> {
    let name = property.as_property().and_then(|it| Some((it.key.static_name()?.into_owned(), &it.value)));
    match name {
        Some((name, it)) => Some((name, value(it, findings)?)),
        None => {
            warn(property, findings);
            None
        }
    }
}

fn warn(at: &impl GetSpan, findings: &mut Findings<'_>) {
    let message = "a value of config that is no literal is not known before the code runs, so it is ignored";
    findings.warn(at.span().start as usize, Rule::ConfigNotLiteral, message);
}

/// A number as JSON has it: whole ones without a point.
#[expect(clippy::cast_possible_truncation, reason = "compared with what was cut off")]
fn number(value: f64) -> Option<Value> {
    let whole = value as i64;
    if whole as f64 == value { Some(Value::from(whole)) } else { Number::from_f64(value).map(Value::Number) }
}

//! A `config` that is written in literals, read without running anything.

use ruff_python_ast::{Expr, Number, UnaryOp};
use ruff_text_size::Ranged;
use serde_json::{Map, Value};

use crate::report::{Findings, Rule};

/// The value of an expression; what is no literal is left out, with a warning.
pub(super) fn read(expression: &Expr, findings: &mut Findings<'_>) -> Value {
    value(expression, findings).unwrap_or(Value::Null)
}

fn value(expression: &Expr, findings: &mut Findings<'_>) -> Option<Value> {
    let known = match expression {
        Expr::NoneLiteral(_) => Some(Value::Null),
        Expr::BooleanLiteral(it) => Some(Value::Bool(it.value)),
        Expr::StringLiteral(it) => Some(Value::String(it.value.to_str().to_owned())),
        Expr::NumberLiteral(it) => number(&it.value),
        Expr::UnaryOp(it) if it.op == UnaryOp::USub => match &*it.operand {
            Expr::NumberLiteral(it) => number(&it.value).and_then(|it| negative(&it)),
            _ => None,
        },
        Expr::List(it) => {
            return Some(Value::Array(it.elts.iter().filter_map(|it| value(it, findings)).collect()));
        }
        Expr::Tuple(it) => {
            return Some(Value::Array(it.elts.iter().filter_map(|it| value(it, findings)).collect()));
        }
        Expr::Dict(it) => {
            let mut map = Map::new();
            for item in &it.items {
                match &item.key {
                    Some(Expr::StringLiteral(key)) => {
                        if let Some(value) = value(&item.value, findings) {
                            map.insert(key.value.to_str().to_owned(), value);
                        }
                    }
                    _ => warn(&item.value, findings),
                }
            }
            return Some(Value::Object(map));
        }
        _ => None,
    };
    if known.is_none() {
        warn(expression, findings);
    }
    known
}

fn warn(expression: &Expr, findings: &mut Findings<'_>) {
    let message = "a value of config that is no literal is not known before the code runs, so it is ignored";
    findings.warn(expression.start().to_usize(), Rule::ConfigNotLiteral, message);
}

fn number(number: &Number) -> Option<Value> {
    match number {
        Number::Int(it) => it.as_i64().map(Value::from),
        Number::Float(it) => serde_json::Number::from_f64(*it).map(Value::Number),
        Number::Complex { .. } => None,
    }
}

fn negative(value: &Value) -> Option<Value> {
    value.as_i64().map(|it| Value::from(-it)).or_else(|| value.as_f64().map(|it| Value::from(-it)))
}

//! Which documents are wanted: filters, as functions write them, checked and free of any database's words.
//!
//! `{status: "active", "address.city": "Oslo", age: {$gte: 18}, $or: [{…}, {…}]}`. Operators may be written without `$`.

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::{Error, invalid};

/// Conditions of one filter, those inside `$and` and `$or` included.
const MAX_CONDITIONS: usize = 64;
/// Values of one filter, all its lists together.
const MAX_VALUES: usize = 1000;
/// How deep `$and`, `$or` and `$not` may be inside one another.
const MAX_DEPTH: usize = 8;
/// Names of one path, such as three in `a.b.c`.
const MAX_PATH: usize = 16;
/// Bytes of one path.
const MAX_PATH_BYTES: usize = 256;

/// A condition on documents.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Each of these; true where there is none.
    All(Vec<Self>),
    /// At least one of these; false where there is none.
    Any(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// What one field has to be.
    Field(Field, Test),
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The document's id.
    Id,
    /// `created_at`.
    CreatedAt,
    /// `updated_at`.
    UpdatedAt,
    /// A field of the function's own, through objects: `["address", "city"]`. Never empty.
    Path(Vec<String>),
}

/// What a field has to be. A value of another type never passes, and neither does a field that is absent.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Null or absent.
    Null,
    /// There, and be it null.
    Present,
    /// This truth value.
    Bool(bool),
    /// One of these numbers. Times are numbers here: milliseconds since 1970.
    Numbers(Vec<Number>),
    /// One of these texts.
    Texts(Vec<String>),
    /// A number on this side of another one.
    Number(Side, Number),
    /// A text on this side of another one, by its bytes.
    Text(Side, String),
    /// A text that has this one in it.
    Contains(String),
    /// A text that begins with this one.
    StartsWith(String),
}

/// `$lt`, `$lte`, `$gt`, `$gte`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Less.
    Below,
    /// Less or equal.
    UpTo,
    /// More.
    Above,
    /// More or equal.
    From,
}

impl Field {
    /// A field by its path, `address.city`.
    ///
    /// # Errors
    /// The path is too long, or has a name that no database could look for.
    pub fn parse(path: &str) -> Result<Self, Error> {
        match path {
            "id" => return Ok(Self::Id),
            "created_at" | "createdAt" => return Ok(Self::CreatedAt),
            "updated_at" | "updatedAt" => return Ok(Self::UpdatedAt),
            _ => {}
        }
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        let is_odd = |name: &String| {
            name.is_empty() || name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\' | '\u{fffd}'))
        };
        if path.len() > MAX_PATH_BYTES || names.len() > MAX_PATH || names.iter().any(is_odd) {
            return invalid(format!(
                "{path:?} is no field to look for: names with dots between, at most {MAX_PATH} names and \
                 {MAX_PATH_BYTES} bytes, without quotes, backslashes and control characters"
            ));
        }
        Ok(Self::Path(names))
    }
}

impl Filter {
    /// All documents.
    #[must_use]
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// The document with this id.
    #[must_use]
    pub fn id(id: String) -> Self {
        Self::Field(Field::Id, Test::Texts(vec![id]))
    }

    /// The filter that an object says.
    ///
    /// # Errors
    /// What is wrong with it, with the field's name.
    pub fn parse(fields: &Map<String, Value>) -> Result<Self, Error> {
        let mut reader = Reader { conditions: 0, values: 0 };
        reader.object(fields, 0)
    }
}

/// Reads a filter and counts what it has.
struct Reader {
    conditions: usize,
    values: usize,
}

impl Reader {
    fn object(&mut self, fields: &Map<String, Value>, depth: usize) -> Result<Filter, Error> {
        if depth > MAX_DEPTH {
            return invalid(format!("the filter is nested deeper than {MAX_DEPTH} levels"));
        }
        let mut all = Vec::new();
        for (name, value) in fields {
            all.push(match name.as_str() {
                "$and" => Filter::All(self.list(name, value, depth)?),
                "$or" => Filter::Any(self.list(name, value, depth)?),
                "$not" => match value {
                    Value::Object(fields) => Filter::Not(Box::new(self.object(fields, depth + 1)?)),
                    _ => return invalid("$not in a filter takes an object"),
                },
                _ if name.starts_with('$') => {
                    return invalid(format!(
                        "{name} is no operator of filters; there are $and, $or and $not"
                    ));
                }
                path => self.field(path, value)?,
            });
        }
        Ok(Filter::All(all))
    }

    fn list(&mut self, name: &str, value: &Value, depth: usize) -> Result<Vec<Filter>, Error> {
        let Value::Array(filters) = value else {
            return invalid(format!("{name} in a filter takes a list of objects"));
        };
        let parsed = filters.iter().map(|filter| match filter {
            Value::Object(fields) => self.object(fields, depth + 1),
            _ => invalid(format!("{name} in a filter takes a list of objects")),
        });
        parsed.collect()
    }

    fn field(&mut self, path: &str, value: &Value) -> Result<Filter, Error> {
        let field = Field::parse(path)?;
        let Value::Object(operators) = value else {
            self.count(1)?;
            return one_of(path, &field, std::slice::from_ref(value));
        };
        if operators.is_empty() {
            return invalid(format!("the filter's {path} is an empty object; give a value or an operator"));
        }
        let tests = operators.iter().map(|(name, value)| self.operator(path, &field, name, value));
        Ok(Filter::All(tests.collect::<Result<_, _>>()?))
    }

    fn operator(&mut self, path: &str, field: &Field, name: &str, value: &Value) -> Result<Filter, Error> {
        let values = value.as_array().map_or(1, Vec::len);
        self.count(values)?;
        let one = std::slice::from_ref(value);
        let many = || match value {
            Value::Array(values) => Ok(values.as_slice()),
            _ => invalid(format!("{name} of the filter's {path} takes a list")),
        };
        let test = |test: Test| Filter::Field(field.clone(), test);
        Ok(match name.strip_prefix('$').unwrap_or(name) {
            "eq" | "equals" => one_of(path, field, one)?,
            "ne" | "not" => Filter::Not(Box::new(one_of(path, field, one)?)),
            "in" => one_of(path, field, many()?)?,
            "nin" | "notIn" => Filter::Not(Box::new(one_of(path, field, many()?)?)),
            "lt" => test(side(path, field, Side::Below, value)?),
            "lte" => test(side(path, field, Side::UpTo, value)?),
            "gt" => test(side(path, field, Side::Above, value)?),
            "gte" => test(side(path, field, Side::From, value)?),
            "contains" => test(Test::Contains(text(path, field, name, value)?)),
            "startsWith" => test(Test::StartsWith(text(path, field, name, value)?)),
            "exists" => match value {
                Value::Bool(true) => test(Test::Present),
                Value::Bool(false) => Filter::Not(Box::new(test(Test::Present))),
                _ => return invalid(format!("{name} of the filter's {path} takes true or false")),
            },
            _ => {
                return invalid(format!(
                    "{name:?} of the filter's {path} is no operator; there are $eq, $ne, $gt, $gte, $lt, $lte, $in, \
                     $nin, $exists, $contains and $startsWith; a field inside is written with a dot: \"{path}.{name}\""
                ));
            }
        })
    }

    fn count(&mut self, values: usize) -> Result<(), Error> {
        self.conditions += 1;
        self.values += values;
        if self.conditions > MAX_CONDITIONS || self.values > MAX_VALUES {
            return invalid(format!(
                "the filter is too long: at most {MAX_CONDITIONS} conditions and {MAX_VALUES} values; split the query"
            ));
        }
        Ok(())
    }
}

/// A field that equals one of the values, each type by itself.
fn one_of(path: &str, field: &Field, values: &[Value]) -> Result<Filter, Error> {
    let (mut texts, mut numbers, mut any) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match known(path, field, value)? {
            Value::Null => any.push(Test::Null),
            Value::Bool(value) => any.push(Test::Bool(value)),
            Value::Number(value) => numbers.push(value),
            Value::String(value) => texts.push(value),
            Value::Array(_) | Value::Object(_) => {
                return invalid(format!(
                    "the filter's {path} is compared with a list or an object; compare with texts, numbers, booleans \
                     and null, or use $in"
                ));
            }
        }
    }
    any.extend((!texts.is_empty()).then_some(Test::Texts(texts)));
    any.extend((!numbers.is_empty()).then_some(Test::Numbers(numbers)));
    Ok(Filter::Any(any.into_iter().map(|test| Filter::Field(field.clone(), test)).collect()))
}

fn side(path: &str, field: &Field, side: Side, value: &Value) -> Result<Test, Error> {
    match known(path, field, value)? {
        Value::Number(value) => Ok(Test::Number(side, value)),
        Value::String(value) => Ok(Test::Text(side, value)),
        _ => invalid(format!("the filter's {path} can be less or more than a number or a text only")),
    }
}

fn text(path: &str, field: &Field, name: &str, value: &Value) -> Result<String, Error> {
    match (field, value) {
        (Field::Id | Field::Path(_), Value::String(text)) => Ok(text.clone()),
        _ => invalid(format!("{name} of the filter's {path} is for texts")),
    }
}

/// The value in the field's own type: ids are texts, times are milliseconds.
fn known(path: &str, field: &Field, value: &Value) -> Result<Value, Error> {
    Ok(match (field, value) {
        (Field::Id, Value::Number(number)) => Value::String(number.to_string()),
        (Field::CreatedAt | Field::UpdatedAt, Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(time) => time.as_millisecond().into(),
            Err(_) => {
                return invalid(format!(
                    "the filter's {path} is compared with {text:?}, which is no time such as 2026-01-31T12:00:00Z"
                ));
            }
        },
        (_, value) => value.clone(),
    })
}

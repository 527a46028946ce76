//! Filters and orders in SQL. Each database has its own words for a field inside JSON; all values, the fields' names
//! among them, are bound.

use cloudbox_database::{Query, Value};
use serde_json::Number;
use sqlx::AssertSqlSafe;

use crate::filter::{Field, Filter, Side, Test};

/// Values of one condition that are looked for by an index; beyond, reading all is as good.
const MAX_CONTENTS: usize = 16;

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// A statement that grows. No test in it is ever NULL, so that `NOT` is the opposite.
pub(super) struct Statement {
    text: String,
    values: Vec<Value>,
    dialect: Dialect,
}

impl Statement {
    /// One that begins so.
    pub(super) fn new(dialect: Dialect, text: &'static str) -> Self {
        Self { text: text.to_owned(), values: Vec::new(), dialect }
    }

    /// More text, which holds no value.
    pub(super) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A value, as a placeholder.
    pub(super) fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let place = self.values.len();
        self.text.push_str(&format!("${place}"));
        self
    }

    /// The column of documents' bodies, as text.
    pub(super) fn body(&mut self) -> &mut Self {
        self.push(match self.dialect {
            Dialect::Sqlite => "body",
            Dialect::Postgres => "body::TEXT",
        })
    }

    /// A body's text for that column.
    pub(super) fn body_value(&mut self, text: String) -> &mut Self {
        let cast = match self.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => "::JSONB",
        };
        self.value(text).push(cast)
    }

    /// The finished statement.
    pub(super) fn finish(self) -> Query {
        Query::of(AssertSqlSafe(self.text), self.values)
    }

    /// A filter as one condition.
    pub(super) fn filter(&mut self, filter: &Filter) -> &mut Self {
        match filter {
            Filter::All(filters) => self.joined(filters, " AND ", "1 = 1"),
            Filter::Any(filters) => self.joined(filters, " OR ", "1 = 0"),
            Filter::Not(filter) => self.push("NOT ").filter(filter),
            Filter::Field(Field::Path(path), test) => {
                let is_narrowed = self.narrow(path, test);
                let place = Place::bind(self, path);
                self.push("COALESCE(");
                match self.dialect {
                    Dialect::Sqlite => self.sqlite_test(&place, test),
                    Dialect::Postgres => self.postgres_test(&place, test),
                }
                self.push(if is_narrowed { ", FALSE))" } else { ", FALSE)" })
            }
            Filter::Field(Field::Id, test) => self.id_test(test),
            Filter::Field(Field::CreatedAt, test) => self.time_test("created_at", test),
            Filter::Field(Field::UpdatedAt, test) => self.time_test("updated_at", test),
        }
    }

    /// Begins with what PostgreSQL finds by its index of contents, and what holds wherever the test does: that the body
    /// contains the field with one of the values. Whether there is such a thing.
    fn narrow(&mut self, path: &[String], test: &Test) -> bool {
        let values: Vec<serde_json::Value> = match test {
            Test::Texts(texts) => texts.iter().map(|text| text.as_str().into()).collect(),
            Test::Numbers(numbers) => numbers.iter().map(|number| number.clone().into()).collect(),
            _ => Vec::new(),
        };
        if self.dialect != Dialect::Postgres || values.is_empty() || values.len() > MAX_CONTENTS {
            return false;
        }
        for (index, value) in values.into_iter().enumerate() {
            let inside = |value, name: &String| serde_json::json!({ name.as_str(): value });
            let content = path.iter().rev().fold(value, inside).to_string();
            self.push(if index == 0 { "((" } else { " OR " });
            self.push("body @> ").value(content).push("::JSONB");
        }
        self.push(") AND ");
        true
    }

    fn joined(&mut self, filters: &[Filter], word: &'static str, empty: &'static str) -> &mut Self {
        self.push("(");
        for (index, filter) in filters.iter().enumerate() {
            self.push(if index == 0 { "" } else { word }).filter(filter);
        }
        self.push(if filters.is_empty() { empty } else { "" }).push(")")
    }

    fn id_test(&mut self, test: &Test) -> &mut Self {
        match test {
            Test::Present => self.push("1 = 1"),
            Test::Texts(ids) => self.push("id").list(ids.iter().map(String::as_str)),
            Test::Text(side, id) => self.push("id").push(side.operator()).value(id.as_str()),
            Test::Contains(_) | Test::StartsWith(_) => {
                self.push("COALESCE(");
                self.text_search("id", test);
                self.push(", FALSE)")
            }
            Test::Null | Test::Bool(_) | Test::Numbers(_) | Test::Number(..) => self.push("1 = 0"),
        }
    }

    fn time_test(&mut self, column: &'static str, test: &Test) -> &mut Self {
        match test {
            Test::Present => self.push("1 = 1"),
            Test::Numbers(times) => self.push(column).list(times.iter().map(milliseconds)),
            Test::Number(side, time) => self.push(column).push(side.operator()).value(milliseconds(time)),
            _ => self.push("1 = 0"),
        }
    }

    fn list<V: Into<Value>>(&mut self, values: impl Iterator<Item = V>) -> &mut Self {
        self.push(" IN (");
        for (index, value) in values.enumerate() {
            self.push(if index == 0 { "" } else { ", " }).value(value);
        }
        self.push(")")
    }

    /// A test on a text; nothing for other tests. `strpos` and `instr` know no patterns.
    fn text_search(&mut self, text: &str, test: &Test) {
        match test {
            Test::Contains(part) => {
                self.push(match self.dialect {
                    Dialect::Sqlite => "instr(",
                    Dialect::Postgres => "strpos(",
                });
                self.text.push_str(text);
                self.push(", ").value(part.as_str()).push(") > 0");
            }
            Test::StartsWith(part) => {
                self.push("substr(").text.push_str(text);
                self.push(", 1, ").value(i64::try_from(part.chars().count()).unwrap_or(i64::MAX));
                if self.dialect == Dialect::Postgres {
                    self.push("::INT");
                }
                self.push(") = ").value(part.as_str());
            }
            _ => {}
        }
    }

    fn sqlite_test(&mut self, place: &Place, test: &Test) {
        let (kind, value) = (&place.kind, &place.value);
        let a_number = format!("{kind} IN ('integer', 'real') AND {value}");
        let a_text = format!("{kind} = 'text' AND {value}");
        match test {
            Test::Null => self.text.push_str(&format!("COALESCE({kind} = 'null', TRUE)")),
            Test::Present => self.text.push_str(&format!("{kind} IS NOT NULL")),
            Test::Bool(true) => self.text.push_str(&format!("{kind} = 'true'")),
            Test::Bool(false) => self.text.push_str(&format!("{kind} = 'false'")),
            Test::Numbers(numbers) => {
                self.text.push_str(&a_number);
                self.list(numbers.iter().map(number));
            }
            Test::Texts(texts) => {
                self.text.push_str(&a_text);
                self.list(texts.iter().map(String::as_str));
            }
            Test::Number(side, than) => {
                self.text.push_str(&a_number);
                self.push(side.operator()).value(number(than));
            }
            Test::Text(side, than) => {
                self.text.push_str(&a_text);
                self.push(side.operator()).value(than.as_str());
            }
            Test::Contains(_) | Test::StartsWith(_) => {
                self.text.push_str(&format!("{kind} = 'text' AND "));
                self.text_search(value, test);
            }
        }
    }

    /// Numbers are compared as JSON, whose order of numbers is exact and whose conversion can't fail.
    fn postgres_test(&mut self, place: &Place, test: &Test) {
        let (json, kind, value) = (&place.json, &place.kind, &place.value);
        let a_text = format!("{kind} = 'string' AND {value}");
        match test {
            Test::Null => self.text.push_str(&format!("COALESCE({kind} = 'null', TRUE)")),
            Test::Present => self.text.push_str(&format!("{kind} IS NOT NULL")),
            Test::Bool(true) => self.text.push_str(&format!("{json} = 'true'::JSONB")),
            Test::Bool(false) => self.text.push_str(&format!("{json} = 'false'::JSONB")),
            Test::Numbers(numbers) => {
                self.text.push_str(&format!("{json} IN ("));
                for (index, number) in numbers.iter().enumerate() {
                    self.push(if index == 0 { "" } else { ", " }).value(number.to_string()).push("::JSONB");
                }
                self.push(")");
            }
            Test::Texts(texts) => {
                self.text.push_str(&a_text);
                self.list(texts.iter().map(String::as_str));
            }
            Test::Number(side, than) => {
                self.text.push_str(&format!("{kind} = 'number' AND {json}"));
                self.push(side.operator()).value(than.to_string()).push("::JSONB");
            }
            Test::Text(side, than) => {
                self.text.push_str(&format!("{a_text} COLLATE \"C\""));
                self.push(side.operator()).value(than.as_str());
            }
            Test::Contains(_) | Test::StartsWith(_) => {
                self.text.push_str(&format!("{kind} = 'string' AND "));
                self.text_search(value, test);
            }
        }
    }

    /// `ORDER BY`: absent and null first, then numbers, texts, booleans, and lists and objects, which have no order of
    /// their own; what is equal stays in the order in which it was made.
    pub(super) fn order(&mut self, sort: &[(Field, bool)]) -> &mut Self {
        self.push(" ORDER BY ");
        for (field, is_down) in sort {
            let column = match field {
                Field::Id => "id",
                Field::CreatedAt => "created_at",
                Field::UpdatedAt => "updated_at",
                Field::Path(path) => {
                    self.order_by_path(path, *is_down);
                    continue;
                }
            };
            self.push(column).push(if *is_down { " DESC, " } else { ", " });
        }
        self.push("seq")
    }

    fn order_by_path(&mut self, path: &[String], is_down: bool) {
        let place = Place::bind(self, path);
        let Place { json, kind, value } = &place;
        let keys = match self.dialect {
            Dialect::Sqlite => vec![
                format!(
                    "CASE {kind} WHEN 'integer' THEN 1 WHEN 'real' THEN 1 WHEN 'text' THEN 2 WHEN 'true' THEN 3 \
                     WHEN 'false' THEN 3 WHEN 'array' THEN 4 WHEN 'object' THEN 4 ELSE 0 END"
                ),
                format!("CASE WHEN {kind} NOT IN ('array', 'object') THEN {value} END"),
            ],
            Dialect::Postgres => vec![
                format!(
                    "CASE {kind} WHEN 'number' THEN 1 WHEN 'string' THEN 2 WHEN 'boolean' THEN 3 WHEN 'array' THEN 4 \
                     WHEN 'object' THEN 4 ELSE 0 END"
                ),
                format!("CASE {kind} WHEN 'number' THEN {json} END"),
                format!("CASE WHEN {kind} IN ('string', 'boolean') THEN {value} END COLLATE \"C\""),
            ],
        };
        for key in keys {
            self.text.push_str(&key);
            self.push(if is_down { " DESC, " } else { ", " });
        }
    }
}

/// A field inside a body, in a database's words.
struct Place {
    /// The value as JSON; for PostgreSQL alone.
    json: String,
    /// The name of its type, NULL where it is absent.
    kind: String,
    /// The value in the database's own type.
    value: String,
}

impl Place {
    /// Binds the path's names.
    fn bind(statement: &mut Statement, path: &[String]) -> Self {
        let values = &mut statement.values;
        match statement.dialect {
            // Names hold no quotes, see `Field::parse`.
            Dialect::Sqlite => {
                let quoted: String = path.iter().map(|name| format!(".\"{name}\"")).collect();
                values.push(format!("${quoted}").into());
                let place = values.len();
                Self {
                    json: String::new(),
                    kind: format!("json_type(body, ${place})"),
                    value: format!("json_extract(body, ${place})"),
                }
            }
            Dialect::Postgres => {
                let mut json = String::from("(body");
                for name in path {
                    values.push(name.as_str().into());
                    json.push_str(&format!(" -> ${}", values.len()));
                }
                json.push(')');
                Self { kind: format!("jsonb_typeof({json})"), value: format!("({json} #>> '{{}}')"), json }
            }
        }
    }
}

impl Side {
    const fn operator(self) -> &'static str {
        match self {
            Self::Below => " < ",
            Self::UpTo => " <= ",
            Self::Above => " > ",
            Self::From => " >= ",
        }
    }
}

/// A number for SQLite, which has two kinds of them.
fn number(number: &Number) -> Value {
    match number.as_i64() {
        Some(whole) => whole.into(),
        None => number.as_f64().unwrap_or(0.0).into(),
    }
}

/// A time for a column of whole milliseconds.
fn milliseconds(number: &Number) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond i64 becomes its end")]
    number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or(0.0) as i64)
}

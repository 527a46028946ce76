//! One operation on documents, as a function writes it: the method's name and its arguments.
//!
//! The shims pass arguments on as they are, so what they mean is decided here, once for all languages.

use serde_json::{Map, Value};

use crate::filter::{Field, Filter};
use crate::{Error, invalid};

/// Documents that one list may have, and has where no limit is given.
pub const MAX_LIST: u32 = 1000;
/// Fields that one list may be sorted by.
const MAX_SORTS: usize = 4;
/// Bytes of an id.
const MAX_ID_BYTES: usize = 128;
/// Characters of an entity's name.
const MAX_ENTITY: usize = 64;
/// Fields that are the service's own.
const OWN_FIELDS: [&str; 3] = ["id", "created_at", "updated_at"];

/// What to do with the documents of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The entity's name, such as `users`.
    pub entity: String,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Gives the documents of a list; with `is_one` the first, or null.
    Find {
        /// Which.
        list: List,
        /// Whether one is wanted.
        is_one: bool,
    },
    /// Gives how many there are.
    Count(Filter),
    /// Makes a document, and gives it.
    Create {
        /// Its id; none for a new one.
        id: Option<String>,
        /// Its other fields.
        fields: Map<String, Value>,
    },
    /// Changes fields of the one document that fits and gives it, or null; with `is_many` of all, and gives how many.
    Update {
        /// Which.
        filter: Filter,
        /// Fields that are set; the others stay.
        changes: Map<String, Value>,
        /// Whether several may fit.
        is_many: bool,
    },
    /// Deletes the one document that fits and gives whether there was one; with `is_many` all, and gives how many.
    Delete {
        /// Which.
        filter: Filter,
        /// Whether several may fit.
        is_many: bool,
    },
}

/// A part of an entity's documents, in an order.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Which.
    pub filter: Filter,
    /// By which fields, and whether downwards; then in the order in which they were made.
    pub sort: Vec<(Field, bool)>,
    /// How many at most.
    pub limit: u32,
    /// How many to leave out before.
    pub offset: u32,
}

impl Operation {
    /// Reads `db.<method>` with the arguments `{"entity": "users", "args": […]}`.
    ///
    /// # Errors
    /// What is wrong with the method, the entity's name or an argument.
    pub fn parse(method: &str, arguments: &Value) -> Result<Self, Error> {
        let entity = arguments["entity"].as_str().unwrap_or_default();
        check_entity(entity)?;
        let none = Vec::new();
        let args = arguments["args"].as_array().unwrap_or(&none);
        let first = args.first().unwrap_or(&Value::Null);
        let second = args.get(1).unwrap_or(&Value::Null);
        let action = match method {
            "findMany" => Action::Find { list: list(first, second)?, is_one: false },
            "findOne" => Action::Find { list: List { limit: 1, ..list(first, second)? }, is_one: true },
            "count" => Action::Count(list(first, second)?.filter),
            "create" => create(first)?,
            "update" | "updateMany" => update(first, second, method == "updateMany")?,
            "delete" | "deleteMany" => delete(first, method == "deleteMany")?,
            _ => {
                return invalid(format!(
                    "{method:?} is no operation on documents; there are findMany, findOne, count, create, update, \
                     updateMany, delete and deleteMany"
                ));
            }
        };
        Ok(Self { entity: entity.to_owned(), action })
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        !matches!(self.action, Action::Find { .. } | Action::Count(_))
    }
}

fn check_entity(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.len() <= MAX_ENTITY && name.chars().all(plain) {
        return Ok(());
    }
    invalid(format!(
        "{name:?} is no name of an entity: at most {MAX_ENTITY} letters, digits, _ and -, the first a letter or _"
    ))
}

/// An id that was given as text or as a whole number.
fn id(value: &Value) -> Result<Option<String>, Error> {
    let id = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::Null => return Ok(None),
        _ => return invalid("an id is a text or a whole number"),
    };
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(char::is_control) {
        return invalid(format!("an id has 1 to {MAX_ID_BYTES} bytes and no control characters"));
    }
    Ok(Some(id))
}

/// A filter by itself: an object, or an id alone.
fn filter(value: &Value) -> Result<Filter, Error> {
    match value {
        Value::Null => Ok(Filter::everything()),
        Value::Object(fields) => Filter::parse(fields),
        value => match id(value)? {
            Some(id) => Ok(Filter::id(id)),
            None => Ok(Filter::everything()),
        },
    }
}

const FILTER_NAMES: [&str; 2] = ["filter", "where"];
const SORT_NAMES: [&str; 3] = ["sort", "orderBy", "order_by"];
const LIMIT_NAMES: [&str; 2] = ["limit", "take"];
const OFFSET_NAMES: [&str; 2] = ["offset", "skip"];

/// `(filter)`, `(filter, options)` or `(options)`: an object whose fields are all options' names is options.
fn list(first: &Value, second: &Value) -> Result<List, Error> {
    let is_option = |name: &String| {
        [&FILTER_NAMES[..], &SORT_NAMES, &LIMIT_NAMES, &OFFSET_NAMES]
            .iter()
            .any(|names| names.contains(&name.as_str()))
    };
    let none = Map::new();
    match (first, second) {
        (Value::Object(fields), Value::Null) if !fields.is_empty() && fields.keys().all(is_option) => {
            options(fields, Filter::everything())
        }
        (first, Value::Null) => options(&none, filter(first)?),
        (first, Value::Object(fields)) => match fields.keys().find(|name| !is_option(name)) {
            None => options(fields, filter(first)?),
            Some(name) => {
                invalid(format!("{name:?} is no option of a list; there are filter, sort, limit and offset"))
            }
        },
        _ => invalid("the options of a list are an object with sort, limit and offset"),
    }
}

fn options(fields: &Map<String, Value>, otherwise: Filter) -> Result<List, Error> {
    let get = |names: &[&str]| names.iter().find_map(|name| fields.get(*name)).unwrap_or(&Value::Null);
    let number = |names: &[&str], usual: u32, most: u32| match get(names) {
        Value::Null => Ok(usual),
        value => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) if number <= most => Ok(number),
            _ => invalid(format!("{} of a list is a whole number of 0 to {most}, not {value}", names[0])),
        },
    };
    Ok(List {
        filter: match get(&FILTER_NAMES) {
            Value::Null => otherwise,
            value => filter(value)?,
        },
        sort: sort(get(&SORT_NAMES))?,
        limit: number(&LIMIT_NAMES, MAX_LIST, MAX_LIST)?,
        offset: number(&OFFSET_NAMES, 0, u32::MAX)?,
    })
}

/// `"name"`, `"-age"`, `{age: "desc"}`, `{age: -1}`, or a list of those; an object with several fields has no order.
fn sort(value: &Value) -> Result<Vec<(Field, bool)>, Error> {
    let parts = match value {
        Value::Null => &[],
        Value::Array(parts) => parts.as_slice(),
        value => std::slice::from_ref(value),
    };
    if parts.len() > MAX_SORTS {
        return invalid(format!("sort may name at most {MAX_SORTS} fields"));
    }
    parts.iter().map(sort_part).collect()
}

fn sort_part(part: &Value) -> Result<(Field, bool), Error> {
    match part {
        Value::String(name) => match name.strip_prefix('-') {
            Some(name) => Ok((Field::parse(name)?, true)),
            None => Ok((Field::parse(name)?, false)),
        },
        Value::Object(fields) if fields.len() == 1 => {
            let (name, direction) = fields.iter().next().unwrap_or_else(|| unreachable!("it has one field"));
            let is_down = match direction {
                Value::String(word) if word.eq_ignore_ascii_case("desc") => true,
                Value::String(word) if word.eq_ignore_ascii_case("asc") => false,
                Value::Number(number) if number.as_i64() == Some(-1) => true,
                Value::Number(number) if number.as_i64() == Some(1) => false,
                other => return invalid(format!("sort by {name} is \"asc\" or \"desc\", not {other}")),
            };
            Ok((Field::parse(name)?, is_down))
        }
        _ => invalid(
            "sort is a field's name, \"-name\" for downwards, {name: \"desc\"}, or a list of those; several fields \
             need the list, since they have an order",
        ),
    }
}

/// The function's own fields of a document, and its id.
fn fields(value: &Value, what: &str) -> Result<(Option<String>, Map<String, Value>), Error> {
    let Value::Object(given) = value else {
        return invalid(format!("{what} takes an object with the document's fields"));
    };
    let own = id(given.get("id").unwrap_or(&Value::Null))?;
    let kept = given.iter().filter(|(name, _)| !OWN_FIELDS.contains(&name.as_str()));
    Ok((own, kept.map(|(name, value)| (without_nul(name), clean(value))).collect()))
}

fn create(first: &Value) -> Result<Action, Error> {
    let (id, fields) = fields(first, "create")?;
    Ok(Action::Create { id, fields })
}

/// `(id or filter, changes)`, `({id, …changes})` or `({where, data})`.
fn update(first: &Value, second: &Value, is_many: bool) -> Result<Action, Error> {
    let inner = |names: &[&str]| names.iter().find_map(|name| first.get(*name));
    let (which, changes) = match (first, second) {
        (Value::Object(_), Value::Null) => match (inner(&FILTER_NAMES), inner(&["data", "changes"])) {
            (Some(which), Some(changes)) => (which, changes),
            _ => (first.get("id").unwrap_or(&Value::Null), first),
        },
        _ => (first, second),
    };
    if which.is_null() {
        return invalid(
            "update needs an id or a filter, and the changes; {} as the filter fits all documents",
        );
    }
    let (id, changes) = fields(changes, "update")?;
    let filter = filter(which)?;
    if id.is_some_and(|id| filter != Filter::id(id.clone()) && !is_filter_of_id(&filter, &id)) {
        return invalid("a document's id can't be changed");
    }
    Ok(Action::Update { filter, changes, is_many })
}

/// Whether it is `{id: …}`.
fn is_filter_of_id(filter: &Filter, id: &str) -> bool {
    let plain = serde_json::json!({ "id": id });
    plain.as_object().is_some_and(|plain| Filter::parse(plain).is_ok_and(|plain| plain == *filter))
}

fn delete(first: &Value, is_many: bool) -> Result<Action, Error> {
    let which = match first {
        Value::Object(fields) if fields.len() == 1 => {
            FILTER_NAMES.iter().find_map(|name| fields.get(*name)).filter(|inner| inner.is_object())
        }
        _ => None,
    };
    match which.unwrap_or(first) {
        Value::Null => invalid("delete needs an id or a filter; {} as the filter fits all documents"),
        which => Ok(Action::Delete { filter: filter(which)?, is_many }),
    }
}

/// PostgreSQL takes no NUL in texts; in both databases it becomes the replacement character.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn clean(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(text)),
        Value::Array(values) => values.iter().map(clean).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (without_nul(name), clean(value))).collect()
        }
        value => value.clone(),
    }
}

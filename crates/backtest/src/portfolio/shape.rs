//! What a JSON file may hold: one description, from which the check (all errors at once) and the JSON Schema are made.

use market::Currency;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use units::{Cash, Price, Qty, Timestamp};

/// A field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_needed: bool,
    pub(super) about: &'static str,
}

/// What a value is.
pub(super) enum Kind {
    Text,
    Time,
    Currency,
    Price,
    /// A price of zero or more.
    PriceFromZero,
    /// A price over zero.
    PriceOverZero,
    Qty,
    Cash,
    /// An amount of zero or more.
    CashFromZero,
    /// An estimate between two bounds, both of them allowed.
    Number(f64, f64),
    /// An estimate over zero, up to a bound.
    OverZero(f64),
    /// A whole number from 0 on.
    Count,
    Numbers,
    Counts,
    Word(&'static [&'static str]),
    Object(&'static [Field]),
    List(&'static [Field]),
    /// Objects by a name that the user chooses.
    Map(&'static [Field]),
}

/// Something wrong with a portfolio: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The place in the file: `accounts[0].balances[1].amount`; empty where it is the file itself.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// The one thing to do.
    pub remedy: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, what, remedy } = self;
        let between = if path.is_empty() { "" } else { ": " };
        write!(f, "{path}{between}{what}; {remedy}")
    }
}

impl Wrong {
    pub(super) fn new(path: impl fmt::Display, what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { path: path.to_string(), what: what.to_string(), remedy: remedy.to_string() }
    }
}

impl Kind {
    /// What is expected, in words.
    fn expected(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Time => "a time in UTC, such as \"2025-10-10T16:00:00Z\"".to_owned(),
            Self::Currency => "a currency, such as \"USDC\"".to_owned(),
            Self::Price => "a decimal as text, such as \"117904.1\", or a plain number".to_owned(),
            Self::PriceFromZero => "a decimal of zero or more, such as \"117904.1\"".to_owned(),
            Self::PriceOverZero => "a decimal over zero, such as \"117904.1\"".to_owned(),
            Self::CashFromZero => "a decimal of zero or more, such as \"9000.5\"".to_owned(),
            Self::OverZero(high) => format!("a number over 0, up to {}", plain_number(*high)),
            Self::Qty => "a decimal as text, such as \"-0.35\", or a plain number".to_owned(),
            Self::Cash => "a decimal as text, such as \"250000.5\", or a plain number".to_owned(),
            Self::Number(low, high) => match (low.is_finite(), high.is_finite()) {
                (true, true) => format!("a number from {low} to {}", plain_number(*high)),
                (true, false) => format!("a number from {low} on"),
                _ => "a number".to_owned(),
            },
            Self::Count => "a whole number from 0 on".to_owned(),
            Self::Numbers => "a list of numbers".to_owned(),
            Self::Counts => "a list of whole numbers from 0 on".to_owned(),
            Self::Word(words) => one_of(words),
            Self::Object(_) | Self::Map(_) => "an object in braces".to_owned(),
            Self::List(_) => "a list of objects".to_owned(),
        }
    }
}

/// `` `a`, `b` or `c` ``.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Everything in a value that is not what it should be.
pub(super) fn check(path: &str, value: &Value, kind: &Kind, wrong: &mut Vec<Wrong>) {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (kind, value) {
        (Kind::Object(fields), Value::Object(map)) => object(path, map, fields, wrong),
        (Kind::Map(fields), Value::Object(map)) => {
            for (name, value) in map {
                check(&inside(name), value, &Kind::Object(fields), wrong);
            }
        }
        (Kind::List(fields), Value::Array(rows)) => {
            for (at, row) in rows.iter().enumerate() {
                check(&format!("{path}[{at}]"), row, &Kind::Object(fields), wrong);
            }
        }
        (Kind::Numbers | Kind::Counts, Value::Array(rows)) => {
            let each =
                if matches!(kind, Kind::Counts) { Kind::Count } else { Kind::Number(f64::NEG_INFINITY, f64::INFINITY) };
            for (at, row) in rows.iter().enumerate() {
                check(&format!("{path}[{at}]"), row, &each, wrong);
            }
        }
        _ => {
            if let Some(number) = quoted(value, kind) {
                wrong.push(Wrong::new(
                    path,
                    format_args!("`{value}`: a text"),
                    format_args!("write {number} without quotes"),
                ));
            } else if let Err(reason) = leaf(value, kind) {
                let shown: String = value.to_string().chars().take(60).collect();
                let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                wrong.push(Wrong::new(
                    path,
                    format_args!("`{}`{reason}", shown.trim_matches('"')),
                    format_args!("write {}", kind.expected()),
                ));
            }
        }
    }
}

/// Puts a value of its kind in place of whatever is none, so that the rest can be looked at: what may be left out is, else it is one that
/// nothing beside it has. `false`: the value itself is none.
pub(super) fn mend(value: &mut Value, kind: &Kind, count: &mut u32) -> bool {
    match (kind, value) {
        (Kind::Object(fields), Value::Object(map)) => {
            for field in *fields {
                let is_there = map.get_mut(field.name).is_some_and(|value| mend(value, &field.kind, count));
                if !is_there && field.is_needed {
                    map.insert(field.name.to_owned(), stand_in(&field.kind, count));
                } else if !is_there {
                    map.remove(field.name);
                }
            }
            true
        }
        (Kind::Map(fields), Value::Object(map)) => {
            map.retain(|_, value| mend(value, &Kind::Object(fields), count));
            true
        }
        (Kind::List(fields), Value::Array(rows)) => {
            for row in rows {
                if !mend(row, &Kind::Object(fields), count) {
                    *row = stand_in(&Kind::Object(fields), count);
                }
            }
            true
        }
        (kind, value) => leaf(value, kind).is_ok(),
    }
}

fn stand_in(kind: &Kind, count: &mut u32) -> Value {
    *count += 1;
    match kind {
        Kind::Text => format!("?{count}").into(),
        // Nothing was settled then.
        Kind::Time => "1970-01-01T00:00:00Z".into(),
        Kind::Currency => format!("Q{count}").into(),
        Kind::Object(_) => {
            let mut value = json!({});
            mend(&mut value, kind, count);
            value
        }
        Kind::Map(_) => json!({}),
        Kind::List(_) | Kind::Numbers | Kind::Counts => json!([]),
        Kind::Word(words) => words.first().copied().into(),
        _ => 1.into(),
    }
}

fn object(path: &str, map: &Map<String, Value>, fields: &'static [Field], wrong: &mut Vec<Wrong>) {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, value) in map {
        match fields.iter().find(|field| field.name == name) {
            // As if it was not there.
            Some(field) if value.is_null() && !field.is_needed => {}
            Some(field) => check(&inside(name), value, &field.kind, wrong),
            None => {
                let known = || fields.iter().map(|field| field.name);
                let remedy = match policy::nearest(name, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of {}", one_of(&known().collect::<Vec<_>>())),
                };
                wrong.push(Wrong::new(inside(name), "an unknown name", remedy));
            }
        }
    }
    for field in fields.iter().filter(|field| field.is_needed && !map.contains_key(field.name)) {
        wrong.push(Wrong::new(inside(field.name), "missing", format_args!("add {}", field.kind.expected())));
    }
}

/// A number that is written as text where it must be none.
fn quoted<'a>(value: &'a Value, kind: &Kind) -> Option<&'a str> {
    let text = value.as_str().filter(|_| matches!(kind, Kind::Number(..) | Kind::OverZero(_) | Kind::Count))?;
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|_| text)
}

/// Whether a value without parts is of its kind; the reason, if there is one to tell.
fn leaf(value: &Value, kind: &Kind) -> Result<(), String> {
    match (kind, value) {
        (Kind::Text, Value::String(_)) => Ok(()),
        (Kind::Time, Value::String(text)) => parse::<Timestamp>(text),
        (Kind::Currency, Value::String(text)) => parse::<Currency>(text),
        (Kind::Price, _) => decimal::<Price>(value),
        (Kind::Qty, _) => decimal::<Qty>(value),
        (Kind::Cash, _) => decimal::<Cash>(value),
        (Kind::PriceFromZero, _) => least(decimal_of::<Price>(value)?, |price| price >= Price::ZERO),
        (Kind::PriceOverZero, _) => least(decimal_of::<Price>(value)?, |price| price > Price::ZERO),
        (Kind::CashFromZero, _) => least(decimal_of::<Cash>(value)?, |cash| cash >= Cash::ZERO),
        (Kind::OverZero(high), Value::Number(number)) => match number.as_f64() {
            Some(number) if number > 0.0 && number <= *high => Ok(()),
            _ => Err("out of range".to_owned()),
        },
        (Kind::Number(low, high), Value::Number(number)) => match number.as_f64() {
            Some(number) if number.is_finite() && (*low..=*high).contains(&number) => Ok(()),
            _ => Err("out of range".to_owned()),
        },
        (Kind::Count, Value::Number(number)) if number.as_u64().is_some_and(|count| count <= u32::MAX.into()) => Ok(()),
        (Kind::Word(words), Value::String(text)) if words.contains(&text.as_str()) => Ok(()),
        _ => Err(String::new()),
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(|_| ()).map_err(|error| error.to_string())
}

fn decimal<T: FromStr<Err: fmt::Display>>(value: &Value) -> Result<(), String> {
    decimal_of::<T>(value).map(|_| ())
}

fn decimal_of<T: FromStr<Err: fmt::Display>>(value: &Value) -> Result<T, String> {
    let read = |text: &str| text.parse::<T>().map_err(|error| error.to_string());
    match value {
        Value::String(text) => read(text),
        Value::Number(number) => read(&plain(number)),
        _ => Err(String::new()),
    }
}

fn least<T>(value: T, fits: impl Fn(T) -> bool) -> Result<(), String> {
    if fits(value) { Ok(()) } else { Err("out of range".to_owned()) }
}

/// A bound without a row of zeros.
fn plain_number(value: f64) -> String {
    if value >= 1e6 { format!("{value:e}") } else { value.to_string() }
}

/// JSON as a value, and every name that an object has more than once.
pub(super) fn parse_json(text: &str) -> Result<(Value, Vec<Wrong>), serde_json::Error> {
    let wrong = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { path: String::new(), wrong: &wrong }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, wrong.into_inner()))
}

/// A place in a JSON text.
struct Strict<'a> {
    path: String,
    wrong: &'a RefCell<Vec<Wrong>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, found.len());
            match rows.next_element_seed(Strict { path, wrong: self.wrong })? {
                Some(row) => found.push(row),
                None => return Ok(found.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = rows.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let value = rows.next_value_seed(Strict { path: path.clone(), wrong: self.wrong })?;
            if found.insert(name, value).is_some() {
                self.wrong.borrow_mut().push(Wrong::new(path, "there more than once", "state it once"));
            }
        }
        Ok(found.into())
    }
}

/// A JSON number as the decimal that was written: the shortest text that gives the same double, without exponent.
pub(super) fn plain(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(double) if number.is_f64() => double.to_string(),
        _ => number.to_string(),
    }
}

/// The JSON Schema of an object.
pub(super) fn json_schema(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let mut value = of_kind(&field.kind);
            value["description"] = field.about.into();
            (field.name.to_owned(), value)
        })
        .collect();
    let needed: Vec<&str> = fields.iter().filter(|field| field.is_needed).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !needed.is_empty() {
        schema["required"] = needed.into();
    }
    schema
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Time => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" }),
        Kind::Currency => json!({ "type": "string", "pattern": "^[A-Z0-9]{1,8}$" }),
        // A pattern binds texts alone.
        Kind::Price | Kind::Qty | Kind::Cash => {
            json!({ "type": ["string", "number"], "pattern": "^[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)$" })
        }
        Kind::PriceFromZero | Kind::CashFromZero => {
            json!({ "type": ["string", "number"], "pattern": "^[+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)$", "minimum": 0 })
        }
        Kind::PriceOverZero => json!({
            "type": ["string", "number"],
            "pattern": "^[+]?(?=.*[1-9])([0-9]+\\.?[0-9]*|\\.[0-9]+)$",
            "exclusiveMinimum": 0,
        }),
        Kind::OverZero(high) => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": high }),
        Kind::Number(low, high) => {
            let mut schema = json!({ "type": "number" });
            for (name, bound) in [("minimum", low), ("maximum", high)] {
                if bound.is_finite() {
                    schema[name] = (*bound).into();
                }
            }
            schema
        }
        Kind::Count => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Kind::Numbers => json!({ "type": "array", "items": { "type": "number" } }),
        Kind::Counts => json!({ "type": "array", "items": of_kind(&Kind::Count) }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Object(fields) => json_schema(fields),
        Kind::List(fields) => json!({ "type": "array", "items": json_schema(fields) }),
        Kind::Map(fields) => json!({ "type": "object", "additionalProperties": json_schema(fields) }),
    }
}
